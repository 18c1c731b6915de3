"""Rows in a column, as a frame of pandas has them, are read in its order and not by its labels.

Asked are all scorers and policies, those with models too, which need torch.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import policies
import prms
import verifiers
from tests.verifiers.interface.test_arguments import POLICY, P
from tests.verifiers.interface.test_what_is_asked import ASKED, LENGTH, OPEN, PROCESS, ROWS
from verifiers import Problem, Solution, Stop, outcome_scores
from verifiers.interface.capabilities import root_values_of


class Column:
    """Rows as a sorted frame of pandas has them: they come in order, and are found by the labels of before."""

    def __init__(self, rows: list[object]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[object]:
        return iter(self.rows)

    def __getitem__(self, label: int) -> object:
        return self.rows[(label + 1) % len(self.rows)]


THREE: dict[str, list[object]] = {
    "problems": [P, Problem("p2", "2+2?", "4"), Problem("p3", "12+3?", "15")],
    "solutions": [Solution(verifiers.split_steps(text), Stop.EOS) for text in ("2", "The answer is 3.", "Is it\n1?")],
    "prefixes": [OPEN, Solution(verifiers.split_steps("Is it\n")), Solution(verifiers.split_steps("It is\n"))],
    "seeds": [5, 6, 7],
    "tokens": [3, 1, 2],
}


def numbers_of(said: Any) -> Any:
    """What was said, to be compared."""
    return said.solutions if isinstance(said, policies.Extended) else getattr(said, "steps", getattr(said, "probs", 0))


@pytest.mark.parametrize("name", ASKED)
def test_a_column_is_read_in_its_order(name: str, tmp_path: Path) -> None:
    call, rows = ASKED[name]
    if name == "outcome_scores":
        call = lambda solutions: outcome_scores(solutions, [0.0, 0.5, 1.0])  # noqa: E731
    of_lists = numbers_of(call(**{argument: THREE[argument] for argument in rows}))
    of_columns = numbers_of(call(**{argument: Column(THREE[argument]) for argument in rows}))
    np.testing.assert_equal(of_columns, of_lists)


def test_a_column_is_kept_and_shared_among_processes_in_its_order(tmp_path: Path) -> None:
    orm = verifiers.load("tiny:orm")
    given: dict[str, Any] = {argument: THREE[argument] for argument in ROWS}
    columns: dict[str, Any] = {argument: Column(THREE[argument]) for argument in ROWS}
    expected = orm.score(**given).values()
    with verifiers.replicated({"orm": lambda: verifiers.load("tiny:orm")}, None) as scorers:
        np.testing.assert_equal(scorers["orm"].score(**columns).steps, scorers["orm"].score(**given).steps)
    kept = verifiers.cached(orm, tmp_path / "a.sqlite", name="orm")
    np.testing.assert_array_equal(kept.score(**columns).values(), expected)
    np.testing.assert_array_equal(kept.score(**given).values(), expected)
    valued = verifiers.cached(prms.RolloutValue(LENGTH, POLICY, k=2), tmp_path / "b.sqlite", name="value")
    for scorer in (PROCESS, valued):
        roots = root_values_of(scorer)
        assert roots is not None
        np.testing.assert_equal(roots(columns["problems"]).steps, roots(given["problems"]).steps)
