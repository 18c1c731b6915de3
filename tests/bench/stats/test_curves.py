"""Curves of graded pools: their points, how they compare, and pools that are anything but ordinary."""

import time
import tracemalloc

import numpy as np
import pytest

from bench.stats.contest import Contest
from bench.stats.curves import (
    ANY_RIGHT,
    VOTING,
    GradedPool,
    Outcome,
    Results,
    _cost_of_some,
    _judging_of_some,
    notes_on,
    pool_outcomes,
)
from verifiers.interface.scoring import Spend

NAN = float("nan")
BEST, WEIGHTED, CAUTIOUS, SOFT = (
    Contest(way, "orm") for way in ("best_of_n", "weighted_majority", "pessimistic", "soft")
)
ALL = (ANY_RIGHT, VOTING, BEST, WEIGHTED, CAUTIOUS, SOFT)


def pool(
    name: str, right: list[int], scores: list[float], classes: list[int], finished: list[bool] | None = None
) -> GradedPool:
    n = len(right)
    return GradedPool(
        name,
        correct=np.array(right, dtype=np.float64),
        finished=np.array([True] * n if finished is None else finished, dtype=np.bool_),
        classes=classes,
        values={"orm": np.array(scores, dtype=np.float64)},
        drawn=Spend(sampled_tokens=10 * n, policy_flops=100.0 * n),
        judged={"orm": Spend(scored_tokens=10 * n, scorer_flops=20.0 * n)},
    )


def correct(pool: GradedPool, sizes: list[int]) -> dict[Contest, list[float]]:
    outcomes = list(pool_outcomes(pool, ALL, sizes))
    return {contest: [o.correct for o in outcomes if o.contest == contest] for contest in ALL}


@pytest.mark.parametrize("right", [0, 1])
def test_one_solution(right) -> None:
    """It is what every strategy chooses, whatever the size asked for."""
    for found in correct(pool("p", [right], [0.3], [0]), [1, 2, 8]).values():
        assert found == [float(right)] * 3


def test_no_score_at_all() -> None:
    found = correct(pool("p", [1, 1, 0], [NAN] * 3, [0, 0, 1]), [1, 3])
    assert found[ANY_RIGHT] == pytest.approx([2 / 3, 1.0])
    assert found[VOTING] == pytest.approx([2 / 3, 1.0])  # votes ask no scorer
    for contest in (BEST, WEIGHTED, CAUTIOUS, SOFT):
        assert found[contest] == [0.0, 0.0]


def test_nothing_but_ties() -> None:
    found = correct(pool("p", [1, 0, 0, 0], [0.5] * 4, [0, 1, 2, 3]), [1, 2, 4])
    for contest in (VOTING, BEST, WEIGHTED, CAUTIOUS, SOFT):
        assert found[contest] == pytest.approx([0.25] * 3)


def test_no_answer_can_be_read() -> None:
    for found in correct(pool("p", [0] * 4, [0.1, 0.2, 0.3, 0.4], [-1] * 4), [1, 2, 4]).values():
        assert found == [0.0] * 3


def test_an_unfinished_solution_is_never_chosen() -> None:
    """Not even where it scores best and others share its answer."""
    found = correct(pool("p", [0, 1], [0.9, 0.1], [0, 1], finished=[False, True]), [1, 2])
    for contest in (VOTING, BEST, WEIGHTED, CAUTIOUS, SOFT):
        assert found[contest] == pytest.approx([0.5, 1.0])


@pytest.mark.slow
def test_ten_thousand_solutions_of_one_problem() -> None:
    rng = np.random.default_rng(0)
    right = (rng.random(10_000) < 0.4).astype(int)
    classes = np.where(right, 0, rng.integers(1, 3000, 10_000))
    large = pool("p", right.tolist(), rng.random(10_000).tolist(), classes.tolist())
    tracemalloc.start()
    started = time.process_time()
    outcomes = list(pool_outcomes(large, ALL, list(range(1, 33))))
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(outcomes) == len(ALL) * 32
    assert seconds < 60
    assert peak < 500e6


def mixed() -> list[GradedPool]:
    """Pools of 0 to 12 solutions."""
    rng = np.random.default_rng(0)
    sizes = [0, 1, 2, 5, 12] * 8
    rights = [(rng.random(n) < 0.6).astype(int) for n in sizes]
    return [
        pool(f"p{i:02d}", r.tolist(), (r + rng.normal(size=len(r))).tolist(), [0 if x else 1 for x in r])
        for i, r in enumerate(rights)
    ]


def test_pools_of_all_sizes_stay_in_the_denominator() -> None:
    outcomes = [o for p in mixed() for o in pool_outcomes(p, ALL, [1, 4, 16])]
    points = Results(tuple(outcomes), ()).points()
    assert {(p.contest, p.n) for p in points} == {(c, n) for c in ALL for n in (1, 4, 16)}
    assert {p.problems for p in points} == {40}
    assert max(p.high for p in points) < 1.0  # the eight empty pools are wrong everywhere
    assert [o.correct for o in outcomes if o.problem == "p00"] == [0.0] * 18


def of(contest: Contest, n: int, values: list[float], flops: float = 1.0, prefix: str = "p") -> list[Outcome]:
    spend = Spend(policy_flops=flops)
    return [Outcome(f"{prefix}{i}", contest, n, v, 0.0, spend, 16) for i, v in enumerate(values)]


