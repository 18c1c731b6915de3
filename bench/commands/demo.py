"""`stepbeam demo`: every strategy on an embedded model, in two minutes on a laptop."""

import argparse
from functools import partial
from pathlib import Path

from bench.commands.options import add_out_and_seed
from bench.runs.plan import RunPlan
from policies.replicas.workers import Replicas


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam demo`."""
    add_out_and_seed(parser)


def demo_plan(seed: int = 0) -> RunPlan:
    """What `stepbeam demo` runs: 50 held-out problems of `chain`, every strategy, N = 1 to 64."""
    return RunPlan(
        task="chain",
        policy="tiny:policy",
        scorers={
            "orm": "tiny:orm",
            "prm": "tiny:prm",
            "pav": "pav:tiny:prm,k=4,alpha=0.2",
            "genrm": "tiny:genrm",
            "genrm_cot": "tiny:genrm_cot,votes=1",
        },
        strategies=(
            "self_consistency",
            "best_of_n:orm",
            "best_of_n:prm",
            "best_of_n:genrm",
            "best_of_n:genrm_cot",
            "weighted_majority:orm",
            "weighted_majority:genrm_cot",
            "beam_search:prm",
            "beam_search:pav",
        ),
        n=64,
        limit=50,
        seed=seed,
        chunk=25,
    )


def run(options: argparse.Namespace) -> None:
    """Run the plan, and show its curves."""
    from bench.commands.results import say_begun, show_run
    from bench.runs.run import run as run_plan
    from policies.replicas.processes import cores

    print("50 held-out problems of chain arithmetic, a trained 0.9M-parameter policy and its scorers")
    replicas = Replicas(2, ray=None) if cores() > 1 else None  # so small a model gains little by a second thread
    plan, out = demo_plan(options.seed), options.out or Path("runs/demo")
    show_run(run_plan(plan, out, replicas=replicas, begun=partial(say_begun, plan, out)), plan, out)
