"""Progress in a log: a line now and then, with the time left."""

import io

import pytest

from bench.files.progress import Progress


def lines(times: list[float], total: int = 4, unit: str | None = "sample", **given: bool) -> list[str]:
    said, clock = io.StringIO(), iter(times)
    with Progress(total, "run", unit=unit, to=said, clock=lambda: next(clock), **given) as progress:
        progress.now("scoring")
        for _ in times[1:]:
            progress.add(1)
    return said.getvalue().splitlines()


def test_no_line_before_half_a_minute_and_none_at_the_end() -> None:
    assert lines([0, 1, 29]) == []
    assert lines([0, 31, 40, 62]) == [
        "run: 25%, 1 of 4 samples in 31 s, 2 min left (scoring)",
        "run: 75%, 3 of 4 samples in 1 min, 21 s left (scoring)",
    ]
    assert lines([0, 600], total=1) == []
    assert lines([0, 7200], unit=None) == ["run: 25% in 2 h 0 min, 6 h 0 min left (scoring)"]


def test_nothing_is_said_where_that_is_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines([0, 600], shown=False) == []
    assert capsys.readouterr().err == ""