def test_every_strategy_is_compared_with_the_baseline_at_its_size() -> None:
    outcomes = (
        *of(VOTING, 1, [0.5] * 20),
        *of(VOTING, 2, [0.5] * 20),
        *of(ANY_RIGHT, 1, [1.0] * 20),
        *reversed(of(BEST, 1, [0.5] * 20)),
        *of(BEST, 2, [0.75] * 15 + [0.5] * 5),
        *of(BEST, 4, [1.0] * 20),
    )
    found = Results(outcomes, ()).comparisons()
    assert set(found) == {(BEST, 1), (BEST, 2)}
    assert (found[BEST, 1].difference, found[BEST, 1].p) == (0.0, 1.0)
    assert found[BEST, 2].difference == pytest.approx(0.1875)
    assert found[BEST, 2].low > 0.0
    assert found[BEST, 2].p < 0.001
    assert set(Results(outcomes, ()).comparisons(baseline=BEST)) == {(VOTING, 1), (VOTING, 2)}


def test_costs_are_compared_in_flops_where_all_are_known() -> None:
    curves = [(VOTING, 1, 0.2, 1.0), (VOTING, 4, 0.6, 4.0), (BEST, 1, 0.2, 3.0), (BEST, 4, 0.6, 12.0)]
    known = Results(tuple(o for c, n, a, f in curves for o in of(c, n, [a] * 20, f)), ())
    assert known.cost_unit == "FLOPs"
    assert known.cost_ratios(0.4)[BEST].value == pytest.approx(3.0)
    assert known.cost_ratios()[BEST].value == pytest.approx(3.0)
    unknown = Results(tuple(o for c, n, a, _ in curves for o in of(c, n, [a] * 20, 0.0)), ())
    assert unknown.cost_unit == "samples"
    assert unknown.cost_ratios(0.4)[BEST].value == pytest.approx(1.0)


def test_other_problems_and_no_baseline_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no outcomes of self_consistency; there are best_of_n \(orm\)"):
        Results(tuple(of(BEST, 1, [1.0])), ()).comparisons()
    apart = Results((*of(VOTING, 1, [1.0]), *of(BEST, 1, [1.0], prefix="q")), ())
    for ask in (apart.comparisons, apart.cost_ratios):
        with pytest.raises(ValueError, match=r"best_of_n \(orm\) at n = 1 and self_consistency are not on the same"):
            ask()


def test_points_that_rest_on_one_draw_are_named() -> None:
    notes = list(notes_on(of(BEST, 8, [1.0]) + of(BEST, 16, [1.0]), 16))
    assert "n > 8: no two subsets of the median pool (16) are disjoint; these points rest on one draw" in notes
    assert not any("disjoint" in note for note in notes_on(of(BEST, 8, [1.0]), 8))


@pytest.mark.parametrize("shared", [True, False])
def test_no_cost_of_a_part_of_a_pool_falls_below_0(shared: bool) -> None:
    for n in range(1, 65):
        for tokens in (1, 7, 73, 97, 584, 1001):
            prompts = tokens if shared else n * tokens
            drawn = Spend(prompt_tokens=prompts, cached_prompt_tokens=n * tokens - prompts, sampled_tokens=n)
            failed = Spend(prompt_tokens=tokens, sampled_tokens=n)  # one row alone told what it read
            for of in (drawn, failed):
                costs = [_cost_of_some(of, k, n) for k in range(1, n + 1)]  # raises for one below 0
                assert [cost.prompt_tokens for cost in costs] == sorted(cost.prompt_tokens for cost in costs)
                assert costs[-1].prompt_tokens == pytest.approx(of.prompt_tokens)


def test_what_is_known_of_a_part_of_a_pool_stays_known() -> None:
    # Where nobody told how much of the prompt was cached, a part of the pool read it once, or for each sample.
    drawn = Spend(prompt_tokens=10, cached_prompt_tokens=NAN, sampled_tokens=80, policy_flops=90.0)
    costs = [_cost_of_some(drawn, k, 4) for k in range(1, 5)]
    assert [cost.sampled_tokens for cost in costs] == [20, 40, 60, 80]
    assert np.isnan([(cost.prompt_tokens, cost.policy_flops) for cost in costs[:-1]]).all()
    assert (costs[-1].prompt_tokens, costs[-1].policy_flops) == (10, 90)
    told = Spend(scored_tokens=20, cached_scored_tokens=NAN, scorer_flops=8.0)
    judged, other = _judging_of_some(told, 0.5, 0.5), _judging_of_some(told, 0.25, 0.5)
    assert (judged.scored_tokens, judged.scorer_flops, judged.sampled_tokens) == (10, 4.0, 0)
    assert np.isnan([other.scored_tokens, other.scorer_flops]).all()
    assert other.sampled_tokens == 0
    unknown = _judging_of_some(Spend(scorer_calls=4, scored_tokens=NAN, scorer_flops=NAN), 0.25, 0.5)
    assert (unknown.scorer_calls, unknown.sampled_tokens, unknown.policy_flops) == (1, 0, 0)
    assert np.isnan([unknown.scored_tokens, unknown.scorer_flops]).all()
