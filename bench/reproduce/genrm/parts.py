r"""A judge that was never taught a verdict and comes to one: the base, asked for two things that it has read.

First for a fair copy of the solution, then for the two side by side, as the lists of its own reading are. Its verdict
is Yes where nothing in these differs.
"""

from collections.abc import Sequence

from bench.tiny.making.examples.rationales import FORMAT, WRONG
from bench.tiny.worlds import last_letter
from policies.backends.transformers import Transformers
from policies.models.parameters import flop_price
from policies.policy import Sampling
from search.strategies.sample import sample
from verifiers.interface.solution import Problem, Solution

_ROOM = 200  # tokens of a problem, its texts and an answer


def judge_in_parts(
    base: Transformers, problems: Sequence[Problem], solutions: Sequence[Solution], *, votes: int
) -> list[tuple[list[float | None], list[float]]]:
    """1.0 or 0.0 a vote, None where an answer had no end; and the FLOPs before the votes and of each."""
    sampling, price = Sampling(max_tokens=_ROOM), flop_price(base.model)
    texts = [solution.text.strip() for solution in solutions]
    first = [
        Problem(str(k), FORMAT.cot.format(problem=str(problem.prompt).strip(), solution=text))
        for k, (problem, text) in enumerate(zip(problems, texts, strict=True))
    ]
    copies = [result.pool for result in sample(first, base, n=votes, sampling=sampling, seed=7)]
    second = [
        Problem(f"{k} {v}", f"{'D' if _letters(problems[k]) else 'A'}\n{texts[k]}\n#{copy.text}\n#")
        for k, pool in enumerate(copies)
        for v, copy in enumerate(pool)
    ]
    compared = iter(sample(second, base, n=1, sampling=sampling, seed=8))
    out: list[tuple[list[float | None], list[float]]] = []
    for problem, pool in zip(first, copies, strict=True):
        pairs = [next(compared) for _ in pool]
        said = [result.pool[0] for result in pairs]
        verdicts = [
            float(WRONG not in s.text) if copy.finished and s.finished else None
            for copy, s in zip(pool, said, strict=True)
        ]
        read = len(str(problem.prompt))
        asked = sum(
            price.flops((read, read + copy.token_count), (0, len(str(pair.problem.prompt)) + s.token_count))
            for copy, s, pair in zip(pool, said, pairs, strict=True)
        )
        out.append((verdicts, [price.flops((0, read)), asked / votes]))
    return out


def _letters(problem: Problem) -> bool:
    return str(problem.prompt).startswith(last_letter.LETTER)
