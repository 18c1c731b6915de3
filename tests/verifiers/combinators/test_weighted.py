"""A weighted mean of scorers: by hand, where parts are silent, and where they cannot judge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tiny import load_task, weights_folder
from prms.prm import PRM
from verifiers import ORM, Scores, Spend, check_scorer, from_function
from verifiers.combinators.weighted import weighted
from verifiers.interface.solution import Problem, Solution, Step, Stop, split_steps

PROBLEM = Problem("p", "?")
NAN = float("nan")


class Says:
    """One row of scores for every solution."""

    def __init__(self, *row, reason=None, cost=0, reduce="last"):
        self.row, self.reason, self.cost, self.reduce = row, reason, cost, reduce

    def score(self, problems, solutions):
        n = len(solutions)
        spend = Spend(scorer_calls=1, scored_tokens=self.cost)
        return Scores((np.array(self.row),) * n, (spend,) * n, (self.reason,) * n, self.reduce)


def steps(n: int, stop: Stop = Stop.EOS) -> Solution:
    return Solution(tuple(Step(f"{i}\n") for i in range(n)), stop)


def one_row(scorer, n=2):
    scores = scorer.score([PROBLEM], [steps(n)])
    return scores.steps[0], scores.reasons[0]


def test_it_is_the_weighted_mean_step_by_step():
    row, reason = one_row(weighted({Says(1.0, 0.5): 0.7, Says(0.0, 1.0): 0.3}))
    np.testing.assert_allclose(row, [0.7, 0.65], atol=1e-7)
    assert reason is None


def test_weights_count_relative_to_their_sum():
    a, b = Says(1.0, 0.5), Says(0.0, 1.0)
    np.testing.assert_allclose(
        one_row(weighted({a: 7, b: 3}))[0], one_row(weighted([(a, 0.7), (b, 0.3)]))[0], atol=1e-7
    )


def test_a_silent_part_is_left_out_and_the_others_share_its_weight():
    row, reason = one_row(weighted({Says(0.25, 0.5): 0.7, Says(NAN, 1.0): 0.3}))
    np.testing.assert_allclose(row, [0.25, 0.65], atol=1e-7)
    row, reason = one_row(weighted({Says(NAN, 0.5): 0.7, Says(NAN, NAN): 0.3}))
    np.testing.assert_array_equal(row, np.array([NAN, 0.5], dtype=np.float32))
    assert reason is None


def test_a_part_that_cannot_judge_makes_the_step_unknown_with_its_reason():
    row, reason = one_row(weighted({Says(0.25, 0.5): 0.7, Says(1.0, NAN, reason="over-long"): 0.3}))
    np.testing.assert_allclose(row, [0.7 * 0.25 + 0.3, NAN], atol=1e-7)
    assert reason == "over-long"


@given(
    st.lists(st.lists(st.floats(0, 1) | st.just(NAN), min_size=3, max_size=3), min_size=1, max_size=4),
    st.lists(st.floats(0.01, 10), min_size=4, max_size=4),
)
def test_it_lies_between_the_parts_that_speak(rows, weights):
    parts = [(Says(*row), weight) for row, weight in zip(rows, weights, strict=False)]
    mean, _ = one_row(weighted(parts), 3)
    for k in range(3):
        spoken = [row[k] for row in rows if row[k] == row[k]]
        assert np.isnan(mean[k]) == (not spoken)
        if spoken:
            assert min(spoken) - 1e-6 <= mean[k] <= max(spoken) + 1e-6


def test_spend_adds_up_and_the_first_part_reduces():
    scores = weighted({Says(1.0, 0.0, cost=3, reduce="min"): 1, Says(0.5, 0.5, cost=4): 1}).score([PROBLEM], [steps(2)])
    assert scores.spend[0] == Spend(scorer_calls=2, scored_tokens=7)
    assert scores.values().tolist() == [0.25]


def test_parts_of_other_lengths_are_named():
    with pytest.raises(ValueError, match="'p': Says gave 3 scores for a solution of 2 steps"):
        weighted({Says(1.0, 1.0): 1, Says(1.0, 1.0, 1.0): 1}).score([PROBLEM], [steps(2)])


@pytest.mark.parametrize("weight", [0, -1, NAN, float("inf")])
def test_a_weight_must_be_above_zero(weight):
    with pytest.raises(ValueError, match=f"the weight of Says is {weight}"):
        weighted({Says(1.0): weight})


def test_no_parts_are_refused():
    with pytest.raises(ValueError, match="no scorers"):
        weighted({})


def test_it_knows_roots_where_all_its_parts_do():
    class Values(Says):
        def root_values(self, problems):
            return Scores((np.array(self.row[:1]),) * len(problems))

    both = weighted({Values(1.0): 0.75, Values(0.0): 0.25})
    assert both.root_values([PROBLEM, PROBLEM]).values().tolist() == [0.75, 0.75]
    assert both.remembering().root_values is not None
    assert weighted({Values(1.0): 0.75, Says(0.0): 0.25}).root_values is None


def test_it_says_what_it_is():
    assert weighted({Says(1.0): 0.7, from_function(max): 0.3}).name == "weighted({Says: 0.7, from_function(max): 0.3})"


@pytest.fixture(scope="module")
def cases():
    import random

    from bench.tiny.worlds.worlds import WORLDS

    rng = random.Random(0)
    found = []
    for problem in load_task("chain", count=3).problems:
        text = WORLDS["chain"].demonstrate(str(problem.prompt), rng, slips=True)
        found.append((problem, Solution(split_steps(text), Stop.EOS)))
    return [*found, (found[0][0], Solution(found[0][1].steps[:2]))]


def test_laws_with_a_prm_and_an_orm(cases):
    prm, orm = PRM.load(weights_folder("prm")), ORM.load(weights_folder("orm"))
    both = weighted({prm: 0.7, orm: 0.3})
    check_scorer(both, cases)
    check_scorer(weighted({orm: 0.5, from_function(lambda p, s: 0.5): 0.5}), cases)
    problem, solution = cases[0]
    inside, end = (s.score([problem], [solution]).steps[0] for s in (prm, orm))
    np.testing.assert_allclose(both.score([problem], [solution]).steps[0][:-1], inside[:-1], atol=1e-6)
    assert both.score([problem], [solution]).values()[0] == pytest.approx(0.7 * inside[-1] + 0.3 * end[-1], abs=1e-6)


def test_a_memory_reaches_the_parts(cases):
    prm = PRM.load(weights_folder("prm"))
    both = weighted({prm: 0.7, from_function(lambda p, s: 0.5): 0.3})
    memory = both.remembering()
    problem, solution = cases[0]
    for length in (1, 2, 3):
        prefix = Solution(solution.steps[:length])
        plain, kept = both.score([problem], [prefix]), memory.score([problem], [prefix])
        np.testing.assert_allclose(plain.steps[0], kept.steps[0], atol=1e-5)
    assert kept.spend[0].scored_tokens < plain.spend[0].scored_tokens / 2
