"""A run's journal: what it commits is what is read, or the folder is refused in a line."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.files.journal import read_journal
from bench.files.rows import SampleRow, ScoreRow
from bench.files.run_folder import open_run
from verifiers.interface.errors import BadInput
from verifiers.interface.lines import json_line

CONFIG = {"task": "sums", "policy": "own:one", "scorers": ["s=own:two"], "strategies": ["best_of_n:s"], "n": 2}


def samples(problem: str) -> list[SampleRow]:
    texts = [f"The answer is {i}." for i in range(2)]
    place = {"problem": problem, "strategy": "sample", "n": 2}
    return [
        SampleRow(**place, index=i, steps=(t,), stop="eos", answer=str(i), correct=i == 1) for i, t in enumerate(texts)
    ]


def make(out: Path) -> None:
    with open_run(out, CONFIG) as folder:
        folder.begin()
        for number in range(2):
            spend = {f"q{number}": {"sampled_tokens": 7}}
            classes = {f"q{number}": [0, 1]}
            folder.commit(f"{number}/sample", {"spend": spend, "classes": classes}, samples=samples(f"q{number}"))
            scores = [ScoreRow(f"q{number}", "sample", 2, i, "s", (0.5 * i,), 0.5 * i) for i in range(2)]
            folder.commit(f"{number}/score/s", {"spend": spend}, scores=scores)


def opened(out: Path) -> dict[str, list[Any]]:
    with open_run(out, CONFIG) as folder:
        return {unit: [*folder.samples(unit), *folder.scores(unit)] for unit in folder.committed}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    make(tmp_path / "out")
    return tmp_path / "out"


def lines(out: Path, name: str = "journal.jsonl") -> list[bytes]:
    return (out / name).read_bytes().splitlines(keepends=True)


def content(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in out.iterdir()}


ORDERS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "the first line is gone": lambda found: found[1:],
    "one in the middle is gone": lambda found: [found[0], *found[2:]],
    "two are swapped": lambda found: [found[0], found[2], found[1], found[3]],
    "the last two are swapped": lambda found: [*found[:2], found[3], found[2], found[0]],
    "one stands there twice": lambda found: [found[0], *found],
    "all stand there twice": lambda found: found + found,
}


@pytest.mark.parametrize("what", ORDERS)
def test_lines_that_are_not_in_their_places(out: Path, what: str) -> None:
    (out / "journal.jsonl").write_bytes(b"".join(ORDERS[what](lines(out))))
    before = content(out)
    with pytest.raises(BadInput, match=r"journal\.jsonl:\d: unit .*(missing or out of its place|was committed before)"):
        opened(out)
    assert content(out) == before


def sealed(row: dict[str, Any]) -> bytes:
    body = json_line({key: value for key, value in row.items() if key != "crc"})[:-2]
    return f'{body}, "crc": {zlib.crc32(body.encode())}}}\n'.encode()


SPANS = [[-1, 5], [5, 0], [True, 5], [0.0, 5], [0, 10**400], ["0", 5], [0], [0, 5, 6], None, {"a": 1}, 7]


@pytest.mark.parametrize("span", SPANS)
def test_spans_that_are_none(out: Path, span: object) -> None:
    first, *others = lines(out)
    record = json.loads(first)
    record["bytes"]["samples.jsonl"] = span
    (out / "journal.jsonl").write_bytes(sealed(record) + b"".join(others))
    before = content(out)
    with pytest.raises(BadInput, match=r"journal\.jsonl:\d: (no span of samples|unit .* begins at byte)"):
        opened(out)
    assert content(out) == before


@pytest.mark.parametrize("change", [{"unit": 7}, {"unit": None}, {"bytes": []}, {"crc32": {}}, {"spend": [1]}])
def test_a_line_of_another_shape(out: Path, change: dict[str, object]) -> None:
    first, *others = lines(out)
    (out / "journal.jsonl").write_bytes(sealed(json.loads(first) | change) + b"".join(others))
    with pytest.raises(BadInput, match=r"journal\.jsonl:1: (not a unit of a run|no span of)"):
        opened(out)


def test_a_line_without_its_seal_or_with_anothers(out: Path) -> None:
    first, second, *others = lines(out)
    for changed in (first.replace(b'"sampled_tokens": 7', b'"sampled_tokens": 8'), second[:-12] + first[-12:], b"{}\n"):
        (out / "journal.jsonl").write_bytes(b"".join([changed, second, *others]))
        with pytest.raises(
            BadInput, match=r"journal\.jsonl:1: not a line that was written here \(.*\); put a whole copy"
        ):
            opened(out)


def test_a_file_that_is_too_short(out: Path) -> None:
    path = out / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"samples\.jsonl: has \d+ bytes where the journal recorded \d+: rows are miss"):
        opened(out)


def test_a_row_that_still_is_one_but_another(out: Path) -> None:
    path = out / "scores.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.6"))
    with pytest.raises(BadInput, match=r"scores\.jsonl:1: what unit '0/score/s' wrote, from this line to line 2, is n"):
        opened(out)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (b"[" * 300, "not a line that was written here"),
        (b"{" + b'"a":{' * 60, "not a line that was written here"),
        (b'"\\ud800"', "not a line that was written here"),
        (b"\xff\xfe", "not a line that was written here"),
        (b"\0\0\0", "not a line that was written here"),
        (b"9" * 400, "not a line that was written here"),
        (b"\n\n\n", "not a line that was written here"),
    ],
)
def test_bytes_that_are_no_row_are_named_with_their_line(out: Path, bad: bytes, complaint: str) -> None:
    for name in ("samples.jsonl", "scores.jsonl"):
        path = out / name
        whole = path.read_bytes()
        start = whole.index(b"\n") + 1
        path.write_bytes(whole[:start] + bad[: len(whole) - start] + whole[start + len(bad) :])
        with pytest.raises(BadInput, match=rf"{name}:2: {complaint}"):
            opened(out)
        path.write_bytes(whole)


def test_rows_that_no_journal_knows_are_not_cut_off(out: Path) -> None:
    journal = (out / "journal.jsonl").read_bytes()
    (out / "journal.jsonl").unlink()
    before = content(out)
    with pytest.raises(BadInput, match=r"out: it has samples.jsonl, scores.jsonl and no journal.jsonl, which says"):
        opened(out)
    assert content(out) == before
    (out / "journal.jsonl").write_bytes(journal)
    with open(out / "samples.jsonl", "ab") as file:
        file.write(b'{"mine": 1}\n')
    before = content(out)
    with pytest.raises(BadInput, match=r"samples.jsonl, behind the rows that the journal knows: no 'problem' in this"):
        opened(out)
    assert content(out) == before


def test_what_a_kill_leaves_is_cut_off(out: Path) -> None:
    whole, rows = content(out), opened(out)
    *before, last = lines(out)
    for journal in (b"".join(before), b"".join(before) + last[:-1]):
        for tail in (b"", b'{"problem": "q', b"\0\0\0"):
            (out / "journal.jsonl").write_bytes(journal)
            (out / "scores.jsonl").write_bytes(whole["scores.jsonl"] + tail)
            kept = opened(out)
            assert list(kept) == list(rows)[:-1]
            assert (out / "scores.jsonl").stat().st_size == json.loads(last)["bytes"]["scores.jsonl"][0]
    with open_run(out, CONFIG) as folder:
        scores = [row for row in rows["1/score/s"] if isinstance(row, ScoreRow)]
        folder.commit("1/score/s", {"spend": {"q1": {"sampled_tokens": 7}}}, scores=scores)
    assert content(out) == whole


def test_a_file_without_a_row_is_not_written(out: Path) -> None:
    assert not (out / "trees.jsonl").exists()
    assert [record["bytes"]["trees.jsonl"] for record in read_journal(out).values()] == [[0, 0]] * 4
