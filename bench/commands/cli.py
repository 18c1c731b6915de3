"""The command `stepbeam`."""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from bench.commands import report as report_command
from bench.commands import train_grpo
from bench.commands.train import add_arguments
from bench.files.memory import keep_freed_memory
from bench.inputs.errors import BadInput
from bench.inputs.options import ANSWERS, columns, separator
from bench.inputs.specs import named_scorers
from bench.runs.plan import POOLED, SELECTORS, RunPlan, sizes_to
from bench.runs.table import table
from bench.stats.curves import Results
from verifiers.interface.errors import EngineStoppedError

_SHOWN = (".html", ".jsonl", ".png", ".toml")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 2 for bad input, 130 where it was interrupted."""
    keep_freed_memory()
    try:
        options = _parser().parse_args(argv)
        command = {
            "demo": _demo,
            "run": _run,
            "rerank": _rerank,
            "report": _report,
            "train": _train,
            "processbench": _processbench,
            "reproduce": _reproduce,
        }[options.command]
        command(options)
    except (BadInput, EngineStoppedError) as error:
        print(f"stepbeam: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstepbeam: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return 0


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


def _demo(options: argparse.Namespace) -> None:
    print("50 held-out problems of chain arithmetic, a trained 0.9M-parameter policy and its scorers")
    _carry_out(demo_plan(options.seed), options.out or Path("runs/demo"))


def _run(options: argparse.Namespace) -> None:
    plan = RunPlan(
        task=options.task,
        policy=options.policy,
        scorers=named_scorers(options.scorer),
        strategies=tuple(options.strategies.split(",")) if options.strategies else (),
        n=options.n,
        limit=options.limit,
        seed=options.seed,
        expand=options.expand,
        max_steps=options.max_steps,
        chunk=options.chunk,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        max_tokens=options.max_tokens,
        dtype=options.dtype,
    )
    if not plan.strategies:
        plan = plan.with_default_strategies()
    _carry_out(plan, options.out or Path("runs") / _slug(plan.task, plan.policy, f"n{plan.n}", f"seed{plan.seed}"))


def _rerank(options: argparse.Namespace) -> None:
    from bench.pools.rerank import rerank
    from bench.pools.sources import is_run_folder

    if options.n < 1:
        raise BadInput(f"--n {options.n}: it must be 1 or more")
    first = Path(options.pools[0])
    # What is found of a run stays with it.
    beside = first / "rerank" if len(options.pools) == 1 and is_run_folder(options.pools[0]) else None
    out = options.out or beside or Path("runs") / _slug("rerank", first.name.partition(".")[0])
    print(f"reranking {', '.join(options.pools)} -> {out}")
    results = rerank(
        options.pools,
        named_scorers(options.scorer),
        out,
        sizes=sizes_to(options.n),
        columns=options.columns,
        separator=options.separator,
        reduce=options.reduce.split(",") if options.reduce else (),
        select=options.select.split(","),
        limit=options.limit,
        seed=options.seed,
        answers=ANSWERS[options.answers],
    )
    _show(results, out, title=first.name)


def _report(options: argparse.Namespace) -> None:
    from bench.commands.report import report

    report(options.runs, options.out, options.problems)


def _train(options: argparse.Namespace) -> None:
    if options.kind == "grpo":
        train_grpo.run(options)
        return
    from bench.commands.train import run

    run(options)


def _processbench(options: argparse.Namespace) -> None:
    from bench.commands.processbench import processbench

    processbench(
        options.file,
        options.scorer,
        threshold=options.threshold,
        fit_on=options.fit_on,
        limit=options.limit,
        out=options.out,
    )


def _reproduce(options: argparse.Namespace) -> None:
    from bench.reproduce.claim import claims_table

    out = options.out or Path("runs") / f"reproduce-{options.claims}"
    sizes = {name: value for name in ("problems", "seeds", "steps") if (value := getattr(options, name)) is not None}
    allowed = {
        "genrm": ("base", "problems", "seeds", "steps"),
        "pav": (),
        "verigate": ("problems", "seeds", "steps"),
        "pav-rl": ("seeds", "steps"),
    }
    for name in ["base"] * bool(options.base) + [*sizes]:
        if name not in allowed[options.claims]:
            raise BadInput(f"--{name}: it is not for '{options.claims}'")
    if "seeds" in sizes:
        sizes["seeds"] = tuple(range(sizes["seeds"]))
    print(f"the claims about {options.claims} on the embedded tasks -> {out}")
    if options.claims == "genrm":
        from bench.reproduce import genrm, genrm_work

        plain = genrm_work.pretrained_work(out, options.base) if options.base else genrm_work.Work(out)
        longer = {"longer": sizes["problems"]} if "problems" in sizes else {}
        reports = genrm.reproduce_genrm(replace(plain, **sizes, **longer), processes=options.processes)
        found = [(report.task, report.claims) for report in reports]
    elif options.claims == "pav":
        from bench.reproduce import pav, pav_work

        pavs = pav.reproduce_pav(pav_work.Work(out), processes=options.processes)
        found = [(report.task, report.claims) for report in pavs]
    elif options.claims == "pav-rl":
        from bench.reproduce import pav_rl

        found = pav_rl.reproduce_pav_rl(pav_rl.Work(out, **sizes), processes=options.processes)
    else:
        from bench.reproduce import verigate, verigate_work

        if "problems" in sizes:
            sizes["held_out"] = sizes.pop("problems")
        gated = verigate_work.Work(out, **sizes)
        found = verigate.reproduce_verigate(gated, processes=options.processes)
    for task, claims in found:
        print(f"\n{task}\n\n{claims_table(claims)}")
    print(f"\n- files: {', '.join(str(p) for p in sorted(out.iterdir()) if p.suffix in ('.md', '.png'))}")


def _carry_out(plan: RunPlan, out: Path) -> None:
    from bench.runs.run import run

    print(f"task {plan.task}, policy {plan.policy}, n = {plan.n}, seed {plan.seed} -> {out}")
    _show(run(plan, out), out, title=f"{plan.task.partition(':')[0]}, {plan.policy.rpartition('/')[2]}")


def _show(results: Results, out: Path, *, title: str) -> None:
    from bench.report.page import write_report
    from bench.runs.plot import plot

    points = results.points()
    plot(points, out / "curve.png", title=title)
    write_report([out], out / "report.html")
    print()
    print(table(points))
    print()
    for note in results.notes:
        print(f"- {note}")
    files = [str(path) for path in sorted(out.iterdir()) if path.suffix in _SHOWN]
    print(f"- files: {', '.join(files)}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see '{self.prog} --help')")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stepbeam",
        description="Spend compute at inference time: sample many solutions, score them, keep the right one.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    demo = commands.add_parser("demo", help="compute against accuracy on an embedded model, in two minutes on a laptop")
    run = commands.add_parser("run", help="a task, a policy, strategies and budgets into a run folder")
    rerank = commands.add_parser("rerank", help="every reranker's curve on saved generations; needs no policy")
    for command in (demo, run, rerank):
        command.add_argument("--out", type=Path, help="the folder to write; the same command again goes on in it")
        command.add_argument("--seed", type=int, default=0)
    for command in (run, rerank):
        command.add_argument("--limit", type=int, help="only the first so many problems")
        command.add_argument(
            "--scorer",
            action="append",
            default=[],
            metavar="[NAME=]SPEC",
            help="tiny:NAME, orm:, prm: or genrm:FOLDER_OR_NAME, pav:BASE,PROVER,alpha=A or package.module:name; "
            "may be repeated",
        )

    run.add_argument("--task", required=True, help="chain, gsm8k, gsm8k:FILE, math500:FILE, a .jsonl file, ...")
    run.add_argument(
        "--policy",
        required=True,
        help="tiny:policy, transformers:MODEL, vllm:MODEL or package.module:name; MODEL is a folder or a hub name",
    )
    run.add_argument("--n", type=int, default=16, help="samples a problem; the curves' last point")
    run.add_argument("--strategies", help=f"comma-separated, of {', '.join(POOLED)}, beam_search; NAME:SCORER for one")
    run.add_argument("--expand", type=int, default=4, help="beam search: next steps drawn from each prefix")
    run.add_argument("--max-steps", type=int, default=64, help="beam search: rounds at most")
    run.add_argument("--temperature", type=float, help="0 is greedy; default: the task's")
    run.add_argument("--top-p", type=float)
    run.add_argument("--top-k", type=int)
    run.add_argument("--max-tokens", type=int, help="tokens of a whole solution; default: the task's")
    run.add_argument("--chunk", type=int, default=16, help="problems worked on together, and saved together")
    run.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"), help="of the policy")

    rerank.add_argument(
        "pools",
        nargs="+",
        metavar="POOL",
        help="a .jsonl(.gz) or .parquet file, a run's folder, or a data set's name and split (owner/name:split)",
    )
    rerank.add_argument(
        "--columns",
        type=columns,
        help="names in the pools, such as prompt=problem,solutions=samples; of id, prompt, answer, solutions, text, "
        "steps, correct, stop, scores",
    )
    rerank.add_argument(
        "--reduce",
        help="how step scores become one, separated by commas: last, min, prod, mean; default: each scorer's own",
    )
    rerank.add_argument("--answers", default="math", choices=ANSWERS, help="how answers are read and compared")
    rerank.add_argument("--n", type=int, default=32, help="the curves' last point")
    rerank.add_argument(
        "--select",
        default="best_of_n,weighted_majority",
        help=f"how a scored solution is chosen, separated by commas: {', '.join(SELECTORS)}",
    )
    rerank.add_argument(
        "--separator",
        type=separator,
        help=r"what ends a step of a text, such as '\n\n'; default: each scorer's own, or a line break",
    )

    report_command.add_arguments(commands.add_parser("report", help="one page on one or several runs, for a browser"))

    kinds = add_arguments(commands.add_parser("train", help="scorers from labelled solutions; a policy from scorers"))
    train_grpo.add_arguments(kinds.add_parser("grpo", help="a policy, from a verifier and a PRM"))

    errors = commands.add_parser("processbench", help="how well a process scorer finds the first wrong step")
    errors.add_argument(
        "file", metavar="FILE", help="ProcessBench rows (.json, .jsonl, .gz), or its hub name and split"
    )
    errors.add_argument("--scorer", required=True, metavar="SPEC", help="as in 'stepbeam run'")
    errors.add_argument("--threshold", type=float, default=0.5, help="a step that scores below it is wrong")
    errors.add_argument("--fit-on", metavar="FILE", help="take the threshold that is best on these other rows")
    errors.add_argument("--limit", type=int, help="only the first so many rows")
    errors.add_argument("--out", type=Path, help="a folder for each row's scores and prediction")

    claims = commands.add_parser("reproduce", help="a paper's claims beside what the embedded models show")
    claims.add_argument("claims", choices=("genrm", "pav", "verigate", "pav-rl"))
    claims.add_argument("--out", type=Path, help="the folder to write; the same command again goes on in it")
    claims.add_argument("--base", help="genrm: a pretrained model that the verifiers start from; the test of length")
    claims.add_argument("--problems", type=_positive, help="genrm, verigate: held-out problems a task")
    claims.add_argument("--seeds", type=_positive, help="so many trainings of each; not for pav")
    claims.add_argument(
        "--steps", type=_positive, help="genrm: steps of training GenRM-CoT; verigate, pav-rl: of every training"
    )
    claims.add_argument("--processes", type=_positive, default=2, help="pieces of work done side by side")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _slug(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", Path(part).name).strip("-.") for part in parts)


if __name__ == "__main__":
    sys.exit(main())
