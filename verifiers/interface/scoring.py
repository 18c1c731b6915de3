"""The one scoring interface: `Scorer`, `Scores`, the reducers, and `Spend`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Real
from operator import attrgetter
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from verifiers.interface import arguments
from verifiers.interface.errors import BadArgument, BadInput, ScoresShapeError
from verifiers.interface.naming import name_of
from verifiers.interface.solution import Problem, Solution

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""Numbers of one solution, mostly of shape (T,): one a step."""
Reduce: TypeAlias = Literal["last", "min", "prod", "mean"] | Callable[[FloatArray], float]
"""How the scores of a solution's steps, without the NaNs, become one number."""

_REDUCERS: dict[str, Callable[[FloatArray], float]] = {
    "last": lambda spoken: float(spoken[-1]),
    "min": lambda spoken: float(spoken.min()),
    "prod": lambda spoken: float(spoken.prod()),
    "mean": lambda spoken: float(spoken.mean()),
}


@dataclass(frozen=True, slots=True)
class Spend:
    """What some work cost: tokens, calls, FLOPs and seconds. Adds up with `+` or `Spend.total`.

    A token is either *computed* (it went through the model) or *cached* (its keys and values
    were at hand). FLOPs are 2 x parameters x computed tokens and, for each of these, its attention to
    the tokens before it, cached ones too (Kaplan et al. 2020, section 2.1).
    Counts are whole numbers, except in an expectation (a random half of a pool). What is not known is NaN, and so is
    every sum that it is part of: a server may not say what it computed. Raises BadArgument for a field that is no
    number of 0 or more.

    >>> Spend(sampled_tokens=3) + Spend(sampled_tokens=4, policy_calls=1)
    Spend(policy_calls=1, sampled_tokens=7)
    """

    policy_calls: float = 0  # continuations asked of the policy, one a row
    prompt_tokens: float = 0  # prompt and prefix tokens the policy computed
    cached_prompt_tokens: float = 0  # prompt and prefix tokens that its cache held
    sampled_tokens: float = 0
    scorer_calls: float = 0  # solutions scored, one a row
    scored_tokens: float = 0  # tokens the scorer computed, its own generations excluded
    cached_scored_tokens: float = 0
    judged_tokens: float = 0  # tokens that a generative scorer sampled
    policy_flops: float = 0.0
    prompt_flops: float = 0.0  # of `policy_flops` those of prompts and prefixes
    scorer_flops: float = 0.0
    policy_seconds: float = 0.0
    scorer_seconds: float = 0.0

    @property
    def flops(self) -> float:
        """FLOPs of the policy and the scorers together."""
        return self.policy_flops + self.scorer_flops

    @property
    def seconds(self) -> float:
        """Seconds in the policy and the scorers; a batched call's time is shared by its rows."""
        return self.policy_seconds + self.scorer_seconds

    def as_scorer(self) -> Spend:
        """As the cost of scoring one row, where a policy (or another scorer) worked for a scorer.

        >>> Spend(policy_calls=3, prompt_tokens=5, sampled_tokens=7).as_scorer()
        Spend(scorer_calls=1, scored_tokens=5, judged_tokens=7)
        """
        return Spend(
            scorer_calls=1,
            scored_tokens=self.prompt_tokens + self.scored_tokens,
            cached_scored_tokens=self.cached_prompt_tokens + self.cached_scored_tokens,
            judged_tokens=self.sampled_tokens + self.judged_tokens,
            scorer_flops=self.flops,
            scorer_seconds=self.seconds,
        )

    def __post_init__(self) -> None:
        spent = _FIELDS_OF(self)
        if {*map(type, spent)} <= {int, float} and not any(map((0.0).__gt__, spent)):
            return
        for name, value in zip(_SPEND_FIELDS, spent, strict=True):
            if isinstance(value, bool) or not isinstance(value, Real) or value < 0:
                raise BadArgument(name, arguments.shown(value), "give a number of 0 or more, NaN where it is not known")

    def __add__(self, other: Spend) -> Spend:
        return Spend.total((self, other))

    @staticmethod
    def total(spends: Iterable[Spend]) -> Spend:
        """The sum of many.

        >>> Spend.total([Spend(scorer_calls=1)] * 3).scorer_calls
        3
        """
        given = arguments.check_rows(spends, Spend, "give a list of verifiers.Spend", name="spends")
        rows = [s for s in given if s is not ZERO]
        if not rows:
            return ZERO
        if len(rows) == 1:
            return rows[0]
        return Spend(*map(sum, zip(*map(_FIELDS_OF, rows), strict=True)))

    def __repr__(self) -> str:
        spent = (f"{n}={getattr(self, n)!r}" for n in _SPEND_FIELDS if getattr(self, n))
        return f"Spend({', '.join(spent)})"


