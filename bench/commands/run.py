"""`stepbeam run`: a task, a policy, strategies and budgets into a run folder."""

import argparse
from pathlib import Path

from bench.commands.options import (
    add_failures,
    add_limit_and_scorers,
    add_out_and_seed,
    add_replicas,
    add_thinking,
    fields_in,
    replicas_in,
)
from bench.inputs.specs import named_scorers
from bench.runs.plan import POOLED, RunPlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam run`."""
    add_out_and_seed(parser)
    add_limit_and_scorers(parser)
    parser.add_argument("--task", required=True, help="chain, gsm8k, gsm8k:FILE, math500:FILE, a .jsonl file, ...")
    parser.add_argument(
        "--policy",
        required=True,
        help="tiny:policy, transformers:MODEL, vllm:MODEL, openai:MODEL,base_url=ADDRESS or package.module:name; "
        "MODEL is a folder or a hub name",
    )
    parser.add_argument("--n", type=int, default=16, help="samples a problem; the curves' last point")
    parser.add_argument(
        "--strategies", help=f"comma-separated, of {', '.join(POOLED)}, beam_search; NAME:SCORER for one"
    )
    parser.add_argument("--expand", type=int, default=4, help="beam search: next steps drawn from each prefix")
    parser.add_argument("--max-steps", type=int, default=64, help="beam search: rounds at most")
    parser.add_argument("--temperature", type=float, help="0 is greedy; default: the task's")
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--top-k", type=int)
    parser.add_argument("--max-tokens", type=int, help="tokens of a whole solution; default: the task's")
    parser.add_argument(
        "--logprobs", action="store_true", default=None, help="save log-probabilities, where the policy asks a price"
    )
    parser.add_argument("--chunk", type=int, default=16, help="problems worked on together, and saved together")
    add_failures(parser, "draw and score")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"), help="of the policy")
    add_thinking(parser)
    add_replicas(parser)


def run(options: argparse.Namespace) -> None:
    """Run the plan that the options make, and show its curves."""
    from bench.commands.results import carry_out, slug

    given = fields_in(options, RunPlan)
    given["scorers"] = named_scorers(options.scorer)
    given["thinking"] = tuple(options.thinking)
    given["strategies"] = tuple(options.strategies.split(",")) if options.strategies else ()
    plan = RunPlan(**given)
    if not plan.strategies:
        plan = plan.with_default_strategies()
    out = options.out or Path("runs") / slug(plan.task, plan.policy, f"n{plan.n}", f"seed{plan.seed}")
    carry_out(
        plan,
        out,
        max_failed=options.max_failed,
        retry_failed=options.retry_failed,
        replicas=replicas_in(options),
    )
