"""The claims about gated GRPO as quantities with intervals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import binomtest

from bench.reproduce.claim import Claim
from bench.reproduce.folder import Unit
from bench.reproduce.over_seeds import difference, estimate, relative_gain
from bench.reproduce.verigate.arms import BY_ANSWER, NOISES, OUTCOME, READINGS
from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate
from bench.training.audit import audit

Trainings: TypeAlias = Mapping[str, list[Unit]]  # an arm's trainings, one a seed
RELATIVE = 0.12
POINTS = 0.07  # PAV-RL's, of another paper
STALLS = -0.5
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
    ("soft, all_wrong, future_sum", AS_OUTCOME),
    ("foreign, all_wrong, advantage", OUTCOME),
    ("foreign as outcome", OUTCOME),
    ("dynamic sampling", OUTCOME),
    ("dynamic sampling", "exact, all_wrong, future_sum"),
    (OUTCOME, BY_ANSWER),
)


def all_claims(trainings: Trainings, task: str) -> list[Claim]:
    """Every claim whose arms were trained on a task."""
    claims = []
    for prm in ("exact", "soft", "sharp", "refreshed"):
        for credit in ("future_sum", "advantage"):
            for gate in READINGS:
                arm = f"{prm}, {gate}, {credit}"
                if arm in trainings:
                    text = f"'{arm}' is 12% or more above outcome-only GRPO, relatively, at equal rollouts"
                    gain = relative_gain(right(trainings[arm]), right(trainings[OUTCOME]))
                    claims.append(Claim(text, gain, RELATIVE, unit="%"))
    for arm in trainings:
        if arm.startswith("PAV-RL"):
            gain = difference(right(trainings[arm]), right(trainings[OUTCOME]))
            text = f"'{arm}' is 7 points or more above outcome-only GRPO at equal rollouts"
            claims.append(Claim(text, gain, POINTS, unit="points"))
    for one, other in _ABOVE:
        if one in trainings and other in trainings:
            gain = difference(right(trainings[one]), right(trainings[other]))
            claims.append(Claim(f"'{one}' ends above '{other}'", gain, unit="points"))
    for arm in ("sharp, all_wrong, future_sum", "sharp, degenerate, future_sum"):
        claims += _of_gated(trainings, arm, task)
    if BY_ANSWER in trainings:
        claims.append(
            Claim(
                "paid by the answer alone, a policy reaches fewer of its right answers by right steps than one that is "
                "paid with its working",
                _difference_of_known(_sound(trainings[BY_ANSWER]), _sound(trainings[OUTCOME])),
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
    claims = [
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
            _difference_of_known(_sound(gated), _sound(plain)),
            unit="points",
        ),
        Claim(
            f"it is better on tasks that were not trained on ('{arm}')",
            difference(_transfer(gated, task), _transfer(plain, task)),
            unit="points",
        ),
        Claim(f"the audit fires in less than half of its trainings ('{arm}')", _fired(gated), QUIET, sense="below"),
    ]
    if AS_OUTCOME in trainings:
        gap = difference(*(np.array([[u["held_out"]] for u in trainings[a]]) for a in (arm, AS_OUTCOME)))
        claims.append(
            Claim(f"a held-out PRM gives more to the solutions of '{arm}' than to those of '{AS_OUTCOME}'", gap)
        )
    return claims


def right(units: Sequence[Unit]) -> Floats:
    """Shares right with their working, (S, P)."""
    return np.array([unit["right"] for unit in units])


def mean_of(unit: Unit, name: str, share: float = 1.0) -> float:
    """The mean of a metric over the last share of the steps; NaN where it was not measured."""
    rows = steps_of(unit)
    known = [row[name] for row in rows[-max(1, round(share * len(rows))) :] if row.get(name) is not None]
    return float(np.mean(known)) if known else float("nan")


def steps_of(unit: Unit) -> list[dict[str, Any]]:
    """The metrics of the steps, without those before the first."""
    return [row for row in unit["metrics"] if row["step"]]


def fired(units: Sequence[Unit]) -> int:
    """In how many trainings the audit sees hacking."""
    return sum(audit(unit["metrics"]).fired for unit in units)


def _fired(units: Sequence[Unit]) -> Estimate:
    seen = fired(units)
    exact = binomtest(seen, len(units)).proportion_ci(0.95)
    return Estimate(seen / len(units), float(exact.low), float(exact.high))


def _means(units: Sequence[Unit], name: str, share: float = 1.0) -> Floats:
    return _by_seed(units, lambda unit: mean_of(unit, name, share))


def _sound(units: Sequence[Unit]) -> Floats:
    """Of the right answers the share with right steps; NaN where there is no right answer."""
    return _by_seed(units, lambda unit: sum(unit["right"]) / sum(unit["answer"]) if sum(unit["answer"]) else np.nan)


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
