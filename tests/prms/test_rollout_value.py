"""Monte-Carlo values: exact against the rollouts made by hand, and good enough to search with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
import search
from bench.tiny import load_task, weights_folder
from policies import Sampling
from prms.best_of_k import CountedValues
from prms.rollout_value import RolloutValue
from verifiers import Scores, Spend, check_scorer, from_function, outcome_scores, remembering
from verifiers.interface.capabilities import root_values_of
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Step, Stop, failed, split_steps

PROBLEM = Problem("p", "2+2?", "4")
RIGHT = from_function(lambda problem, solution: float(solution.text.endswith(f"={problem.answer}")))


def coin(p: float):
    """A policy that ends right with chance p, by its seed."""
    return policies.Scripted(lambda problem, prefix, seed: "=4" if seed / 2**63 < p else "=5")


def open_(*texts: str) -> Solution:
    return Solution(tuple(map(Step, texts)))


def ended(*texts: str) -> Solution:
    return Solution(tuple(map(Step, texts)), Stop.EOS)


def test_a_value_is_the_share_of_right_rollouts_at_each_prefix():
    policy = policies.Scripted(lambda problem, prefix, seed: f"={seed % 3 + len(prefix.steps) + 2}")
    value = RolloutValue(RIGHT, policy, 7, seed=3)
    [row] = value.score([PROBLEM], [open_("a\n", "b\n")]).steps
    expected = []
    for text, steps in (("a\n", 1), ("a\nb\n", 2)):
        ends = [seed_at(3, PROBLEM.id, "rollout", text, j) % 3 + steps + 2 for j in range(7)]
        expected.append(ends.count(4) / 7)
    np.testing.assert_allclose(row, expected, atol=1e-7)
    assert 0 < row[0] < 1
    roots = [seed_at(3, PROBLEM.id, "rollout", "", j) % 3 + 2 for j in range(7)]
    np.testing.assert_allclose(value.root_values([PROBLEM]).steps[0], [roots.count(4) / 7])


@pytest.mark.slow
def test_the_mean_over_problems_is_the_true_chance():
    problems = [Problem(f"p{i}", "?", "4") for i in range(4000)]
    for p in (0.1, 0.7):
        scores = RolloutValue(RIGHT, coin(p), 4).score(problems, [open_("a\n")] * 4000).values()
        # Four standard errors of 16,000 coins.
        assert abs(scores.mean() - p) < 4 * (p * (1 - p) / 16_000) ** 0.5


def test_the_end_of_a_finished_solution_has_the_verifiers_own_word():
    policy = coin(1.0)
    scores = RolloutValue(RIGHT, policy, 4).score([PROBLEM] * 2, [ended("a\n", "=4"), ended("b\n", "=5")])
    assert [row.tolist() for row in scores.steps] == [[1.0, 1.0], [1.0, 0.0]]
    assert {prefix.text for prefix in policy.calls[0].prefixes} == {"a\n", "b\n"}


def test_a_cut_solution_is_worth_nothing_and_costs_no_rollout_at_its_end():
    policy = coin(1.0)
    scores = RolloutValue(RIGHT, policy, 4).score([PROBLEM], [Solution((Step("a\n"), Step("b")), Stop.LENGTH)])
    assert scores.steps[0].tolist() == [1.0, 0.0]
    assert scores.reasons == (None,)
    assert len(policy.calls[0]) == 4


def test_a_failed_solution_has_no_value_and_says_why():
    policy = coin(1.0)
    scores = RolloutValue(RIGHT, policy, 4).score([PROBLEM], [failed("HTTP 500", (Step("a\n"),))])
    assert np.isnan(scores.steps[0]).all()
    assert scores.steps[0].shape == (1,)
    assert scores.reasons == ("HTTP 500",)
    assert not policy.calls


def test_an_empty_solution_has_no_scores():
    scores = RolloutValue(RIGHT, coin(1.0), 4).score([PROBLEM], [Solution()])
    assert scores.steps[0].shape == (0,)


def test_a_rollout_that_is_cut_or_fails_counts_as_wrong():
    long = policies.Scripted(lambda problem, prefix, seed: "=4" if seed % 2 else "so so so so so so =4")
    short_of_room = RolloutValue(RIGHT, long, 40, sampling=Sampling(max_tokens=10))
    value = short_of_room.score([PROBLEM], [open_("a\n")]).values()[0]
    odd = sum(seed_at(0, PROBLEM.id, "rollout", "a\n", j) % 2 for j in range(40))
    assert value == pytest.approx(odd / 40)
    unsteady = policies.Scripted(lambda problem, prefix, seed: "=4" if seed % 2 else failed("HTTP 500", prefix.steps))
    scores = RolloutValue(RIGHT, unsteady, 40).score([PROBLEM], [open_("a\n")])
    assert scores.values()[0] == pytest.approx(odd / 40)
    assert scores.reasons == (None,)


def test_where_every_rollout_failed_the_value_is_unknown():
    down = policies.Scripted(
        lambda problem, prefix, seed: failed("HTTP 500", prefix.steps) if "b" in prefix.text else "=4"
    )
    scores = RolloutValue(RIGHT, down, 3).score([PROBLEM], [open_("a\n", "b\n", "c\n")])
    np.testing.assert_equal(scores.steps[0], np.array([1.0, np.nan, np.nan], dtype=np.float32))
    assert scores.reasons == ("none of 3 rollouts has a known outcome; first reason: HTTP 500",)


class Unsure:
    """A verifier that cannot grade some answers, as when a comparison takes too long."""

    def score(self, problems, solutions):
        values = [float("nan") if s.text.endswith("=5") else 1.0 for s in solutions]
        return outcome_scores(solutions, values, reasons=["too slow" if v != v else None for v in values])


def test_a_rollout_of_unknown_grade_is_left_out():
    value = RolloutValue(Unsure(), coin(0.5), 8)
    known = sum(seed_at(0, PROBLEM.id, "rollout", "a\n", j) / 2**63 < 0.5 for j in range(8))
    counted = value.counts([PROBLEM] * 2, [open_("a\n"), ended("=5")])
    assert 0 < known < 8
    assert counted.scores.steps[0].tolist() == [1.0]
    assert (counted.successes[0].tolist(), counted.rollouts[0].tolist()) == ([known], [known])
    assert np.isnan(counted.scores.steps[1]).all()
    assert counted.scores.reasons == (None, "too slow")
    unsure = RolloutValue(Unsure(), coin(0.0), 2).score([PROBLEM], [open_("a\n")])
    assert "first reason: too slow" in str(unsure.reasons[0])


def test_counts_are_those_of_the_values():
    value = RolloutValue(RIGHT, coin(0.4), 10)
    rows = [open_("a\n", "b\n"), ended("a\n", "=4"), ended("a\n", "=5"), Solution((Step("a\n"),), Stop.LENGTH)]
    counted = value.counts([PROBLEM] * 4, rows)
    for scores, c, n in zip(counted.scores.steps, counted.successes, counted.rollouts, strict=True):
        np.testing.assert_allclose(scores, c / n, atol=1e-7)
        assert n.tolist() == [10] * len(n)
    assert [c[-1] for c in counted.successes[1:]] == [10, 0, 0]
    assert value.root_counts([PROBLEM]).rollouts[0].tolist() == [10]
    assert isinstance(value, CountedValues)


def test_an_outcome_that_is_no_count_is_refused_as_one_and_averaged_as_a_value():
    graded = from_function(lambda problem, solution: 0.25 if solution.text.endswith("=4") else 0.75)
    value = RolloutValue(graded, coin(0.5), 20)
    share = sum(seed_at(0, PROBLEM.id, "rollout", "a\n", j) / 2**63 < 0.5 for j in range(20)) / 20
    assert value.score([PROBLEM], [open_("a\n")]).values()[0] == pytest.approx(0.25 * share + 0.75 * (1 - share))
    with pytest.raises(ValueError, match=r"'p': from_function\(.*<lambda>\) gave an outcome other than 0 and 1"):
        value.counts([PROBLEM], [open_("a\n")])


def test_equal_prefixes_are_rolled_out_once_a_call_and_with_a_memory_once_a_search():
    policy = coin(0.5)
    value = RolloutValue(RIGHT, policy, 3)
    rows = [open_("a\n", "b\n"), open_("a\n", "c\n"), open_("a\n")]
    plain = value.score([PROBLEM] * 3, rows)
    assert len(policy.calls) == 1
    assert sorted(prefix.text for prefix in policy.calls[0].prefixes) == sorted(["a\n", "a\nb\n", "a\nc\n"] * 3)
    assert [s.judged_tokens for s in plain.spend] == [12, 6, 0]
    memory = remembering(value)
    assert isinstance(memory, RolloutValue)
    assert memory is not value
    first = memory.score([PROBLEM] * 3, rows)
    longer = memory.score([PROBLEM], [open_("a\n", "b\n", "d\n")])
    assert [prefix.text for prefix in policy.calls[-1].prefixes] == ["a\nb\nd\n"] * 3
    for a, b in zip(plain.steps, first.steps, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(longer.steps[0], value.score([PROBLEM], [open_("a\n", "b\n", "d\n")]).steps[0])
    assert longer.spend[0].judged_tokens == 6
    calls = len(policy.calls)
    memory.root_values([PROBLEM] * 2)
    again = memory.root_values([PROBLEM])
    assert len(policy.calls) == calls + 1
    assert again.spend[0] == Spend(scorer_calls=1)
    value.remembering().score([PROBLEM], [open_("a\n")])
    assert len(policy.calls) == calls + 2, "a new search starts without a memory"


@given(st.lists(st.lists(st.sampled_from(["a\n", "b\n"]), max_size=3), min_size=1, max_size=6), st.data())
@settings(max_examples=30, deadline=None)
def test_it_keeps_the_laws(texts, data):
    stops = data.draw(st.lists(st.sampled_from([Stop.OPEN, Stop.EOS, Stop.LENGTH]), min_size=6, max_size=6))
    cases = [(PROBLEM, open_("a\n", "b\n"))]  # a process scorer is known by its words inside a solution
    cases += [
        (Problem(f"p{i % 2}", "?", "4"), Solution(tuple(map(Step, t)), stop if t else Stop.OPEN))
        for i, (t, stop) in enumerate(zip(texts, stops, strict=False))
    ]
    check_scorer(RolloutValue(RIGHT, coin(0.5), 5), cases, causal=True, atol=0.0)


def test_a_policy_that_drops_a_row_is_noticed():
    class Lossy:
        def extend(self, problems, prefixes, **options):
            return policies.Extended((Solution(),))

    with pytest.raises(ValueError, match="the policy answered 1 rows where 4 were asked for"):
        RolloutValue(RIGHT, Lossy(), 4).score([PROBLEM], [open_("a\n")])


def test_a_verifier_that_drops_a_row_is_noticed():
    class Lossy:
        def score(self, problems, solutions):
            return Scores(())

    with pytest.raises(ValueError, match="Lossy answered 0 rows where 4 were asked for"):
        RolloutValue(Lossy(), coin(1.0), 4).score([PROBLEM], [open_("a\n")])


def test_no_rollouts_are_refused():
    with pytest.raises(ValueError, match=r"RolloutValue\(k=0\)"):
        RolloutValue(RIGHT, coin(1.0), 0)


def test_it_says_what_it_is():
    value = RolloutValue(RIGHT, coin(1.0), 4)
    assert value.name == "rollout_value(from_function(<lambda>), k=4)"
    assert root_values_of(value) is not None


TASK = load_task("chain", count=16, seed=5)


@pytest.fixture(scope="module")
def tiny_policy():
    return policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")


@pytest.mark.slow
def test_laws_with_a_real_policy(tiny_policy):
    value = RolloutValue(TASK.verifier, tiny_policy, 3, sampling=TASK.sampling)
    cases = []
    for problem in load_task("chain", count=2, seed=1, difficulty=4).problems:
        [solution] = tiny_policy.extend(
            [problem], [Solution()], until="end", sampling=TASK.sampling, seeds=[1]
        ).solutions
        cases += [(problem, solution), (problem, Solution(solution.steps[:2]))]
        cases += [(problem, Solution(split_steps(solution.text), Stop.EOS))]
    check_scorer(value, cases, causal=True, atol=0.0)


def test_what_a_real_policy_spends_on_scores_is_the_scorers(tiny_policy):
    value = RolloutValue(TASK.verifier, tiny_policy, 4, sampling=TASK.sampling)
    problem = TASK.problems[0]
    [spend] = value.root_values([problem]).spend
    seeds = [seed_at(0, problem.id, "rollout", "", j) for j in range(4)]
    reply = tiny_policy.extend([problem] * 4, [Solution()] * 4, until="end", sampling=TASK.sampling, seeds=seeds)
    assert spend.judged_tokens == sum(s.token_count for s in reply.solutions) > 0
    assert spend.scored_tokens == sum(s.prompt_tokens for s in reply.spend) > 0
    assert spend.cached_scored_tokens == sum(s.cached_prompt_tokens for s in reply.spend) > 0
    assert spend.scorer_flops == sum(s.policy_flops for s in reply.spend) > 0
    assert (spend.sampled_tokens, spend.policy_calls, spend.policy_flops, spend.scorer_calls) == (0, 0, 0, 1)


@pytest.mark.slow
def test_beam_search_on_values_beats_a_sample(tiny_policy):
    common = {"answers": TASK.answers, "sampling": TASK.sampling}
    value = RolloutValue(TASK.verifier, tiny_policy, 4, sampling=TASK.sampling)
    one = search.self_consistency(TASK.problems, tiny_policy, n=8, **common)
    beam = search.beam_search(TASK.problems, tiny_policy, value, width=2, expand=3, max_steps=12, **common)
    sampled = np.mean([[TASK.answers.extract(s.text) == r.problem.answer for s in r.pool] for r in one])
    found = np.mean([r.answer == r.problem.answer for r in beam])
    assert found > sampled + 0.2
    assert all(r.spend.judged_tokens > 0 for r in beam)
