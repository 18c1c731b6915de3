r"""`planted`: find a planted subsequence (the didactic task of Setlur et al. 2024, arXiv 2410.08146, section 3.3).

A solution is a word of up to 10 letters out of 14, each a step of its own, then the end. It is right where the
planted letters occur in it in their order, others in between or not. A policy of strength gamma draws the next planted
letter gamma times as likely as any other token, the end among them, so its value of every prefix is known exactly.
Nothing here is learnt: values are exact, or counted in rollouts, and what is shown is what search does with them.
"""

import hashlib
import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from bench.inputs.task import Task
from policies.policy import Extended, Sampling, Until
from prms.best_of_k import Counted
from verifiers.grading.answers import Answers
from verifiers.interface.scoring import Scores, Spend, silent_row
from verifiers.interface.solution import Problem, Solution, Step, Stop

LETTERS = "abcdefghijklmn"
ROOM = 10  # letters
_END = len(LETTERS)


def planted_task(count: int = 100, *, letters: int = 6, seed: int = 0) -> Task:
    """Problems that each hide a word of different letters, which stands in their answer.

    >>> task = planted_task(2)
    >>> task.problems[0].answer
    'mdlnba'
    >>> reply = Writer(1000.0).extend(
    ...     task.problems[:1], [Solution()], until="end", sampling=task.sampling, seeds=[0]
    ... )
    >>> reply.solutions[0].text.startswith("m\\nd\\nl\\nn\\nb\\na\\n")
    True
    """
    rng = random.Random(f"planted {letters} {seed}")
    words = ["".join(rng.sample(LETTERS, letters)) for _ in range(count)]
    problems = tuple(Problem(f"planted-{letters}-{seed}-{i:05d}", "planted", word) for i, word in enumerate(words))
    return Task("planted", problems, Answers(_word, _holds), Planted(), Sampling(max_tokens=ROOM + 1))


def letters_found(text: str, planted: str) -> int:
    r"""How many letters of the planted word a solution has in their order.

    >>> letters_found("k\nx\ne\ne\n", "kebdi"), letters_found("e\nk\n", "kebdi")
    (2, 1)
    """
    at = 0
    for letter in text.split("\n"):
        at += at < len(planted) and letter == planted[at]
    return at


@dataclass(frozen=True, slots=True)
class Planted:
    """The verifier: 1 where the whole planted word was found, also in a solution that was cut off."""

    name: str = "planted"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One number a solution, at its last step: a word that fills its room is as whole as one that ends."""
        rows = [silent_row(len(s.steps)) for s in solutions]
        for row, problem, solution in zip(rows, problems, solutions, strict=True):
            row[-1:] = _missing(problem, solution.text) == 0
        return Scores(tuple(rows))


@dataclass(frozen=True, slots=True)
class Writer:
    """The policy of strength gamma."""

    gamma: float

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"planted(gamma={self.gamma:g})"

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """Letters drawn one by one; a word of 10 letters ends by itself."""
        rows = [
            self._row(p, prefix, seed, until, sampling.max_tokens)
            for p, prefix, seed in zip(problems, prefixes, seeds, strict=True)
        ]
        return Extended(tuple(solution for solution, _ in rows), tuple(spend for _, spend in rows))

    def _row(self, problem: Problem, prefix: Solution, seed: int, until: Until, most: int) -> tuple[Solution, Spend]:
        rng, steps, planted, sampled = random.Random(seed), list(prefix.steps), str(problem.answer), 0
        at, stop = letters_found(prefix.text, planted), Stop.OPEN
        while stop is Stop.OPEN and not (until == "step" and sampled):
            wanted = LETTERS.index(planted[at]) if at < len(planted) else None
            drawn = self._draw(rng, wanted)
            sampled += 1
            if drawn == _END:
                stop = Stop.EOS
                continue
            steps.append(Step(f"{LETTERS[drawn]}\n", (drawn,)))
            at += drawn == wanted
            stop = Stop.EOS if len(steps) == ROOM else Stop.LENGTH if len(steps) >= most else Stop.OPEN
        return Solution(tuple(steps), stop), Spend(sampled_tokens=sampled)

    def _draw(self, rng: random.Random, wanted: int | None) -> int:
        """A letter's place, or that of the end."""
        tokens = len(LETTERS) + 1
        if wanted is None:
            return rng.randrange(tokens)
        drawn = rng.random() * (self.gamma + tokens - 1)
        if drawn < self.gamma:
            return wanted
        other = min(int(drawn - self.gamma), tokens - 2)
        return other + (other >= wanted)


