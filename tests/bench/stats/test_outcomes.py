"""Tables of outcomes: as a sequence, as lines of a file, as points."""

import math

import numpy as np
import pytest

from bench.files.rows import strict
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, Results
from bench.stats.intervals import _weights, mean_interval
from bench.stats.outcomes import Outcome, Outcomes, ProblemOutcomes, packed
from verifiers.interface.lines import json_line
from verifiers.interface.scoring import ZERO, Spend

BEST = Contest("best_of_n", 'a "scorer"')


def table(problem: str, seed: int, *, spend: Spend = ZERO) -> ProblemOutcomes:
    correct, error = np.random.default_rng(seed).random((2, 2, 3))
    spends = packed({None: [ZERO] * 3, BEST.scorer: [spend] * 3})
    return ProblemOutcomes(problem, (ANY_RIGHT, BEST), (1, 2, 4), correct, error, spends, 4)


@pytest.mark.parametrize("spend", [ZERO, Spend(scored_tokens=3, scorer_flops=math.nan), Spend(scored_tokens=math.inf)])
def test_lines_are_those_of_the_rows(spend: Spend) -> None:
    one = table("é\n", 0, spend=spend)
    one.correct[0, 1], one.error[1, 1] = math.nan, math.inf
    assert list(one.lines()) == [json_line(strict(outcome.row())) for outcome in one]


def test_a_table_is_the_sequence_of_its_outcomes() -> None:
    whole = Outcomes((table("a", 0), table("b", 1, spend=Spend(scored_tokens=2))))
    assert len(whole) == 12
    assert [o.problem for o in whole] == ["a"] * 6 + ["b"] * 6
    values = float(whole.tables[1].correct[0, 1]), float(whole.tables[1].error[0, 1])
    assert whole[7] == Outcome("b", ANY_RIGHT, 2, *values, ZERO, 4)
    assert [whole[i] for i in range(-12, 12)] == [*whole, *whole]
    assert whole[3:-2] == tuple(whole)[3:-2]
    with pytest.raises(IndexError):
        whole[12]
    assert tuple(Outcomes.of(whole[:])) == tuple(whole)
    one_by_one = Results(tuple(whole), ()).points()
    assert Results(whole, ()).points() == one_by_one
    assert one_by_one[-1].spend == Spend(scored_tokens=1.0)


def test_weights_are_drawn_once_for_all_points() -> None:
    """Of 2,600 problems, which have six blocks of weights: more than are at hand at a time."""
    rng = np.random.default_rng(0)
    chances = rng.random((2600, 2, 3))
    made = [ProblemOutcomes(str(i), (ANY_RIGHT, BEST), (1, 2, 4), of, 0 * of, {}, 4) for i, of in enumerate(chances)]
    outcomes = Outcomes(tuple(made))
    before = _weights.cache_info().misses
    points = Results(outcomes, ()).points()
    assert _weights.cache_info().misses - before <= 6
    point = points[4]
    assert (point.accuracy, point.low, point.high) == mean_interval(chances[:, 1, 1])
