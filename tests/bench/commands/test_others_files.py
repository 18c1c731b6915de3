"""Nothing of others is written into, followed or removed: a folder is ours or empty, and so is each file."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.tiny import weights_folder

COMMANDS = {
    "run": ["run", "--task=chain", "--policy=tiny:policy", "--n=1", "--limit=1"],
    "rerank": ["rerank", "pool.jsonl", "--n=1"],
    "train": ["train", "orm", "rows.jsonl", f"--base={weights_folder('policy')}", "--steps=1"],
    "grpo": ["train", "grpo", "chain", "--policy=tiny:policy", "--steps=1", "--limit=1"],
    "reproduce": ["reproduce", "pav"],
}
OWNERS = {
    "run": "config.toml",
    "rerank": "config.toml",
    "train": "training.json",
    "grpo": "training.json",
    "reproduce": "settings.json",
}
MINE = b"dear diary\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text('{"prompt": "1+1=", "answer": "2", "solutions": ["2"]}\n')
    rows = [{"prompt": "1+1=", "steps": ["2"], "labels": [1.0], "correct": True}]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("mine").mkdir()
    Path("precious").write_bytes(MINE)


def everything() -> dict[str, bytes | None]:
    """Every file and folder; of what is a link only that it is one."""
    return {
        str(p): p.read_bytes() if p.is_file() and not p.is_symlink() else None
        for p in Path().rglob("*")
        if p.name != ".lock" or p.is_symlink() or p.is_dir()
    }


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    before = everything()
    capsys.readouterr()
    assert main(list(command)) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1, said.err
    assert everything() == before
    return said.err


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("name", ["samples.jsonl", ".model"])
def test_a_folder_with_something_else(capsys: pytest.CaptureFixture[str], kind: str, name: str) -> None:
    Path("mine", name).write_bytes(MINE)
    assert f"mine: this folder holds other files and no {OWNERS[kind]}" in refused(
        capsys, *COMMANDS[kind], "--out=mine"
    )


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("content", ['name = "mine"\n', '{"name": "mine"}', "[" * 5000, "\ud800"])
def test_an_owner_that_is_not_ours(capsys: pytest.CaptureFixture[str], kind: str, content: str) -> None:
    Path("mine", OWNERS[kind]).write_bytes(content.encode(errors="surrogatepass"))
    Path("mine/samples.jsonl").write_bytes(MINE)
    assert "mine" in refused(capsys, *COMMANDS[kind], "--out=mine")


PLACES: dict[str, Callable[[Path], None]] = {
    "a link": lambda path: path.symlink_to(Path("precious").absolute()),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("name", ["owner", ".lock"])
def test_a_name_of_ours_that_is_no_file(capsys: pytest.CaptureFixture[str], kind: str, what: str, name: str) -> None:
    PLACES[what](Path("mine", OWNERS[kind] if name == "owner" else name))
    assert "mine" in refused(capsys, *COMMANDS[kind], "--out=mine")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is copied, since a run takes a second."""
    folder = tmp_path_factory.mktemp("finished") / "ours"
    assert main([*COMMANDS["run"], f"--out={folder}"]) == 0
    return folder


@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("name", ["samples.jsonl", "results.jsonl", "report.html", "curve.png", ".retry", ".retried"])
def test_a_name_in_a_folder_of_ours(capsys: pytest.CaptureFixture[str], finished: Path, what: str, name: str) -> None:
    command = [*COMMANDS["run"], "--out=ours"]
    shutil.copytree(finished, "ours")
    if Path("ours", name).exists():
        Path("ours", name).unlink()
    PLACES[what](Path("ours", name))
    if (what, name) == ("a folder", ".retry"):  # one that is empty may be ours
        Path("ours/.retry/mine").write_bytes(MINE)
        command.append("--retry-failed")
        assert main(command) == 0  # nothing failed
        assert Path("ours/.retry/mine").read_bytes() == MINE
    elif (what, name) == ("a folder", ".retried"):
        Path("ours/.retried/mine").write_bytes(MINE)
        assert ".retried: this folder holds other files and no config.toml" in refused(capsys, *command)
    else:
        assert f"ours/{name}: " in refused(capsys, *command)
    assert Path("precious").read_bytes() == MINE


def test_a_run_that_another_begun_may_not_have_foreign_rows(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    shutil.copytree(finished, "ours")
    Path("ours/journal.jsonl").unlink()
    Path("ours/samples.jsonl").write_bytes(MINE)
    assert "ours: it has samples.jsonl and no journal.jsonl" in refused(capsys, *COMMANDS["run"], "--out=ours")
    Path("ours/journal.jsonl").touch()
    assert "samples.jsonl, behind the rows that" in refused(capsys, *COMMANDS["run"], "--out=ours")


def test_a_report_replaces_reports_only(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    shutil.copytree(finished, "ours")
    assert main(["report", "ours", "--out=page.html"]) == main(["report", "ours", "--out=page.html"]) == 0
    assert "--out precious: a file that is no report is there" in refused(capsys, "report", "ours", "--out=precious")
    Path("link.html").symlink_to("page.html")
    assert "--out link.html: cannot write the report there" in refused(capsys, "report", "ours", "--out=link.html")
    os.mkfifo("pipe.html")
    assert "--out pipe.html: cannot write the report there" in refused(capsys, "report", "ours", "--out=pipe.html")


def test_a_table_of_processbench_replaces_its_own_only(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cases.jsonl").write_text('{"problem": "?", "steps": ["a"], "label": -1}\n')
    command = ["processbench", "cases.jsonl", "--scorer=tiny:prm", "--out=mine"]
    Path("mine/processbench.jsonl").write_text('{"mine": 1}\n')
    assert "mine/processbench.jsonl: a file of something else" in refused(capsys, *command)
    Path("mine/processbench.jsonl").unlink()
    assert main(command) == main(command) == 0


@pytest.mark.parametrize("kind", COMMANDS)
def test_nothing_is_left_behind_where_nothing_could_be_done(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    bad = {
        "run": "--policy=none:x",
        "rerank": "--scorer=none:x",
        "train": "--base=./nowhere",
        "grpo": "--policy=none:x",
    }
    if kind in bad:
        refused(capsys, *COMMANDS[kind], bad[kind], "--out=new/deeper/out")
        assert not Path("new").exists()
