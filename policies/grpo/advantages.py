"""Who gets what credit in a group: outcome advantages where rewards differ, a PRM's where they do not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from verifiers.interface.arguments import check_kind, numbers_argument, shown
from verifiers.interface.errors import BadArgument, check_finite

Floats: TypeAlias = npt.NDArray[np.float64]
Gate: TypeAlias = Literal["degenerate", "all_wrong", "always", "never"]
Credit: TypeAlias = Literal["future_sum", "zscore_sum", "progress", "advantage", "min", "first_error"]
_FROM_THE_ROOT = ("progress", "advantage")  # credits of gains, the first of which begins at the root

_GATES = ("degenerate", "all_wrong", "always", "never")
CREDITS: tuple[Credit, ...] = get_args(Credit)
_TINY = 1e-8  # a spread below this is float noise


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """What a group's advantages are made of.

    `kind` is what its rewards were, `signal` whose advantages it has, `prm_share` the PRM's part of the sum
    of |advantage| over all tokens. `ungraded` solutions had no reward and `unscored` ones no step scores, or no root;
    where these were needed their advantage is 0.
    """

    kind: Literal["mixed", "all_right", "all_wrong", "ungraded"]
    signal: Literal["outcome", "prm", "both", "none"]
    prm_share: float
    ungraded: int = 0
    unscored: int = 0


def gated_advantages(
    rewards: Sequence[float],
    step_scores: Sequence[npt.ArrayLike] | None,
    step_ends: Sequence[Sequence[int]],
    *,
    gate: Gate = "degenerate",
    credit: Credit = "advantage",
    scale: Literal["std", "none"] = "std",
    weight: Literal["step", "token"] = "step",
    baseline: Literal["none", "step"] = "none",
    prm_coef: float = 1.0,
    roots: Sequence[float] | None = None,
    right_above: float = 0.5,
    error_below: float = 0.5,
    tol: float = 1e-6,
) -> tuple[tuple[Floats, ...], GroupInfo]:
    """The advantage of every token of a group's G solutions (VeriGate, Agrawal et al. 2026, arXiv 2605.30451).

    `rewards` has shape (G,), NaN where a solution could not be graded; `step_scores[i]` has shape (S_i,), all
    NaN where it could not be scored; `step_ends[i]` are the positions of the last token of each step, so row i
    of the result has shape (step_ends[i][-1] + 1,).

    >>> ends = [[1, 3], [0, 1]]
    >>> mixed, info = gated_advantages([1.0, 0.0], None, ends, gate="never")
    >>> [row.tolist() for row in mixed], info.kind
    ([[1.0, 1.0, 1.0, 1.0], [-1.0, -1.0]], 'mixed')
    >>> wrong, info = gated_advantages([0.0, 0.0], [[0.9, 0.1], [0.5, 0.5]], ends, roots=[0.5, 0.5])
    >>> [row.round(2).tolist() for row in wrong], info.signal
    ([[0.89, 0.89, -1.79, -1.79], [0.0, 0.0]], 'prm')

    A group is mixed where its rewards differ by more than `tol`: then every token of a solution has
    (r - mean) / std (GRPO), or r - mean with `scale="none"` (Dr. GRPO). Else it is degenerate, right where the
    mean is above `right_above`, and has no outcome signal. `gate` opens the PRM: to "degenerate" groups, to
    "all_wrong" ones alone, "always" (added to the outcome's) or "never". The PRM's part, times `prm_coef`, by `credit`:

    - "future_sum": the sum of the scores from a step on, less the group's mean, over its std (VeriGate's own rule; it
      pays early steps and long solutions even for constant scores);
    - "zscore_sum": scores less the mean, over the std, then summed from a step on (DeepSeekMath 4.1.3);
    - "advantage": the step's own gain, its score less the one before it, over the root of the mean square: the
      process advantage of PAV-RL (Setlur et al. 2024, arXiv 2410.08146, section 3.3). It is a difference already and
      is not centred, so that a step that changes nothing is neither paid nor punished. Before the first step
      stands the problem's value in `roots`, or else the mean first score of the group. Where a root is NaN,
      not known, its solution counts as one that could not be scored (so in "progress");
    - "progress": the last score less the one before the step, centred and scaled: these gains summed up from a step
      on. What leads to a high score is not paid for it, what follows it is measured by it;
    - "min": the lowest score from a step on, centred and scaled (PURE's value);
    - "first_error": 1 up to the first step below `error_below` and 0 from there on, less the mean of the
      solutions' means, never scaled (VPPO).

    With `baseline="step"` each step's credit is less the mean of the group's credits at the same place, the first
    steps' among themselves and so on: a gain that all solutions make is no merit of one.

    Means and stds are over steps, each counted once or, with `weight="token"`, by its tokens. All but "future_sum"
    give exactly 0 for a constant PRM; the two sums also pay for more steps of a score above
    the mean. A group without a reward has advantages 0, unless the gate is "always".

    Raises ValueError for what are no numbers, shapes that do not fit, unknown options, and scores that are silent
    inside a solution: those of an outcome verifier, which is no PRM.
    """
    _check_options(gate, credit, scale, weight, baseline)
    check_finite({"prm_coef": prm_coef, "right_above": right_above, "error_below": error_below, "tol": tol})
    check_kind("step_ends", step_ends, Iterable, "give each solution's last tokens of its steps")
    r = numbers_argument("rewards", rewards, "give a number for each solution")
    ends = [_positions(f"step_ends[{i}]", row) for i, row in enumerate(step_ends)]
    before = None if roots is None else numbers_argument("roots", roots)
    _check_shapes({"rewards": r} if before is None else {"rewards": r, "roots": before}, ends)
    lengths = [int(e[-1]) + 1 if len(e) else 0 for e in ends]
    graded = ~np.isnan(r)
    kind = _kind(r[graded], right_above, tol)
    outcome = np.zeros(len(r))
    if kind == "mixed":
        centred = r[graded] - r[graded].mean()
        outcome[graded] = centred / r[graded].std() if scale == "std" else centred
    by_outcome = [np.full(n, a) for n, a in zip(lengths, outcome, strict=True)]
    by_prm = [np.zeros(n) for n in lengths]
    unscored = 0
    if gate_opens(gate, kind):
        if step_scores is None:
            raise ValueError(f"gate={gate!r} needs step_scores: give a PRM's, or use gate='never'")
        scores = _scores(step_scores, ends)
        silent = np.zeros(len(r)) if before is None or credit not in _FROM_THE_ROOT else np.isnan(before)
        known = [i for i, row in enumerate(scores) if len(row) and not (np.isnan(row).any() or silent[i])]
        unscored = len(scores) - len(known)
        counts = [np.diff(ends[i], prepend=-1) for i in known]
        weights = counts if weight == "token" else [np.ones(len(c)) for c in counts]
        starts = None if before is None else [float(before[i]) for i in known]
        steps = _credits([scores[i] for i in known], weights, credit, scale, starts, error_below)
        if baseline == "step":
            steps = _less_the_mean_of_each_place(steps)
        for i, row, count in zip(known, steps, counts, strict=True):
            by_prm[i] = prm_coef * np.repeat(row, count)
    return tuple(a + b for a, b in zip(by_outcome, by_prm, strict=True)), GroupInfo(
        kind, *_signal(by_outcome, by_prm), int((~graded).sum()), unscored
    )


def gate_opens(gate: str, kind: str) -> bool:
    """Whether the PRM speaks in a group of this kind."""
    return gate == "always" or (gate == "degenerate" and kind.startswith("all")) or gate == kind


def _kind(graded: Floats, right_above: float, tol: float) -> Literal["mixed", "all_right", "all_wrong", "ungraded"]:
    if not len(graded):
        return "ungraded"
    if graded.max() - graded.min() > tol:  # never std > 0: that of seven times 0.95 is, in float32
        return "mixed"
    return "all_right" if graded.mean() > right_above else "all_wrong"


def _credits(
    scores: Sequence[Floats],
    weights: Sequence[Floats],
    credit: Credit,
    scale: str,
    roots: Sequence[float] | None,
    error_below: float,
) -> list[Floats]:
    """Each step's credit, one array of shape (S_i,) a solution."""
    if not scores:
        return []
    if credit == "zscore_sum":
        return [_from_here_on(row) for row in _normalised(scores, weights, scale)]
    if credit == "first_error":
        good = [np.cumprod(row >= error_below).astype(np.float64) for row in scores]
        means = [np.average(row, weights=w) for row, w in zip(good, weights, strict=True)]
        return [row - np.mean(means) for row in good]
    if credit == "future_sum":
        raw = [_from_here_on(row) for row in scores]
    elif credit == "min":
        raw = [np.minimum.accumulate(row[::-1])[::-1] for row in scores]
    else:
        first = float(np.mean([row[0] for row in scores]))
        starts = [first] * len(scores) if roots is None else roots
        before = [np.concatenate(([start], row[:-1])) for row, start in zip(scores, starts, strict=True)]
        if credit == "advantage":
            return _scaled([row - b for row, b in zip(scores, before, strict=True)], weights, scale)
        raw = [row[-1] - b for row, b in zip(scores, before, strict=True)]
    return _normalised(raw, weights, scale)


def _from_here_on(row: Floats) -> Floats:
    return np.cumsum(row[::-1])[::-1]


def _normalised(rows: Sequence[Floats], weights: Sequence[Floats], scale: str) -> list[Floats]:
    """Rows less their weighted mean over all steps, over the weighted std; zeros where they do not differ."""
    values, shares = np.concatenate(rows), np.concatenate(weights)
    mean = np.average(values, weights=shares)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=shares))
    if values.max() - values.min() <= _TINY * max(1.0, abs(float(mean))):
        return [np.zeros(len(row)) for row in rows]
    return [(row - mean) / (spread if scale == "std" else 1.0) for row in rows]


