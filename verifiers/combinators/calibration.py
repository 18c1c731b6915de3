"""Scores turned into probabilities, by a curve fitted on held-out rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from verifiers.interface.arguments import check_rows, check_scorer_argument, numbers_argument, shown
from verifiers.interface.capabilities import OfParts, RootValues, judges_ends_only, remembering, root_values_of
from verifiers.interface.errors import BadArgument, check_finite
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Scorer, Scores, ask
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.labelled import Labelled

Numbers: TypeAlias = npt.NDArray[np.float64]
Method: TypeAlias = Literal["isotonic", "platt"]
_FEWEST = 10


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising curve through knots, straight between them and level beyond the first and the last.

    >>> Isotonic((0.0, 1.0), (0.2, 0.6))(np.array([-1.0, 0.5, 9.0])).tolist()
    [0.2, 0.4, 0.6]

    Raises BadArgument for knots that are no numbers or do not rise.
    """

    scores: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        knots = [numbers_argument(name, getattr(self, name)) for name in ("scores", "values")]
        if not (knots[0].shape == knots[1].shape == (knots[0].size,) and knots[0].size and np.isfinite(knots).all()):
            raise BadArgument("scores", shown(self.scores), "give as many finite scores as values, and one or more")
        if (np.diff(knots) < 0).any():
            raise BadArgument("scores", shown(self.scores), "they and their values must rise")
        for name, knot in zip(("scores", "values"), knots, strict=True):
            object.__setattr__(self, name, tuple(knot.tolist()))

    def __call__(self, scores: npt.ArrayLike) -> Numbers:
        """The probability at each score; NaN stays NaN."""
        return np.asarray(np.interp(numbers_argument("scores", scores), self.scores, self.values))


