"""Durable files: held folders, claims, files replaced whole, rows that survive a kill."""

import json
import subprocess
import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from verifiers import Labelled, Problem, Solution, Step, Stop
from verifiers.interface import files
from verifiers.interface.digests import digest_of
from verifiers.interface.errors import BadInput
from verifiers.interface.files import append_rows, claim, held, read_record, replace_text, replacing, whole_rows

HOLDER = """
import sys, time
from pathlib import Path
from verifiers.interface.files import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_that_another_process_holds_is_refused_until_that_one_is_dead(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "out"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(BlockingIOError, match="out: another process is writing there; wait"),
            held(tmp_path / "out"),
        ):
            pass
        process.kill()
    with held(tmp_path / "out") as folder:
        assert [p.name for p in folder.iterdir()] == [".lock"]


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_that_was_removed_meanwhile_is_none(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, lock = tmp_path / "out", files._lock
    if there:
        out.mkdir()
    first = held(out)
    first.__enter__()

    def late(file: IO[str]) -> None:
        """The first holder fails between the opening of the lock and its taking."""
        monkeypatch.setattr(files, "_lock", lock)
        assert not first.__exit__(KeyError, KeyError(), None)
        lock(file)

    monkeypatch.setattr(files, "_lock", late)
    with held(out):
        assert [p.name for p in out.iterdir()] == [".lock"]
        with pytest.raises(BlockingIOError), held(out):
            pass


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file: cannot write results there"), held(tmp_path / "file"):
        pass


ELSEWHERE = """
import importlib, sys, types
from pathlib import Path
from verifiers.interface import files
sys.platform = "win32"
sys.modules["fcntl"] = None  # there is none
locked = set()
def locking(file, mode, count):
    import os
    place = os.fstat(file).st_ino
    if place in locked:
        raise PermissionError(13, "Permission denied")
    locked.add(place)
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
held = importlib.reload(files).held
with held(Path(sys.argv[1])) as folder:
    try:
        with held(folder):
            print("held twice")
    except BlockingIOError as error:
        print(error)
