"""Every reranker's curve, N = 1 to 32, on a saved pool; and a plain loop over subsets that finds the same figures.

    python benchmarks/rerank.py [POOL.jsonl.gz]

Times `bench.pools.rerank` and its points: reading, grading, every way to select for every scorer that the file
records, intervals. Then, for some problems spread over the pool, a loop draws as many subsets of each size
as the estimators do and looks at one after the other; the ratio is of the loop's time to the estimators' on the same
problems, the median of three repeats in turn. Grading and intervals are in neither. Exits 1 where all takes 60 s or
more, where the loop is less than 20 times slower, or where the two do not agree within their error.
"""

import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import bench.pools.rerank
from bench.runs.plan import SELECTORS
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, GradedPool, pool_outcomes
from bench.stats.outcomes import Outcome, ProblemOutcomes

POOL = Path(__file__).parents[2] / "shared" / "data" / "genrm_pool_dev.jsonl.gz"
SIZES = range(1, 33)
SUBSETS, PROBLEMS, REPEATS = 256, 16, 3
SECONDS_BAR, RATIO_BAR = 60.0, 20.0

Choose = Callable[[Sequence[int]], float]  # a subset's samples to the chance that what is chosen is right


def plain_choice(pool: GradedPool, contest: Contest) -> Choose:
    """What one writes down for one subset, in Python's own numbers."""
    right, classes = pool.correct.tolist(), list(pool.classes)
    scores = pool.values[contest.scorer].tolist() if contest.scorer else [1.0] * len(right)
    scores = [s if f else math.nan for s, f in zip(scores, pool.finished.tolist(), strict=True)]
    can = [s == s for s in scores]
    members: dict[int, list[float]] = {}
    for c, r, ok in zip(classes, right, can, strict=True):
        if ok and c >= 0:
            members.setdefault(c, []).append(r)
    class_right = {c: sum(found) / len(found) for c, found in members.items()}

    def any_right(subset: Sequence[int]) -> float:
        return float(any(right[i] for i in subset))

    def best(subset: Sequence[int]) -> float:
        there = [i for i in subset if can[i]]
        if not there:
            return 0.0
        top = max(scores[i] for i in there)
        tied = [right[i] for i in there if scores[i] == top]
        return sum(tied) / len(tied)

    def soft(subset: Sequence[int]) -> float:
        there = [i for i in subset if can[i]]
        if not there:
            return 0.0
        top = max(scores[i] for i in there)
        masses = [math.exp((scores[i] - top) / 0.1) for i in there]
        return sum(m * right[i] for m, i in zip(masses, there, strict=True)) / sum(masses)

    def vote(subset: Sequence[int]) -> float:
        eligible, sums, counts = 0, {}, {}
        for i in subset:
            if can[i]:
                eligible += 1
                if (c := classes[i]) >= 0:
                    sums[c] = sums.get(c, 0.0) + scores[i]
                    counts[c] = counts.get(c, 0) + 1
        if not sums:
            return 0.0
        if contest.strategy == "pessimistic":
            penalty = 0.5 * math.log(eligible)
            sums = {c: total / counts[c] - penalty / (counts[c] + 1) for c, total in sums.items()}
        top = max(sums.values()) - 1e-9
        winners = [class_right[c] for c, total in sums.items() if total >= top]
        return sum(winners) / len(winners)

    return {ANY_RIGHT.strategy: any_right, "best_of_n": best, "soft": soft}.get(contest.strategy, vote)


def plain_loop(pool: GradedPool, contests: Sequence[Contest]) -> list[tuple[float, float]]:
    """For every contest and size the mean over subsets and its standard error, in `pool_outcomes`' order."""
    rng, count, found = random.Random(0), len(pool.correct), []
    for contest in contests:
        choose = plain_choice(pool, contest)
        for n in SIZES:
            chances = [choose(rng.sample(range(count), min(n, count))) for _ in range(SUBSETS)]
            found.append((statistics.fmean(chances), statistics.stdev(chances) / math.sqrt(SUBSETS)))
    return found


def disagreement(ours: Sequence[Sequence[Outcome]], plain: Sequence[Sequence[tuple[float, float]]]) -> float:
    """The largest difference of a point's mean over problems, in standard errors of that difference."""
    mine = np.array([[(o.correct, o.error) for o in pool] for pool in ours])
    chance = mine[..., 0]
    theirs = np.array(plain)
    # Where all its subsets came out alike the loop states no error; a chance p has sqrt(p (1 - p) / 256) at most.
    spread = np.maximum(theirs[..., 1], np.sqrt(np.clip(chance * (1 - chance), 0.0, None) / SUBSETS))
    error = np.sqrt((mine[..., 1] ** 2 + spread**2).sum(axis=0)) / len(mine)
    return float((abs((chance - theirs[..., 0]).mean(axis=0)) / np.maximum(error, 1e-9)).max())


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else POOL
    if not path.exists():
        print(f"{path}: no such file; give the path of a saved pool")
        return 2
    pools: list[GradedPool] = []
    asked: list[Contest] = []
    inside = 0.0

    def watched(pool: GradedPool, contests: Sequence[Contest], *args: object, **options: int) -> ProblemOutcomes:
        nonlocal inside
        started = time.perf_counter()
        outcomes = pool_outcomes(pool, contests, SIZES, **options)
        inside += time.perf_counter() - started
        pools.append(pool)
        asked[:] = contests
        return outcomes

    bench.pools.rerank.pool_outcomes = watched
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = bench.pools.rerank.rerank([path], {}, Path(folder), sizes=SIZES, select=SELECTORS, progress=False)
    points = results.points()
    seconds = time.perf_counter() - started
    print(f"{len(pools)} problems, {sum(len(p.correct) for p in pools)} solutions, {len(points)} points with intervals")
    print(f"  {', '.join(map(str, asked))}; N = {SIZES[0]} to {SIZES[-1]}")
    print(f"  all of it {seconds:.1f} s, of which {inside:.1f} s in the estimators")

    some = [pool for pool in pools if len(pool.correct)][:: max(1, len(pools) // PROBLEMS)][:PROBLEMS]
    share = len(some) / len(pools)
    ratios, loops = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        ours = [list(pool_outcomes(pool, asked, SIZES)) for pool in some]
        between = time.perf_counter()
        plain = [plain_loop(pool, asked) for pool in some]
        loops.append(time.perf_counter() - between)
        ratios.append(loops[-1] / (between - started))
    apart = disagreement(ours, plain)
    mine = statistics.fmean(o.error for pool in ours for o in pool)
    theirs = statistics.fmean(error for pool in plain for _, error in pool)
    loop = statistics.median(loops)
    print(f"a plain loop over {SUBSETS} subsets a point, on {len(some)} of the problems: {loop:.1f} s")
    print(
        f"  for all {len(pools)}, by this share, {loop / share:.0f} s: {len(pools) * len(points) * SUBSETS:,} subsets"
    )
    print(f"  its mean standard error a problem {100 * theirs:.2f} points, the estimators' {100 * mine:.2f}")
    print(f"  largest difference of a point: {apart:.1f} standard errors (bar: 5)")
    print(f"  times the estimators' time in {REPEATS} repeats: {', '.join(f'{r:.0f}' for r in ratios)}")
    ratio = statistics.median(ratios)
    print(f"rerank_seconds {seconds:.1f} (bar: {SECONDS_BAR:.0f}), times_faster {ratio:.0f} (bar: {RATIO_BAR:.0f})")
    return int(seconds >= SECONDS_BAR or ratio < RATIO_BAR or apart > 5)


if __name__ == "__main__":
    sys.exit(main())