_SPEND_FIELDS = tuple(f.name for f in fields(Spend))
_FIELDS_OF = attrgetter(*_SPEND_FIELDS)
ZERO = Spend()


@dataclass(frozen=True, slots=True)
class Scores:
    """What a scorer thinks of N solutions, step by step.

    `steps[i]` has shape (T_i,): one float32 a step of solution i, higher is better, NaN where the
    scorer has no opinion. An outcome verifier speaks at the last step of a finished solution only,
    so every reducer agrees on it. Over a process scorer's steps "prod" favours short solutions, and "min"
    too wherever scores are noisy, while "mean" rises with every safe step that pads a solution; "last", the
    default, reads the prefix that is the whole solution.
    `reasons[i]` says why row i could not be scored (else None), and `spend[i]` what row i cost. Both may
    be left out.

    >>> scores = Scores((np.array([0.9, 0.2, 0.6]), np.array([np.nan, 1.0])))
    >>> scores.values().tolist()
    [0.6000000238418579, 1.0]
    >>> scores.with_reduce("min").values().tolist()
    [0.20000000298023224, 1.0]
    >>> scores
    <Scores of 2 solutions by 'last': 0.6 to 1>

    Raises ValueError where the lengths of the fields differ or a row is not one-dimensional.
    """

    steps: tuple[FloatArray, ...]
    spend: tuple[Spend, ...] = ()
    reasons: tuple[str | None, ...] = ()
    reduce: Reduce = "last"

    def __post_init__(self) -> None:
        if not isinstance(self.steps, Iterable):
            raise ScoresShapeError(
                f"the scores are {arguments.shown(self.steps)}; give an array of one number a step for each solution"
            )
        steps = tuple(map(as_scores, self.steps))
        for i, row in enumerate(steps):
            if row.ndim != 1:
                raise ValueError(f"scores of row {i} have shape {row.shape}: expected one number a step, shape (T,)")
        object.__setattr__(self, "steps", steps)
        spend = arguments.check_rows(self.spend, Spend, "give a verifiers.Spend a row", name="spend")
        reasons = arguments.check_rows(self.reasons, (str, type(None)), "give a text or None a row", name="reasons")
        object.__setattr__(self, "spend", tuple(spend) or (ZERO,) * len(steps))
        object.__setattr__(self, "reasons", tuple(reasons) or (None,) * len(steps))
        if not len(steps) == len(self.spend) == len(self.reasons):
            raise ValueError(
                f"{len(steps)} rows of scores, {len(self.spend)} of spend and {len(self.reasons)} of reasons: "
                "give one a row, or leave the field out"
            )
        if not callable(self.reduce) and (not isinstance(self.reduce, str) or self.reduce not in _REDUCERS):
            raise ValueError(f"unknown reducer {self.reduce!r}: use one of {', '.join(_REDUCERS)} or a function")

    def values(self) -> FloatArray:
        """One number a solution, shape (N,): the reducer over the steps that were judged, NaN where none was."""
        function = self.reduce if callable(self.reduce) else _REDUCERS[self.reduce]
        out = np.full(len(self.steps), np.nan, dtype=np.float32)
        for i, row in enumerate(self.steps):
            # The common case costs no mask: the last step was judged and only it counts.
            if self.reduce == "last" and len(row) and row[-1] == row[-1]:
                out[i] = row[-1]
            elif len(spoken := row[~np.isnan(row)]):
                out[i] = function(spoken)
        return out

    def with_reduce(self, reduce: Reduce) -> Scores:
        """These scores under another reducer: "last", "min", "prod", "mean" or a function of the judged steps."""
        return replace(self, reduce=reduce)

    def __repr__(self) -> str:
        values = self.values()
        said = values[~np.isnan(values)]
        by = self.reduce if callable(self.reduce) else repr(self.reduce)
        span = f"{said.min():.3g} to {said.max():.3g}" if len(said) else "no opinion"
        silent = f", {len(values) - len(said)} without" if 0 < len(said) < len(values) else ""
        return f"<Scores of {len(values)} solutions by {by}: {span}{silent}>"

    def __len__(self) -> int:
        return len(self.steps)