"""


def test_without_fcntl_the_lock_of_windows_serves(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}: another process is writing there; wait for it, or choose another folder\n"


def test_a_folder_is_ours_or_empty(tmp_path: Path) -> None:
    out, record = tmp_path / "out", tmp_path / "out" / "record.json"
    out.mkdir()
    (out / "thesis.tex").touch()
    with (
        pytest.raises(ValueError, match=r"out: this folder holds other files and no record\.json"),
        held(out, owner="record.json"),
    ):
        pass
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]
    (out / "thesis.tex").unlink()
    with held(out, owner="record.json"):
        (out / "other").touch()
        record.touch()
    with held(out, owner="record.json"):
        record.unlink()


def test_a_claim_is_written_once_and_then_compared(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    claim(record, {"n": 1, "config": {"rate": 0.5, "sizes": (1, 2)}}, kind="a test")
    claim(record, {"n": 1, "config": {"rate": 0.5, "sizes": (1, 2)}}, kind="a test")
    with pytest.raises(ValueError, match=r"holds a test with rate = 0\.5, and 1\.0 was asked for"):
        claim(record, {"n": 1, "config": {"rate": 1.0, "sizes": (1, 2)}}, kind="a test")
    claim(record, {"n": 1, "config": {"rate": 1.0, "sizes": (1, 2)}}, kind="a test", free=["rate"])
    claim(record, {"n": 2}, kind="a test", begun=False)
    assert json.loads(record.read_text()) == {"n": 2}


def test_a_claim_with_half_a_character_is_written_and_compared(tmp_path: Path) -> None:
    claim(tmp_path / "a", {"kind": "run", "folder": "m\udcff"}, kind="a run")
    claim(tmp_path / "a", {"kind": "run", "folder": "m\udcff"}, kind="a run")
    assert read_record(tmp_path / "a") == {"kind": "run", "folder": "m&#56575;"}
    with pytest.raises(BadInput, match=r"holds a run with folder = 'm&#56575;', and 'n' was asked for"):
        claim(tmp_path / "a", {"kind": "run", "folder": "n"}, kind="a run")
    with pytest.raises(BadInput, match="was asked for"):
        claim(tmp_path / "a", {"kind": "run", "folder": "m\udcfe"}, kind="a run")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    replace_text(path, "old")

    def killed() -> None:
        with replacing(path) as draft:
            draft.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert path.read_text() == "old"
    replace_text(path, "new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "new"}


def test_a_file_never_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(OSError, match="mine"):
        replace_text(tmp_path / "mine", "a page")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "mine"):
        pass  # no draft was made
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "model").symlink_to(tmp_path / "disk")
    with replacing(tmp_path / "model") as draft:
        draft.mkdir()
        (draft / "weights").write_text("new")
    assert (tmp_path / "model").is_symlink()
    assert (tmp_path / "disk" / "weights").read_text() == "new"


def test_a_lock_that_somebody_wrote_into_keeps_its_text(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("mine")
    with held(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "mine"


@pytest.mark.parametrize("content", ['{"a":', "[1]", ""])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(BadInput, match=r"a\.json: damaged, or not a file that was written here"):
        claim(tmp_path / "a.json", {"kind": "x"}, kind="a training")


def test_another_kind_is_refused_before_it_has_begun(tmp_path: Path) -> None:
    claim(tmp_path / "a.json", {"kind": "prm", "n": 1}, kind="a training", begun=False)
    claim(tmp_path / "a.json", {"kind": "prm", "n": 2}, kind="a training", begun=False)
    with pytest.raises(BadInput, match="holds a training with kind = 'prm', and 'grpo' was asked for"):
        claim(tmp_path / "a.json", {"kind": "grpo", "n": 2}, kind="a training", begun=False)


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with replacing(tmp_path / "model") as draft:
            draft.mkdir()
            (draft / content).touch()
        assert [p.name for p in (tmp_path / "model").iterdir()] == [content]


def test_rows_torn_at_any_byte_are_mended(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"text": "é"}, {"n": 2}]
    append_rows(path, rows)
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        kept = whole_rows(path)
        assert kept == rows[: content[:size].count(b"\n")]
        assert path.read_bytes() == content[:size]
        assert whole_rows(path, mend=True) == kept
        append_rows(path, rows[len(kept) :])
        assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b'{"n": 1}\ndear diary\n{"n": 2}\n', b'{"n": 1}\ndear diary'])
def test_what_no_kill_leaves_behind_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"rows\.jsonl:2: not a line that was written here"):
        whole_rows(path, mend=True)
    assert path.read_bytes() == content


def test_a_digest_tells_every_field_apart() -> None:
    problem, solution = Problem("p", "1+1?", "2"), Solution((Step("2", (5,)),), Stop.EOS)
    row = Labelled(problem, solution, (1.0,), 0.5)
    others = [
        Labelled(Problem("q", "1+1?", "2"), solution, (1.0,), 0.5),
        Labelled(problem, Solution((Step("2", (6,)),), Stop.EOS), (1.0,), 0.5),
        Labelled(problem, Solution((Step("2", (5,)),), Stop.LENGTH), (1.0,), 0.5),
        Labelled(problem, solution, (float("nan"),), 0.5),
        Labelled(problem, solution, (1.0,)),
    ]
    assert len({digest_of([r]) for r in [row, *others]} | {digest_of([row, row])}) == 7
    assert digest_of([row]) == digest_of([Labelled(problem, solution, (float(np.float64(1)),), 0.5)])


def test_a_new_field_leaves_digests_as_they_are() -> None:
    @dataclass(frozen=True)
    class Row:
        name: str

    later = make_dataclass("Row", [("name", str), ("added", float | None, None)], frozen=True)
    assert digest_of([Row("a")]) == digest_of([later("a")])
    assert digest_of([Row("a")]) != digest_of([later("a", 1.0)])


def test_a_file_that_cannot_take_a_folders_place_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("kept")
    for place in (tmp_path / "folder", Path("/")):
        with pytest.raises(IsADirectoryError):
            replace_text(place, "text")
    assert [p.name for p in tmp_path.rglob("*")] == ["folder", "mine"]


def test_a_line_of_an_earlier_version_is_called_one(tmp_path: Path) -> None:
    append_rows(tmp_path / "rows.jsonl", [{"a": 1}])
    with pytest.raises(BadInput, match=r"rows.jsonl:1: .*it has no checksum: an earlier version wrote it"):
        whole_rows(tmp_path / "rows.jsonl", sealed=True)
