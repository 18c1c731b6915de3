"""Which fields of saved solutions are scores."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.pools.saved_pool import read_pools
from verifiers.interface.errors import BadInput


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(*solutions: dict[str, object], columns: dict[str, str] | None = None):
    """A problem of each solution: what is a score is decided over all of them."""
    rows = [{"prompt": f"{i}?", "solutions": [{"text": "a\nb"} | s]} for i, s in enumerate(solutions)]
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_pools(["p.jsonl"], columns=columns)


@pytest.mark.parametrize(
    "found",
    [
        [True, False],
        [[True], [0.5]],
        [None, None],
        [[], []],
        [[None], None],
        [math.nan, None],
        ["words", None],
        [None, "words"],
        [0.5, "words"],
        [0.5, "0.5"],
        [0.5, {"a": 1}],
        [0.5, ["Yes", 1]],
        [0.5, True],
    ],
)
def test_fields_that_are_no_scores(found: list[object]) -> None:
    assert [dict(pool.recorded) for pool in read(*({"x": value} for value in found))] == [{}, {}]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([1, 0.5], [1.0, 0.5]),
        ([0.5, None], [0.5, np.nan]),
        ([None, [0.5, None]], [np.nan, 0.5]),
        ([["Yes", "No", None], []], [0.5, np.nan]),
        ([[0.1, 0.2, 0.25], 0.5], [0.25, 0.5]),  # in steps of its own: the texts are not cut
        ([math.inf, -math.inf], [np.inf, -np.inf]),
    ],
)
def test_fields_that_are_scores(found: list[object], expected: list[float]) -> None:
    pools = read(*({"x": value} for value in found))
    np.testing.assert_array_equal([pool.recorded["x"].values()[0] for pool in pools], expected)


def test_a_score_that_only_some_problems_have() -> None:
    assert [set(pool.recorded) for pool in read({"x": 1}, {}, {"x": None})] == [{"x"}, set(), {"x"}]


def test_plain_scores_of_steps_must_fit_them() -> None:
    steps = {"text": "ab", "steps": ["a", "b"]}
    pools = read(steps | {"x": [0.1, 0.5], "tokens": [7, 8, 9], "whole": 0.5})
    assert set(pools[0].recorded) == {"x", "whole"}
    assert pools[0].recorded["x"].steps[0].tolist() == pytest.approx([0.1, 0.5])


def test_columns_that_were_mapped_are_no_scores() -> None:
    solutions = [{"label": 1, "x": 0.5}, {"label": 0, "x": 0.2}]
    pools = read(*solutions, columns={"correct": "label"})
    assert [(pool.correct, set(pool.recorded)) for pool in pools] == [((True,), {"x"}), ((False,), {"x"})]


def test_in_an_object_of_scores_truths_count() -> None:
    pools = read({"scores": {"judge": True}, "x": 0.5}, {"scores": {"judge": [False, True]}})
    assert [pool.recorded["judge"].values().tolist() for pool in pools] == [[1.0], [1.0]]
    assert set(pools[0].recorded) == {"judge"}


@pytest.mark.parametrize("fields", [{"x": 10**400}, {"scores": {"x": 10**400}}, {"x": [0.5, -(10**39)]}, {"x": 1e300}])
def test_numbers_too_large_for_a_score(fields: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"p.jsonl:2: solution 0: .*x.* holds a number beyond 3.4e\+38") as error:
        read({"x": 1}, fields)
    assert len(str(error.value)) < 200


def test_a_users_field_named_extracted_or_values_is_a_field_as_any() -> None:
    """Only the folder of a run holds answers that its task read."""
    for value in ("2", 2):
        [pool] = read({"extracted": value, "values": {"x": 1}})
        assert pool.extracted is None
        assert pool.values == {}
        assert set(pool.recorded) == ({"extracted"} if value == 2 else set())
