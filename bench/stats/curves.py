"""Points of compute-vs-accuracy curves, from graded pools of samples."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.stats.arrays import Floats
from bench.stats.compute_to_reach import CostCurve, Ratio, cost_ratio
from bench.stats.contest import Contest
from bench.stats.estimators import (
    best_curve,
    distinct_curve,
    pass_curve,
    pessimistic_curves,
    soft_curve,
    weighted_curves,
)
from bench.stats.intervals import mean_intervals
from bench.stats.outcomes import Outcome, Outcomes, ProblemOutcomes, packed
from bench.stats.paired import Comparison, compare_all
from verifiers.interface.scoring import ZERO, Spend
from verifiers.interface.seeds import seed_at

ANY_RIGHT = Contest("pass@n", None)
VOTING = Contest("self_consistency", None)


@dataclass(frozen=True, slots=True)
class GradedPool:
    """One problem's samples, graded and scored.

    `correct` and `finished` have shape (n,), `classes` holds each sample's answer class (-1 for none)
    and `values` each scorer's scores, shape (n,), NaN for no opinion. `drawn` is what sampling cost,
    `judged` what each scorer did. `kinds` (n,) tells the solutions apart, of which equal ones are scored
    once; without it all of them differ.
    """

    problem: str
    correct: Floats
    finished: npt.NDArray[np.bool_]
    classes: Sequence[int]
    values: dict[str, Floats]
    drawn: Spend
    judged: dict[str, Spend]
    kinds: Sequence[Hashable] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve: accuracy with its 95% interval, and the mean cost a problem."""

    contest: Contest
    n: int
    accuracy: float
    low: float
    high: float
    spend: Spend
    problems: int

    def row(self) -> dict[str, Any]:
        """A row of `points.jsonl`, seconds included."""
        return {
            "strategy": self.contest.strategy,
            "scorer": self.contest.scorer,
            "n": self.n,
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "problems": self.problems,
            **{name: float(cost) for name, cost in asdict(self.spend).items()},
            "flops": float(self.spend.flops),
            "seconds": float(self.spend.seconds),
        }


