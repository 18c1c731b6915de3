"""The laws of a scorer, executable: run `check_scorer` on your own."""

from collections.abc import Sequence

import numpy as np

from policies.laws import brief
from verifiers.interface.arguments import check_pairs, check_scorer_argument
from verifiers.interface.errors import BrokenLawError, ScoresShapeError
from verifiers.interface.scoring import Scorer, Scores, ask
from verifiers.interface.solution import Problem, Solution, Stop

Case = tuple[Problem, Solution]
_CASES = "give a list of pairs, (problem, solution)"


def check_scorer(
    scorer: Scorer, cases: Sequence[Case], *, causal: bool = False, gold: Sequence[Case] = (), atol: float = 1e-5
) -> None:
    """Check that a scorer keeps the laws on which every strategy relies.

    1. One score a step. 2. The same call twice gives the same scores. 3. A batch equals its singles.
    4. Permuting the rows permutes the scores. 5. Silence: a scorer that speaks only at the ends of
    finished solutions (an outcome verifier) says nothing of an unfinished one. 6. `causal=True`: the
    score of a step does not change when later steps are added, which licenses incremental scoring.
    7. Every `gold` case, a solution known to be right, scores exactly 1.0 (rule-based verifiers).

    >>> from verifiers import Problem, Solution, Step, Stop, from_function
    >>> says_four = from_function(lambda problem, solution: float("4" in solution.text))
    >>> problem = Problem("p1", "2+2?", "4")
    >>> right = Solution((Step("2+2="), Step("4")), Stop.EOS)
    >>> check_scorer(says_four, [(problem, right), (problem, Solution((Step("5"),)))], gold=[(problem, right)])

    `atol` bounds float noise between batch sizes, in units of the score.
    Raises BrokenLawError at the first broken law; ValueError where `cases` cannot test anything.
    """
    check_scorer_argument(scorer)
    cases = check_pairs(cases, _CASES, name="cases")
    gold = check_pairs(gold, _CASES, name="gold")
    if len(cases) < 2:
        raise ValueError(f"check_scorer got {len(cases)} cases: give at least two, of more than one length")
    scores = _asked(scorer, cases, "one score a step")

    law = "the same call twice gives the same scores"
    _same_values(scores, _asked(scorer, cases, law), cases, law, 0.0)

    singles = [_asked(scorer, [case], "one score a step").steps[0] for case in cases]
    _same_values(scores, Scores(tuple(singles)), cases, "a batch equals its singles", atol)

    order = np.random.default_rng(0).permutation(len(cases)).tolist()
    if order == sorted(order):
        order = order[::-1]
    law, shuffled = "permuting the rows permutes the scores", [cases[i] for i in order]
    _same_values(Scores(tuple(scores.steps[i] for i in order)), _asked(scorer, shuffled, law), shuffled, law, atol)

    _silent_when_open(scorer, scores, cases)
    if causal:
        _causal(scorer, scores, cases, atol)
    for problem, solution in gold:
        value = _asked(scorer, [(problem, solution)], "one score a step").values()[0]
        if value != 1.0:
            raise BrokenLawError(
                f"a right solution scores 1.0: problem {problem.id!r} got {value} for {brief(solution)}"
            )


def _asked(scorer: Scorer, cases: Sequence[Case], law: str) -> Scores:
    try:
        return ask(scorer, [problem for problem, _ in cases], [solution for _, solution in cases])
    except ScoresShapeError as error:
        raise BrokenLawError(f"{law}: {error}") from None


def _same_values(expected: Scores, got: Scores, cases: Sequence[Case], law: str, atol: float) -> None:
    for a, b, (problem, solution) in zip(expected.steps, got.steps, cases, strict=True):
        if a.shape != b.shape or not np.allclose(a, b, rtol=0.0, atol=atol, equal_nan=True):
            raise BrokenLawError(
                f"{law}: problem {problem.id!r} got {a.tolist()} and then {b.tolist()} for {brief(solution)}"
            )


def _silent_when_open(scorer: Scorer, scores: Scores, cases: Sequence[Case]) -> None:
    speaks_inside = any(not np.isnan(row[:-1]).all() for row in scores.steps if len(row) > 1)
    if speaks_inside:
        return  # a process scorer
    open_cases = [(p, Solution(s.steps, stop)) for p, s in cases for stop in (Stop.OPEN, Stop.LENGTH) if s.steps]
    said = _asked(scorer, open_cases, "one score a step")
    for row, (problem, solution) in zip(said.steps, open_cases, strict=True):
        if not np.isnan(row).all():
            raise BrokenLawError(
                f"an outcome scorer is silent on unfinished solutions: problem {problem.id!r} got {row.tolist()} "
                f"for {brief(solution)} with stop {solution.stop.value!r}"
            )


def _causal(scorer: Scorer, scores: Scores, cases: Sequence[Case], atol: float) -> None:
    for row, (problem, solution) in zip(scores.steps, cases, strict=True):
        for length in range(1, len(solution.steps)):
            prefix = Solution(solution.steps[:length])
            got = _asked(scorer, [(problem, prefix)], "one score a step").steps[0]
            if not np.allclose(row[:length], got, rtol=0.0, atol=atol, equal_nan=True):
                raise BrokenLawError(
                    f"a step's score does not depend on later steps: problem {problem.id!r} got "
                    f"{got.tolist()} for its first {length} steps and {row[:length].tolist()} within {brief(solution)}"
                )
