"""`stepbeam train`: labelled solutions into an ORM, a PRM or a generative verifier; `grpo` has its own file."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.commands.options import Options, add_tracking, columns, fields_in, path_of, separator, training_errors
from bench.commands.train import grpo
from bench.commands.train.progress import notes, told_in
from bench.diagnostics.label_quality import Quality, quality_table
from bench.files.rows import LogRow
from bench.files.run_folder import check_folder
from bench.inputs.rows import check_limit
from bench.inputs.specs import quiet_engines
from bench.training.log import checked, read_log
from bench.training.rows import read_critiques, read_format, read_outcomes, read_step_labels
from policies.training.config import SOLUTION_WEIGHT, TrainConfig
from policies.training.hooks import OnMetrics
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.format import GENRM, GenRMFormat
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.scoring import Scorer
from verifiers.reward_models.labelled import Labelled

_DEFAULT = TrainConfig()
_NAMES = {"orm": "an ORM", "prm": "a PRM", "genrm": "a generative verifier"}
_ONLY = {
    "target": "prm",
    "separator": "prm",
    "mode": "genrm",
    "solution_weight": "genrm",
    "rationales": "genrm",
    "votes": "genrm",
    "format": "genrm",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam train orm`, `prm`, `genrm` and `grpo`."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, name in _NAMES.items():
        _add_options(kinds.add_parser(kind, help=f"{name}, from labelled solutions"), kind)
    grpo.add_arguments(kinds.add_parser("grpo", help="a policy, from a verifier and a PRM"))


def _add_options(parser: argparse.ArgumentParser, kind: str) -> None:
    folder = "; or a folder of prms.collect_values" if kind == "prm" else ""
    files = "a .jsonl, .json, .csv or .parquet file, or a data set of the hub, OWNER/NAME:SPLIT"
    parser.add_argument("data", type=path_of, metavar="DATA", help=files + folder)
    parser.add_argument("--base", required=True, help="tiny:policy, a model folder or a hub name; or a reward model")
    parser.add_argument("--out", type=path_of, required=True, help="the model's folder; the same command goes on in it")
    parser.add_argument(
        "--eval", type=path_of, metavar="FILE", help="held-out rows; prints how well they are judged; default: none"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first so many rows of DATA; default: all")
    parser.add_argument(
        "--columns",
        type=columns,
        help="names in DATA and --eval that are not known, such as prompt=frage,steps=schritte,labels=noten; of id, "
        "prompt, solution, steps, labels, root, correct, rationales, stop; default: those that are known",
    )
    for of, add in (("prm", _add_options_of_prm), ("genrm", _add_options_of_genrm)):
        own = parser.add_argument_group(f"of {_NAMES[of]}")
        add(own)
        for action in own._group_actions if of != kind else ():
            action.help = argparse.SUPPRESS  # known, so that what is wrong with it can be said
    parser.add_argument("--epochs", type=float, default=_DEFAULT.epochs, help="how often each row is learned from")
    parser.add_argument("--steps", type=int, help="so many steps; default: as many as --epochs make")
    parser.add_argument("--batch-size", type=int, default=_DEFAULT.batch_size, help="rows a step")
    parser.add_argument("--accumulate", type=int, default=1, help="parts of a batch that are computed one by one")
    parser.add_argument("--learning-rate", type=float, default=_DEFAULT.learning_rate, help="its highest value")
    parser.add_argument(
        "--schedule",
        choices=("cosine", "linear", "constant"),
        default=_DEFAULT.schedule,
        help="how the learning rate falls",
    )
    parser.add_argument("--lora-rank", type=int, default=0, help="0 trains all weights")
    parser.add_argument("--lora-alpha", type=int, default=_DEFAULT.lora_alpha, help="the scale of LoRA's weights")
    parser.add_argument("--max-length", type=int, help="tokens; longer rows are left out; default: the model's context")
    parser.add_argument("--balance", action="store_true", help="labels below 0.5 count as much as the others")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument("--save-every", type=int, default=_DEFAULT.save_every, help="steps between checkpoints")
    parser.add_argument("--log-every", type=int, default=_DEFAULT.log_every, help="steps between rows of log.jsonl")
    parser.add_argument("--seed", type=int, default=0, help="what every random draw begins from")
    add_tracking(parser)


def _add_options_of_prm(parser: Options) -> None:
    parser.add_argument("--target", choices=("value", "error"), help="what the labels are; there is no default")
    parser.add_argument(
        "--separator",
        type=separator,
        metavar="TEXT",
        help=r"what ends a step of a 'solution', such as '\n\n'; default: a line break",
    )


def _add_options_of_genrm(parser: Options) -> None:
    parser.add_argument(
        "--mode", choices=("direct", "cot"), help="a verdict at once, or after a rationale; there is no default"
    )
    parser.add_argument(
        "--solution-weight", type=float, help=f"the weight of learning to solve; default: {SOLUTION_WEIGHT:.3g}"
    )
    parser.add_argument("--rationales", type=int, help="at most so many a solution; default: all")
    parser.add_argument("--votes", type=int, help="rationales a solution when --eval judges; default: 1")
    parser.add_argument(
        "--format", type=path_of, metavar="FILE", help="a JSON file with a GenRMFormat's fields; default: the paper's"
    )


def run(options: argparse.Namespace) -> Quality | None:
    """Read, train, and judge the held-out rows; raises BadInput for what cannot be."""
    if options.kind == "grpo":
        grpo.run(options)
        return None
    from bench.report.parts import check_page
    from bench.report.trainings import write_training_report
    from bench.training.evaluation import evaluate_scorer

    _check(options)
    try:
        config = TrainConfig(**fields_in(options, TrainConfig), max_steps=options.steps)
    except ValueError as error:
        raise BadInput(str(error)) from None
    with notes():
        rows = _read(options, options.data, options.limit)
        held_out = _read(options, options.eval, None) if options.eval else []
    both = {r.problem.prompt for r in rows} & {r.problem.prompt for r in held_out}
    problems = len({row.problem for row in rows})
    what = (
        f"{_NAMES[options.kind]} from {options.base} on {len(rows)} rows of {problems} problem{'s' * (problems != 1)}"
    )
    if options.dry_run:
        from bench.training.dry_run import dry_run, heaviest

        with training_errors(options.kind):
            one, steps = heaviest(rows, config, _examples(options, config))
        alone = replace(config, max_steps=1, balance=False, save_every=0)
        print(f"a dry run of {what}: the {len(one)} longest rows make one step, and nothing of it is kept")
        with training_errors(options.kind), notes():
            made = dry_run(lambda out, told: _train(options, one, alone, out=out, on_metrics=told))
        print(*made, f"- {steps:,} steps in all", sep="\n")
        return None
    print(f"training {what} -> {options.out}")
    page = options.out / "report.html"
    check_folder(options.out)
    check_page(page)
    with training_errors(options.kind), notes(), told_in(options, config, name=options.kind) as on_metrics:
        scorer = _train(options, rows, config, out=options.out, on_metrics=on_metrics)
        quality = None
        if scorer is not None and held_out:
            try:
                quality = evaluate_scorer(scorer, held_out, options.out, name=options.kind, file=options.eval.name)
            except ValueError as error:
                raise BadInput(
                    f"--eval {options.eval}: {first_line(error)}; the model in {options.out} is trained all the same"
                ) from None
    if quality is not None:
        print(f"\n{quality_table(quality, options.eval.name)}")
    print()
    if both:
        print(f"- {len(both)} problems of {options.eval} are also in {options.data}: they are not held out")
    log = options.out / "log.jsonl"
    for row in read_log(log)[-1:]:
        last = checked(LogRow, row, where=str(log))
        print(f"- training loss {last.loss:.4f} at step {last.step}")
    write_training_report([options.out], page)
    print(f"- files: {options.out}, {page}")
    return quality


def _check(options: argparse.Namespace) -> None:
    for name, kind in _ONLY.items():
        if getattr(options, name) is not None and options.kind != kind:
            raise BadInput(f"--{name.replace('_', '-')}: it is for '{kind}', and this trains '{options.kind}'")
    if options.kind == "prm" and options.target is None:
        raise BadInput("--target: say what the labels are: 'value' (chances of success) or 'error' (1 up to the first)")
    if options.kind == "genrm" and options.mode is None:
        raise BadInput("--mode: say 'direct' (a verdict at once) or 'cot' (a rationale first)")
    for name in ("votes", "rationales"):
        count = getattr(options, name)
        if count is not None and options.mode == "direct":
            raise BadInput(f"--{name} {count}: it is for --mode cot; 'direct' has no rationales")
        if count is not None and count < 1:
            raise BadInput(f"--{name} {count}: it must be 1 or more")
    if options.votes is not None and options.eval is None:
        raise BadInput(f"--votes {options.votes}: it is for judging held-out rows; add --eval, or leave it out")
    check_limit(options.limit)


def _read(options: argparse.Namespace, path: Path, limit: int | None) -> Sequence[Labelled] | Sequence[Critiqued]:
    names = options.columns or {}
    if path != options.data:  # held-out rows: of a folder of our own, or without rationales
        names = {} if path.is_dir() else {ours: theirs for ours, theirs in names.items() if ours != "rationales"}
    if options.kind == "orm":
        return read_outcomes(path, limit=limit, columns=names)
    if options.kind == "prm":
        return read_step_labels(path, separator=options.separator or "\n", limit=limit, columns=names)
    rationales = options.mode == "cot" and path == options.data
    return read_critiques(path, rationales=rationales, limit=limit, columns=names)


def _examples(options: argparse.Namespace, config: TrainConfig) -> Callable[[Any], Sequence[Any]]:
    """What is learned from a row."""
    from bench.training.dry_run import examples_of_rewards, examples_of_verdicts

    if options.kind != "genrm":
        return examples_of_rewards(options.base, config, outcome_only=options.kind == "orm")
    words, most = _words(options), options.rationales
    return examples_of_verdicts(options.base, config, mode=options.mode, words=words, rationales=most)


def _words(options: argparse.Namespace) -> GenRMFormat:
    return GENRM if options.format is None else read_format(options.format)


def _train(
    options: argparse.Namespace,
    rows: Sequence[Labelled] | Sequence[Critiqued],
    config: TrainConfig,
    *,
    out: Path,
    on_metrics: OnMetrics | None,
) -> Scorer | None:
    """The trained scorer; None for a generative verifier that nobody asks to judge."""
    quiet_engines()
    labelled = [row for row in rows if isinstance(row, Labelled)]
    if options.kind == "orm":
        from verifiers.reward_models.train_orm import train_orm

        return train_orm(options.base, labelled, out=out, config=config, on_metrics=on_metrics)
    if options.kind == "prm":
        from prms.training import train_prm

        return train_prm(
            options.base,
            labelled,
            target=options.target,
            out=out,
            separator=options.separator or "\n",
            config=config,
            on_metrics=on_metrics,
        )
    critiqued = [row for row in rows if isinstance(row, Critiqued)]
    return _train_genrm(options, critiqued, config, out=out, on_metrics=on_metrics)


def _train_genrm(
    options: argparse.Namespace,
    rows: Sequence[Critiqued],
    config: TrainConfig,
    *,
    out: Path,
    on_metrics: OnMetrics | None,
) -> Scorer | None:
    from verifiers.genrm.judge import GenRM
    from verifiers.genrm.train import train_genrm

    train_genrm(
        options.base,
        rows,
        mode=options.mode,
        out=out,
        solution_weight=SOLUTION_WEIGHT if options.solution_weight is None else options.solution_weight,
        rationales=options.rationales,
        format=_words(options),
        config=config,
        on_metrics=on_metrics,
    )
    if options.eval is None or options.dry_run:
        return None
    return GenRM.load(out, votes=options.votes or 1, dtype="bfloat16" if config.bf16 else "float32")
