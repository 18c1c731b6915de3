"""Any damage to a file of a folder is named in a line or does no harm: it never becomes another result."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.files.run_folder import read_config
from bench.pools.rerank import rerank
from bench.pools.saved_pool import read_pools
from bench.report.folder import read_folder
from bench.runs.plan import RunPlan
from bench.runs.run import run
from verifiers.interface.errors import BadInput

PLAN = RunPlan("chain", "tiny:policy", {"prm": "tiny:prm"}, ("best_of_n", "beam_search"), n=2, limit=3, chunk=2)
PROMISED = ("config.toml", "problems.jsonl", "samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl")
# What Hypothesis says of a fixture that stays, of slow drawing and of time: the folders are made once.
FEW = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=400, derandomize=False)


@pytest.fixture(scope="module", autouse=True)
def _here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The folders of a run and of a rerank, each beside a copy that is to be damaged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("damaged"))
        rows = [{"prompt": f"C 1+{i}\n", "answer": str(i), "solutions": ["1", "2"]} for i in range(2)]
        Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        run_again(Path("run"))
        rerank_again(Path("rerank"))
        yield


def run_again(folder: Path) -> str:
    run(PLAN, folder, progress=False)
    return promised(folder)


def rerank_again(folder: Path) -> str:
    rerank(["pool.jsonl"], {"prm": "tiny:prm"}, folder, sizes=(1, 2), progress=False)
    return promised(folder)


def promised(folder: Path) -> str:
    return str({name: (folder / name).read_bytes() for name in PROMISED if (folder / name).exists()})


def reported(folder: Path) -> str:
    read = read_folder(folder, "it")
    return repr((read, list(read.shown)))


def reread(folder: Path) -> str:
    return repr(list(read_pools([str(folder)]))).replace(f"{folder}/", "it/")


def outcome(use: Callable[[Path], str], folder: Path) -> str | None:
    """What comes of a folder, None where it is refused in a line that names the folder."""
    try:
        return use(folder)
    except (BadInput, OSError) as error:
        said = str(error)
    assert "\n" not in said
    assert str(folder) in said
    return None


@cache
def whole(use: Callable[[Path], str], folder: str) -> str:
    return use(Path(folder))


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with a bit flipped, some of them deleted, doubled or strange, or lines swapped, deleted or doubled."""
    lines = content.splitlines(keepends=True)
    kind = draw(st.sampled_from(["flip", "delete", "double", "strange", "swap lines", "delete line", "double line"]))
    i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    at = draw(st.integers(0, len(content) - 1))
    end = at + draw(st.integers(1, 40))
    strange = draw(st.sampled_from([b"[" * 5000, b'{"a":' * 5000, b"9" * 5000, b'"\\ud800"', b"\xff\n", b"\0", b"NaN"]))
    made = {
        "flip": lambda: content[:at] + bytes([content[at] ^ (1 << (end - at) % 8)]) + content[at + 1 :],
        "delete": lambda: content[:at] + content[end:],
        "double": lambda: content[:end] + content[at:],
        "strange": lambda: content[:at] + strange + content[end:],
        "swap lines": lambda: b"".join(lines[j if k == i else i if k == j else k] for k in range(len(lines))),
        "delete line": lambda: b"".join(lines[:i] + lines[i + 1 :]),
        "double line": lambda: b"".join(lines[: i + 1] + lines[i:]),
    }
    return made[kind]()


def check(data: st.DataObject, folder: str, uses: tuple[Callable[[Path], str], ...]) -> None:
    names = sorted(p.name for p in Path(folder).iterdir() if p.is_file() and p.stat().st_size)
    name = data.draw(st.sampled_from(names))
    content = data.draw(damaged((Path(folder) / name).read_bytes()))
    for use in uses:
        shutil.rmtree("broken", ignore_errors=True)
        shutil.copytree(folder, "broken")
        (Path("broken") / name).write_bytes(content)
        assert outcome(use, Path("broken")) in (None, whole(use, folder))


RUN_USES = (run_again, reported, reread)
RERANK_USES = (rerank_again, reported, reread)


@given(st.data())
@FEW
def test_a_run(data: st.DataObject) -> None:
    check(data, "run", RUN_USES)


@given(st.data())
@FEW
def test_a_rerank(data: st.DataObject) -> None:
    check(data, "rerank", RERANK_USES)


@pytest.mark.slow
@given(st.data())
@MANY
def test_a_run_at_length(data: st.DataObject) -> None:
    check(data, "run", RUN_USES)


@pytest.mark.slow
@given(st.data())
@MANY
def test_a_rerank_at_length(data: st.DataObject) -> None:
    check(data, "rerank", RERANK_USES)


@pytest.mark.parametrize("what", ["a pipe", "a folder", "nested", "NULs"])
def test_a_config_that_is_none(tmp_path: Path, what: str) -> None:
    path = tmp_path / "config.toml"
    made: dict[str, Callable[[], object]] = {
        "a pipe": lambda: os.mkfifo(path),  # which would wait for a writer
        "a folder": path.mkdir,
        "nested": lambda: path.write_text("a = " + "[" * 100_000),
        "NULs": lambda: path.write_bytes(bytes(64)),
    }
    made[what]()
    with pytest.raises(BadInput, match=r"config\.toml: not a"):
        read_config(path)


@pytest.mark.parametrize("name", ["journal.jsonl", "config.toml"])
@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_finished_run_is_not_read_without_what_says_what_it_is(name: str, change: Callable[[Path], object]) -> None:
    shutil.rmtree("broken", ignore_errors=True)
    shutil.copytree("run", "broken")
    change(Path("broken") / name)
    assert outcome(reread, Path("broken")) is None
