"""Scorers that are asked a problem at a time, by whoever is free: the same scores, and all that the scorer knows."""

import random
import threading

import numpy as np
import pytest

import prms
from bench.tiny import load_task
from policies import GRPOConfig
from policies.grpo.rollout import judge_groups, sample_groups
from policies.replicas.workers import Here
from prms import PAV
from tests.stand_ins import OutOfOrder, steps
from verifiers import AnswerVerifier, Problem, Scores, Solution, Step, Stop, check_scorer, from_function, replicated
from verifiers.combinators.replicated import Replicated, _known_of
from verifiers.interface.capabilities import advantages_of, root_values_of, separator_of
from verifiers.interface.naming import name_of

PROBLEMS = [Problem(f"p{i}", f"{i}?", str(i)) for i in range(5)]
CASES = [
    (problem, Solution(tuple(Step(f"{n}{'x' * k}\n") for k in range(1 + (i + n) % 3)), Stop.EOS))
    for n in range(4)
    for i, problem in enumerate(PROBLEMS)
]


def by_many(scorer: object, seed: int = 0) -> Replicated:
    parts = {"it": scorer}
    return Replicated("it", _known_of(parts)["it"], OutOfOrder(parts, 3, random.Random(seed)), threading.Lock())


def test_it_keeps_the_laws_and_says_the_same() -> None:
    check_scorer(by_many(steps), CASES, causal=True)
    problems, solutions = zip(*CASES, strict=True)
    whole = steps.score(problems, solutions)
    for seed in range(5):
        parted = by_many(steps, seed).score(problems, solutions)
        assert [row.tolist() for row in parted.steps] == [row.tolist() for row in whole.steps]
        assert (parted.spend, parted.reasons, parted.reduce) == (whole.spend, whole.reasons, whole.reduce)
    assert len(by_many(steps).score([], [])) == 0


def test_each_problem_is_one_call_however_its_rows_lie() -> None:
    calls: list[set[str]] = []

    class Seen:
        def score(self, problems, solutions):
            calls.append({problem.id for problem in problems})
            return Scores(tuple(np.full(len(s.steps), len(problems)) for s in solutions), reduce="min")

    scores = by_many(Seen()).score(*zip(*CASES, strict=True))
    assert sorted(map(sorted, calls)) == [[problem.id] for problem in PROBLEMS]
    assert set(scores.values()) == {4.0}
    assert scores.reduce == "min"


def test_it_knows_what_the_scorer_knows() -> None:
    prm = prms.load("tiny:prm")
    pav = PAV.best_of_k(prm, k=4)
    task = load_task("chain", count=2)
    solutions = [Solution((Step("1+2=3\n"), Step("=3")), Stop.EOS)] * 2
    for scorer in (prm, pav, AnswerVerifier()):
        it = by_many(scorer)
        assert (name_of(it), separator_of(it), it.target) == (
            name_of(scorer),
            separator_of(scorer),
            getattr(scorer, "target", None),
        )
        for ask in (root_values_of, advantages_of):
            assert (ask(it) is None) == (ask(scorer) is None)
    roots, gains = root_values_of(by_many(prm)), advantages_of(by_many(pav))
    assert roots is not None
    assert gains is not None
    expected = root_values_of(prm)
    assert expected is not None
    np.testing.assert_allclose(roots(task.problems).values(), expected(task.problems).values(), atol=1e-6)
    for mine, own in zip(
        gains(task.problems, solutions).steps, pav.advantages(task.problems, solutions).steps, strict=True
    ):
        np.testing.assert_allclose(mine, own, atol=1e-6)


def test_what_a_scorer_raises_comes_through() -> None:
    def refuses(problem: Problem, solution: Solution) -> float:
        raise ValueError(f"no score of {problem.id}")

    with pytest.raises(ValueError, match="no score of p0"):
        by_many(from_function(refuses)).score(*zip(*CASES, strict=True))


def test_groups_are_judged_alike() -> None:
    import policies

    task = load_task("chain", count=3)
    config = GRPOConfig(groups=3, group_size=4, sampling=task.sampling, gate="always")
    pools = sample_groups(policies.load("tiny:policy"), task.problems, config, positions=range(3))
    prm = prms.load("tiny:prm")
    alone = judge_groups(task.problems, pools, task.verifier, prm, config)
    parted = judge_groups(task.problems, pools, by_many(task.verifier), by_many(prm), config)
    for one, other in zip(alone, parted, strict=True):
        assert one.rewards.tolist() == other.rewards.tolist()
        for mine, theirs in zip(one.advantages, other.advantages, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_scorers_are_made_where_they_are_asked_and_closed_with_the_context() -> None:
    made: list[str] = []

    def make() -> AnswerVerifier:
        made.append("verifier")
        return AnswerVerifier()

    with replicated({"verifier": make}, None) as scorers:
        assert made == ["verifier"]
        assert scorers["verifier"].score(PROBLEMS[:1], [Solution((Step("0"),), Stop.EOS)]).values().tolist() == [1.0]
        assert isinstance(scorers["verifier"].them, Here)  # type: ignore[attr-defined]
