"""Options that several commands have, and how their values are read."""

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeAlias

from bench.commands.whole import whole
from policies.replicas.workers import Replicas
from policies.training.hooks import TRACKERS, OnMetrics, reporting
from verifiers.grading.answers import ANSWERS
from verifiers.grading.thinking import marks_in
from verifiers.interface.errors import BadArgument, BadInput, first_line

Options: TypeAlias = argparse.ArgumentParser | argparse._ArgumentGroup

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def add_out_and_seed(parser: Options) -> None:
    """`--out` and `--seed`, of what writes a run's folder."""
    parser.add_argument(
        "--out",
        type=path_of,
        metavar="FOLDER",
        help="the folder to write; the same command again goes on in it; default: one in runs/, named by the command",
    )
    parser.add_argument("--seed", type=int, default=0, help="what every random draw begins from")


def add_limit_and_scorers(parser: Options) -> None:
    """`--limit` and `--scorer`, of what solves or reranks problems."""
    parser.add_argument("--limit", type=int, metavar="N", help="only the first so many problems; default: all")
    parser.add_argument(
        "--scorer",
        action="append",
        default=[],
        metavar="[NAME=]SPEC",
        help="tiny:NAME, orm:, prm: or genrm:FOLDER_OR_NAME, pav:BASE,PROVER,alpha=A, or module:name of your own, such "
        "as mine:length of a mine.py in this folder; may be repeated",
    )


class _Each(argparse.Action):
    """Keeps what is given in a list, and what is given twice once."""

    def __call__(self, _parser: object, options: argparse.Namespace, value: Any, _option: str | None = None) -> None:
        setattr(options, self.dest, list(dict.fromkeys([*getattr(options, self.dest), value])))


def add_by(parser: Options) -> None:
    """`--by`, of what shows results."""
    parser.add_argument(
        "--by",
        action=_Each,
        default=[],
        metavar="FIELD",
        help="also the results of each value of a field that the problems have, such as level; may be repeated",
    )


def add_failures(parser: Options, done: str) -> None:
    """`--max-failed` and `--retry-failed`, of what is `done` by models and servers that may be down."""
    parser.add_argument(
        "--max-failed",
        type=float,
        metavar="SHARE",
        help="end where more of the rows that are saved together fail; default: where all do",
    )
    parser.add_argument("--retry-failed", action="store_true", help=f"{done} what failed again, and that alone")


def add_thinking(parser: Options) -> None:
    """`--thinking`, of what grades texts."""
    parser.add_argument(
        "--thinking",
        type=thinking,
        action="append",
        default=[],
        metavar="BEGIN,END",
        help="further marks round a model's thoughts, where no answer is read, such as '<cot>,</cot>'; may be repeated",
    )


def add_tracking(parser: Options) -> None:
    """`--keep-last`, `--report-to` and `--dry-run`, of trainings."""
    parser.add_argument("--keep-last", type=positive, default=1, help="checkpoints that stay")
    parser.add_argument("--report-to", choices=TRACKERS, help="a tracker for the metrics of each step; default: none")
    parser.add_argument(
        "--dry-run", action="store_true", help="make one step, keep nothing of it, and say what it takes"
    )


@contextmanager
def tracker_in(options: argparse.Namespace, config: Any, *, name: str) -> Iterator[OnMetrics | None]:
    """Who is told the metrics, by what `add_tracking` was given."""
    if options.report_to is None or options.dry_run:
        yield None
        return
    with reporting(options.report_to, options.out, name=name, config=asdict(config)) as on_metrics:
        yield on_metrics


def add_reading(parser: Options) -> None:
    """How a task's problems are read, asked and graded: `--columns` to `--thinking`."""
    parser.add_argument(
        "--columns",
        type=columns,
        metavar="OURS=THEIRS,...",
        help="names in a file that are not ours, such as prompt=frage,answer=doc.gold; of prompt, answer, id, "
        "solution; default: the usual names",
    )
    parser.add_argument(
        "--system", metavar="TEXT", help="a system message before each prompt, in the place of its own; default: none"
    )
    parser.add_argument(
        "--instruction",
        metavar="TEXT",
        help="what each prompt ends with, after a blank line; '' for nothing; default: the task's own, of a file none",
    )
    parser.add_argument(
        "--shots",
        metavar="FILE[:K]",
        help="rows of solved problems, all or the first K, that are shown before each; a row's solution, or else its "
        "answer; default: none",
    )
    add_answers(parser, None)
    parser.add_argument(
        "--separator", type=separator, metavar="TEXT", help=r"what ends a step, such as '\n\n'; default: the task's own"
    )
    add_thinking(parser)


