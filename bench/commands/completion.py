"""`stepbeam completion SHELL`: what makes a shell complete the commands, by the package shtab."""

import argparse
from pathlib import Path

from bench.commands.options import path_of
from verifiers.interface.errors import BadInput

_EXAMPLES = """\
examples:
  stepbeam completion bash > ~/.local/share/bash-completion/completions/stepbeam
  stepbeam completion zsh > ~/.zfunc/_stepbeam      # in a folder of $fpath
"""
# Texts that may be a file's path.
_PATHS = ("pools", "prompts", "task", "eval", "shots", "file", "fit_on", "out", "base")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam completion`."""
    parser.epilog = _EXAMPLES
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="whose completion is printed")


def run(options: argparse.Namespace) -> None:
    """Print the script that the shell is to read."""
    try:
        import shtab
    except ImportError:
        raise BadInput("completion needs the package shtab: pip install shtab") from None
    from bench.commands.cli import _parser

    whole = _parser()
    _mark_paths(whole, shtab.FILE)
    print(shtab.complete(whole, shell=options.shell))


def _mark_paths(parser: argparse.ArgumentParser, complete: object) -> None:
    """Say of every option that is a path that the shell is to offer files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _mark_paths(inner, complete)
        elif action.type in (Path, path_of) or action.dest in _PATHS:
            action.complete = complete  # type: ignore[attr-defined]
