"""`stepbeam rerank`: every reranker's curve on saved generations."""

import argparse
from pathlib import Path

from bench.commands.options import (
    add_answers,
    add_by,
    add_failures,
    add_limit_and_scorers,
    add_out_and_seed,
    add_replicas,
    add_thinking,
    columns,
    listed,
    positive,
    replicas_in,
    separator,
)
from bench.inputs.specs import named_scorers
from bench.runs.plan import SELECTORS, sizes_to

_EXAMPLES = """\
examples:
  stepbeam rerank pool.jsonl.gz --scorer orm:my/reward-model --scorer mine:length
  stepbeam rerank runs/mine --scorer tiny:orm --by level
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam rerank`."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "pools",
        nargs="+",
        metavar="POOL",
        help="a .jsonl, .json, .csv (each also .gz), .parquet or .eval file, a run's folder, or a data set's name and "
        "split (owner/name:split); docs/pools.md lists the shapes that are known",
    )
    reading = parser.add_argument_group("how the pools are read")
    reading.add_argument(
        "--columns",
        type=columns,
        metavar="OURS=THEIRS,...",
        help="names in the pools that are not known, such as prompt=frage,answer=doc.answer; of id, prompt, answer, "
        "solutions, text, steps, correct, stop, scores; default: the usual names",
    )
    reading.add_argument(
        "--prompts",
        action="append",
        default=[],
        metavar="FILE",
        help="the requests of a batch, or another file with the prompts or gold answers that the pools lack, joined by "
        "their ids; may be repeated",
    )
    add_answers(reading, None, whose="those that a run was made with")
    reading.add_argument(
        "--separator",
        type=separator,
        metavar="TEXT",
        help=r"what ends a step of a text, such as '\n\n'; default: each scorer's own, or a line break",
    )
    add_thinking(reading)
    choosing = parser.add_argument_group("how they are reranked")
    add_limit_and_scorers(choosing)
    choosing.add_argument(
        "--reduce",
        type=listed,
        metavar="LIST",
        help="how step scores become one, separated by commas: last, min, prod, mean; default: each scorer's own",
    )
    choosing.add_argument(
        "--n", type=positive, help="the curves' last point; default: the largest pool, and 32 at most"
    )
    choosing.add_argument(
        "--select",
        type=listed,
        metavar="LIST",
        default="best_of_n,weighted_majority",
        help=f"how a scored solution is chosen, separated by commas: {', '.join(SELECTORS)}",
    )
    work = parser.add_argument_group("how it is worked off")
    add_out_and_seed(work)
    add_failures(work, "score")
    add_replicas(work)
    add_by(parser.add_argument_group("what is shown"))


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
        reduce=options.reduce or (),
        select=options.select,
        limit=options.limit,
        seed=options.seed,
        answers=options.answers,
        thinking=options.thinking,
        by=options.by,
        max_failed=options.max_failed,
        retry_failed=options.retry_failed,
        replicas=replicas_in(options),
        begun=lambda: print(what, flush=True),
    )
    show(results, out, by=options.by, title=first.name)
