"""The command `stepbeam`: its commands, a file each, and how they end."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from bench.commands import demo, export, processbench, report, reproduce, rerank, run, serve, train
from bench.files.memory import keep_freed_memory
from verifiers.interface.errors import BadArgument, BadInput, EngineStoppedError


class _Command(Protocol):
    """What a file of a command offers; what only running it needs is imported by `run`, so that help is quick."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, options: argparse.Namespace) -> object: ...


_COMMANDS: dict[str, tuple[_Command, str]] = {
    "demo": (demo, "compute against accuracy on an embedded model, in two minutes on a laptop"),
    "run": (run, "a task, a policy, strategies and budgets into a run folder"),
    "rerank": (rerank, "every reranker's curve on saved generations; needs no policy"),
    "report": (report, "one page on one or several runs, for a browser"),
    "export": (export, "a run's pools for other tools: a log of Inspect AI, a data set, on disk or on the hub"),
    "serve": (serve, "a server of OpenAI's chat protocol that answers each request by a search"),
    "train": (train, "scorers from labelled solutions; a policy from scorers"),
    "processbench": (processbench, "how well a process scorer finds the first wrong step"),
    "reproduce": (reproduce, "a paper's claims beside what the embedded models show"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 2 for bad input, 130 where it was interrupted."""
    keep_freed_memory()
    try:
        given = sys.argv[1:] if argv is None else argv
        if odd := next((part for part in given if "\0" in part), None):
            raise BadInput(f"{odd[:40]!r}: this argument holds a null byte, which no name of a file can")
        if odd := next((part for part in given if not _is_text(part)), None):
            raise BadInput(f"{odd[:40]!r}: this argument is not UTF-8, as what is written here is; rename the file")
        options = _parser().parse_args(given)
        command, _ = _COMMANDS[options.command]
        command.run(options)
    except (BadInput, EngineStoppedError, OSError) as error:
        said = error.as_option() if isinstance(error, BadArgument) else str(error)
        print(f"stepbeam: {shorten(' '.join(said.splitlines()))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstepbeam: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return 0


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
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see '{self.prog} --help')")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stepbeam",
        description="Spend compute at inference time: sample many solutions, score them, keep the right one.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name, (command, what) in _COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=what))
    return parser


if __name__ == "__main__":
    sys.exit(main())
