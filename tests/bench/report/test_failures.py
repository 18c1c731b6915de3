"""What went wrong is counted by its reason, and leads to the problems; a report reads thousands one after another."""

import json
import random
from pathlib import Path

import pytest

from bench.files.rows import ProblemRow, SampleRow, ScoreRow
from bench.report import page as page_of_report
from bench.report.failures import Failures
from bench.report.folder import read_folder
from bench.report.page import report_page, write_report
from bench.report.problems import list_record
from bench.report.shown import ProblemRows


def sample(index: int, stop: str, reason: str | None = None, correct: bool | None = False) -> SampleRow:
    return SampleRow(
        problem=f"p{index % 3}", strategy="sample", n=8, index=index, steps=(), stop=stop, reason=reason, answer=None,
        correct=correct,
    )  # fmt: skip


def score(index: int, value: float, reason: str | None = None) -> ScoreRow:
    return ScoreRow(f"p{index % 3}", "sample", 8, index, "orm", (), value, reason)


def test_reasons_that_differ_in_numbers_are_one_and_the_most_frequent_comes_first() -> None:
    failures = Failures()
    for index, reason in enumerate(("odd", "no reply in 3 s", "no reply in 41 s", None)):
        failures.add_sample(sample(index, "failed", reason))
    failures.add_sample(sample(4, "eos", None, None))
    failures.add_sample(sample(5, "length"))
    failures.add_sample(sample(6, "eos", None, True))
    records = failures.records()
    assert [(row["kind"], row["reason"], row["count"], row["of"]) for row in records] == [
        ("failed", "no reply in 3 s", 2, 7),
        ("failed", "odd", 1, 7),
        ("failed", "no reason was given", 1, 7),
        ("cut", "the limit of tokens was reached", 1, 7),
        ("ungraded", "no reason was given", 1, 7),
    ]
    assert [row["first"] for row in records] == [["p1", "p2"], ["p0"], ["p0"], ["p2"], ["p1"]]
    assert failures.by_problem() == {"p1": [0, 4], "p2": [0, 3], "p0": [1, 2]}


def test_a_score_is_missed_only_of_what_did_not_fail_itself() -> None:
    failures = Failures()
    failures.add_sample(sample(0, "failed", "no reply"))
    failures.add_sample(sample(1, "eos", None, True))
    failures.add_score(score(0, float("nan"), "nothing to score"))
    failures.add_score(score(1, float("nan"), "too long"))
    failures.add_score(score(2, float("nan")))  # silent, which is no failure
    failures.add_score(score(3, 0.5))
    assert [(row["kind"], row["scorer"], row["reason"]) for row in failures.records()] == [
        ("failed", None, "no reply"),
        ("unscored", "orm", "too long"),
    ]


def test_of_very_many_reasons_the_rest_is_one() -> None:
    failures = Failures()
    for index in range(60):
        failures.add_sample(sample(index, "failed", "because of " + "x" * index))
    records = failures.records()
    assert len(records) == 21
    assert (records[0]["reason"], records[0]["count"]) == ("other reasons", 40)


def test_the_main_reason_is_named_however_late_it_comes() -> None:
    failures = Failures()
    for index in range(1000):
        failures.add_sample(sample(index, "failed", "odd " + "x" * index if index < 60 else "the cause"))
    records = failures.records()
    assert [(row["reason"], row["count"]) for row in records[:3]] == [
        ("the cause", 940),
        ("other reasons", 41),
        ("odd ", 1),
    ]
    assert (len(records), sum(row["count"] for row in records), records[1]["problems"]) == (21, 1000, 3)


def test_reasons_that_differ_in_ids_or_far_behind_are_one() -> None:
    for reasons in (
        [f"no reply to request 0x{'abc'[i]}f, trace {'abc'[i]}9-{i * 'f'}" for i in range(3)],
        ["E" * 296 + " at " + "1" * length for length in (1, 3, 90)],
        ["9" * 10**i + " tokens " + "E" * 400 for i in range(3)],
    ):
        failures = Failures()
        for index, reason in enumerate(reasons):
            failures.add_sample(sample(index, "failed", reason))
        assert [row["count"] for row in failures.records()] == [3]
        assert len(failures.records()[0]["reason"]) <= 300


