"""Results by category: each value's problems, whatever kind of value it is."""

import json
from pathlib import Path

import pytest

from bench.report.breakdown import _order, categories
from bench.report.folder import read_folder
from bench.report.page import write_report
from verifiers.interface.errors import BadArgument

VALUES = [10, 9, None, 9]


@pytest.fixture
def run(tmp_path: Path, make_run) -> Path:
    folder = make_run(tmp_path / "run", problems=4)
    rows = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]
    given = [{"level": value, "name": rows[i]["id"], "late": [i > 1]} for i, value in enumerate(VALUES)]
    text = "".join(json.dumps({**row, "fields": fields}) + "\n" for row, fields in zip(rows, given, strict=True))
    (folder / "problems.jsonl").write_text(text)
    return folder


def test_values_are_ordered_and_what_has_none_is_counted_too(run: Path) -> None:
    folder = read_folder(run, "run", by=["level", "late"], samples=False)
    found = categories(folder.results, folder.fields, ["level", "late"], of="run")
    assert [(one.field, one.value, one.problems) for one in found] == [
        ("level", "9", 2),
        ("level", "10", 1),
        ("level", "(none)", 1),
        ("late", "[false]", 2),
        ("late", "[true]", 2),
    ]
    whole = {(point.strategy, point.scorer): point.accuracy for point in folder.points if point.n == 8}
    assert len(whole) == 4
    for key, accuracy in whole.items():
        parts = [(point, one) for one in found[:3] for point in one.points if (point.strategy, point.scorer) == key]
        assert [point.problems for point, _ in parts] == [2, 1, 1]
        assert sum(point.accuracy * point.problems for point, _ in parts) / 4 == pytest.approx(accuracy)
        assert all(point.n == 8 and point.low <= point.accuracy <= point.high for point, _ in parts)


def test_what_is_no_number_follows_the_numbers() -> None:
    values = ["nan", "2", "b", "(none)", "10", "1", "NaN", "1.0"]
    assert sorted(values, key=_order) == ["1", "1.0", "2", "10", "NaN", "b", "nan", "(none)"]
    values.reverse()
    assert sorted(values, key=_order) == ["1", "1.0", "2", "10", "NaN", "b", "nan", "(none)"]


def test_a_field_that_is_no_category(run: Path) -> None:
    folder = read_folder(run, "run", by=["size"], samples=False)
    with pytest.raises(BadArgument, match="by size: no problem of run has this field; they have level, name, late"):
        categories(folder.results, folder.fields, ["size"], of="run")
    many = {str(i): {"nr": i} for i in range(51)}
    with pytest.raises(BadArgument, match="by nr: the problems of run have 51 values of it"):
        categories(folder.results, many, ["nr"], of="run")


@pytest.mark.slow
def test_the_report_has_a_table(run: Path, tmp_path: Path, browser) -> None:
    write_report([run], tmp_path / "report.html", by=["level"])
    browser.errors.clear()
    browser.open(tmp_path / "report.html", width=360)
    table = "document.querySelector('[aria-label=\"By level\"]')"
    assert browser.run(f"{table}.querySelectorAll('tbody tr').length") == 12
    assert browser.run(f"{table}.querySelector('tbody tr').innerText.split('\\t')[0]") == "9"
    assert browser.run("document.documentElement.scrollWidth") <= 360
    assert browser.errors == []
