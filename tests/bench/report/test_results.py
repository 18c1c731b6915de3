"""The results of a run as columns."""

import json
import math

import numpy as np

from bench.files.rows import ResultRow, from_row
from bench.report.results import ResultTable
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, VOTING, GradedPool, pool_outcomes
from bench.stats.outcomes import Outcome, Outcomes, ProblemOutcomes
from verifiers.interface.scoring import ZERO, Spend


def pool(problem: str, drawn: Spend, judged: Spend) -> GradedPool:
    right = np.array([1.0, 0.0, 1.0, 0.0])
    scores = {"orm": np.array([0.9, 0.2, np.nan, 0.4])}
    return GradedPool(problem, right, right >= 0, [0, 1, 0, 2], scores, drawn, {"orm": judged})


def test_the_table_of_outcomes_is_that_of_their_rows() -> None:
    contests, beam = [ANY_RIGHT, VOTING, Contest("best_of_n", "orm")], Contest("beam_search", "orm")
    drawn, judged = Spend(sampled_tokens=8, policy_flops=3e9), Spend(scored_tokens=5, scorer_flops=1e9 / 3)
    pools = [pool("a", drawn, judged), pool("b", ZERO, ZERO), pool("ç", ZERO, judged)]
    tables = [pool_outcomes(each, contests, [1, 2, 4]) for each in pools]
    unknown = Spend(sampled_tokens=math.nan, policy_flops=7.0)
    searched = [Outcome(name, beam, 4, 1.0, 0.0, unknown) for name in ("ç", "a", "d")]
    outcomes = Outcomes((*tables, *map(ProblemOutcomes.one, searched)))
    lines = [json.loads(line) for table in outcomes.tables for line in table.lines()]
    read = ResultTable.of(from_row(ResultRow, line, where="here") for line in lines)
    made = ResultTable.of_outcomes(outcomes)
    assert list(made.numbers.items()) == list(read.numbers.items())
    assert [(key, list(of)) for key, of in made.points.items()] == [(key, list(of)) for key, of in read.points.items()]
    for key, curve in read.points.items():
        for n, rows in curve.items():
            found = made.points[key][n]
            np.testing.assert_array_equal(found.problems, rows.problems)
            np.testing.assert_array_equal(found.correct, rows.correct)
            np.testing.assert_array_equal(found.costs, rows.costs)
