"""`stepbeam reproduce genrm`: the claims of Zhang et al. 2024 (arXiv 2408.15240) on the embedded tasks.

Everything is made from the shipped policy and the shipped `drilled` base LM: the data, three trainings of
every verifier, and their scores. A run killed at any point goes on where it stopped.
"""

from concurrent.futures import Future, as_completed
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.reproduce.claim import Claim, in_points
from bench.reproduce.folder import work_folder
from bench.reproduce.genrm_claims import best_of, by_votes, majority, mean_of_votes, overtakes, stays_above
from bench.reproduce.genrm_report import Curve, TaskReport, write_report
from bench.reproduce.genrm_work import RIVALS, Suite, Work, data, judge_in_words, pool, scores
from bench.reproduce.over_seeds import difference, estimate
from bench.reproduce.workers import workers
from bench.runs.table import short

MARGIN = 0.10


def reproduce_genrm(work: Work, *, processes: int = 2) -> list[TaskReport]:
    """Do what is not done yet, and write `genrm.md` and its plots into the folder.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    with work_folder(work):
        # The variants come last: a run that is stopped early has the main table, or its first seeds.
        jobs = [(name, seed) for name in work.rivals for seed in _seeds(work, name)]
        jobs.sort(key=lambda job: (RIVALS[job[0]].variant, job[1]))
        if processes == 1:
            data(work)
            for suite in work.suites:
                pool(work, suite)
            for name, seed in jobs:
                _job(work, name, seed)
        else:
            with workers(processes) as executor:
                ready: list[Future[Any]] = [executor.submit(data, work)]
                ready += [executor.submit(pool, work, suite) for suite in work.suites]
                for future in ready:
                    future.result()
                futures: list[Future[Any]] = [executor.submit(_job, work, name, seed) for name, seed in jobs]
                futures += [executor.submit(judge_in_words, work, suite) for suite in work.suites]
                for done in tqdm(as_completed(futures), total=len(futures), desc="verifiers", unit="piece"):
                    done.result()
        reports = [_report(work, suite) for suite in work.suites]
        write_report(reports, work)
        return reports


def _job(work: Work, name: str, seed: int) -> None:
    for suite in _suites(work, name):
        scores(work, name, seed, suite)


def _report(work: Work, suite: Suite) -> TaskReport:
    drawn = pool(work, suite)
    right = [row[: work.n] for row in drawn["right"]]
    classes = drawn["classes"]
    picked = {
        name: np.array([_best(work, suite, name, s, right) for s in _seeds(work, name)])
        for name in work.rivals
        if suite in _suites(work, name)
    }
    consistent = np.array([[majority(r, c[: work.n], work.n) for r, c in zip(right, classes, strict=True)]])
    labels = {
        name: name if values.shape[1] == len(right) else f"{name} (first {values.shape[1]} problems)"
        for name, values in picked.items()
    }
    table = {labels[name]: estimate(values) for name, values in picked.items()}
    table["self-consistency"] = estimate(consistent)
    table["any sample right"] = estimate([[float(max(row)) for row in right]])
    table["one sample"] = estimate([[float(np.mean(row)) for row in right]])
    votes = _vote_curve(work, suite, right)
    curves = _curves(work, suite, right)
    claims = [*_claims(picked, consistent, votes), _compute_claim(curves)]
    per_seed = {labels[name]: values.mean(axis=1).tolist() for name, values in picked.items()}
    few = next(iter(votes.values())).shape[1]
    rivals = {"discriminative": picked["orm"], "direct GenRM": picked["genrm"], "self-consistency": consistent}
    beside = {name: estimate(values[:, :few]) for name, values in rivals.items()}
    notes = _notes(work, suite, curves)
    return TaskReport(suite.name, len(right), table, per_seed, notes, votes, beside, curves, claims)


def _claims(picked: dict[str, np.ndarray], consistent: np.ndarray, votes: dict[int, np.ndarray]) -> list[Claim]:
    cot = picked["genrm_cot"]
    over_orm = difference(cot, picked["orm"])
    over_majority = difference(cot, np.broadcast_to(consistent, cot.shape))
    direct = difference(picked["genrm"], picked["orm"])
    most = max(votes)
    rise = difference(votes[most], votes[1])
    claims = [
        in_points(
            "GenRM-CoT beats the discriminative verifier by 10 points or more", over_orm, holds=over_orm.value >= MARGIN
        ),
        in_points("GenRM-CoT beats self-consistency", over_majority, holds=over_majority.low > 0),
    ]
    if (few := votes[most].shape[1]) < cot.shape[1]:
        gain = difference(votes[most], np.broadcast_to(consistent[:, :few], votes[most].shape))
        text = f"GenRM-CoT with {most} rationales beats self-consistency (first {few} problems)"
        claims.append(in_points(text, gain, holds=gain.low > 0))
    claims += [
        in_points(
            "direct GenRM is not worse than the discriminative one by more than its interval",
            direct,
            holds=direct.high >= 0,
        ),
        in_points(f"accuracy rises with the number of rationales (K = {most} against 1)", rise, holds=rise.low > 0),
    ]
    for name, text in (
        ("genrm_cot, lambda 0", "lambda 1/3 is better than 0"),
        ("genrm_cot, lambda 1", "lambda 1/3 is better than 1"),
        ("genrm_cot, one rationale", "several rationales a solution are better than one"),
    ):
        if name in picked:
            gain = difference(cot[:, : picked[name].shape[1]], picked[name])
            claims.append(in_points(text, gain, holds=gain.low > 0))
    return claims


def _compute_claim(curves: dict[str, Curve]) -> Claim:
    majority_curve = curves["self-consistency"]
    best = int(np.argmax([e.value for e in majority_curve.accuracy]))
    goal, price = majority_curve.accuracy[best].value, majority_curve.flops[best]
    at = [overtakes(c.flops, [e.value for e in c.accuracy], goal) for c in _cot_curves(curves).values()]
    ratio = float("nan") if np.isnan(at).all() else float(np.nanmin(at)) / price
    text = f"GenRM-CoT comes to self-consistency's best ({goal:.3f}): at this many times its compute"
    return Claim(text, "never" if np.isnan(ratio) else f"{ratio:.2f}", "", not np.isnan(ratio))


def _cot_curves(curves: dict[str, Curve]) -> dict[str, Curve]:
    return {name: curve for name, curve in curves.items() if name.startswith("GenRM-CoT")}


def _suites(work: Work, name: str) -> tuple[Suite, ...]:
    return tuple(suite for suite in work.suites if not (RIVALS[name].variant and suite.longer))


def _votes(work: Work, suite: Suite) -> int:
    return work.longer_votes if suite.longer else work.votes


def _seeds(work: Work, name: str) -> tuple[int, ...]:
    return (0,) if name == "judge" else work.seeds


def _best(work: Work, suite: Suite, name: str, seed: int, right: list[list[float]]) -> list[float]:
    """The chance, a problem, that the best of the n samples is right."""
    rows = scores(work, name, seed, suite)["votes"]
    limit = _votes(work, suite) if name == "genrm_cot" else None
    return [
        best_of(r, mean_of_votes([v[:limit] for v in row]), len(r))
        for r, row in zip(right[: len(rows)], rows, strict=True)
    ]


def _notes(work: Work, suite: Suite, curves: dict[str, Curve]) -> list[str]:
    votes = [v for s in work.seeds for p in scores(work, "genrm_cot", s, suite)["votes"] for row in p for v in row]
    silent = float(np.mean([v is None for v in votes]))
    spoken = judge_in_words(work, suite)["verdicts"]
    rival = curves["self-consistency"]
    known = (rival.flops, [e.value for e in rival.accuracy])
    notes = [
        f"GenRM-CoT: {silent:.1%} of the votes came to no verdict, after three more draws",
        f"the untrained base, left to its own words, came to a verdict in {spoken:.1%} of its rationales",
    ]
    for name in ("discriminative", "direct GenRM"):
        values = [e.value for e in curves[name].accuracy]
        top = int(np.argmax(values))
        notes.append(f"{name} is best at N = {2**top}: {values[top]:.3f}")
    for name, curve in _cot_curves(curves).items():
        at = stays_above(curve.flops, [e.value for e in curve.accuracy], *known)
        where = "at no N" if np.isnan(at) else f"from {short(at)} FLOPs a problem on"
        notes.append(
            f"{name} is above self-consistency at equal compute {where} (beyond {short(rival.flops[-1])} "
            "self-consistency's last point stands)"
        )
    return notes


def _vote_curve(work: Work, suite: Suite, right: list[list[float]]) -> dict[int, np.ndarray]:
    """Best-of-n by K on the problems that have the most votes, shape (seeds, problems) each."""
    by_seed = [scores(work, "genrm_cot", s, suite)["votes"] for s in work.seeds]
    most = max(len(row) for row in by_seed[0][0])
    count = sum(max(len(row) for row in rows) == most for rows in by_seed[0])
    return {
        k: np.array([[by_votes(r, v, k) for r, v in zip(right[:count], one[:count], strict=True)] for one in by_seed])
        for k in (1, 2, 4, 8, 16, 32, 64)
        if k <= most
    }


def _curves(work: Work, suite: Suite, right: list[list[float]]) -> dict[str, Curve]:
    """Accuracy against FLOPs a problem, policy and verifier together."""
    drawn = pool(work, suite)
    sizes = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256) if n <= work.pool]
    prompt, sample = float(np.mean(drawn["prompt_flops"])), float(np.mean(drawn["sample_flops"]))
    curves = {
        "self-consistency": Curve(
            [prompt + n * sample for n in sizes],
            [
                estimate([[majority(r, c, n) for r, c in zip(drawn["right"], drawn["classes"], strict=True)]])
                for n in sizes
            ],
        )
    }
    for label, name, k in (
        ("discriminative", "orm", 1),
        ("direct GenRM", "genrm", 1),
        ("GenRM-CoT, K = 1", "genrm_cot", 1),
        (f"GenRM-CoT, K = {_votes(work, suite)}", "genrm_cot", _votes(work, suite)),
    ):
        by_seed = [scores(work, name, s, suite) for s in work.seeds]
        price = float(np.mean([f[0] + k * f[1] for one in by_seed for row in one["flops"] for f in row]))
        below = [n for n in sizes if n <= work.n]
        curves[label] = Curve(
            [prompt + n * (sample + price) for n in below],
            [
                estimate(
                    [
                        [
                            best_of(r, mean_of_votes([v[:k] for v in votes]), n)
                            for r, votes in zip(right, one["votes"], strict=True)
                        ]
                        for one in by_seed
                    ]
                )
                for n in below
            ],
        )
    return curves
