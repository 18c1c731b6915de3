"""The command `stepbeam`: its commands, a file each, and how they end."""

import argparse
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast

from bench.commands.help import Help
from bench.commands.whole import whole
from bench.files.memory import keep_freed_memory
from verifiers.interface.errors import BadArgument, BadInput, EngineStoppedError


class _Command(Protocol):
    """What a file of a command offers; what only running it needs is imported by `run`, so that help is quick."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, options: argparse.Namespace) -> object: ...


_COMMANDS = {
    "demo": "compute against accuracy on an embedded model, in two minutes on a laptop",
    "run": "a task, a policy, strategies and budgets into a run folder",
    "rerank": "every reranker's curve on saved generations; needs no policy",
    "show": "the table of a run again, by category, or as CSV, JSON, Markdown or LaTeX",
    "report": "one page on one or several runs, for a browser",
    "export": "a run's pools for other tools: a log of Inspect AI, a data set, on disk or on the hub",
    "serve": "a server of OpenAI's chat protocol that answers each request by a search",
    "train": "scorers from labelled solutions; a policy from scorers",
    "processbench": "how well a process scorer finds the first wrong step",
    "reproduce": "a paper's claims beside what the embedded models show",
    "completion": "what makes a shell complete these commands and their options",
}
_ADVICE = """\
first steps:
  stepbeam demo
  stepbeam run --task problems.jsonl --policy transformers:MODEL --n 8
  stepbeam COMMAND --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 2 for bad input, 130 where it was interrupted."""
    keep_freed_memory()
    before, warnings.formatwarning = warnings.formatwarning, _line_of
    _WAITS.addHandler(lines := logging.StreamHandler())
    lines.setFormatter(logging.Formatter("stepbeam: %(message)s"))
    _WAITS.setLevel(logging.INFO)
    if "" not in sys.path:
        sys.path.append("")  # one's own parts are modules of the current folder; behind all others, which keep working
    try:
        given = sys.argv[1:] if argv is None else argv
        if odd := next((part for part in given if "\0" in part), None):
            raise BadInput(f"{odd[:40]!r}: this argument holds a null byte, which no name of a file can")
        if odd := next((part for part in given if not _is_text(part)), None):
            raise BadInput(f"{odd[:40]!r}: this argument is not UTF-8, as what is written here is; rename the file")
        options = _parser([part for part in given if part in _COMMANDS][:1]).parse_args(given)
        _command(options.command).run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (BadInput, EngineStoppedError, OSError) as error:
        said = error.as_option() if isinstance(error, BadArgument) else str(error)
        print(f"stepbeam: {shorten(' '.join(said.splitlines()))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstepbeam: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    finally:
        warnings.formatwarning = before
        _WAITS.removeHandler(lines)
    return 0


_WAITS = logging.getLogger("stepbeam.replicas")  # says what is waited for, which may take a minute
_usual_line = warnings.formatwarning
_OURS = Path(__file__).parents[2]
_PACKAGES = ("search", "verifiers", "prms", "policies", "bench")


def _line_of(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """What is printed of a warning: of ours that is meant for users what it says, of others the file too."""
    file = Path(filename)
    ours = file.is_relative_to(_OURS) and file.relative_to(_OURS).parts[0] in _PACKAGES
    if category is UserWarning and ours:
        return f"stepbeam: {message}\n"
    return _usual_line(message, category, filename, lineno, line)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:  # a name in bytes of another encoding
        return False
    return True


def shorten(text: str, most: int = 1000) -> str:
    """A text without its middle, where it is longer than `most` characters.

    >>> shorten("abcdefghij", 7)
    'ab...ij'
    """
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


class _Parser(argparse.ArgumentParser):
    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": Help, **given})
        self.register("type", int, whole)

    def parse_known_args(self, *given: Any, **more: Any) -> Any:
        """As argparse does, but what a command does not know is refused by that command, which knows the nearest."""
        options, unknown = super().parse_known_args(*given, **more)
        if unknown:
            near = get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, n=1, cutoff=0.7)
            self.error(f"unrecognized arguments: {' '.join(unknown)}" + (f"; did you mean {near[0]}?" if near else ""))
        return options, unknown

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see '{self.prog} --help')")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata

        try:
            print(f"stepbeam {metadata.version('stepbeam')}")
        except metadata.PackageNotFoundError:
            print("stepbeam, from a folder where it is not installed")
        parser.exit()


def _command(name: str) -> _Command:
    return cast("_Command", importlib.import_module(f"bench.commands.{name}"))


def _parser(wanted: Collection[str] = tuple(_COMMANDS)) -> argparse.ArgumentParser:
    """What reads the arguments; only the `wanted` commands know their own, since to ask them means to import them."""
    parser = _Parser(
        prog="stepbeam",
        description="Spend compute at inference time: sample many solutions, score them, keep the right one.",
        epilog=_ADVICE,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(
        dest="command", required=True, title="commands", metavar="COMMAND", parser_class=_Parser
    )
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        if name in wanted:
            _command(name).add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