def test_how_a_solution_stopped_comes_before_its_grade() -> None:
    rows = [sample(i, stop, None, correct) for i, (stop, correct) in enumerate(ENDS)]
    failures = Failures()
    for row in rows:
        failures.add_sample(row)
    kinds = ["failed", "cut", "unfinished", "ungraded"]
    assert [(row["kind"], row["count"]) for row in failures.records()] == list(zip(kinds, (2, 3, 2, 1), strict=True))
    line = list_record(ProblemRows(ProblemRow("p", None, None), rows), [])
    assert [line[name] for name in ("right", "wrong", "unknown")] == [2, 7, 1]


ENDS = [
    ("eos", True), ("eos", False), ("eos", None), ("failed", False), ("failed", None), ("length", True),
    ("length", False), ("length", None), ("open", False), ("open", None),
]  # fmt: skip


def test_scores_without_samples_are_missed_of_nothing(tmp_path: Path, make_run, blob) -> None:
    run = make_run(tmp_path / "run", bad=True)
    (run / "samples.jsonl").unlink()
    assert blob(report_page([read_folder(run, "run")]), "summary")["runs"][0]["failures"] == []


def test_the_page_has_them_with_the_problems(tmp_path: Path, make_run, blob) -> None:
    run = blob(report_page([read_folder(make_run(tmp_path / "run", bad=True), "run")]), "summary")["runs"][0]
    found = [(row["kind"], row["scorer"], row["count"], row["problems"]) for row in run["failures"]]
    assert found == [
        ("failed", None, 4, 4),
        ("cut", None, 4, 4),
        ("ungraded", None, 4, 4),
        ("unscored", "orm", 4, 4),
        ("unscored", "prm", 4, 4),
    ]
    assert [line["bad"] for line in run["list"]] == [[0, 1, 2, 3, 4]] * 4
    fine = blob(report_page([read_folder(make_run(tmp_path / "fine"), "run")]), "summary")["runs"][0]
    assert (fine["failures"], fine["list"][0]["bad"]) == ([], [])


def test_rows_in_any_order_are_read_by_problem(tmp_path: Path, make_run) -> None:
    run = make_run(tmp_path / "run", problems=7)
    lines = {name: (run / f"{name}.jsonl").read_text().splitlines() for name in ("samples", "scores", "trees")}
    for name, of in lines.items():
        random.Random(0).shuffle(of)
        (run / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in of))
    shown = list(read_folder(run, "run", most=5).shown)
    assert [rows.problem.id for rows in shown] == [f"problem-{i}" for i in range(5)]
    for rows in shown:
        of = [json.loads(line) for line in lines["samples"]]
        assert [row.index for row in rows.samples] == [row["index"] for row in of if row["problem"] == rows.problem.id]
        assert len(rows.scores) == sum(json.loads(line)["problem"] == rows.problem.id for line in lines["scores"])
        assert len(rows.trees) == 4


def test_as_many_problems_are_listed_as_there_is_room_for(
    tmp_path: Path, make_run, blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run(tmp_path / name, problems=12, seed=i) for i, name in enumerate(("one", "two"))]
    whole = report_page([read_folder(run, run.name) for run in runs])
    one = whole.index('id="p0-2"') - whole.index('id="p0-1"')
    monkeypatch.setattr(page_of_report, "_ROOM", 2 * 5 * one)
    for problems, listed in ((None, range(3, 8)), (9, range(9, 10))):
        write_report(runs, tmp_path / "report.html", problems=problems)
        page = (tmp_path / "report.html").read_text()
        for place, run in enumerate(blob(page, "summary")["runs"]):
            assert len(run["list"]) in listed
            assert page.count(f'id="p{place}-') == len(run["list"])
            assert (run["listed"], run["problems"]) == (12, 12)


def test_what_a_short_run_leaves_of_the_room_is_anothers(
    tmp_path: Path, make_run, blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = (make_run(tmp_path / name, problems=size) for name, size in (("long", 40), ("short", 1)))
    whole = report_page([read_folder(long, "long")])
    one = whole.index('id="p0-2"') - whole.index('id="p0-1"')
    monkeypatch.setattr(page_of_report, "_ROOM", 20 * one)
    for runs in ([long, short], [short, long]):
        write_report(runs, tmp_path / "report.html")
        listed = [len(run["list"]) for run in blob((tmp_path / "report.html").read_text(), "summary")["runs"]]
        assert sorted(listed)[0] == 1
        assert 17 <= sorted(listed)[1] <= 20
    monkeypatch.setattr(page_of_report, "_ROOM", 10)
    write_report([long, short], tmp_path / "report.html")
    runs = blob((tmp_path / "report.html").read_text(), "summary")["runs"]
    assert [len(run["list"]) for run in runs] == [1, 1], "a problem that is larger than the room"
