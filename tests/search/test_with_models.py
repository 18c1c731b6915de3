"""Strategies on the real, shipped models: batching changes nothing but float noise, and search helps."""

import numpy as np
import pytest

import policies
import prms
import search
import verifiers
from bench.tiny import load_task, weights_folder
from policies.models.tiny_example import tiny_model
from search import SearchResult
from tests.circles import left_in_circles

TASK = load_task("chain", count=12, seed=5)
COMMON = {"answers": TASK.answers, "sampling": TASK.sampling}


@pytest.fixture(scope="module")
def orm() -> verifiers.Scorer:
    return verifiers.load(f"orm:{weights_folder('orm')}")


@pytest.fixture(scope="module")
def prm() -> verifiers.Scorer:
    return prms.load(str(weights_folder("prm")))


def fresh_policy() -> policies.Policy:
    return policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")


def same(one: SearchResult, other: SearchResult) -> None:
    assert [s.text for s in one.pool] == [s.text for s in other.pool]
    assert [[step.tokens for step in s.steps] for s in one.pool] == [
        [step.tokens for step in s.steps] for s in other.pool
    ]
    assert one.answer == other.answer
    for a, b in zip(one.scores.steps, other.scores.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for name in ("policy_calls", "prompt_tokens", "cached_prompt_tokens", "sampled_tokens", "scored_tokens"):
        assert getattr(one.spend, name) == getattr(other.spend, name), name


def test_best_of_n_together_and_alone(orm: verifiers.Scorer) -> None:
    together = search.best_of_n(TASK.problems, fresh_policy(), orm, n=6, **COMMON)
    policy = fresh_policy()
    for part in (slice(0, 1), slice(1, 5), slice(5, 12)):
        for result in search.best_of_n(TASK.problems[part], policy, orm, n=6, **COMMON):
            same(result, next(r for r in together if r.problem == result.problem))


def test_beam_search_together_and_alone(prm: verifiers.Scorer) -> None:
    options = {"width": 2, "expand": 3, "max_steps": 12, **COMMON}
    together = search.beam_search(TASK.problems, fresh_policy(), prm, **options)
    policy = fresh_policy()
    for part in (slice(0, 1), slice(1, 12)):
        for result in search.beam_search(TASK.problems[part], policy, prm, **options):
            same(result, next(r for r in together if r.problem == result.problem))


def test_a_beam_step_computes_its_new_tokens_only(prm: verifiers.Scorer) -> None:
    [result] = search.beam_search(TASK.problems[:1], fresh_policy(), prm, width=4, expand=4, max_steps=12, **COMMON)
    prompt = len(str(result.problem.prompt)) + 1  # and the token that begins the text
    # Each kept prefix is computed but for its last token, when it was sampled; that one comes with the next step.
    kept = sum(node.fate is search.Fate.KEPT for node in result.tree)
    assert result.spend.prompt_tokens <= prompt + kept
    assert result.spend.cached_prompt_tokens > 5 * result.spend.prompt_tokens


@pytest.mark.slow
def test_search_beats_sampling(orm: verifiers.Scorer, prm: verifiers.Scorer) -> None:
    task = load_task("chain", count=40, seed=6)
    common = {"answers": task.answers, "sampling": task.sampling}
    policy = fresh_policy()

    def accuracy(results: list[SearchResult]) -> float:
        return float(np.mean([r.answer == r.problem.answer for r in results]))

    one = accuracy(search.self_consistency(task.problems, policy, n=1, **common))
    votes = accuracy(search.self_consistency(task.problems, policy, n=16, **common))
    best = accuracy(search.best_of_n(task.problems, policy, orm, n=16, **common))
    beam = accuracy(search.beam_search(task.problems, policy, prm, width=4, expand=4, max_steps=12, **common))
    assert max(one, votes) + 0.2 < best
    assert max(one, votes) + 0.2 < beam


def test_an_orm_is_refused_by_beam_search(orm: verifiers.Scorer) -> None:
    with pytest.raises(search.NoOpinionError, match="RolloutValue"):
        search.beam_search(TASK.problems[:2], fresh_policy(), orm, width=2, expand=2, max_steps=4, **COMMON)


class FailsOn:
    """Another policy, or scorer, that raises where it is asked about one problem."""

    def __init__(self, inner: object, problem: verifiers.Problem) -> None:
        self.inner, self.problem = inner, problem

    def __getattr__(self, name: str) -> object:
        call = getattr(self.inner, name)
        if name not in ("extend", "score"):
            raise AttributeError(name)

        def checked(problems, *args, **options):
            if self.problem in problems:
                raise RuntimeError("HTTP 500")
            return call(problems, *args, **options)

        return checked


SEARCHES = {
    "sample": lambda policy, prm: search.sample(TASK.problems[:3], policy, n=3, sampling=TASK.sampling),
    "beam": lambda policy, prm: search.beam_search(
        TASK.problems[:3], policy, prm, width=2, expand=2, max_steps=3, **COMMON
    ),
    "failing policy": lambda policy, prm: search.best_of_n(
        TASK.problems[:3], FailsOn(policy, TASK.problems[1]), prm, n=2, **COMMON
    ),
    "failing scorer": lambda policy, prm: search.best_of_n(
        TASK.problems[:3], policy, FailsOn(prm, TASK.problems[1]), n=2, **COMMON
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_what_a_search_used_goes_with_it(name: str, prm: verifiers.Scorer) -> None:
    """A process that searches many times holds the buffers and the policy of one search, not of all."""
    assert left_in_circles(lambda: SEARCHES[name](policies.Transformers(*tiny_model()), prm)) == []
