"""Help is quick: nothing heavy is imported for it."""

import argparse
import logging
import runpy
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.commands import cli
from bench.commands.cli import _parser, main
from bench.commands.completion import _mark_paths


def test_the_parser_needs_neither_torch_nor_a_plot() -> None:
    code = "import bench.commands.cli as cli, sys; cli._parser(); print(*{m.split('.')[0] for m in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in imported
    assert not {"torch", "transformers", "datasets", "matplotlib"} & set(imported)


def test_every_command_has_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        "demo", "run", "rerank", "show", "report", "serve", "train", "processbench", "reproduce", "completion",
    ):  # fmt: skip
        with pytest.raises(SystemExit) as done:
            main([command, "--help"])
        assert done.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: stepbeam {command}")


def test_a_command_says_what_it_waits_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    waits = logging.getLogger("stepbeam.replicas")
    monkeypatch.setattr("bench.commands.show.run", lambda options: waits.info("opening %d replicas", 2))
    assert main(["show", "run"]) == main(["show", "run"]) == 0
    assert capsys.readouterr().err == "stepbeam: opening 2 replicas\n" * 2
    assert not waits.handlers


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A command and those below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


def test_every_option_has_a_word_and_says_its_default() -> None:
    for parser in parsers(_parser()):
        shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
        for action in shown:
            if isinstance(action, argparse._SubParsersAction):
                assert all(choice.help for choice in action._choices_actions), parser.prog
                continue
            said = parser._get_formatter()._expand_help(action) if action.help else ""
            where = f"{parser.prog} {action.option_strings or action.dest}"
            assert len(said) > 5, where
            switch = action.nargs == 0
            assert (
                switch or action.required or not action.option_strings or "default" in said or "may be repeated" in said
            ), where


def test_a_shell_completes_the_paths_of_every_option_that_is_a_file() -> None:
    whole = _parser()
    _mark_paths(whole, "files")
    actions = [(f"{p.prog} {action.dest}", action) for p in parsers(whole) for action in p._actions]
    files = [(name, action) for name, action in actions if str(action.metavar).startswith(("FILE", "FOLDER", "TASK"))]
    assert len(files) > 15
    assert [name for name, action in files if getattr(action, "complete", None) != "files"] == []
    assert not any(hasattr(action, "complete") for name, action in actions if name.endswith((" seed", " limit")))


@pytest.mark.parametrize("command", ["run", "rerank", "show", "report", "serve", "train", "processbench", "reproduce"])
def test_the_help_of_a_command_imports_nothing_slow(command: str) -> None:
    code = f"import bench.commands.cli as cli, sys; cli._parser(['{command}']); print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in imported
    assert not {"torch", "transformers", "datasets", "matplotlib", "scipy", "tqdm", "shtab"} & set(imported)


@pytest.mark.alone
@pytest.mark.parametrize(
    "command", [[], ["run"], ["rerank"], ["train", "grpo"], ["reproduce", "pav"], ["processbench"]]
)
def test_help_takes_under_a_second(command: list[str]) -> None:
    argv = [sys.executable, "-m", "bench.commands.cli", *command, "--help"]
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run(argv, capture_output=True, check=True)
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 1


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("stepbeam")


def test_options_that_do_not_apply_are_not_shown_and_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, absent, there in (
        (["train", "orm"], "--target", "--epochs"),
        (["train", "genrm"], "--target", "--votes"),
        (["reproduce", "pav"], "--steps", "--quick"),
        (["reproduce", "pav-rl"], "--problems", "--seeds"),
    ):
        with pytest.raises(SystemExit):
            main([*argv, "--help"])
        said = capsys.readouterr().out
        assert absent not in said
        assert there in said
    for option in ("--expand=2", "--max-steps=3"):
        assert main(["run", "--task=chain", "--policy=tiny:policy", option]) == 2
        assert "it is for beam_search; add that to --strategies" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_is_told_of_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("processbench", "grpo", "strategies"))


def test_what_reads_the_output_may_have_seen_enough() -> None:
    argv = f"{shlex.quote(sys.executable)} -m bench.commands.cli completion bash | head -1"
    done = subprocess.run(argv, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_package_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--version"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module("bench", run_name="__main__")
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("stepbeam")


def test_a_warning_of_ours_is_a_line_and_another_says_where_it_is_from() -> None:
    ours, usual = str(Path(cli.__file__)), warnings.formatwarning
    assert cli._line_of("it waits", UserWarning, ours, 3) == "stepbeam: it waits\n"
    assert cli._line_of("it waits", FutureWarning, ours, 3).startswith(f"{ours}:3: FutureWarning: it waits")
    assert cli._line_of("it waits", UserWarning, "a.py", 3).startswith("a.py:3: UserWarning: it waits")
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert warnings.formatwarning is usual