def _scaled(rows: Sequence[Floats], weights: Sequence[Floats], scale: str) -> list[Floats]:
    """Rows over the weighted root of their mean square; zeros where they are float noise."""
    values, shares = np.concatenate(rows), np.concatenate(weights)
    if np.abs(values).max() <= _TINY:
        return [np.zeros(len(row)) for row in rows]
    return [row / (np.sqrt(np.average(values**2, weights=shares)) if scale == "std" else 1.0) for row in rows]


def _less_the_mean_of_each_place(rows: Sequence[Floats]) -> list[Floats]:
    places = range(max(map(len, rows), default=0))
    means = np.array([np.mean([row[k] for row in rows if len(row) > k]) for k in places])
    return [row - means[: len(row)] for row in rows]


def _signal(
    by_outcome: Sequence[Floats], by_prm: Sequence[Floats]
) -> tuple[Literal["outcome", "prm", "both", "none"], float]:
    outcome, prm = (float(sum(np.abs(row).sum() for row in rows)) for rows in (by_outcome, by_prm))
    if not outcome and not prm:
        return "none", 0.0
    return ("both" if outcome and prm else "prm" if prm else "outcome"), prm / (outcome + prm)


def _scores(step_scores: Sequence[npt.ArrayLike], ends: Sequence[npt.NDArray[np.int64]]) -> list[Floats]:
    rows = [numbers_argument(f"step_scores[{i}]", row) for i, row in enumerate(step_scores)]
    if len(rows) != len(ends):
        raise ValueError(f"{len(rows)} rows of step_scores for {len(ends)} solutions")
    for i, (row, end) in enumerate(zip(rows, ends, strict=True)):
        if row.shape != end.shape:
            raise ValueError(f"solution {i}: step_scores of shape {row.shape} for {len(end)} steps")
        silent = np.isnan(row)
        if silent.any() and not silent.all():
            what = "speaks at the last step alone" if silent[:-1].all() else f"is silent at step {int(silent.argmax())}"
            raise ValueError(
                f"solution {i}: its scorer {what}; a PRM has an opinion of every step "
                "(prms.RolloutValue makes one of an outcome verifier)"
            )
    return rows


