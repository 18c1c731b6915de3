"""What stands for a result is a line; the whole is in its attributes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import policies  # whose results of trainings bring torch
import search
import verifiers
from bench.stats.contest import Contest
from bench.stats.curves import Results
from bench.stats.outcomes import Outcome, Outcomes
from policies.policy import Extended
from verifiers import Problem, Refusal, Scores, Solution, Spend, Step, Stop, failed
from verifiers.genrm.judge import Judgement

LONG = Solution(tuple(Step(f"so {i} is not 4\n", tuple(range(9)), (-0.5,) * 9) for i in range(99)), Stop.EOS)
PROBLEM = Problem("p1", "What is 2+2? " * 99, "4")
POOL = (LONG, *[failed("HTTP 500", LONG.steps)] * 63)
RIGHT = search.SearchResult(
    PROBLEM, "4", LONG, POOL, Scores(([0.25] * 99, *[[float("nan")] * 99] * 63)), Spend(sampled_tokens=891)
)
ROWS = [Outcome(f"p{i}", Contest("best_of_n", "orm"), 2, 1.0, 0.0, Spend(), 4) for i in range(300)]


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (Step("4"), "<Step '4'>"),
        (LONG.steps[0], "<Step 'so 0 is not 4\\n', 9 tokens>"),
        (LONG, "<Solution eos, 99 steps: 'so 0 is not 4\\nso 1 is not 4\\nso'...'so 97 is not 4\\nso 98 is not 4\\n'>"),
        (failed(Refusal("too long")), "<Solution failed (too long), 0 steps: ''>"),
        (RIGHT.scores, "<Scores of 64 solutions by 'last': 0.25 to 0.25, 63 without>"),
        (Scores(()), "<Scores of 0 solutions by 'last': no opinion>"),
        (RIGHT, "<SearchResult 'p1': answer '4', score 0.25; 64 solutions, 891 tokens sampled>"),
        (
            search.SearchResult(PROBLEM, None, None, (), Scores(()), reason="none of 0 is finished"),
            "<SearchResult 'p1': nothing chosen (none of 0 is finished); 0 solutions, 0 tokens sampled>",
        ),
        (Extended(POOL), "<Extended 64 solutions: 1 eos, 63 failed>"),
        (Judgement(np.array([0.5, np.nan]), np.zeros(2), ("a", "b"), Spend()), "<Judgement of 2 votes: P(yes) 0.5>"),
        (Outcomes.of(ROWS), "<Outcomes: 300 of 300 problems>"),
        (Outcomes.of(ROWS).tables[0], "<ProblemOutcomes 'p0': 1, of 1 curves>"),
        (Results(tuple(ROWS), ()), "<Results: 300 outcomes, 0 notes>"),
        (policies.TrainResult(None, Path("out"), ({},) * 9), "<TrainResult of 9 steps in out>"),  # type: ignore[arg-type]
    ],
)
def test_a_result_shows_in_a_line(made: Any, line: str) -> None:
    assert repr(made) == line


def test_a_node_shows_its_solution_in_short() -> None:
    text = repr(search.Node(-1, 0, LONG, 0.5, search.Fate.KEPT))
    assert "99 steps" in text
    assert len(text) < 200


def test_equal_rows_are_known_by_their_fields_not_by_what_is_shown() -> None:
    other = Solution((*LONG.steps[:9], Step("so 9 is not 5\n"), *LONG.steps[10:]), Stop.EOS)
    assert repr(other) == repr(LONG)
    assert other != LONG
    assert verifiers.Step("4", (1,)) != verifiers.Step("4", (2,))
