"""Training a process reward model."""

import math
from collections.abc import Sequence
from os import PathLike
from typing import Literal

from transformers import AutoModelForTokenClassification

from policies.training.config import TrainConfig
from policies.training.hooks import OnMetrics
from prms.prm import PRM
from verifiers.interface.arguments import check_config, check_kind, check_rows
from verifiers.interface.solution import check_separator
from verifiers.reward_models.labelled import Labelled
from verifiers.reward_models.train_reward import train_reward_model

_ROWS = (
    "give a list of verifiers.Labelled; bench.training.rows.read_step_labels makes them of files and dicts, "
    "prms.labelled of what prms.collect_values gave"
)


def train_prm(
    base: str | PathLike[str],
    rows: Sequence[Labelled],
    *,
    target: Literal["value", "error"],
    out: str | PathLike[str],
    separator: str = "\n",
    config: TrainConfig | None = None,
    on_metrics: OnMetrics | None = None,
) -> PRM:
    r"""Teach a causal LM (or go on with an ORM or PRM) what the prefix that ends with each step is worth.

    `target` says what the labels are and is stored with the model. "value": chances of success, as
    Monte-Carlo rollouts give them; the loss is the cross-entropy to the soft label (Setlur et al. 2024).
    "error": 1 before the first error and 0 from there on (Lightman et al. 2023). A row's `root` is
    learnt at the prompt's last token. With `config.balance` the labels below 0.5 weigh as much as the
    others (Setlur et al. 2024), which biases values: 0.5 is then a prefix of average promise.

    Trained again into the same `out`, it goes on where it was interrupted and ends with the same weights; a
    finished training is loaded at once. Rows that are too long or without a label are left out with a
    warning. `separator` is what ends a step, for the record.

    `on_metrics` is told each row of `log.jsonl` as it is written (steps that are made again after a kill once more);
    where it fails there is a warning, and the training goes on without it.

    >>> import tempfile
    >>> from verifiers import Problem, Solution, split_steps
    >>> row = Labelled(Problem("p1", "C 7-9*3\n"), Solution(split_steps("7-9=8\n8*3=1\n")), (0.7, 0.0), root=0.4)
    >>> with tempfile.TemporaryDirectory() as out:
    ...     config = TrainConfig(max_steps=1, batch_size=1)
    ...     prm = train_prm("tiny:policy", [row], target="value", out=out, config=config)
    >>> prm.target, prm.score([row.problem], [row.solution]).steps[0].shape
    ('value', (2,))

    Raises ValueError for soft labels of errors, for an empty separator, where no row can be trained on, or where
    `out` belongs to another training.
    """
    config = TrainConfig() if config is None else config
    check_config(config, TrainConfig)
    rows = check_rows(rows, Labelled, _ROWS)
    check_kind("separator", separator, str, "give the text that ends a step")
    check_separator(separator)
    if target not in ("value", "error"):
        raise ValueError(f"target is {target!r}: use 'value' or 'error'")
    if target == "error":
        for row in rows:
            for k, label in enumerate((*row.labels, *(() if row.root is None else (row.root,))), start=1):
                if 0.0 < label < 1.0:
                    where = f"step {k}" if k <= len(row.labels) else "the root"
                    raise ValueError(
                        f"problem {row.problem.id!r}: the label {label} of {where} is soft; target='error' takes "
                        "0 and 1, and target='value' takes chances of success"
                    )
    root = any(row.root is not None and not math.isnan(row.root) for row in rows)
    entry = {"kind": "prm", "target": target, "separator": separator, "root": root}
    kind = AutoModelForTokenClassification
    train_reward_model(kind, base, rows, entry=entry, out=out, config=config, on_metrics=on_metrics)
    return PRM.load(out, device=config.device)
