"""`stepbeam run`: a task, a policy, strategies and budgets into a run folder."""

import argparse
from dataclasses import fields
from functools import partial
from pathlib import Path

from bench.commands.options import (
    add_by,
    add_failures,
    add_limit_and_scorers,
    add_out_and_seed,
    add_reading,
    add_replicas,
    fields_in,
    listed,
    replicas_in,
)
from bench.inputs.specs import named_scorers
from bench.runs.plan import POOLED, RunPlan
from verifiers.interface.errors import BadArgument

_EXAMPLES = """\
examples:
  stepbeam run --task chain --policy tiny:policy --scorer tiny:prm --strategies best_of_n,beam_search --n 32
  stepbeam run --task problems.jsonl --policy vllm:MODEL --scorer mine:length --by level
"""
_OF_BEAMS = {field.name: field.default for field in fields(RunPlan) if field.name in ("expand", "max_steps")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam run`."""
    parser.epilog = _EXAMPLES
    what = parser.add_argument_group("what is run")
    what.add_argument(
        "--task",
        required=True,
        help="chain, countdown, last_letter, word_sort, gsm8k, math500, aime24, NAME:FILE for a copy of a real one, a "
        ".jsonl, .json, .csv or .parquet file of your own, a data set's folder, or name and split (owner/name:split), "
        "or module:name, such as mine:problems of a mine.py in this folder",
    )
    what.add_argument(
        "--policy",
        required=True,
        metavar="SPEC",
        help="tiny:policy, transformers:MODEL, vllm:MODEL, openai:MODEL,base_url=ADDRESS or module:name of your own; "
        "MODEL is a folder or a hub name",
    )
    what.add_argument(
        "--strategies",
        type=listed,
        metavar="LIST",
        help=f"separated by commas, of {', '.join(POOLED)}, beam_search and module:name of your own; each for every "
        "scorer, NAME:SCORER for one; one of your own asks no scorer that is not named so; default: all but "
        "beam_search that the scorers allow",
    )
    what.add_argument("--n", type=int, default=16, help="samples a problem; the curves' last point")
    add_limit_and_scorers(what)
    task = parser.add_argument_group("how problems are read and asked")
    add_reading(task)
    sampling = parser.add_argument_group("sampling")
    sampling.add_argument("--temperature", type=float, metavar="T", help="0 is greedy; default: the task's")
    sampling.add_argument("--top-p", type=float, metavar="P", help="of the likeliest tokens; default: all, 1")
    sampling.add_argument("--top-k", type=int, metavar="K", help="so many tokens at most; default: all, 0")
    sampling.add_argument("--max-tokens", type=int, metavar="T", help="tokens of a whole solution; default: the task's")
    sampling.add_argument(
        "--logprobs", action="store_true", default=None, help="save log-probabilities, where the policy asks a price"
    )
    sampling.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "bfloat16"), help="of a policy that computes here"
    )
    beams = parser.add_argument_group("beam search")
    beams.add_argument(
        "--expand", type=int, metavar="M", help=f"next steps drawn from each prefix; default: {_OF_BEAMS['expand']}"
    )
    beams.add_argument("--max-steps", type=int, metavar="K", help=f"rounds at most; default: {_OF_BEAMS['max_steps']}")
    work = parser.add_argument_group("how it is worked off")
    add_out_and_seed(work)
    work.add_argument(
        "--chunk",
        type=int,
        default=16,
        metavar="K",
        help="problems worked on and saved together; may change where a run is gone on with",
    )
    add_failures(work, "draw and score")
    add_replicas(work)
    add_by(parser.add_argument_group("what is shown"))


def run(options: argparse.Namespace) -> None:
    """Run the plan that the options make, and show its curves."""
    from bench.commands.results import say_begun, show_run, slug
    from bench.runs.run import run as run_plan

    given = {name: value for name, value in fields_in(options, RunPlan).items() if value is not None}
    given["scorers"] = named_scorers(options.scorer)
    given["thinking"] = tuple(options.thinking)
    given["strategies"] = options.strategies or ()
    plan = RunPlan(**given)
    if not plan.strategies:
        plan = plan.with_default_strategies()
    for name in _OF_BEAMS:
        if getattr(options, name) is not None and not any(c.strategy == "beam_search" for c in plan.contests()):
            raise BadArgument(name, getattr(options, name), "it is for beam_search; add that to --strategies")
    out = options.out or Path("runs") / slug(plan.task, plan.policy, f"n{plan.n}", f"seed{plan.seed}")
    results = run_plan(
        plan,
        out,
        by=options.by,
        max_failed=options.max_failed,
        retry_failed=options.retry_failed,
        replicas=replicas_in(options),
        begun=partial(say_begun, plan, out),
    )
    show_run(results, plan, out, by=options.by)
