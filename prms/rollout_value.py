"""Monte-Carlo values of prefixes: any outcome verifier becomes a process scorer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from policies.policy import Policy, Sampling
from prms.best_of_k import Counted
from prms.rollouts import State, Tally, check_counts, grade, roll_out, settled, state_of
from verifiers.interface.arguments import check_asked, check_policy_argument, check_scorer_argument
from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import check_least
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import Scorer, Scores, Spend
from verifiers.interface.solution import Problem, Solution, Stop


@dataclass(frozen=True, slots=True, eq=False)
class RolloutValue:
    r"""The value of every prefix, as the mean outcome of `k` completions by `policy`; unbiased.

    >>> import policies
    >>> from verifiers import Problem, Solution, split_steps, from_function
    >>> policy = policies.Scripted(lambda problem, prefix, seed: "=4" if "+" in prefix.text else f"={seed % 9}")
    >>> right = from_function(lambda problem, solution: float(solution.text.endswith("=" + problem.answer)))
    >>> value = RolloutValue(right, policy, 8)
    >>> value.score([Problem("p1", "2+2?", "4")], [Solution(split_steps("2+2\nI add.\n"))]).steps[0].tolist()
    [1.0, 1.0]

    The last step of a finished solution has the verifier's own word. A rollout that is cut by length or
    fails counts as wrong, one whose grade is unknown (NaN) is left out; where no rollout has a known
    outcome the value is NaN with a reason. The last step of a solution that was cut by length is worth
    0, as a rollout that ends so. A failed solution is NaN at every step, with its own reason.

    Each rollout's seed is made from (`seed`, problem id, text of the prefix, place), so a value does not
    depend on the batch. Equal prefixes are rolled out once a call, at the cost of the first row that has
    them; with `remembering()` once a search, so a step of beam search rolls out its new prefixes only.
    Tokens that the policy samples here are the scorer's: `judged_tokens` in the spend; what it reads are
    `scored_tokens` and `cached_scored_tokens`. With a rule that knows the gold answer this is an oracle, for
    data and analysis; with a learned verifier it is a scorer like any other. Raises ValueError for `k` below 1.
    """

    verifier: Scorer
    policy: Policy
    k: int
    sampling: Sampling = field(default=Sampling(), kw_only=True)
    seed: int = field(default=0, kw_only=True)
    _memory: dict[State, Tally] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_policy_argument(self.policy)
        check_scorer_argument(self.verifier, name="verifier")
        check_least(1, {"k": self.k}, who="RolloutValue")

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"rollout_value({name_of(self.verifier)}, k={self.k})"

    def remembering(self) -> RolloutValue:
        """A scorer of these values that remembers which prefixes were rolled out; for one search."""
        twin = replace(self, policy=remembering(self.policy))
        object.__setattr__(twin, "_memory", {})
        return twin

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One value a step; N rows."""
        return self._tallied(problems, solutions)[0]

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """The value of each problem's empty prefix, shape (1,) a row."""
        return self._rooted(problems)[0]

    def counts(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Counted:
        """The scores with their successes and rollouts. Raises ValueError for outcomes other than 0 and 1."""
        return self._counted(problems, *self._tallied(problems, solutions))

    def root_counts(self, problems: Sequence[Problem]) -> Counted:
        """`root_values` with successes and rollouts."""
        return self._counted(problems, *self._rooted(problems))

    def _tallied(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> tuple[Scores, list[list[Tally]]]:
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        rows = [_open_states(p, s) for p, s in zip(problems, solutions, strict=True)]
        tallies, spend = self._values_of(rows)
        finished = [i for i, solution in enumerate(solutions) if solution.finished and solution.steps]
        outcomes, reasons, grading = grade(
            self.verifier, [problems[i] for i in finished], [solutions[i] for i in finished]
        )
        for i, outcome, reason, cost in zip(finished, outcomes, reasons, grading, strict=True):
            tallies[i].append(settled(outcome, self.k, reason))
            spend[i] += cost
        for row, solution in zip(tallies, solutions, strict=True):
            if solution.stop is Stop.LENGTH and solution.steps:
                row.append(settled(0.0, self.k))
            elif solution.stop is Stop.FAILED:
                row.extend([Tally(0.0, 0)] * len(solution.steps))
        return _scores(tallies, spend, [solution.reason for solution in solutions]), tallies

    def _rooted(self, problems: Sequence[Problem]) -> tuple[Scores, list[list[Tally]]]:
        [problems] = check_asked({"problems": problems})
        tallies, spend = self._values_of([[state_of(problem, ())] for problem in problems])
        return _scores(tallies, spend, [None] * len(problems)), tallies

    def _values_of(self, rows: Sequence[Sequence[State]]) -> tuple[list[list[Tally]], list[Spend]]:
        """The tallies of each row's states, and what the policy and the verifier spent on each row."""
        known = {} if self._memory is None else self._memory
        new = list(dict.fromkeys(state for row in rows for state in row if state not in known))
        tallies, sampling, grading = roll_out(
            self.policy, self.verifier, new, n=self.k, sampling=self.sampling, seed=self.seed
        )
        known.update(zip(new, tallies, strict=True))
        cost = {state: a + b for state, a, b in zip(new, sampling, grading, strict=True)}
        spend = [Spend.total(cost.pop(state) for state in row if state in cost) for row in rows]
        return [[known[state] for state in row] for row in rows], spend

    def _counted(self, problems: Sequence[Problem], scores: Scores, rows: list[list[Tally]]) -> Counted:
        for problem, row in zip(problems, rows, strict=True):
            check_counts(problem, self.verifier, row)
        return Counted(
            scores,
            tuple(np.array([round(tally.total) for tally in row], dtype=np.int64) for row in rows),
            tuple(np.array([tally.rollouts for tally in row], dtype=np.int64) for row in rows),
        )


def _open_states(problem: Problem, solution: Solution) -> list[State]:
    """The prefixes to roll out: all of an open solution, all but the last of an ended one."""
    if solution.stop is Stop.FAILED:
        return []
    ends = len(solution.steps) if solution.stop is Stop.OPEN else len(solution.steps) - 1
    return [state_of(problem, solution.steps[: k + 1]) for k in range(ends)]


def _scores(rows: Sequence[Sequence[Tally]], spend: Sequence[Spend], reasons: Sequence[str | None]) -> Scores:
    first = [
        reason or next((tally.reason for tally in row if math.isnan(tally.value)), None)
        for row, reason in zip(rows, reasons, strict=True)
    ]
    steps = tuple(np.array([tally.value for tally in row], dtype=np.float32) for row in rows)
    return Scores(steps, tuple(cost.as_scorer() for cost in spend), tuple(first))
