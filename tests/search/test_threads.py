"""Threads that share a policy or a scorer get what they would get alone, spend included."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

import policies
import prms
import search
import verifiers
from bench.tiny import load_task, weights_folder
from policies import Replay, Scripted, Transformers
from search import SearchResult
from verifiers import Problem, Scores, Solution, Spend, Stop

TASK = load_task("chain", count=8, seed=5, difficulty=2)
SAMPLING = replace(TASK.sampling, max_tokens=24)
COMMON: dict[str, Any] = {"answers": TASK.answers, "sampling": SAMPLING}
COUNTS = [f.name for f in fields(Spend) if "seconds" not in f.name]


@pytest.fixture(scope="module")
def policy() -> Transformers:
    return Transformers.load(weights_folder("policy"), dtype="float32")


def at_once(call: Callable[[Problem], Any], problems: Sequence[Problem] = TASK.problems) -> list[Any]:
    """A thread a problem; all of them run at the same time."""
    with ThreadPoolExecutor(len(problems)) as pool:
        return list(pool.map(call, problems))


def seen(result: SearchResult) -> object:
    """All that a search says, but for seconds."""
    pool = [([(s.text, s.tokens, s.logprobs) for s in x.steps], x.stop, x.reason) for x in result.pool]
    scores = [row.tolist() for row in result.scores.steps]
    tree = [(node.parent, node.solution.text, repr(node.value), node.fate) for node in result.tree]
    return repr((result.answer, pool, scores, tree, [getattr(result.spend, name) for name in COUNTS]))


def same_searches(call: Callable[[Problem], SearchResult]) -> None:
    alone = [seen(call(problem)) for problem in TASK.problems]
    assert [seen(result) for result in at_once(call)] == alone


def same_scores(score: Callable[[Problem], Scores]) -> None:
    for together, problem in zip(at_once(score), TASK.problems, strict=True):
        alone = score(problem)
        for a, b in zip(alone.steps, together.steps, strict=True):
            np.testing.assert_array_equal(a, b)
        assert together.reasons == alone.reasons
        for one, other in zip(alone.spend, together.spend, strict=True):
            assert [getattr(one, name) for name in COUNTS] == [getattr(other, name) for name in COUNTS]


def test_searches_on_one_policy(policy: Transformers) -> None:
    longest = verifiers.from_function(lambda problem, solution: float(len(solution.text)))
    same_searches(lambda p: search.best_of_n([p], policy, longest, n=4, **COMMON)[0])


def test_searches_on_one_policy_and_one_orm(policy: Transformers) -> None:
    orm = verifiers.ORM.load(weights_folder("orm"))
    same_searches(lambda p: search.best_of_n([p], policy, orm, n=4, **COMMON)[0])


@pytest.mark.slow
def test_searches_on_one_policy_and_one_prm(policy: Transformers) -> None:
    prm = prms.PRM.load(weights_folder("prm"))
    same_searches(lambda p: search.best_of_n([p], policy, prm, n=4, **COMMON)[0])
    same_searches(lambda p: search.beam_search([p], policy, prm, width=2, expand=2, max_steps=3, **COMMON)[0])


@pytest.fixture(scope="module")
def pools(policy: Transformers) -> dict[str, Sequence[Solution]]:
    results = search.self_consistency(TASK.problems, policy, n=4, **COMMON)
    assert any(solution.finished for result in results for solution in result.pool)
    return {r.problem.id: [Solution(solution.steps, Stop.EOS) for solution in r.pool] for r in results}


Make = Callable[[Transformers], verifiers.Scorer]
SCORERS: dict[str, Make] = {
    "orm": lambda policy: verifiers.ORM.load(weights_folder("orm")),
    "prm": lambda policy: prms.PRM.load(weights_folder("prm")),
    "pav": lambda policy: prms.PAV(prms.PRM.load(weights_folder("prm")), prms.PRM.load(weights_folder("prover"))),
    "genrm": lambda policy: verifiers.GenRM.load(weights_folder("genrm_cot"), votes=2),
    "llm_judge": lambda policy: verifiers.LLMJudge(
        policy, votes=2, format=SHORT, sampling=policies.Sampling(max_tokens=12), redraws=0
    ),
    "implicit": lambda policy: verifiers.ImplicitReward(policy, policy, beta=0.1),
    "rollouts": lambda policy: prms.RolloutValue(TASK.verifier, policy, 2, sampling=SAMPLING),
    "answers": lambda policy: verifiers.AnswerVerifier(),
}
SHORT = verifiers.GenRMFormat(direct="", cot="C {problem}{solution}\n", solver="", verdict="=", yes="1", no="2")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "genrm" else []) for name in SCORERS]
)
def test_one_scorer(policy: Transformers, pools: dict[str, Sequence[Solution]], name: str) -> None:
    scorer = SCORERS[name](policy)
    same_scores(lambda p: scorer.score([p] * len(pools[p.id]), pools[p.id]))


def test_one_cache_of_scores(pools: dict[str, Sequence[Solution]], tmp_path: Any) -> None:
    asked: list[str] = []
    length = verifiers.from_function(lambda problem, solution: asked.append(solution.text) or float(len(solution.text)))
    kept = verifiers.cached(length, tmp_path / "scores.sqlite", name="length")
    pool = pools[TASK.problems[0].id]

    def score(_: Problem) -> Scores:
        return kept.score([TASK.problems[0]] * len(pool), pool)

    for scores in at_once(score):
        assert scores.values().tolist() == [len(s.text) for s in pool]
    before = len(asked)
    assert score(TASK.problems[0]).values().tolist() == [len(s.text) for s in pool]
    assert len(asked) == before >= len({s.text for s in pool})


def test_scripted_and_replay(pools: dict[str, Sequence[Solution]]) -> None:
    longest = verifiers.from_function(lambda problem, solution: float(len(solution.text)))
    for shared in (Replay(pools), Scripted(lambda problem, prefix, seed: f"{problem.id}\n{seed}"[len(prefix.text) :])):
        same_searches(lambda p, shared=shared: search.best_of_n([p], shared, longest, n=4, **COMMON)[0])  # type: ignore[misc]


def test_no_two_seeds_get_one_saved_solution() -> None:
    saved = [Solution(verifiers.split_steps(str(i)), Stop.EOS) for i in range(800)]
    replay = Replay({"p": saved})

    def draw(problem: Problem) -> list[str]:
        at = 100 * TASK.problems.index(problem)
        rows = [Problem("p", "?")] * 100
        reply = [
            replay.extend([row], [Solution()], until="end", sampling=SAMPLING, seeds=[at + i])
            for i, row in enumerate(rows)
        ]
        return [solution.text for one in reply for solution in one.solutions]

    assert sorted(text for texts in at_once(draw) for text in texts) == sorted(s.text for s in saved)


def test_a_memory_that_two_threads_use_says_so(policy: Transformers) -> None:
    memory = policy.remembering()
    rows = {"until": "end", "sampling": SAMPLING, "seeds": range(64)}
    refused = 0
    for _ in range(10):
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(memory.extend, [p] * 64, [Solution()] * 64, **rows) for p in TASK.problems]
        for call in calls:
            if (error := call.exception()) is not None:
                assert isinstance(error, RuntimeError)
                assert "two threads use one memory of prefixes" in str(error)
                refused += 1
        if refused:
            return
    raise AssertionError("the calls never met")
