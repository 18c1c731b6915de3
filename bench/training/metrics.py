"""What the log of a training tells: panels of its numbers over the steps, and what it came to in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from bench.training.audit import audit

# A panel: its title, what its axis counts, and the numbers in it; "*" stands for all that begin so.
PANELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Reward and held-out accuracy", "mean over solutions", ("reward", "evaluation.accuracy")),
    ("Evaluation", "on held-out problems", ("evaluation.*",)),
    ("Groups by kind", "share of groups", ("mixed", "all_wrong", "all_right", "dead")),
    ("Credit from the PRM", "share of |advantage|", ("prm_share",)),
    ("Scorers", "mean score of a solution", ("prm", "held_out", "prm_of_wrong")),
    ("PRM against held-out scorer", "difference of means, rank correlation", ("gap", "rank_correlation")),
    ("Steps a solution", "steps", ("steps",)),
    ("Tokens a solution", "tokens", ("tokens",)),
    ("Tokens a step", "tokens", ("step_tokens",)),
    ("Repeated steps, solutions cut off", "share", ("repeated", "cut_off")),
    ("Rows that failed", "solutions a step", ("failed", "ungraded", "unscored")),
    ("Loss", "loss", ("loss",)),
    ("Rewards of pairs", "beta x log-ratio", ("rewards/chosen", "rewards/rejected", "rewards/margins")),
    ("Pairs ranked right", "share of pairs", ("rewards/accuracies",)),
    ("Entropy", "nats a token", ("entropy",)),
    ("KL to the start, tokens clipped", "nats a token, share of tokens", ("kl", "clipped")),
    ("Norm of the gradient", "before clipping", ("grad_norm",)),
    ("Learning rate", "rate", ("learning_rate",)),
    ("Time of a step", "seconds", ("seconds.*",)),
    ("Speed", "sampled tokens a second", ("tokens_a_second",)),
)
_LINES = 4  # in a panel
Points: TypeAlias = list[tuple[int, float]]


def series_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """Each number of a log over the steps, without what is none; one in a part is named by it, as `seconds.update`.

    >>> series_of([{"step": 0, "evaluation": {"accuracy": 0.5}}, {"step": 1, "reward": 0.25, "kl": None}])
    {'evaluation.accuracy': [(0, 0.5)], 'reward': [(1, 0.25)]}
    """
    series: dict[str, Points] = {}
    for row in rows:
        for name, number in _numbers(row):
            if name != "step":
                series.setdefault(name, []).append((row["step"], float(number)))
    return series


def panels_of(names: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """The panels that have some of these numbers, at most four in each; at last one for each number of none.

    >>> panels_of(["reward", "seconds.update", "odd_mood"])[1:]
    [('Time of a step', 'seconds', ['seconds.update']), ('odd mood', '', ['odd_mood'])]
    """
    left = list(names)
    panels = []
    for title, unit, wanted in PANELS:
        found = [n for w in wanted for n in left if n == w or (w[-1] == "*" and n.startswith(w[:-1]))]
        left = [name for name in left if name not in found]
        panels += [(title, unit, found[i : i + _LINES]) for i in range(0, len(found), _LINES)]
    return panels + [(name.replace("_", " "), "", [name]) for name in left]


def summary(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """What a policy's training came to: first tenth of the steps against last, evaluations, the audit.

    >>> summary([{"step": 1, "reward": 0.25, "dead": 0.5}, {"step": 2, "reward": 0.5, "dead": 0.25}])
    ['reward 0.250 -> 0.500, dead groups 0.500 -> 0.250']
    """
    steps = [row for row in rows if row["step"] != 0]
    few = max(1, len(steps) // 10)
    parts = []
    for name, what in (("reward", "reward"), ("dead", "dead groups"), ("prm_share", "share of the PRM")):
        known = [float(v) for row in steps if isinstance(v := row.get(name), (int, float))]
        if known:
            parts.append(f"{what} {np.mean(known[:few]):.3f} -> {np.mean(known[-few:]):.3f}")
    lines = [", ".join(parts)] if parts else []
    evaluations = [
        (row["step"], e["accuracy"])
        for row in rows
        if isinstance(e := row.get("evaluation"), Mapping) and isinstance(e.get("accuracy"), (int, float))
    ]
    if evaluations:
        shown = ", ".join(f"{accuracy:.3f} after {step}" for step, accuracy in (evaluations[0], evaluations[-1]))
        lines.append(f"held-out accuracy {shown} steps")
    if signs := audit(steps).signs:
        lines.append(f"audit: {'; '.join(signs)}")
    return lines


def _numbers(row: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}.")
        elif isinstance(value, int | float) and abs(value) < 1e300:  # and no NaN
            yield f"{before}{name}", value
