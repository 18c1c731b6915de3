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
    inner = {"p": {"doc": {"level": 1}}}
    with pytest.raises(BadArgument, match=r"by level: no problem of run has this field; they have doc\.level"):
        categories(folder.results, inner, ["level"], of="run")
    many = {str(i): {"nr": i} for i in range(51)}
    with pytest.raises(BadArgument, match="by nr: the problems of run have 51 values of it"):
        categories(folder.results, many, ["nr"], of="run")


def opened(run: Path, out: Path, browser, width: int):
    write_report([run], out, by=["level"])
    browser.errors.clear()
    browser.open(out, width=width)
    browser.wait("document.querySelector('.detail h3')")
    return browser


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_the_report_draws_every_category_with_its_interval(run: Path, tmp_path: Path, browser, width: int) -> None:
    opened(run, tmp_path / "report.html", browser, width)
    table = "document.querySelector('[aria-label=\"By level\"]')"
    choose = """(() => {
        const select = [...document.querySelectorAll("select")].find((s) => s.dataset.key === "Strategy");
        select.value = "3";
        select.dispatchEvent(new Event("change"));
    })()"""
    browser.run(choose)
    cells = browser.run(f"[...{table}.querySelectorAll('tbody tr')].map((r) => r.querySelector('th').innerText)")
    assert [cell.split() for cell in cells] == [
        ["9", "2", "problems"],
        ["10", "1", "problem"],
        ["(none)", "1", "problem"],
    ]
    shown = browser.run(f"[...{table}.querySelectorAll('tbody tr')].map((r) => r.querySelector('td b').innerText)")
    folder = read_folder(run, "run", by=["level"], samples=False)
    wanted = [
        point.accuracy
        for one in categories(folder.results, folder.fields, ["level"], of="run")
        for point in one.points
        if (point.strategy, point.scorer) == ("best_of_n", "prm")
    ]
    assert shown == [f"{accuracy:.3f}" for accuracy in wanted]
    assert browser.run(f"{table}.querySelectorAll('.range').length") == 3
    browser.run("document.querySelector('.breakdown + details').open = true")
    browser.wait("document.querySelector('[aria-label=\"By level: every strategy\"]')")
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.errors == []


@pytest.mark.slow
def test_problems_are_filtered_by_category(run: Path, tmp_path: Path, browser) -> None:
    opened(run, tmp_path / "report.html", browser, 1280)
    ids = "[...document.querySelectorAll('.list .id')].map((e) => e.textContent)"
    browser.run("document.querySelector('.breakdown button.link').click()")
    assert browser.run(ids) == ["problem-1", "problem-3"]
    assert browser.run("document.activeElement.dataset.problem") == "1"
    browser.wait("document.querySelector('.detail h3').textContent === 'problem-1'")
    select = "document.querySelector('#problems select[data-key=\"by:level\"]')"
    assert browser.run(f"{select}.value") == "9"
    browser.run(f"{select}.value = '(none)', {select}.dispatchEvent(new Event('change'))")
    assert browser.run(ids) == ["problem-2"]
    assert browser.errors == []