@dataclass(frozen=True, slots=True)
class Results:
    """All outcomes of a run, with what a reader should know about them."""

    outcomes: Outcomes | tuple[Outcome, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Results: {len(self.outcomes)} outcomes, {len(self.notes)} notes>"

    def points(self) -> list[Point]:
        """The points, curve by curve."""
        return list(points_of(Outcomes.of(self.outcomes)))

    def comparisons(self, baseline: Contest = VOTING) -> dict[tuple[Contest, int], Comparison]:
        """Every strategy at every size against the baseline at the same size, on the same problems.

        Sizes that the baseline lacks are left out, and so is pass@n, which nobody can carry out without
        the answers. Raises ValueError where there is no such baseline, and where the problems differ.
        """
        curves = self._curves(baseline)
        base = {n: [o.correct for o in point] for n, point in curves[baseline].items()}
        pairs = {
            (contest, n): ([o.correct for o in point], base[n])
            for contest, curve in curves.items()
            if contest not in (baseline, ANY_RIGHT)
            for n, point in curve.items()
            if n in base
        }
        return dict(zip(pairs, compare_all(list(pairs.values())), strict=True))

    def cost_ratios(self, accuracy: float | None = None, baseline: Contest = VOTING) -> dict[Contest, Ratio]:
        """What each strategy costs to reach an accuracy, as a ratio to what the baseline costs; see `cost_ratio`.

        Without an `accuracy` it is the baseline's best. Costs are in `cost_unit`. Raises as `comparisons` does.
        """
        unit = self.cost_unit
        curves = {contest: _cost_curve(curve, unit) for contest, curve in self._curves(baseline).items()}
        base = curves[baseline]
        others = {contest: curve for contest, curve in curves.items() if contest not in (baseline, ANY_RIGHT)}
        return {contest: cost_ratio(curve, base, accuracy) for contest, curve in others.items()}

    @property
    def cost_unit(self) -> Literal["FLOPs", "samples"]:
        """What `cost_ratios` compares: FLOPs where those of every point are known, else samples."""
        points = {(o.contest, o.n) for o in self.outcomes}
        known = {(o.contest, o.n) for o in self.outcomes if o.spend.flops > 0}
        return "FLOPs" if points == known else "samples"

    def _curves(self, baseline: Contest) -> dict[Contest, dict[int, list[Outcome]]]:
        """Outcomes by contest and size (from small to large), problems in one order; the baseline is among them."""
        curves: dict[Contest, dict[int, list[Outcome]]] = {}
        for outcome in sorted(self.outcomes, key=lambda o: (o.n, o.problem)):
            curves.setdefault(outcome.contest, {}).setdefault(outcome.n, []).append(outcome)
        if baseline not in curves:
            raise ValueError(f"no outcomes of {baseline}; there are {', '.join(map(str, curves)) or 'none'}")
        expected = [o.problem for o in next(iter(curves[baseline].values()))]
        for contest, curve in curves.items():
            for n, point in curve.items():
                if odd := set(expected) ^ {o.problem for o in point}:
                    raise ValueError(
                        f"{contest} at n = {n} and {baseline} are not on the same problems: "
                        f"{min(odd)!r} is in only one of them"
                    )
        return curves


def pool_outcomes(
    pool: GradedPool, contests: Iterable[Contest], sizes: Sequence[int], *, seed: int = 0
) -> ProblemOutcomes:
    """Every contest at every size, read off one pool; a size beyond the pool's stands for the whole pool."""
    asked = tuple(contests)
    count = len(pool.correct)
    ks = [min(n, count) for n in sizes]
    correct, error = np.zeros((2, len(asked), len(ks)))
    place = seed_at(seed, pool.problem, "subsets")
    votes: dict[bool, list[int]] = {}
    values = [_values(pool, contest) for contest in asked if count]
    for i, contest in enumerate(asked if count else ()):
        if contest == ANY_RIGHT:
            correct[i] = pass_curve(pool.correct, ks)
        elif contest.strategy == "best_of_n":
            correct[i] = best_curve(pool.correct, values[i], ks)
        elif contest.strategy == "soft":
            correct[i], error[i] = soft_curve(pool.correct, values[i], ks, seed=place)
        else:
            votes.setdefault(contest.strategy == "pessimistic", []).append(i)
    for is_pessimistic, places in votes.items():  # all at once, since they share most of the work
        curves = pessimistic_curves if is_pessimistic else weighted_curves
        cast = [values[i] for i in places]
        correct[places], error[places] = curves(pool.correct, cast, pool.classes, ks, seed=place)
    return ProblemOutcomes(pool.problem, asked, tuple(sizes), correct, error, packed(_spends(pool, ks)), count)


def _spends(pool: GradedPool, ks: Sequence[int]) -> dict[str | None, list[Spend]]:
    """What each scorer's curve costs at every k; under None what sampling alone does."""
    count = max(1, len(pool.correct))
    drawn = [_cost_of_some(pool.drawn, k, count) if k else ZERO for k in ks]
    spends: dict[str | None, list[Spend]] = {None: drawn} | dict.fromkeys(pool.judged, drawn)
    costly = {name: whole for name, whole in pool.judged.items() if whole != ZERO}
    if not costly or not len(pool.correct):
        return spends
    # Of equal solutions the first is scored and the others are read off: k samples cost what is different in them.
    rows = np.array(ks) / count
    kinds = distinct_curve(pool.kinds, ks) / len(set(pool.kinds)) if pool.kinds else rows
    for name, whole in costly.items():
        judged = [_judging_of_some(whole, *part) for part in zip(rows.tolist(), kinds.tolist(), strict=True)]
        spends[name] = [a + b for a, b in zip(drawn, judged, strict=True)]
    return spends


def _values(pool: GradedPool, contest: Contest) -> Floats:
    """The scores of finished samples, of which one is as good as another where there is no scorer."""
    scores = 1.0 if contest.scorer is None else pool.values[contest.scorer]
    return np.where(pool.finished, scores, np.nan)


def notes_on(given: Sequence[Outcome], whole: int) -> Iterator[str]:
    """What a reader should know of a table of outcomes from pools of `whole` samples."""
    outcomes = Outcomes.of(given)
    problems = len({table.problem for table in outcomes.tables})
    some = "1 problem" if problems == 1 else f"{problems} problems"
    yield f"{some}; 95% intervals over problems (bootstrap); costs are the mean a problem"
    if whole > 1:
        yield f"n < {whole}: the expectation over subsets of the pool, not a second draw"
    pools = {table.problem: table.pool for table in outcomes.tables if table.pool}
    middle = int(np.median(list(pools.values()))) if pools else 0
    if 1 < middle < 2 * max(n for sizes in {table.sizes for table in outcomes.tables if table.pool} for n in sizes):
        why = f"no two subsets of the median pool ({middle}) are disjoint"
        yield f"n > {middle // 2}: {why}; these points rest on one draw"
    largest = max((float((p.error**2).sum()) for p in outcomes.points.values()), default=0.0) ** 0.5 / max(1, problems)
    if largest:
        yield f"drawing subsets of the pools adds a standard error of at most {100 * largest:.2f} points"
    for cost in ("sampled_tokens", "scored_tokens"):
        if unknown := len(outcomes.without(cost)):
            what = cost.replace("_", " ")
            yield (
                f"{what} are not known of {unknown} of {problems} problems, so there is no mean in the rows where they "
                "are missing: a server did not tell its usage, or a request was never answered"
            )


def _cost_of_some(pool: Spend, k: int, n: int) -> Spend:
    """What k random samples of a pool of n cost: the first computes the prompt, its samples are paid for one by one.

    How much of the prompt each further sample computes again is read off the pool: nothing where all shared it,
    all of it where an engine shares whole blocks only and the prompt is shorter than one. Only between these two, where
    an engine shares some blocks of a prompt, are its FLOPs an estimate (by tokens, as if all attended to as many).

    >>> shared, alone = Spend(prompt_tokens=10, cached_prompt_tokens=30), Spend(prompt_tokens=40)
    >>> _cost_of_some(shared, 2, 4), _cost_of_some(alone, 2, 4)
    (Spend(prompt_tokens=10.0, cached_prompt_tokens=10.0), Spend(prompt_tokens=20.0))
    >>> _cost_of_some(replace(shared, sampled_tokens=8, policy_flops=900.0, prompt_flops=500.0), 2, 4).policy_flops
    700.0
    """
    if pool == ZERO or k == n:
        return pool
    share = k / n
    read = (pool.prompt_tokens + pool.cached_prompt_tokens) / n
    first = _least(pool.prompt_tokens, read)
    prompt = _least(k * read, first + (pool.prompt_tokens - first) * (k - 1) / (n - 1))  # never above it by rounding
    computed = pool.prompt_tokens + pool.sampled_tokens
    # A policy that does not tell the prompt's FLOPs apart is taken to pay as much for every token.
    read_flops = pool.prompt_flops or (pool.policy_flops * pool.prompt_tokens / computed if computed else 0.0)
    prompt_flops = read_flops * prompt / pool.prompt_tokens if pool.prompt_tokens else 0.0
    return replace(
        pool,
        policy_calls=pool.policy_calls * share,
        prompt_tokens=prompt,
        cached_prompt_tokens=k * read - prompt,
        sampled_tokens=pool.sampled_tokens * share,
        policy_flops=prompt_flops + (pool.policy_flops - read_flops) * share,
        prompt_flops=prompt_flops if pool.prompt_flops else 0.0,
        policy_seconds=pool.policy_seconds * share,
    )


def _judging_of_some(pool: Spend, rows: float, kinds: float) -> Spend:
    """What scoring a share of a pool's rows costs that holds this share of its different solutions.

    A scorer that computes every row, equal ones too, is paid for its rows.

    >>> shared, alone = Spend(scored_tokens=20, cached_scored_tokens=20), Spend(scored_tokens=40)
    >>> _judging_of_some(shared, 0.25, 0.5), _judging_of_some(alone, 0.25, 0.5)
    (Spend(scored_tokens=10.0), Spend(scored_tokens=10.0))
    """
    if pool == ZERO:
        return ZERO
    read = (pool.scored_tokens + pool.cached_scored_tokens) * rows
    computed = pool.scored_tokens * kinds
    if rows != kinds:
        computed = _least(read, computed)
    return replace(
        _scaled(pool, computed / pool.scored_tokens if pool.scored_tokens else rows),
        scorer_calls=pool.scorer_calls * rows,
        scored_tokens=computed,
        cached_scored_tokens=read - computed,
    )


def _scaled(spend: Spend, factor: float) -> Spend:
    if spend == ZERO:  # a sum skips this one, which a table of many thousand outcomes is the faster for
        return ZERO
    return Spend(*((spent := getattr(spend, field.name)) and spent * factor for field in fields(Spend)))


def _least(one: float, other: float) -> float:
    """The smaller one; NaN where one is unknown, in whatever order they come."""
    return float(np.minimum(one, other))


@lru_cache(maxsize=1)  # of one table, which is written, printed and drawn
def points_of(outcomes: Outcomes) -> tuple[Point, ...]:
    """The points of a table of outcomes, curve by curve."""
    intervals = mean_intervals([point.correct for point in outcomes.points.values()])
    return tuple(
        Point(contest, n, *interval, point.mean_spend, len(point.correct))
        for ((contest, n), point), interval in zip(outcomes.points.items(), intervals, strict=True)
    )


def _cost_curve(curve: dict[int, list[Outcome]], unit: Literal["FLOPs", "samples"]) -> CostCurve:
    """Correctness and cost, problems by sizes."""
    correct = np.array([[o.correct for o in point] for point in curve.values()]).T
    cost = np.array([[o.spend.flops if unit == "FLOPs" else float(o.n) for o in point] for point in curve.values()]).T
    return CostCurve(correct, cost)
