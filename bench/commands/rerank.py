"""`stepbeam rerank`: every reranker's curve on saved generations."""

import argparse
from pathlib import Path

from bench.commands.options import (
    add_failures,
    add_limit_and_scorers,
    add_out_and_seed,
    add_replicas,
    add_thinking,
    columns,
    positive,
    replicas_in,
    separator,
)
from bench.inputs.specs import named_scorers
from bench.runs.plan import SELECTORS, sizes_to
from verifiers.grading.answers import ANSWERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam rerank`."""
    add_out_and_seed(parser)
    add_limit_and_scorers(parser)
    parser.add_argument(
        "pools",
        nargs="+",
        metavar="POOL",
        help="a .jsonl, .json, .csv (each also .gz), .parquet or .eval file, a run's folder, or a data set's name and "
        "split (owner/name:split); docs/pools.md lists the shapes that are known",
    )
    parser.add_argument(
        "--columns",
        type=columns,
        help="names in the pools that are not known, such as prompt=frage,answer=doc.answer; of id, prompt, answer, "
        "solutions, text, steps, correct, stop, scores",
    )
    parser.add_argument(
        "--prompts",
        action="append",
        default=[],
        metavar="FILE",
        help="the requests of a batch, or another file with the prompts or gold answers that the pools lack, joined by "
        "their ids; may be repeated",
    )
    parser.add_argument(
        "--reduce",
        help="how step scores become one, separated by commas: last, min, prod, mean; default: each scorer's own",
    )
    parser.add_argument("--answers", default="math", choices=ANSWERS, help="how answers are read and compared")
    add_thinking(parser)
    parser.add_argument("--n", type=positive, help="the curves' last point; default: the largest pool, and 32 at most")
    parser.add_argument(
        "--select",
        default="best_of_n,weighted_majority",
        help=f"how a scored solution is chosen, separated by commas: {', '.join(SELECTORS)}",
    )
    parser.add_argument(
        "--separator",
        type=separator,
        help=r"what ends a step of a text, such as '\n\n'; default: each scorer's own, or a line break",
    )
    add_failures(parser, "score")
    add_replicas(parser)


def run(options: argparse.Namespace) -> None:
    """Rerank the pools, and show the curves; what is made of a run stays beside it."""
    from bench.commands.results import show, slug
    from bench.pools.rerank import rerank
    from bench.pools.sources import is_run_folder

    first = Path(options.pools[0])
    beside = first / "rerank" if len(options.pools) == 1 and is_run_folder(options.pools[0]) else None
    out = options.out or beside or Path("runs") / slug("rerank", first.name.partition(".")[0])
    what = f"reranking {', '.join(options.pools)} -> {out}"
    results = rerank(
        options.pools,
        named_scorers(options.scorer),
        out,
        sizes=sizes_to(options.n) if options.n else None,
        columns=options.columns,
        prompts=options.prompts,
        separator=options.separator,
        reduce=options.reduce.split(",") if options.reduce else (),
        select=options.select.split(","),
        limit=options.limit,
        seed=options.seed,
        answers=ANSWERS[options.answers],
        thinking=options.thinking,
        max_failed=options.max_failed,
        retry_failed=options.retry_failed,
        replicas=replicas_in(options),
        begun=lambda: print(what),
    )
    show(results, out, title=first.name)