@dataclass(frozen=True, slots=True)
class Platt:
    """1 / (1 + exp(-(slope * score + intercept))), which keeps every difference in rank.

    >>> Platt(2.0, 0.0)(np.array([0.0])).tolist()
    [0.5]

    Raises BadInput for what is no finite number.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        check_finite({"slope": self.slope, "intercept": self.intercept})

    def __call__(self, scores: npt.ArrayLike) -> Numbers:
        """The probability at each score; NaN stays NaN."""
        return _sigmoid(self.slope * numbers_argument("scores", scores) + self.intercept)


Curve: TypeAlias = Isotonic | Platt


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A scorer seen through a fitted curve; see `calibrated`."""

    scorer: Scorer
    curve: Curve
    separator = OfParts(lambda self: [self.scorer])
    target = OfParts(lambda self: [self.scorer])

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"calibrated({name_of(self.scorer)}, {type(self.curve).__name__.lower()})"

    @property
    def ends_only(self) -> bool:
        """Whether the scorer has no opinion of unfinished solutions."""
        return judges_ends_only(self.scorer)

    @property
    def root_values(self) -> RootValues | None:
        """The calibrated value of each empty prefix, shape (1,); None where the scorer does not know it."""
        ask_roots = root_values_of(self.scorer)
        return None if ask_roots is None else lambda problems: _through(self.curve, ask_roots(problems))

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The probability at every step; N rows."""
        return _through(self.curve, ask(self.scorer, problems, solutions))

    def remembering(self) -> Calibrated:
        """The curve over a scorer with a memory, where it can have one."""
        return Calibrated(remembering(self.scorer), self.curve)


def calibrated(scorer: Scorer, fitted_on: Sequence[Labelled], *, method: Method = "isotonic") -> Calibrated:
    """A scorer whose scores are probabilities, fitted on rows that it was not trained on.

    >>> from verifiers import Problem, Solution, Step, Stop, from_function, with_outcome
    >>> length = from_function(lambda problem, solution: float(len(solution.text)))
    >>> rows = [with_outcome(Problem("p", "?"), Solution((Step("x" * n),), Stop.EOS), n > 6) for n in range(1, 13)]
    >>> sure = calibrated(length, rows)
    >>> long, short = (Solution((Step(text),), Stop.EOS) for text in ("x" * 40, "x"))
    >>> sure.score([Problem("q", "?")] * 2, [long, short]).values().tolist()
    [1.0, 0.0]

    The fit is on all steps that have both a label and a score, so on the ends of finished solutions for an
    outcome scorer; labels may be soft. "isotonic" is the best rising fit (pool adjacent violators; Zadrozny
    and Elkan 2002), straight between the scores it saw and level beyond them; scores that it cannot tell
    apart become equal. "platt" is a logistic curve with Platt's smoothed targets (Platt 1999), which goes on
    rising beyond them and keeps the order of all scores that float32 can tell apart. NaN stays NaN; reasons
    and spend are the scorer's.

    `.curve` is the fit: a frozen dataclass of plain numbers. To put a saved one back: `Calibrated(scorer, curve)`.
    Raises ValueError for fewer than 10 labelled scores, labels or scores that are all the same, and labels that
    do not rise with the scores.
    """
    check_scorer_argument(scorer)
    if method not in ("isotonic", "platt"):
        raise ValueError(f"unknown method {method!r}: use 'isotonic' or 'platt'")
    fitted_on = check_rows(fitted_on, Labelled, "give a list of verifiers.Labelled", name="fitted_on")
    scores, labels = labelled_scores(scorer, fitted_on)
    _check(name_of(scorer), scores, labels, len(fitted_on))
    curve = _fit_isotonic(scores, labels) if method == "isotonic" else _fit_platt(scores, labels)
    rises = curve.values[-1] > curve.values[0] if isinstance(curve, Isotonic) else curve.slope > 0
    if not rises:
        raise ValueError(
            f"the labels do not rise with the scores of {name_of(scorer)} (on {len(scores)} labelled scores): "
            "calibration cannot mend a scorer that does not rank"
        )
    return Calibrated(scorer, curve)


def labelled_scores(scorer: Scorer, rows: Sequence[Labelled]) -> tuple[Numbers, Numbers]:
    """The scores and labels of all steps that have both, each of shape (M,)."""
    judged = ask(scorer, [row.problem for row in rows], [row.solution for row in rows])
    scores = np.concatenate([np.zeros(0), *(row.astype(np.float64) for row in judged.steps)])
    labels = np.concatenate([np.zeros(0), *(np.array(row.labels, dtype=np.float64) for row in rows)])
    both = ~(np.isnan(scores) | np.isnan(labels))
    return scores[both], labels[both]


def _through(curve: Curve, scores: Scores) -> Scores:
    steps: list[FloatArray] = [curve(row).astype(np.float32) for row in scores.steps]
    return Scores(tuple(steps), scores.spend, scores.reasons, scores.reduce)


def _check(name: str, scores: Numbers, labels: Numbers, rows: int) -> None:
    if len(scores) < _FEWEST:
        raise ValueError(
            f"{name} has {len(scores)} labelled scores in {rows} rows: calibration needs {_FEWEST} at the least "
            "(a score and a label at the same step)"
        )
    for what, values in (("labels", labels), ("scores", scores)):
        if not np.isfinite(values).all():
            raise ValueError(f"the {what} of {name} are not all finite: calibration needs numbers")
        if values.min() == values.max():
            raise ValueError(f"all {len(values)} {what} of {name} are {values[0]:g}: there is nothing to fit")


def _fit_isotonic(scores: Numbers, labels: Numbers) -> Isotonic:
    from scipy.optimize import isotonic_regression

    x, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=labels) / counts
    y = np.asarray(isotonic_regression(means, weights=counts).x, dtype=np.float64)
    # Of a level stretch its two ends say all.
    keep = np.ones(len(x), dtype=bool)
    keep[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    return Isotonic(tuple(x[keep].tolist()), tuple(np.clip(y[keep], 0.0, 1.0).tolist()))


def _fit_platt(scores: Numbers, labels: Numbers) -> Platt:
    """Newton's method with halved steps on a convex loss, over standardised scores."""
    right = labels.sum()
    wrong = len(labels) - right
    # Platt's targets keep the optimum finite where the classes can be separated.
    targets = labels * (right + 1) / (right + 2) + (1 - labels) / (wrong + 2)
    centre, scale = scores.mean(), scores.std()
    design = np.stack([(scores - centre) / scale, np.ones(len(scores))], axis=1)
    weights = np.array([0.0, math.log((right + 1) / (wrong + 1))])
    for _ in range(100):
        p = _sigmoid(design @ weights)
        gradient = design.T @ (p - targets)
        if np.abs(gradient).max() < 1e-10 * len(scores):
            break
        hessian = (design * np.maximum(p * (1 - p), 1e-12)[:, None]).T @ design
        move = np.linalg.solve(hessian, gradient)
        step = 1.0
        while _loss(design @ (weights - step * move), targets) > _loss(design @ weights, targets) and step > 1e-10:
            step /= 2
        weights = weights - step * move
    slope = weights[0] / scale
    return Platt(float(slope), float(weights[1] - slope * centre))


def _loss(logits: Numbers, targets: Numbers) -> float:
    return float((np.logaddexp(0.0, logits) - targets * logits).sum())


def _sigmoid(x: Numbers) -> Numbers:
    with np.errstate(invalid="ignore"):  # NaN stays NaN, and is no mistake
        return np.asarray(np.exp(-np.logaddexp(0.0, -x)))