def add_answers(parser: Options, default: str | None, *, whose: str = "the task's own") -> None:
    """`--answers`, of what grades texts."""
    parser.add_argument(
        "--answers",
        default=default,
        metavar="KIND",
        help=f"how answers are read and compared: {', '.join(ANSWERS)}, or module:name of verifiers.Answers of your own"
        + ("" if default else f"; default: {whose}, math for a file"),
    )


def add_replicas(parser: Options) -> None:
    """`--ray`, `--replicas` and `--gpus-per-replica`, of what can be done by several processes."""
    parser.add_argument(
        "--ray",
        metavar="local|auto|ADDRESS",
        help="replicas in a Ray cluster: of this machine, the one it is part of, or one elsewhere; default: no Ray",
    )
    parser.add_argument(
        "--replicas",
        type=int,
        metavar="R",
        help="processes that work side by side, each with its own models, to the same folder; without --ray on this "
        f"machine's CPU; default: one, with --ray {Replicas().count}",
    )
    parser.add_argument(
        "--gpus-per-replica", type=float, metavar="G", help="default: 1 where the cluster has any; 0.5 shares one"
    )


def replicas_in(options: argparse.Namespace) -> Replicas | None:
    """What `add_replicas` was given, None for work in this process."""
    if options.ray is None and options.replicas is None:
        if options.gpus_per_replica is not None:
            raise BadArgument("gpus_per_replica", options.gpus_per_replica, "add --ray local, auto or HOST:PORT")
        return None
    count = Replicas().count if options.replicas is None else options.replicas
    return Replicas(count, ray=options.ray, gpus=options.gpus_per_replica)


def fields_in(options: argparse.Namespace, kind: type[Any]) -> dict[str, Any]:
    """The fields of a dataclass that are options of the same names."""
    return {field.name: getattr(options, field.name) for field in fields(kind) if hasattr(options, field.name)}


@contextmanager
def training_errors(kind: str) -> Iterator[None]:
    """What a training cannot be made of ends the command with one line."""
    try:
        yield
    except BadArgument:
        raise
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        raise BadInput(f"train {kind}: {first_line(error)}") from None
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or "allocate" in str(error)):  # torch's words for it
            raise
        todo = "make --group-size, --part-tokens" if kind == "grpo" else "make --batch-size, --max-length"
        raise BadInput(f"train {kind}: out of memory ({first_line(error)}); {todo} or --lora-rank smaller") from error


def separator(text: str) -> str:
    r"""What ends a step, as a shell passes it on: `\n`, `\r`, `\t` and `\\` are read as escapes.

    >>> separator(r"\n\n"), separator(" ки")
    ('\n\n', ' ки')
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty; name the text that ends a step, such as '\\n\\n'")
    return re.sub(r"\\([nrt\\])", lambda escape: _ESCAPES[escape[1]], text)


def thinking(text: str) -> str:
    r"""Marks of thinking as `BEGIN,END`, with escapes as in `separator`.

    >>> thinking(r"# Thought\n,# Said\n")
    '# Thought\n,# Said\n'
    """
    try:
        marks_in([text])
    except BadArgument as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.args[-1]}") from None
    return separator(text)


def listed(text: str) -> tuple[str, ...]:
    """Names that are separated by commas.

    >>> listed("best_of_n,beam_search")
    ('best_of_n', 'beam_search')
    """
    names = tuple(text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r}: write one name or several, separated by commas")
    return names


def columns(text: str) -> dict[str, str]:
    """Our names of columns, with those of a source: `prompt=problem,solutions=samples`.

    >>> columns("prompt=problem,solutions=samples")
    {'prompt': 'problem', 'solutions': 'samples'}
    """
    pairs = [part.partition("=") for part in text.split(",")]
    for ours, _, theirs in pairs:
        if not (ours and theirs):
            raise argparse.ArgumentTypeError(f"{text!r}: write OURS=THEIRS, separated by commas")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


def path_of(text: str) -> Path:
    """A file or a folder; `~` is one's home, also behind an `=` where shells leave it.

    >>> path_of("runs/mine").name
    'mine'
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty; name a file or a folder")
    return Path(os.path.expanduser(text))


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if (number := whole(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number
