"""Who is told the metrics of a training as it goes: a function of one's own, or a tracker."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from verifiers.interface.errors import BadArgument, first_line

OnMetrics: TypeAlias = Callable[[Mapping[str, Any]], None]
Tracker: TypeAlias = Literal["tensorboard", "wandb", "trackio"]
TRACKERS: tuple[Tracker, ...] = get_args(Tracker)


class MetricsNotToldWarning(UserWarning):
    """Somebody could not be told the metrics; they are in the training's log all the same."""


def told(on_metrics: OnMetrics, rows: Sequence[Mapping[str, Any]]) -> OnMetrics | None:
    """Tell rows; None, with a warning, where that fails, so that nobody is asked again and no training is lost."""
    for row in rows:
        try:
            on_metrics(deepcopy(row))  # which is theirs: what they do to it reaches no training
        except Exception as error:  # noqa: BLE001  (whatever somebody else's code does)
            what = f"{type(error).__name__}: {first_line(error)}"
            warnings.warn(
                f"on_metrics failed at step {row.get('step')} ({what}); the training goes on without it",
                MetricsNotToldWarning,
                stacklevel=2,
            )
            return None
    return on_metrics


@contextmanager
def reporting(tracker: Tracker, folder: Path, *, name: str, config: Mapping[str, object]) -> Iterator[OnMetrics]:
    """What tells a tracker the metrics of the training in `folder`: TensorBoard's files in it, wandb, or trackio.

    With wandb and trackio `name` is the project. It starts with the first row, when the folder is the training's. A
    row's inner objects become `seconds/rollout` and the like, and what is no number is left out. Raises BadArgument for
    an unknown tracker and for one that is not installed; whatever fails at its end is a warning.
    """
    if tracker not in TRACKERS:
        raise BadArgument("report_to", tracker, f"use {', '.join(TRACKERS)}")
    if importlib.util.find_spec(tracker) is None:
        raise BadArgument("report_to", tracker, f"it is not installed: pip install {tracker}")
    started: list[Any] = []

    def tell(row: Mapping[str, Any]) -> None:
        if not started:
            started.append(_start(tracker, folder, name, config))
        numbers = {key: value for key, value in flat(row).items() if key != "step" and _is_number(value)}
        started[0].log(numbers, step=row["step"])

    try:
        yield tell
    finally:
        for made in started:
            try:
                made.finish()
            except Exception as error:  # noqa: BLE001  (the training has ended)
                warnings.warn(f"{tracker} failed at its end ({first_line(error)})", MetricsNotToldWarning, stacklevel=2)


def _start(tracker: Tracker, folder: Path, name: str, config: Mapping[str, object]) -> Any:
    """One of accelerate's trackers, at work."""
    from accelerate import tracking

    if tracker == "tensorboard":
        made: Any = tracking.TensorBoardTracker("tensorboard", logging_dir=folder)
        made.start()  # of a configuration it would make a folder at every start
        return made
    made = (tracking.WandBTracker if tracker == "wandb" else tracking.TrackioTracker)(name)
    made.start()
    made.store_init_configuration({key: value for key, value in flat(config).items() if value is not None})
    return made


def flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A row with the objects in it opened.

    >>> flat({"step": 3, "seconds": {"rollout": 0.5}})
    {'step': 3, 'seconds/rollout': 0.5}
    """
    opened: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            opened |= flat(value, f"{before}{key}/")
        else:
            opened[f"{before}{key}"] = value
    return opened


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
