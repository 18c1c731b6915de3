"""The claims about gated GRPO as quantities with intervals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import binomtest

from bench.reproduce.claim import Claim
from bench.reproduce.folder import Unit
from bench.reproduce.over_seeds import difference, estimate, relative_gain, spread_ratio
from bench.reproduce.verigate.arms import (
    ALPHAS,
    BY_ANSWER,
    LONGER,
    MILD,
    NOISES,
    OUTCOME,
    PROVERS,
    READINGS,
    STRONG,
    pav_rl,
)
from bench.reproduce.verigate.flops import Prices
from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate
from bench.training.audit import audit

Trainings: TypeAlias = Mapping[str, list[Unit]]  # an arm's trainings, one a seed
RELATIVE = (0.12, 0.20)  # of the paper's larger model and of its smaller one
POINTS = 0.07  # PAV-RL's, of another paper
STALLS = -0.5
TAX = 0.1  # more FLOPs than these are significantly more
QUIET = 0.5  # the share of trainings in which the audit may fire: less than 8 can tell
AS_OUTCOME = "soft as outcome"
# What else the same rollouts, or the same PRM, can be used for, and what it is beside.
_ABOVE = (
    *((f"sharp, {gate}, future_sum", OUTCOME) for gate in READINGS),
    ("soft, all_wrong, advantage", "soft, all_wrong, future_sum"),
    *(
        (f"soft, all_wrong, {credit}", OUTCOME)
        for credit in ("advantage", "first_error", "progress", "zscore_sum", "min")
    ),
    ("hazards, all_wrong, future_sum", OUTCOME),
    ("soft, ungated, future_sum", OUTCOME),
    ("soft, all_wrong, future_sum", "soft, ungated, future_sum"),
    ("soft, all_wrong, future_sum", AS_OUTCOME),
    ("soft, ungated, future_sum", AS_OUTCOME),  # neither is gated
    ("foreign, all_wrong, advantage", OUTCOME),
    ("foreign as outcome", OUTCOME),
    ("dynamic sampling", OUTCOME),
    ("dynamic sampling", "exact, all_wrong, future_sum"),
    *((LONGER, f"{prm}, all_wrong, future_sum") for prm in ("exact", "sharp")),
    (LONGER, "dynamic sampling"),
    *((f"refreshed, {gate}, future_sum", f"sharp, {gate}, future_sum") for gate in READINGS),
    ("padded, all_wrong, future_sum", "soft, all_wrong, future_sum"),
    ("padded sharp, all_wrong, future_sum", "sharp, all_wrong, future_sum"),
    (OUTCOME, BY_ANSWER),
    *((f"noise {noise:g}, all_wrong, future_sum", OUTCOME) for noise in NOISES[:-1]),
    (OUTCOME, f"noise {NOISES[-1]:g}, all_wrong, future_sum"),
    *((pav_rl(prover, MILD), pav_rl(prover, STRONG)) for prover in PROVERS),
    *((pav_rl("best of 4", alpha), pav_rl("soft", alpha)) for alpha in ALPHAS),
    *((pav_rl("soft", MILD), f"soft, all_wrong, {credit}") for credit in ("future_sum", "advantage")),
    *(
        (pav_rl(prover, alpha, less_means=True), pav_rl(prover, alpha))
        for prover in PROVERS
        for alpha in (MILD, STRONG)
    ),
)


def all_claims(trainings: Trainings, task: str, prices: Prices) -> list[Claim]:
    """Every claim whose arms were trained on a task."""
    claims = []
    plain = right(trainings[OUTCOME])
    for prm in ("exact", "soft", "sharp", "refreshed", "padded", "padded sharp"):
        for credit in ("future_sum", "advantage"):
            for gate in READINGS:
                arm = f"{prm}, {gate}, {credit}"
                if arm in trainings:
                    gain = relative_gain(right(trainings[arm]), plain)
                    text = f"'{arm}' is {{:.0%}} or more above outcome-only GRPO, relatively, at equal rollouts"
                    claims += [Claim(text.format(margin), gain, margin, unit="%") for margin in RELATIVE]
                    ratio = spread_ratio(*(r.mean(axis=1, keepdims=True) for r in (right(trainings[arm]), plain)))
                    text = f"seeds of '{arm}' differ less than those of outcome-only GRPO: mean absolute deviations"
                    claims.append(Claim(text, ratio, 1.0, sense="below", unit="times"))
    for arm in trainings:
        if arm.startswith("PAV-RL"):
            gain = difference(right(trainings[arm]), plain)
            text = f"'{arm}' is 7 points or more above outcome-only GRPO at equal rollouts"
            claims.append(Claim(text, gain, POINTS, unit="points"))
    for one, other in _ABOVE:
        if one in trainings and other in trainings:
            gain = difference(right(trainings[one]), right(trainings[other]))
            claims.append(Claim(f"'{one}' ends above '{other}'", gain, unit="points"))
    for arm in ("sharp, all_wrong, future_sum", "sharp, degenerate, future_sum"):
        claims += _of_gated(trainings, arm, task)
        claims += _tax(trainings, arm, prices)
    claims += _cross_prm(trainings)
    if BY_ANSWER in trainings:
        claims.append(
            Claim(
                "paid by the answer alone, a policy reaches fewer of its right answers by right steps than one that is "
                "paid with its working",
                _difference_of_known(
                    share_by_right_steps(trainings[BY_ANSWER]), share_by_right_steps(trainings[OUTCOME])
                ),
                sense="below",
                unit="points",
            )
        )
    if f"noise {NOISES[-1]:g}, all_wrong, future_sum" in trainings:
        claims.append(
            Claim(
                "the better the PRM, the better the policy: accuracy by the share of its noise",
                _dose(trainings),
                sense="below",
                unit="points",
            )
        )
    return claims


def quality_claims(quality: Unit) -> list[Claim]:
    """Whether the PRMs tell the first error of a solution from the steps before it."""
    return [
        Claim(
            f"'{prm}' tells first errors from right steps: its AUC is above 0.5", Estimate(*known["first_error"]), 0.5
        )
        for prm, known in quality.items()
    ]


def size_claims(smaller: Trainings, larger: Trainings) -> list[Claim]:
    """What gating brings a smaller policy beside what it brings the larger one, on the same problems."""
    claims = []
    for gate in READINGS:
        arm = f"sharp, {gate}, future_sum"
        if arm in smaller and arm in larger:
            gains = [right(trainings[arm]) - right(trainings[OUTCOME]) for trainings in (smaller, larger)]
            text = f"'{arm}' brings the smaller policy more than the larger one"
            claims.append(Claim(text, difference(*gains, bounds=(-2.0, 2.0)), unit="points"))
    return claims


def _of_gated(trainings: Trainings, arm: str, task: str) -> list[Claim]:
    gated, plain = trainings[arm], trainings[OUTCOME]
    return [
        Claim(
            f"groups without a gradient are at least halved ('{arm}')",
            relative_gain(_means(gated, "dead"), _means(plain, "dead")),
            STALLS,
            sense="below",
            unit="%",
        ),
        Claim(
            f"fewer groups are all wrong in the last quarter of the training ('{arm}')",
            difference(_means(gated, "all_wrong", 0.25), _means(plain, "all_wrong", 0.25)),
            sense="below",
            unit="points",
        ),
        Claim(
            f"of its right answers more are reached by right steps ('{arm}')",
            _difference_of_known(share_by_right_steps(gated), share_by_right_steps(plain)),
            unit="points",
        ),
        Claim(
            f"it is better on tasks that were not trained on ('{arm}')",
            difference(_transfer(gated, task), _transfer(plain, task)),
            unit="points",
        ),
        Claim(f"the audit fires in less than half of its trainings ('{arm}')", _fired(gated), QUIET, sense="below"),
    ]


def _tax(trainings: Trainings, arm: str, prices: Prices) -> list[Claim]:
    """What a gated training costs and is worth, without the FLOPs of the held-out PRM, which it does not need."""
    gated, plain = trainings[arm], trainings[OUTCOME]
    spent = [[spent_by(unit, prices, of) for unit in trainings[of]] for of in (arm, OUTCOME)]
    costs = [np.array([[steps[-1]] for steps in of]) for of in spent]
    # Its accuracy when it has cost as much as the other's whole training.
    then = [
        np.interp(least[-1], steps[np.array(at)], accuracy)
        for steps, least, (at, accuracy) in zip(*spent, map(evaluated, gated), strict=True)
    ]
    ends = [evaluated(unit)[1][-1] for unit in plain]
    return [
        Claim(
            f"a training takes {TAX:.0%} or more above outcome-only GRPO's FLOPs ('{arm}')",
            relative_gain(*costs),
            TAX,
            unit="%",
        ),
        Claim(
            f"it is better when it has taken the FLOPs of outcome-only GRPO's training ('{arm}')",
            difference(np.array(then)[:, None], np.array(ends)[:, None]),
            unit="points",
        ),
    ]


def _cross_prm(trainings: Trainings) -> list[Claim]:
    """What a PRM that is not trained against says of policies whose rewards have step scores, and their collapse."""
    arms = [f"{prm}, {gate}, future_sum" for prm in ("soft", "sharp") for gate in READINGS]
    return [
        Claim(
            f"a held-out PRM gives more to the solutions of '{arm}' than to those of '{AS_OUTCOME}'",
            difference(*(_by_seed(trainings[of], lambda unit: float(unit["held_out"])) for of in (arm, AS_OUTCOME))),
        )
        for arm in arms
        if arm in trainings and AS_OUTCOME in trainings
    ]


def right(units: Sequence[Unit]) -> Floats:
    """Shares right with their working, (S, P)."""
    return np.array([unit["right"] for unit in units])


def share_by_right_steps(units: Sequence[Unit]) -> Floats:
    """Of the right answers the share with right steps; NaN where there is no right answer."""
    return _by_seed(units, lambda unit: sum(unit["right"]) / sum(unit["answer"]) if sum(unit["answer"]) else np.nan)


def mean_of(unit: Unit, name: str, share: float = 1.0) -> float:
    """The mean of a metric over the last share of the steps; NaN where it was not measured."""
    rows = steps_of(unit)
    known = [row[name] for row in rows[-max(1, round(share * len(rows))) :] if row.get(name) is not None]
    return float(np.mean(known)) if known else float("nan")


def steps_of(unit: Unit) -> list[dict[str, Any]]:
    """The metrics of the steps, without those before the first."""
    return [row for row in unit["metrics"] if row["step"]]


def seconds_of(unit: Unit) -> dict[str, float]:
    """Seconds of rollouts, scoring and updates, all steps together."""
    rows = [row["seconds"] for row in steps_of(unit)]
    return {name: sum(row[name] for row in rows) for name in rows[0]}


def spent_by(unit: Unit, prices: Prices, arm: str) -> Floats:
    """FLOPs up to the end of each step, none before the first."""
    each: Floats = prices.of_training(unit, arm)[:, :2].sum(axis=1)
    return np.append(0.0, each.cumsum())


def evaluated(unit: Unit) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The steps after which accuracy was measured, and what it was."""
    steps, accuracy = zip(
        *((row["step"], row["evaluation"]["accuracy"]) for row in unit["metrics"] if "evaluation" in row), strict=True
    )
    return steps, accuracy


