"""`stepbeam reproduce pav`: the claims of Setlur et al. 2024 (arXiv 2410.08146) on the embedded tasks.

Measured are the shipped verifiers, as seed 0, and a training of each for every other seed, which starts from the
shipped error-labelled PRM; their Monte-Carlo values come from the shipped policy and base LM.
A run killed at any point goes on where it stopped.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from bench.reproduce.claim import Claim
from bench.reproduce.folder import plan_folder
from bench.reproduce.pav.planted import reproduce_planted
from bench.reproduce.pav.report import Sweep, TaskReport, write_report
from bench.reproduce.pav.work import (
    PROVER,
    PROVERS,
    TASKS,
    PAVPlan,
    any_right,
    beams,
    outcome_curve,
    trained,
    trainings,
    values,
)
from bench.reproduce.savings import PLATEAU, SeededCurve, estimate, estimates, margins, replicate, savings, times_less
from bench.reproduce.workers import carry_out
from bench.stats.arrays import Floats
from bench.stats.compute_to_reach import costs_to_reach
from bench.stats.intervals import Estimate

ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0)
SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128)
KS = (2, 4, 8, 16, 32)
LARGE_ALPHA = 2.0  # where the prover counts for more than Q does
MARGIN = 0.08
SAVINGS = (1.5, 5.0, 10.0)  # "1.5 to 5 times", and 10 for the paper's small models
SWEEP_WIDTHS = (2, 4)  # by task: 16 candidates a round


def reproduce_pav(plan: PAVPlan, *, processes: int = 2) -> list[tuple[str, list[Claim]]]:
    """Do what is not done yet, and write `pav.md`, `pav.png` and `pav_sweeps.png` into the folder; each task's claims.

    Several processes make the values, then the trainings, and then work on a task each.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    with plan_folder(plan):
        jobs = trainings(plan)
        provers = dict.fromkeys(None if kind in ("orm", "base") else kind for kind, _ in jobs)
        valued = [partial(values, plan, task, prover) for prover in provers for task in TASKS]
        carry_out(valued, processes=processes, title="values")
        carry_out([partial(trained, plan, *job) for job in jobs], processes=processes, title="trainings")
        reports = carry_out([partial(_task, plan, task) for task in TASKS], processes=processes, title="searches")
        claims, section = reproduce_planted(plan.out, plan.planted, processes=processes)
        write_report(reports, section, plan)
        return [("a planted subsequence", claims), *((report.task, report.claims) for report in reports)]


def _task(plan: PAVPlan, task: str) -> TaskReport:
    sizes = [k for k in SIZES if k <= plan.pool]
    widths = plan.widths[TASKS.index(task)]
    tuned, alpha = _tune(plan, task)
    orm = [outcome_curve(plan, task, seed, sizes) for seed in plan.seeds]
    independent = any_right(plan, task, sizes)
    curves = {
        "orm": SeededCurve(np.array([o["correct"] for o in orm]), np.array([o["flops"] for o in orm])),
        "any": SeededCurve(np.array([independent["correct"]]), np.array([independent["flops"]])),
        "pav": _beam_curve(plan, task, PROVER, alpha, widths, plan.seeds),
        "q": _beam_curve(plan, task, "none", 0.0, widths, plan.seeds),
        "pav_any": _beam_curve(plan, task, PROVER, alpha, widths, plan.seeds, what="passed"),
        "q_any": _beam_curve(plan, task, "none", 0.0, widths, plan.seeds, what="passed"),
    }
    rows = replicate(curves)
    over_orm, over_q = margins(rows["pav"], rows["orm"]), margins(rows["pav"], rows["q"])
    return TaskReport(
        task,
        sizes,
        widths,
        rows,
        {name: curve.correct.mean(axis=1).tolist() for name, curve in curves.items()},
        _claims(rows, sizes, widths),
        over_orm,
        over_q,
        tuned,
        _sweep(plan, task, alpha),
        alpha,
    )


