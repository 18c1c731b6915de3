"""The claims about generative verifiers as quantities with intervals."""

from collections.abc import Mapping

import numpy as np

from bench.reproduce.claim import Claim
from bench.reproduce.genrm.arms import ARMS, GenRMPlan
from bench.reproduce.genrm.curves import VoteCurve
from bench.reproduce.genrm.measures import Measured, known
from bench.reproduce.over_seeds import estimate
from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate

MARGIN = 0.10
NOT_WORSE = -0.05
WHOLE = "genrm_cot, rehearsal of whole rationales"
PARTS = "judge, in two parts"
# What is claimed of Best-of-n: one arm is above another by more than a margin.
_ABOVE = (
    ("GenRM-CoT beats the discriminative verifier by 10 points or more", "genrm_cot", "orm", MARGIN),
    ("with rehearsal it does so", "genrm_cot, rehearsal", "orm", MARGIN),
    ("with rehearsal of whole rationales it does so", WHOLE, "orm", MARGIN),
    ("rehearsal of whole rationales, which brings its solving back, makes GenRM-CoT better", WHOLE, "genrm_cot", 0.0),
    ("with LoRA it does so", "genrm_cot, LoRA", "orm", MARGIN),
    ("with LoRA and whole rationales it does so", "genrm_cot, LoRA and whole rationales", "orm", MARGIN),
    ("GenRM-CoT beats a discriminative one that compared the base's lists", "genrm_cot", "orm, drills", 0.0),
    (
        "with rehearsal of whole rationales it beats the discriminative one that compared lists",
        WHOLE,
        "orm, drills",
        0.0,
    ),
    ("direct GenRM beats the discriminative one", "genrm", "orm", 0.0),
    ("direct GenRM is not worse than the discriminative one by 5 points", "genrm", "orm", NOT_WORSE),
    ("GenRM-CoT beats direct GenRM", "genrm_cot", "genrm", 0.0),
    ("GenRM-CoT beats DPO", "genrm_cot", "dpo", 0.0),
    ("GenRM-CoT beats the untrained base as a judge, asked directly", "genrm_cot", "judge", 0.0),
    ("GenRM-CoT beats the untrained base as a judge, asked in two parts", "genrm_cot", PARTS, 0.0),
    ("with rehearsal of whole rationales it beats the judge asked in two parts", WHOLE, PARTS, 0.0),
    ("lambda 1/4 is better than 0", "genrm_cot, lambda 1/4", "genrm_cot, lambda 0", 0.0),
    ("lambda 1/3 is better than 0", "genrm_cot", "genrm_cot, lambda 0", 0.0),
    ("lambda 1/2 is better than 0", "genrm_cot, lambda 1/2", "genrm_cot, lambda 0", 0.0),
    ("lambda 0 is better than 1", "genrm_cot, lambda 0", "genrm_cot, lambda 1", 0.0),
    ("lambda 1/3 is better than 1", "genrm_cot", "genrm_cot, lambda 1", 0.0),
    ("several rationales by a model are better than one", "genrm_cot, by a model", "genrm_cot, by a model, one", 0.0),
    ("a guided model's are better", "genrm_cot, by a guided model", "genrm_cot, by a model", 0.0),
    ("a program's are better still", "genrm_cot, 1/4 of the rows", "genrm_cot, by a guided model", 0.0),
    (
        "with 1/4 of the rows GenRM-CoT beats the discriminative verifier with all",
        "genrm_cot, 1/4 of the rows",
        "orm",
        0.0,
    ),
    ("with 1/16 of the rows it does so", "genrm_cot, 1/16 of the rows", "orm", 0.0),
)


def all_claims(
    plan: GenRMPlan, arms: Mapping[str, Measured], beside: Mapping[str, Floats], votes: VoteCurve | None
) -> list[Claim]:
    """Every claim whose arms were measured on a suite."""
    above: list[tuple[str, Floats, Floats, float]] = [
        (text, *at_equal_votes(arms[one], arms[other]), margin)
        for text, one, other, margin in _ABOVE
        if one in arms and other in arms
    ]
    above += [
        (f"{name} beats self-consistency", arm.best, beside["self-consistency"], 0.0)
        for name, arm in arms.items()
        if ARMS[name].rational and ARMS[name].group != "variant"
    ]
    for name in ("orm", "genrm", "genrm_cot", WHOLE):
        if name in arms:
            fewer, n = sorted(arms[name].by_n)[-2:]
            text = f"{name} is better with {n} samples than with {fewer}"
            above.append((text, arms[name].by_n[n], arms[name].by_n[fewer], 0.0))
    if votes:
        most = max(votes.by_k)
        text = f"accuracy rises with the number of rationales (K = {most} against 1)"
        above.append((text, votes.by_k[most], votes.by_k[1], 0.0))
        text = f"with {most} rationales it beats self-consistency (best of {votes.n})"
        above.append((text, votes.by_k[most], votes.beside["self-consistency"], 0.0))
    if "judge" in arms:
        text = "the untrained base, asked directly for its verdict, chooses worse than chance does"
        above.append((text, beside["one sample"], arms["judge"].best, 0.0))
    slopes = []
    if "orm" in arms and "genrm_cot" in arms:
        cot, orm = arms["genrm_cot"], arms["orm"]
        text = "GenRM-CoT's single verdicts are better than the discriminative verifier's (RM accuracy)"
        above.append((text, cot.accuracy, orm.accuracy, 0.0))
        text = "GenRM-CoT tells right solutions from nearly right ones better than the discriminative verifier does"
        above.append((text, cot.above_close, orm.above_close, 0.0))
        text = f"GenRM-CoT is better with {cot.rationales} rationales a solution than with {plan.few_votes}"
        above.append((text, cot.best, cot.few, 0.0))
        text = "problems that its rationales solve more often are judged better (AUC within a problem)"
        slopes.append(Claim(text, slope(cot.above, cot.solves), unit="points"))
    if "solutions alone" in arms:
        text = "verdicts improve its own solving (lambda 1/3 against solutions alone)"
        above.append((text, arms["genrm_cot"].alone, arms["solutions alone"].alone, 0.0))
    return [Claim(text, _difference(one, other), margin, unit="points") for text, one, other, margin in above] + slopes


def at_equal_votes(one: Measured, other: Measured) -> tuple[Floats, Floats]:
    """Best-of-n of two arms, by as many rationales where both write some and one has more."""
    if 0 in (one.rationales, other.rationales) or one.rationales == other.rationales:
        return one.best, other.best
    return one.few, other.few


def slope(of: Floats, by: Floats) -> Estimate:
    """How much one table (S, P) rises from 0 to 1 of another: the line of least squares, and its interval.

    >>> by = np.random.default_rng(0).uniform(size=(8, 30))
    >>> round(slope(0.4 + 0.5 * by, by).value, 6)
    0.5
    """
    y, x = known(np.stack([of, by]))
    spread = float(np.var(x)) if np.ptp(x) > 0 else np.nan  # of equal values rounding leaves some
    x = x - x.mean()
    rise = float(np.mean(x * y)) / spread
    # A seed and problem each add their share of what the line leaves over.
    return estimate(rise + x * (y - y.mean() - rise * x) / spread, bounds=(-np.inf, np.inf))


def _difference(one: Floats, other: Floats) -> Estimate:
    """By the problems that both have."""
    common = min(one.shape[1], other.shape[1])
    return estimate(known(one[:, :common] - other[:, :common]), bounds=(-1.0, 1.0))
