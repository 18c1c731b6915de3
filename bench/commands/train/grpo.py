"""`stepbeam train grpo`: a policy trained by its own samples, and what its folder shows."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from bench.commands.options import (
    add_reading,
    add_replicas,
    add_tracking,
    fields_in,
    path_of,
    positive,
    replicas_in,
    training_errors,
)
from bench.commands.train.progress import notes, told_in
from bench.files.run_folder import check_folder
from bench.inputs.specs import load_policy, load_scorer
from bench.inputs.task import Task
from bench.tasks.tasks import TINY, load_task
from bench.tiny.worlds.worlds import Split
from policies.grpo.advantages import CREDITS
from policies.grpo.config import GRPOConfig
from policies.policy import Sampling
from verifiers.combinators.replicated import replicated
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.scoring import Scorer

_DEFAULT = GRPOConfig()
_PROBLEMS = 500  # of an embedded task's train split
_EVALUATED = 100  # of its test split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam train grpo`."""
    parser.add_argument("task", metavar="TASK", help="as in 'stepbeam run'; of an embedded task the train split")
    parser.add_argument("--policy", required=True, help="tiny:policy, or transformers:FOLDER_OR_NAME")
    parser.add_argument(
        "--out", type=path_of, required=True, help="the training's folder; the same command goes on in it"
    )
    parser.add_argument("--verifier", metavar="SPEC", help="what rewards solutions; default: the task's own grading")
    parser.add_argument("--prm", metavar="SPEC", help="what speaks where --gate lets it; default: none, which is GRPO")
    parser.add_argument(
        "--held-out", metavar="SPEC", help="a scorer that is not trained against, to audit --prm by; default: none"
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"only the first so many problems; default: all, of an embedded task {_PROBLEMS}",
    )
    parser.add_argument("--eval", metavar="TASK", help="held-out problems; an embedded task's test split by default")
    parser.add_argument("--eval-limit", type=positive, default=_EVALUATED, help="only the first so many of them")
    parser.add_argument("--eval-samples", type=positive, default=4, help="solutions of each")
    for name, choices, what in (
        ("gate", ("degenerate", "all_wrong", "always", "never"), "the groups in which the PRM speaks"),
        ("credit", CREDITS, "what the PRM's scores make of a step"),
        ("scale", ("std", "none"), "whether advantages are divided by their spread"),
        ("weight", ("step", "token"), "what counts once where the PRM's credits are averaged"),
        ("baseline", ("none", "step"), "whether a step's credit is less the group's mean at its place"),
        ("loss", ("grpo", "dr_grpo", "dapo"), "how tokens and solutions are averaged"),
        ("schedule", ("constant", "linear", "cosine"), "how the learning rate falls"),
    ):
        parser.add_argument(f"--{name}", choices=choices, default=getattr(_DEFAULT, name), help=what)
    for name, what in (
        ("steps", "samplings, with --updates updates each"),
        ("groups", "problems a step"),
        ("group-size", "solutions of each"),
        ("updates", "updates from each sampling"),
        ("resample", "replace dead groups up to so many times a step (DAPO)"),
        ("warmup", "steps in which the learning rate rises"),
        ("part-tokens", "tokens in the model at once in an update; changes the memory alone; default: by the device"),
        ("lora-rank", "0 trains all weights"),
        ("lora-alpha", "the scale of LoRA's weights"),
        ("seed", "what every random draw begins from"),
        ("save-every", "steps between checkpoints"),
        ("evaluate-every", "steps between evaluations; 0: never"),
        ("attribute-every", "steps between records of every step's credit; 0: never"),
        ("prm-coef", "what the PRM's advantages are multiplied by"),
        ("clip-low", "how far a token's ratio may fall below 1"),
        ("clip-high", "how far it may rise above 1"),
        ("beta", "weight of the KL to the policy as it was"),
        ("learning-rate", "its highest value"),
        ("weight-decay", "of AdamW"),
    ):
        default = getattr(_DEFAULT, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int if default is None else type(default), default=default, help=what)
    parser.add_argument("--temperature", type=float, help="0 is greedy; default: the task's")
    parser.add_argument("--max-tokens", type=int, help="tokens of a whole solution; default: the task's")
    parser.add_argument("--bf16", action="store_true", help="compute updates in bfloat16")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument(
        "--keep-best",
        metavar="NAME",
        help="keep the checkpoint with the highest NAME in its evaluation, as accuracy; default: none",
    )
    add_reading(parser.add_argument_group("how problems are read and asked, --eval's too"))
    add_tracking(parser)
    add_replicas(parser)