def fired(units: Sequence[Unit]) -> int:
    """In how many trainings the audit sees hacking."""
    return sum(audit(unit["metrics"]).fired for unit in units)


def _fired(units: Sequence[Unit]) -> Estimate:
    seen = fired(units)
    exact = binomtest(seen, len(units)).proportion_ci(0.95)
    return Estimate(seen / len(units), float(exact.low), float(exact.high))


def _means(units: Sequence[Unit], name: str, share: float = 1.0) -> Floats:
    return _by_seed(units, lambda unit: mean_of(unit, name, share))


def _transfer(units: Sequence[Unit], task: str) -> Floats:
    """The mean accuracy on the tasks that were not trained on."""
    return _by_seed(units, lambda u: float(np.mean([v for k, v in u["transfer"].items() if k.split()[0] != task])))


def _difference_of_known(one: Floats, other: Floats) -> Estimate:
    """Of the seeds where both are known; NaN where there are fewer than two."""
    known = ~np.isnan(one + other)[:, 0]
    return difference(one[known], other[known]) if known.sum() > 1 else Estimate(np.nan, np.nan, np.nan)


def _by_seed(units: Sequence[Unit], figure: Callable[[Unit], float]) -> Floats:
    return np.array([[figure(unit)] for unit in units])


def _dose(trainings: Trainings) -> Estimate:
    """The slope of accuracy over the share of noise in the PRM's labels, by seed."""
    doses = np.array([0.0, *NOISES])
    arms = ["exact, all_wrong, future_sum", *(f"noise {noise:g}, all_wrong, future_sum" for noise in NOISES)]
    accuracy = np.array([right(trainings[arm]).mean(axis=1) for arm in arms])
    return estimate(np.polyfit(doses, accuracy, 1)[0][:, None], bounds=(-np.inf, np.inf))