@dataclass(frozen=True, slots=True)
class ExactValue:
    """The value of every prefix: the chance that the policy of strength gamma finds the rest in what room is left.

    >>> problem = Problem("p", "planted", "kebdi")
    >>> row = ExactValue(10.0).score([problem], [Solution((Step("k\\n"), Step("x\\n")))]).steps[0]
    >>> bool(ExactValue(10.0).root_values([problem]).values()[0] < row[0] > row[1])
    True
    """

    gamma: float

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"exact(gamma={self.gamma:g})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One value a step; N rows."""
        return Scores(tuple(self._values(p, s) for p, s in zip(problems, solutions, strict=True)))

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """The same before the first step."""
        return Scores(tuple(np.array([chance(self.gamma, len(str(p.answer)), ROOM)], np.float32) for p in problems))

    def _values(self, problem: Problem, solution: Solution) -> npt.NDArray[np.float32]:
        return np.array([chance(self.gamma, *state) for state in _states(problem, solution)], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class CountedValue:
    """The value of every prefix as it comes out of `rollouts` by the policy of strength gamma.

    As `prms.RolloutValue`, whose rollouts are independent, so that the number of right ones is drawn at once. Equal
    prefixes of a problem have equal values for equal seeds; with `remembering()` each is rolled out once a search. What
    rollouts draw on average, until the last planted letter, are `judged_tokens`; a prefix without hope has none.
    """

    gamma: float
    rollouts: int
    seed: int = 0
    memory: dict[tuple[str, str], int] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"rollouts(gamma={self.gamma:g}, {self.rollouts})"

    @property
    def k(self) -> int:
        """Rollouts a prefix."""
        return self.rollouts

    def remembering(self) -> "CountedValue":
        """Values that are counted once a prefix; for one search."""
        return replace(self, memory={})

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One value a step; N rows."""
        return self.counts(problems, solutions).scores

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """The same before the first step."""
        return self.root_counts(problems).scores

    def counts(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Counted:
        """The scores with their successes and rollouts."""
        rows = [
            [(prefix, state) for prefix, state in zip(_prefixes(s), _states(p, s), strict=True)]
            for p, s in zip(problems, solutions, strict=True)
        ]
        return self._counted(problems, rows)

    def root_counts(self, problems: Sequence[Problem]) -> Counted:
        """`root_values` with successes and rollouts."""
        return self._counted(problems, [[("", (len(str(p.answer)), ROOM))] for p in problems])

    def _counted(self, problems: Sequence[Problem], rows: Sequence[Sequence[tuple[str, tuple[int, int]]]]) -> Counted:
        known = {} if self.memory is None else self.memory
        successes, spend = [], []
        for problem, row in zip(problems, rows, strict=True):
            counts, tokens = [], 0
            for prefix, state in row:
                key = (problem.id, f"{prefix}{state}")  # a word that has ended has another value
                if key not in known:
                    known[key], drawn = self._roll_out(*state, seed=f"{self.seed} {key}")
                    tokens += drawn
                counts.append(known[key])
            successes.append(np.array(counts, dtype=np.int64))
            spend.append(Spend(judged_tokens=tokens))
        values = tuple((c / self.rollouts).astype(np.float32) for c in successes)
        of = tuple(np.full(len(c), self.rollouts) for c in successes)
        return Counted(Scores(values, tuple(spend)), tuple(successes), of)

    def _roll_out(self, missing: int, left: int, *, seed: str) -> tuple[int, int]:
        """How many rollouts find what is missing in the room that is left, and how many tokens all of them draw."""
        drawn = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") / 2**64
        found = bisect_right(_chances_of_counts(self.gamma, self.rollouts, missing, left), drawn)
        return found, round(self.rollouts * letters_drawn(self.gamma, missing, left))


@cache
def _chances_of_counts(gamma: float, rollouts: int, missing: int, left: int) -> list[float]:
    """The chances that at most 0, 1, ... of so many rollouts find what is missing: they are independent."""
    p = chance(gamma, missing, left)
    each = [math.comb(rollouts, k) * p**k * (1 - p) ** (rollouts - k) for k in range(rollouts)]
    return list(accumulate(each))


def chance(gamma: float, missing: int, left: int) -> float:
    """The chance that the policy of strength gamma finds so many letters in so much room.

    >>> chance(10.0, 0, 0), chance(10.0, 2, 1), round(chance(10.0, 1, 1), 4)
    (1.0, 0.0, 0.4167)
    """
    return _expected(gamma, missing, left, each=0.0, found=1.0)


def letters_drawn(gamma: float, missing: int, left: int) -> float:
    """How many tokens a rollout draws on average, until the last planted letter, the end, or no room.

    >>> letters_drawn(10.0, 0, 5), letters_drawn(10.0, 1, 1), round(letters_drawn(10.0, 1, 2), 4)
    (0.0, 1.0, 1.5417)
    """
    return _expected(gamma, missing, left, each=1.0, found=0.0)


@cache
def _expected(gamma: float, missing: int, left: int, *, each: float, found: float) -> float:
    """What a rollout brings on average: so much for each token, and so much where it finds what is missing."""
    if missing == 0:
        return found
    if left < missing:
        return 0.0
    right = gamma / (gamma + len(LETTERS))  # the other letters and the end have weight 1 each
    wrong = (len(LETTERS) - 1) / (gamma + len(LETTERS))
    hit = _expected(gamma, missing - 1, left - 1, each=each, found=found)
    return each + right * hit + wrong * _expected(gamma, missing, left - 1, each=each, found=found)


def _missing(problem: Problem, text: str) -> int:
    return len(str(problem.answer)) - letters_found(text, str(problem.answer))


def _prefixes(solution: Solution) -> list[str]:
    return list(accumulate(step.text for step in solution.steps))


def _states(problem: Problem, solution: Solution) -> list[tuple[int, int]]:
    """After each step the letters that are missing, and the room that is left; there is none behind the end."""
    last = len(solution.steps) - 1
    return [
        (_missing(problem, prefix), 0 if solution.finished and k == last else ROOM - (k + 1))
        for k, prefix in enumerate(_prefixes(solution))
    ]


def _word(text: str) -> str | None:
    return text.replace("\n", "") or None


def _holds(pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
    return [letters_found("\n".join(answer), gold) == len(gold) for answer, gold in pairs]
