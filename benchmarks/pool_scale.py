"""What `stepbeam rerank` takes for large pools, its report included: peak memory, and seconds of processor.

    python benchmarks/pool_scale.py 4000x40x400@32 25000x8x300 50000x8x300 100000x8x300 100000x8x1250

Each argument is a pool that is made for it: PROBLEMSxSOLUTIONSxCHARACTERS, one problem a row, each solution with a
recorded score; `@N` for the points of all N from 1 to N in the place of powers of two, and `=exact` for answers that
are their last line, which is read in no time. A process of its own reranks it, and another reports on the folder.
Exits 1 where a pool of 1 GB or more takes 2 GB of memory or more, where 4,000 problems of 40 solutions at all N to 32
take 30 s or more, or where of pools alike but for their number of problems a larger one takes a quarter more for each
problem than a smaller one.
"""

import json
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

POOLS = ("4000x40x400@32", "25000x8x300", "50000x8x300", "100000x8x300")
MEMORY_BAR, SECONDS_BAR, LINEAR_BAR = 2e9, 30.0, 1.25
_WORDS = [
    "so",
    "we",
    "add",
    "the",
    "two",
    "and",
    "find",
    "that",
    "it",
    "holds",
    "for",
    "each",
    "part",
    "of",
    "the",
    "sum",
    "which",
    "then",
    "gives",
    "us",
]


@dataclass(frozen=True)
class Shape:
    """The pool that an argument names."""

    problems: int
    solutions: int
    characters: int
    all_to: int  # 0 for powers of two
    answers: str

    @staticmethod
    def of(text: str) -> "Shape":
        text, _, answers = text.partition("=")
        sizes, _, all_to = text.partition("@")
        return Shape(*map(int, sizes.split("x")), all_to=int(all_to or 0), answers=answers or "math")


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds of processor and peak bytes of memory, those of its own processes included."""

    seconds: float
    memory: int


def write_pool(path: Path, shape: Shape) -> None:
    """A pool whose answers are right about half the time; what is right scores higher, mostly."""
    rng = random.Random(0)
    texts = [_text(rng, shape.characters) for _ in range(997)]
    with open(path, "w", encoding="utf-8") as file:
        for i in range(shape.problems):
            skill = rng.random()
            solutions = []
            for _ in range(shape.solutions):
                right = rng.random() < skill
                said = i if right else i + rng.randint(1, 5)
                end = said if shape.answers == "exact" else f"The answer is {said}."
                text = f"{rng.choice(texts)}\n{end}"
                solutions.append({"text": text, "score": round(0.3 * right + 0.7 * rng.random(), 6)})
            row = {"id": f"q{i}", "prompt": f"What is {i} + 0?", "answer": str(i), "solutions": solutions}
            file.write(json.dumps(row) + "\n")


def _text(rng: random.Random, characters: int) -> str:
    lines, length = [], 0
    while length < characters - 20:
        lines.append(" ".join(rng.choices(_WORDS, k=12)))
        length += len(lines[-1]) + 1
    return "\n".join(lines)


def rerank(pool: Path, out: Path, all_to: int, answers: str) -> None:
    """What the command does, and with all N where it takes powers of two."""
    from bench.commands.results import show
    from bench.files.memory import keep_freed_memory
    from bench.pools.rerank import rerank
    from verifiers.grading.answers import ANSWERS

    keep_freed_memory()
    sizes = range(1, all_to + 1) if all_to else None
    results = rerank([pool], {}, out, sizes=sizes, answers=ANSWERS[answers], progress=False)
    show(results, out, title=pool.name)


def report(out: Path) -> None:
    """`stepbeam report` on the folder."""
    from bench.commands.cli import main

    main(["report", str(out)])


def cost_of(*arguments: object) -> Cost:
    """This script again, as a process with these arguments; ends all where it fails."""
    sys.stdout.flush()
    command = [sys.executable, __file__, *map(str, arguments)]
    process = os.posix_spawn(
        sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, used = os.wait4(process, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] == "--rerank":
        rerank(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
        return 0
    if len(sys.argv) > 1 and sys.argv[1] == "--report":
        report(Path(sys.argv[2]))
        return 0
    missed, each = [], {}
    for name in sys.argv[1:] or POOLS:
        shape = Shape.of(name)
        with tempfile.TemporaryDirectory() as folder:
            pool, out = Path(folder) / "pool.jsonl", Path(folder) / "out"
            write_pool(pool, shape)
            size = pool.stat().st_size
            took, page = cost_of("--rerank", pool, out, shape.all_to, shape.answers), cost_of("--report", out)
        seconds, memory = took.seconds, max(took.memory, page.memory)
        print(
            f"{name}: {size / 1e6:.0f} MB, {took.seconds:.1f} s, {took.memory / 1e6:.0f} MB of memory"
            f" ({took.memory / size:.1f} times the pool); report again {page.seconds:.1f} s, {page.memory / 1e6:.0f} MB"
        )
        if size >= 1e9 and memory >= MEMORY_BAR:
            missed.append(f"{name}: {memory / 1e9:.2f} GB of memory (bar: {MEMORY_BAR / 1e9:.0f})")
        if (shape.problems, shape.solutions, shape.all_to) == (4000, 40, 32) and seconds >= SECONDS_BAR:
            missed.append(f"{name}: {seconds:.1f} s (bar: {SECONDS_BAR:.0f})")
        alike = (shape.solutions, shape.characters, shape.all_to, shape.answers)
        before = each.setdefault(alike, seconds / shape.problems)
        if seconds / shape.problems > LINEAR_BAR * before:
            missed.append(f"{name}: {seconds / shape.problems / before:.2f} times the time a problem of a smaller pool")
    print("\n".join(missed) or "all bars are kept")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
