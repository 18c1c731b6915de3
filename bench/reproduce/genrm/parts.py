r"""A judge that was never taught a verdict and comes to one: the base, asked for two things that it has read.

First for a fair copy of the solution, then for the two side by side, as the lists of its own reading are. Its verdict
is Yes where nothing in these differs.
"""

from collections.abc import Sequence

from bench.tiny.making.examples.rationales import FORMAT, WRONG
from bench.tiny.worlds import last_letter
from policies.backends.transformers import Transformers
from policies.policy import Sampling
from search.strategies.sample import sample
from verifiers.interface.solution import Problem, Solution

_ROOM = 200  # tokens of a problem, its texts and an answer


def judge_in_parts(
    base: Transformers, problems: Sequence[Problem], solutions: Sequence[Solution], *, votes: int
) -> list[tuple[list[float | None], list[float]]]:
    """1.0 or 0.0 a vote, None where an answer had no end; and the FLOPs before the votes and of each."""
    sampling = Sampling(max_tokens=_ROOM)
    texts = [solution.text.strip() for solution in solutions]
    first = [
        Problem(str(k), FORMAT.cot.format(problem=str(problem.prompt).strip(), solution=text))
        for k, (problem, text) in enumerate(zip(problems, texts, strict=True))
    ]
    copies = list(sample(first, base, n=votes, sampling=sampling, seed=7))
    second = [
        Problem(f"{k} {v}", f"{'D' if _letters(problems[k]) else 'A'}\n{texts[k]}\n#{copy.text}\n#")
        for k, drawn in enumerate(copies)
        for v, copy in enumerate(drawn.pool)
    ]
    compared = iter(sample(second, base, n=1, sampling=sampling, seed=8))
    out: list[tuple[list[float | None], list[float]]] = []
    for drawn in copies:
        pairs = [next(compared) for _ in drawn.pool]
        said = [result.pool[0] for result in pairs]
        verdicts = [
            float(WRONG not in s.text) if copy.finished and s.finished else None
            for copy, s in zip(drawn.pool, said, strict=True)
        ]
        read = drawn.spend.prompt_flops
        asked = drawn.spend.flops - read + sum(pair.spend.flops for pair in pairs)
        out.append((verdicts, [read, asked / votes]))
    return out


def _letters(problem: Problem) -> bool:
    return str(problem.prompt).startswith(last_letter.LETTER)