def _check_options(gate: str, credit: str, scale: str, weight: str, baseline: str) -> None:
    for name, value, known in (
        ("gate", gate, _GATES),
        ("credit", credit, CREDITS),
        ("scale", scale, ("std", "none")),
        ("weight", weight, ("step", "token")),
        ("baseline", baseline, ("none", "step")),
    ):
        if value not in known:
            raise ValueError(f"{name}={value!r}: use one of {', '.join(known)}")


def _positions(name: str, row: Sequence[int]) -> npt.NDArray[np.int64]:
    told = "give the positions of the last tokens of its steps"
    given = numbers_argument(name, row, told)
    with np.errstate(invalid="ignore"):  # of NaN, which is then no position
        whole = given.astype(np.int64)
    if given.ndim != 1 or (whole != given).any():
        raise BadArgument(name, shown(given.tolist()), told)
    return whole


def _check_shapes(rows: Mapping[str, Floats], ends: Sequence[npt.NDArray[np.int64]]) -> None:
    for name, row in rows.items():
        if row.shape != (len(ends),):
            raise ValueError(f"{name} of shape {row.shape} for {len(ends)} solutions: expected one a solution")
        if np.isinf(row).any():
            raise ValueError(f"{name} are {row.tolist()}: they must be finite, or NaN for none")
    for i, end in enumerate(ends):
        if len(end) and (end[0] < 0 or (np.diff(end) <= 0).any()):
            raise ValueError(f"solution {i}: step_ends {end.tolist()} must rise, each at the last token of its step")
