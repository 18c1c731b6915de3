"""Pools that are drawn and scored without a choice."""

import numpy as np
import pytest

import policies
import search
from verifiers import Problem, Scores, Solution, Step, Stop, from_function

PROBLEMS = [Problem("a", "1+1?"), Problem("b", "2+2?")]
POLICY = policies.Scripted(lambda problem, prefix, seed: f"{problem.id}: the answer is {seed % 5}.")
LENGTH = from_function(lambda problem, solution: float(len(solution.text)))


def test_samples_are_those_that_other_strategies_choose_from() -> None:
    drawn = search.sample(PROBLEMS, POLICY, n=8, seed=3)
    voted = search.self_consistency(PROBLEMS, POLICY, n=8, seed=3)
    best = search.best_of_n(PROBLEMS, POLICY, LENGTH, n=8, seed=3)
    assert [r.pool for r in drawn] == [r.pool for r in voted] == [r.pool for r in best]
    assert [r.pool[:4] for r in drawn] == [r.pool for r in search.sample(PROBLEMS, POLICY, n=4, seed=3)]


def test_nothing_is_scored_and_nothing_chosen() -> None:
    [drawn] = search.sample(PROBLEMS[:1], POLICY, n=3)
    assert (drawn.answer, drawn.solution, drawn.reason) == (None, None, None)
    assert np.isnan(drawn.scores.values()).all()
    assert len(drawn.scores) == 3


def test_a_budget_cuts_the_pool_and_says_so() -> None:
    [drawn] = search.sample(PROBLEMS[:1], POLICY, n=8, budget=search.Budget(samples=5))
    assert len(drawn.pool) == 5
    assert drawn.reason is not None
    assert "5 samples" in drawn.reason


def test_scores_are_those_that_rerank_and_best_of_n_see() -> None:
    drawn = search.sample(PROBLEMS, POLICY, n=6)
    pools = [(r.problem, r.pool) for r in drawn]
    judged = search.score(pools, LENGTH)
    for mine, reranked, best in zip(
        judged, search.rerank(pools, LENGTH), search.best_of_n(PROBLEMS, POLICY, LENGTH, n=6), strict=True
    ):
        assert mine.scores.values().tolist() == reranked.scores.values().tolist() == best.scores.values().tolist()
        assert mine.spend.scorer_calls == reranked.spend.scorer_calls == 6
        assert mine.solution is None
        assert mine.answer is None


def test_what_cannot_be_scored_says_why() -> None:
    class Picky:
        def score(self, problems, solutions):  # type: ignore[no-untyped-def]
            if any("bad" in s.text for s in solutions):
                raise ValueError("no bad ones")
            return Scores(tuple(np.ones(len(s.steps)) for s in solutions))

    pool = [Solution((Step(text),), Stop.EOS) for text in ("good", "bad")]
    [judged, empty] = search.score([(PROBLEMS[0], pool), (PROBLEMS[1], [])], Picky())
    assert judged.scores.values()[0] == 1.0
    assert np.isnan(judged.scores.values()[1])
    assert judged.scores.reasons == (None, "ValueError: no bad ones")
    assert empty.pool == ()
    assert len(empty.scores) == 0


@pytest.mark.parametrize(
    "call", [lambda p: search.sample(p, POLICY, n=1), lambda p: search.score([(x, []) for x in p], LENGTH)]
)
def test_problem_ids_are_unique(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="problem id 'a' occurs twice"):
        call([PROBLEMS[0], PROBLEMS[0]])


def test_n_is_positive() -> None:
    with pytest.raises(ValueError, match="problem 'a': 0 samples"):
        search.sample(PROBLEMS, POLICY, n=0)
