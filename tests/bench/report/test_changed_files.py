"""A file that changes while a report reads it is an error, never figures of two runs nor a traceback."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.report import folder as reading
from bench.report import shown
from bench.report.folder import read_folder, read_folders
from bench.report.page import report_page, write_report
from bench.report.parts import write_page
from verifiers.interface.errors import BadArgument, BadInput


def written(path: Path, text: str) -> None:
    """In place, a moment later."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 1, before + 1))


def replaced(path: Path, text: str) -> None:
    """By another file of the same time."""
    before = path.stat().st_mtime_ns
    other = path.with_suffix(".new")
    other.write_text(text)
    os.utime(other, ns=(before, before))
    other.replace(path)


CHANGES: dict[str, Callable[[str], str]] = {
    "as long, of other grades": lambda text: text.replace('"correct": true', '"correct": null'),
    "cut": lambda text: text[: len(text) // 3],
    "moved": lambda text: text[10:],
    "of other fields": lambda text: text.replace('"correct"', '"korrekt"'),
    "of other kinds": lambda text: text.replace('"steps": [', '"steps": 7, "x": ['),
    "none": lambda text: "",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("how", [written, replaced])
def test_between_the_readings(tmp_path: Path, make_run, change, how) -> None:
    run = make_run(tmp_path / "run")
    folders = read_folders([run])
    how(run / "samples.jsonl", change((run / "samples.jsonl").read_text()))
    with pytest.raises(BadInput, match=r"samples\.jsonl: changed while it was read"):
        report_page(folders)


@pytest.mark.parametrize("name", ["problems", "samples", "scores", "trees", "results"])
def test_a_file_that_goes(tmp_path: Path, make_run, name: str) -> None:
    run = make_run(tmp_path / "run")
    folders = read_folders([run])
    (run / f"{name}.jsonl").unlink()
    with pytest.raises(BadInput, match=rf"{name}\.jsonl: changed while it was read"):
        report_page(folders)


def test_in_the_midst_of_the_second_reading(tmp_path: Path, make_run) -> None:
    run = make_run(tmp_path / "run")
    problems = iter(read_folder(run, "run").shown)
    next(problems)
    replaced(run / "scores.jsonl", (run / "scores.jsonl").read_text())
    with pytest.raises(BadInput, match="changed while it was read"):
        list(problems)


def test_in_the_midst_of_the_first_reading(tmp_path: Path, make_run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results are of the old file, and all that is read after them of a new one."""
    run, whole = make_run(tmp_path / "run"), reading._with_rows

    def changing(*given: object) -> object:
        replaced(run / "results.jsonl", (run / "results.jsonl").read_text())
        return whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "_with_rows", changing)
    with pytest.raises(BadInput, match=r"results\.jsonl: changed while it was read"):
        read_folder(run, "run")


def test_a_file_that_cannot_be_read_is_no_fault_of_the_pages_place(
    tmp_path: Path, make_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    def pieces() -> Iterator[str]:
        yield "a piece"
        (tmp_path / "nowhere").read_text()

    run, out = make_run(tmp_path / "run"), tmp_path / "report.html"
    monkeypatch.setattr(shown, "_line_at", broken)
    with pytest.raises(BadInput, match=r"problems\.jsonl: cannot be read \(.*Input/output error"):
        write_report([run], out)
    with pytest.raises(BadInput, match="nowhere: cannot be read"):
        write_page(out, pieces())
    assert not out.exists()
    with pytest.raises(BadArgument, match=r"out .*: cannot write the report there"):
        write_page(tmp_path / "no" / "where.html", ["a piece"])
