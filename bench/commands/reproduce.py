"""`stepbeam reproduce`: a paper's claims beside what the embedded models show."""

import argparse
from dataclasses import replace
from pathlib import Path

from bench.commands.options import path_of, positive
from verifiers.interface.errors import BadArgument, BadInput

_CLAIMS = {
    "genrm": ("generative verifiers", ("base", "problems", "seeds", "steps")),
    "pav": ("process advantage verifiers in search", ()),
    "verigate": ("a PRM that speaks where the verifier cannot", ("problems", "seeds", "steps")),
    "pav-rl": ("process advantage verifiers as rewards", ("seeds", "steps")),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam reproduce`, of each group of claims those that it has."""
    claims = parser.add_subparsers(dest="claims", required=True, metavar="CLAIMS")
    for name, (what, sizes) in _CLAIMS.items():
        one = claims.add_parser(name, help=f"of {what}", description=f"The claims of {what}.")
        one.add_argument(
            "--out",
            type=path_of,
            metavar="FOLDER",
            help=f"the folder to write; the same command again goes on in it; default: runs/reproduce-{name}",
        )
        trained = "training GenRM-CoT" if name == "genrm" else "every training"
        for size, about in (
            ("problems", "held-out problems a task"),
            ("seeds", "so many trainings of each"),
            ("steps", f"steps of {trained}"),
        ):
            told = f"{about}; default: as on the page of these claims" if size in sizes else argparse.SUPPRESS
            one.add_argument(f"--{size}", type=positive, metavar="N", help=told)
        told = "a pretrained model that the verifiers start from, the test of length; default: the embedded one"
        one.add_argument("--base", metavar="MODEL", help=told if "base" in sizes else argparse.SUPPRESS)
        one.add_argument(
            "--quick", action="store_true", help="the smallest sizes: all stages in minutes, figures that mean nothing"
        )
        one.add_argument("--processes", type=positive, default=2, metavar="P", help="pieces of work done side by side")


def run(options: argparse.Namespace) -> None:
    """Do the work that is not done yet, and print each claim beside what was measured."""
    try:
        _reproduce(options)
    except ImportError as error:  # trainings need an extra
        raise BadInput(f"reproduce {options.claims}: {error}") from None


def _reproduce(options: argparse.Namespace) -> None:
    from bench.reproduce.claim import claims_table

    out = options.out or Path("runs") / f"reproduce-{options.claims}{'-quick' if options.quick else ''}"
    given = {name: value for name in _CLAIMS["genrm"][1] if (value := getattr(options, name)) is not None}
    for name in given:
        if name not in _CLAIMS[options.claims][1]:
            raise BadInput(f"--{name}: it is not for '{options.claims}'")
    if options.quick and given:
        raise BadInput(f"--{next(iter(given))} beside --quick, whose sizes are what they are: leave one of the two out")
    base = given.pop("base", None)
    if base == "":
        raise BadArgument("base", "''", "it names no model; give one, or leave it out")
    if "seeds" in given:
        given["seeds"] = tuple(range(given["seeds"]))
    print(f"the claims about {options.claims} on the embedded tasks -> {out}")
    if options.claims == "genrm":
        from bench.reproduce.genrm.arms import GenRMPlan, pretrained_plan
        from bench.reproduce.genrm.reproduce import reproduce_genrm

        plain = GenRMPlan.quick(out) if options.quick else pretrained_plan(out, base) if base else GenRMPlan(out)
        longer = {"longer": given["problems"]} if "problems" in given else {}
        reports = reproduce_genrm(replace(plain, **given, **longer), processes=options.processes)
        claims_by_task = [(report.task, report.claims) for report in reports]
    elif options.claims == "pav":
        from bench.reproduce.pav.reproduce import reproduce_pav
        from bench.reproduce.pav.work import PAVPlan

        claims_by_task = reproduce_pav(
            PAVPlan.quick(out) if options.quick else PAVPlan(out), processes=options.processes
        )
    elif options.claims == "pav-rl":
        from bench.reproduce.pav.rl import PAVRLPlan, reproduce_pav_rl

        rl_plan = PAVRLPlan.quick(out) if options.quick else PAVRLPlan(out, **given)
        claims_by_task = reproduce_pav_rl(rl_plan, processes=options.processes)
    else:
        from bench.reproduce.verigate.arms import VeriGatePlan
        from bench.reproduce.verigate.reproduce import reproduce_verigate

        if "problems" in given:
            given["held_out"] = given.pop("problems")
        gate_plan = VeriGatePlan.quick(out) if options.quick else VeriGatePlan(out, **given)
        claims_by_task = reproduce_verigate(gate_plan, processes=options.processes)
    for task, claims in claims_by_task:
        print(f"\n{task}\n\n{claims_table(claims)}")
    print(f"\n- files: {', '.join(str(p) for p in sorted(out.iterdir()) if p.suffix in ('.md', '.png'))}")