def _claims(rows: dict[str, tuple[Floats, Floats]], sizes: Sequence[int], widths: Sequence[int]) -> list[Claim]:
    def points(text: str, of_widths: Sequence[Estimate], margin: float = 0.0, *, below: bool = False) -> list[Claim]:
        return [
            Claim(f"{text} (width {width})", e, margin, "below" if below else "above", "points")
            for width, e in zip(widths, of_widths, strict=True)
        ]

    def times(text: str, saved: Estimate) -> list[Claim]:
        return [Claim(f"{text} with {least:g} times less compute", saved, least, unit="times") for least in SAVINGS]

    orm, pav, q = rows["orm"], rows["pav"], rows["q"]
    last, (saved, goal) = orm[0][:, -1], savings(pav, orm)
    at_end = f"PAV comes to the {last[0]:.3f} of Best-of-{sizes[-1]} with the ORM"
    independent = rows["any"][0][:, [sizes.index(width) for width in widths]]
    text = "it needs less compute for the best accuracy of beam search on Q alone"
    return [
        *points("PAV is 8 points or more above Best-of-N with the ORM at equal compute", margins(pav, orm), MARGIN),
        *times(at_end, times_less(pav, last, needed=orm[1][:, -1])),
        *times(f"{at_end}, at the least N for it,", times_less(pav, last, needed=costs_to_reach(*orm, last))),
        *times(f"PAV comes to {goal:.3f}, within {PLATEAU:g} of the ORM's best,", saved),
        *points("PAV is above beam search on Q alone at equal compute", margins(pav, q)),
        Claim(text, savings(pav, q)[0], 1.0, unit="times"),
        *points(
            "more beams hold a right solution than of as many samples", estimates(rows["pav_any"][0] - independent)
        ),
        *points("and than of beams on Q alone", estimates(rows["pav_any"][0] - rows["q_any"][0])),
        *points(
            "a PRM labelled automatically, Q alone, brings less than 8 points over the ORM at equal compute",
            margins(q, orm),
            MARGIN,
            below=True,
        ),
    ]


def _tune(plan: PAVPlan, task: str) -> tuple[Sweep, float]:
    """Accuracy against alpha on problems of the train split, and the alpha that is best there."""
    width = SWEEP_WIDTHS[TASKS.index(task)]
    seeds = plan.seeds[: plan.sweep_seeds]
    curves = {
        str(alpha): _beam_curve(plan, task, PROVER if alpha else "none", alpha, [width], seeds, tuning=True)
        for alpha in ALPHAS
    }
    accuracy = [estimate(right[:, 0]) for right, _ in replicate(curves).values()]
    # Neighbouring alphas give much the same beams, so each is judged with its neighbours: less is left to luck.
    line = [e.value for e in accuracy]
    smooth = {ALPHAS[i]: float(np.mean(line[i - 1 : i + 2])) for i in range(1, len(ALPHAS))}
    return Sweep([str(a) for a in ALPHAS], {PROVER: accuracy}), max(smooth, key=lambda alpha: smooth[alpha])


def _sweep(plan: PAVPlan, task: str, alpha: float) -> Sweep:
    """Every prover at the chosen alpha and at a large one, on held-out problems, as the gain over Q alone."""
    names = [*(f"best_of_{k}" for k in KS), *PROVERS]
    width, seeds = SWEEP_WIDTHS[TASKS.index(task)], plan.seeds[: plan.sweep_seeds]
    lines = {}
    for strength in dict.fromkeys((alpha, LARGE_ALPHA)):
        curves = {"none": _beam_curve(plan, task, "none", 0.0, [width], seeds)}
        for name in names:
            curves[name] = _beam_curve(plan, task, name, strength, [width], seeds)
        rows = replicate(curves)
        lines[f"alpha {strength:g}"] = [estimate(rows[name][0][:, 0] - rows["none"][0][:, 0]) for name in names]
    return Sweep(names, lines)


def _beam_curve(
    plan: PAVPlan,
    task: str,
    prover: str,
    alpha: float,
    widths: Sequence[int],
    seeds: Sequence[int],
    *,
    what: str = "correct",
    tuning: bool = False,
) -> SeededCurve:
    units = [[beams(plan, task, seed, prover, alpha, width, tuning=tuning) for width in widths] for seed in seeds]
    chances, flops = (
        np.array([[unit[name] for unit in of_seed] for of_seed in units]).swapaxes(1, 2) for name in (what, "flops")
    )
    return SeededCurve(chances, flops)