def as_scores(numbers: npt.ArrayLike) -> FloatArray:
    """Real numbers as scores; raises ScoresShapeError for texts and complex numbers, which numpy would turn into some.

    >>> as_scores(["0.5", 1.0])
    Traceback (most recent call last):
    verifiers.interface.errors.ScoresShapeError: scores are numbers, and ['0.5', 1.0] holds something else
    """
    array = arguments.as_floats(numbers)
    if array is None:
        raise ScoresShapeError(f"scores are numbers, and {arguments.shown(numbers)} holds something else")
    return array.astype(np.float32, copy=False)


class Scorer(Protocol):
    """Anything that can judge solutions; the library asks for nothing else.

    `problems[i]` belongs to `solutions[i]`. See `verifiers.check_scorer` for the laws.
    """

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """A row a solution, in the order given, and in it a number a step: higher is better, NaN is no opinion.

        The library's own raise BadInput for what are no problems and solutions, one a row.
        """
        ...


def ask(scorer: Scorer, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
    """The scorer's scores, which are one row a solution and one number a step.

    >>> class Short:
    ...     def score(self, problems, solutions):
    ...         return Scores(tuple(np.zeros(len(solution.steps) - 1) for solution in solutions))
    >>> from verifiers.interface.solution import Step
    >>> ask(Short(), [Problem("p1", "?")], [Solution((Step("a"), Step("b")))])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    verifiers.interface.errors.ScoresShapeError: problem 'p1': Short gave 1 scores for a solution of 2 steps; ...

    Raises ScoresShapeError where they are not, BadArgument for problems or solutions that are none.
    """
    problems, solutions = arguments.check_asked({"problems": problems, "solutions": solutions})
    return check_rows(scorer, problems, solutions, scorer.score(problems, solutions))


def check_rows(
    scorer: object, problems: Sequence[Problem], solutions: Sequence[Solution] | None, scores: Scores
) -> Scores:
    """`scores` themselves; raises ScoresShapeError unless they fit the solutions, or (None) are one root value each."""
    hint = "verifiers.check_scorer tests a scorer for this"
    if not isinstance(scores, Scores):
        raise ScoresShapeError(
            f"{name_of(scorer)} gave a {type(scores).__name__}; give verifiers.Scores, with an array of one number a "
            "step for each solution"
        )
    if len(scores) != len(problems):
        raise ScoresShapeError(
            f"{name_of(scorer)} answered {len(scores)} rows where {len(problems)} were asked for; {hint}"
        )
    for i, (problem, row) in enumerate(zip(problems, scores.steps, strict=True)):
        steps = 1 if solutions is None else len(solutions[i].steps)
        if len(row) != steps:
            what = "root values: expected one" if solutions is None else f"scores for a solution of {steps} steps"
            raise ScoresShapeError(f"problem {problem.id!r}: {name_of(scorer)} gave {len(row)} {what}; {hint}")
    return scores


def outweighing(scores: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """The scores with infinite ones as numbers, in float64, that outweigh all others and can be added up.

    >>> outweighing(np.array([np.inf, -np.inf, 0.5])).sum().item()
    0.5
    """
    if np.isfinite(scores).all():
        return scores
    return np.nan_to_num(scores.astype(np.float64), nan=np.nan, posinf=1e300, neginf=-1e300)


def silent_row(steps: int) -> FloatArray:
    """No opinion at any step, shape (steps,)."""
    return np.full(steps, np.nan, dtype=np.float32)


def outcome_scores(
    solutions: Sequence[Solution],
    values: Sequence[float],
    spend: Sequence[Spend] = (),
    reasons: Sequence[str | None] = (),
) -> Scores:
    """Place one value a solution where an outcome verifier speaks: the last step of a finished solution.

    A value given for an unfinished solution is not used. Raises ValueError for what are no solutions or no numbers,
    and for another count of them.

    >>> from verifiers.interface.solution import Step, Stop
    >>> s = Solution((Step("a"), Step("b")), Stop.EOS)
    >>> outcome_scores([s, Solution((Step("a"),))], [1.0, 1.0]).steps
    (array([nan,  1.], dtype=float32), array([nan], dtype=float32))
    """
    [solutions] = arguments.check_asked({"solutions": solutions})
    ends = arguments.numbers_argument("values", values, "give a list with a number for each solution")
    if ends.shape == (len(solutions), 1):
        ends = ends[:, 0]
    if ends.shape != (len(solutions),):
        raise BadInput(f"{len(solutions)} solutions and values of shape {ends.shape}: give one a solution")
    rows = []
    for solution, value in zip(solutions, ends, strict=True):
        row = silent_row(len(solution.steps))
        if solution.finished and solution.steps:
            row[-1] = value
        rows.append(row)
    others: tuple[Any, Any] = (spend, reasons)  # of which `Scores` makes tuples, or says what they are
    return Scores(tuple(rows), *others)