def run(options: argparse.Namespace) -> None:
    """Train, and write the report and the audit; raises BadInput for what cannot be."""
    from bench.report.parts import check_page
    from bench.report.trainings import write_training_report
    from bench.training.accuracy import Accuracy
    from bench.training.audit import read_metrics, write_audit
    from bench.training.metrics import summary
    from policies.backends.transformers import Transformers
    from policies.grpo.train import grpo_train

    page = options.out / "report.html"
    limit = _PROBLEMS if options.limit is None and options.task in TINY else options.limit
    task = _task(options, options.task, limit=limit, split="train")
    judged = _held_out(options, task)
    try:
        config = _config(options, task.sampling)
    except ValueError as error:
        raise BadInput(str(error)) from None
    policy = load_policy(options.policy, dtype="auto" if config.lora_rank else "float32")
    if not isinstance(policy, Transformers):
        raise BadInput(f"--policy {options.policy}: it has no weights to train; use transformers:FOLDER_OR_NAME")
    with _scorers(options) as scorers:
        if options.dry_run:
            from bench.training.dry_run import dry_run

            print(f"a dry run of GRPO, {options.policy} on {options.task}: one step, and nothing of it is kept")
            alone = replace(config, steps=1, keep_best=None, save_every=0, evaluate_every=0, attribute_every=0)
            with training_errors("grpo"):
                made = dry_run(
                    lambda out, told: grpo_train(
                        policy,
                        task.problems,
                        scorers.get("verifier", task.verifier),
                        scorers.get("prm"),
                        out=out,
                        config=alone,
                        held_out=scorers.get("held_out"),
                        on_metrics=told,
                    )
                )
            print(*made, f"- {config.steps:,} steps in all", sep="\n")
            return
        print(f"training {options.policy} on {len(task.problems)} problems of {options.task} -> {options.out}")
        check_folder(options.out)
        check_page(page)
        evaluate = None
        if judged is not None:
            evaluate = Accuracy(judged.problems, judged.answers, judged.verifier, judged.sampling, options.eval_samples)
            if config.keep_best not in (None, *evaluate.names):
                raise BadArgument("keep_best", config.keep_best, f"use {' or '.join(evaluate.names)}")
        with training_errors("grpo"), notes(), told_in(options, config, name="grpo") as on_metrics:
            grpo_train(
                policy,
                task.problems,
                scorers.get("verifier", task.verifier),
                scorers.get("prm"),
                out=options.out,
                config=config,
                evaluate=evaluate,
                held_out=scorers.get("held_out"),
                on_metrics=on_metrics,
            )
    rows = read_metrics(options.out)
    write_audit(rows, options.out / "audit.md")
    print()
    for line in summary(rows):
        print(f"- {line}")
    write_training_report([options.out], page)
    files = ("model", "metrics.jsonl", "audit.md", "report.html")
    print(f"- files: {', '.join(str(options.out / name) for name in files)}")


@contextmanager
def _scorers(options: argparse.Namespace) -> Iterator[Mapping[str, Scorer]]:
    """Those of the options that are given."""
    replicas = replicas_in(options)
    given = {name: getattr(options, name) for name in ("verifier", "prm", "held_out")}
    load = {name: partial(load_scorer, spec, option=name) for name, spec in given.items() if spec is not None}
    if replicas is not None:
        if not load:
            raise BadArgument("ray", options.ray, "it is for --verifier, --prm and --held-out, and none is given")
        with replicated(load, replicas) as scorers:
            yield scorers
    else:
        yield {name: make() for name, make in load.items()}


def _task(options: argparse.Namespace, spec: str, *, limit: int | None, split: Split = "test") -> Task:
    given = {name: getattr(options, name) for name in ("columns", "system", "instruction", "shots", "answers")}
    task = load_task(spec, limit=limit, split=split, separator=options.separator, **given)
    return task.with_thinking(tuple(options.thinking))


def _held_out(options: argparse.Namespace, task: Task) -> Task | None:
    if options.eval is not None and not options.evaluate_every:
        raise BadArgument("eval", options.eval, "it is judged every so many steps; add --evaluate-every")
    spec = options.eval or (options.task if options.task in TINY else None)
    if not options.evaluate_every:
        return None
    if spec is None:
        raise BadArgument("evaluate_every", options.evaluate_every, "there are no held-out problems; add --eval TASK")
    judged = _task(options, spec, limit=options.eval_limit)
    if both := {p.prompt for p in task.problems} & {p.prompt for p in judged.problems}:
        raise BadInput(f"--eval {spec}: {len(both)} of its problems are trained on; give others")
    return judged


def _config(options: argparse.Namespace, sampling: Sampling) -> GRPOConfig:
    changes = {name: getattr(options, name) for name in ("temperature", "max_tokens")}
    sampling = replace(sampling, **{name: value for name, value in changes.items() if value is not None})
    return GRPOConfig(**fields_in(options, GRPOConfig), sampling=sampling)
