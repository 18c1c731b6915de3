"""Grade 16,768 saved answers as `MATH.equal` does, and with a plain Math-Verify loop; the ratio of their times.

    python benchmarks/grading.py [POOL.jsonl.gz]

Two sets of (answer, gold) pairs, each graded by both in this one run: the answers as the pool records
them, and the answers that `MATH.extract` finds in the texts. Ours starts with nothing cached and no
worker running, three times, of which the median counts; Math-Verify's import is not counted. The figure
is the lower of the two ratios. Exits 1 if it is below 10, or if a verdict differs for a reason that
docs/grading.md does not give.
"""

import gzip
import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path

from math_verify import LatexExtractionConfig, parse, verify

from verifiers.grading.answers import MATH, equal_mathematics
from verifiers.grading.equivalence import EquivalencePool
from verifiers.grading.notation import arithmetic
from verifiers.grading.notation.numerals import canonical, clean, number

BAR = 10.0
POOL = Path(__file__).parents[2] / "shared" / "data" / "genrm_pool_dev.jsonl.gz"


def plain(answer: str, gold: str) -> bool:
    """What a user of Math-Verify writes, its defaults untouched."""
    return bool(verify(parse(f"${gold}$"), parse(f"${answer}$")))


def explain(answer: str, gold: str, ours: bool | None, theirs: bool) -> str | None:
    """The entry of docs/grading.md under which the two verdicts differ; None where there is none."""
    left, right = number(answer.rpartition("=")[2]), number(gold)
    if ours is False and theirs and (left is None or answer.startswith("negative ")):
        whole = parse(f"${answer}$", [LatexExtractionConfig()])
        return None if verify(parse(f"${gold}$"), whole) else "a number found inside the answer"
    if ours and not theirs and left and right and left.value == right.value:
        return "a number in another dress"
    return None


def grade_cold(pairs: list[tuple[str, str]]) -> tuple[list[bool | None], float, int]:
    """Our verdicts, the median seconds of three runs from nothing, and how many pairs took a worker."""
    seconds = []
    for _ in range(3):
        for cached in (clean, number, canonical, arithmetic._value):
            cached.cache_clear()
        with EquivalencePool() as pool:
            started = time.perf_counter()
            verdicts = equal_mathematics(pairs, pool=pool)
            seconds.append(time.perf_counter() - started)
            compared = len(pool._cache)
    return verdicts, sorted(seconds)[1], compared


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else POOL
    if not path.exists():
        print(f"{path}: no such file; give the path of the saved pool")
        return 2
    logging.disable(logging.WARNING)  # Math-Verify logs each failed parse
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        problems = [json.loads(line) for line in lines]
    solutions = [(problem["answer"], solution) for problem in problems for solution in problem["solutions"]]
    recorded = [(solution["answer"], gold) for gold, solution in solutions]
    extracted = [(MATH.extract(solution["text"]) or "", gold) for gold, solution in solutions]

    ratios, unexplained = [], 0
    for name, pairs in (("recorded answers", recorded), ("extracted answers", extracted)):
        ours, ours_seconds, compared = grade_cold(pairs)

        started = time.perf_counter()
        theirs = [plain(answer, gold) for answer, gold in pairs]
        theirs_seconds = time.perf_counter() - started
        distinct = list(dict.fromkeys(pairs))
        started = time.perf_counter()
        for answer, gold in distinct:
            plain(answer, gold)
        distinct_seconds = time.perf_counter() - started

        ratios.append(theirs_seconds / ours_seconds)
        print(f"\n{name}: {len(pairs)} pairs, {len(distinct)} of them distinct")
        print(f"  Math-Verify, a plain loop            {theirs_seconds:8.2f} s")
        print(f"  Math-Verify, the distinct pairs only {distinct_seconds:8.2f} s")
        print(f"  MATH.equal, cold                     {ours_seconds:8.2f} s   {ratios[-1]:.1f} times faster")
        print(f"  pairs that took a worker             {compared:8d}")
        for grader, verdicts in (("ours", ours), ("Math-Verify", theirs)):
            agree = sum(v == s["correct"] for v, (_, s) in zip(verdicts, solutions, strict=True))
            print(f"  {grader} agrees with the pool's `correct` on {agree} of {len(pairs)}: {dict(Counter(verdicts))}")
        differ = Counter((a, g, v, w) for (a, g), v, w in zip(pairs, ours, theirs, strict=True) if v is not w)
        print(f"  verdicts that differ: {sum(differ.values())}")
        for (answer, gold, mine, other), count in differ.items():
            reason = explain(answer, gold, mine, other)
            unexplained += reason is None
            print(f"    {count} x {answer[:70]!r} for {gold!r}: ours {mine}, its {other}: {reason or 'UNEXPLAINED'}")

    print(f"\n{unexplained} unexplained differences")
    print(f"speedup {min(ratios):.1f}")
    return int(unexplained > 0 or min(ratios) < BAR)


if __name__ == "__main__":
    sys.exit(main())
