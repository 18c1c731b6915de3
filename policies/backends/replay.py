"""Saved generations as a policy: search over a pool without a model."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from policies.checks import check_call
from policies.policy import Extended, Sampling, Until
from verifiers.interface.arguments import check_kind, check_rows
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Problem, Solution, Stop, failed


class Replay:
    r"""A policy that hands out saved solutions: `pools` maps a problem's id to its solutions.

    A row gets a saved solution that starts with its prefix, step by step. Its seed names a sample: at
    each state (problem and prefix), a new seed takes the next saved solution in saved order, and a known
    seed the same one again. A state that has no more saved solutions fails the row, with a reason.
    `until="step"` hands out one more step. `sampling` is not used: what was saved stays as it is. The
    spend counts the saved tokens as sampled, 0 where they are not known. Threads may share it; which of them
    takes the next saved solution of a state is then a matter of who comes first.

    >>> from verifiers import Step
    >>> saved = [Solution((Step("2+2=4\n"), Step(end)), Stop.EOS) for end in ("Four.", "4.")]
    >>> policy, problem = Replay({"p1": saved}), Problem("p1", "2+2?")
    >>> rows = {"until": "end", "sampling": Sampling()}
    >>> [s.text for s in policy.extend([problem] * 2, [Solution()] * 2, seeds=[7, 5], **rows).solutions]
    ['2+2=4\nFour.', '2+2=4\n4.']
    >>> policy.extend([problem], [Solution()], seeds=[9], **rows).solutions[0].reason
    "problem 'p1' has 2 saved solutions; sample 3 was asked for"

    Raises ValueError for a saved solution that is open, and for a prefix that has already ended.
    """

    def __init__(self, pools: Mapping[str, Sequence[Solution]]) -> None:
        check_kind("pools", pools, Mapping, "give the solutions of each problem by its id, {problem.id: [solution]}")
        self._pools = {
            name: tuple(check_rows(pool, Solution, "give a list of verifiers.Solution", name=f"pools[{name!r}]"))
            for name, pool in pools.items()
        }
        for name, pool in self._pools.items():
            for i, solution in enumerate(pool):
                if solution.stop is Stop.OPEN:
                    raise ValueError(
                        f"saved solution {i} of problem {name!r} is open: set its stop to EOS, LENGTH or FAILED"
                    )
        # For each problem and prefix the solutions that start so, and which of them each seed was given.
        self._states: dict[tuple[str, tuple[str, ...]], tuple[tuple[Solution, ...], dict[int, int]]] = {}
        self._turn = threading.Lock()  # the samples of a call follow each other, and no two seeds share one

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """Extend every prefix by a saved step, or to a saved end; see `policies.Policy`."""
        problems, prefixes, seeds = check_call(problems, prefixes, until, sampling, seeds)
        with self._turn:
            samples = [self._sample(p.id, prefix, s) for p, prefix, s in zip(problems, prefixes, seeds, strict=True)]
        solutions, spend = [], []
        for prefix, solution in zip(prefixes, samples, strict=True):
            past = len(prefix.steps)
            if until == "step" and len(solution.steps) > past + 1:
                solution = Solution(solution.steps[: past + 1])
            sampled = solution.token_count - prefix.token_count if solution.stop is not Stop.FAILED else 0
            solutions.append(solution)
            spend.append(Spend(policy_calls=1, sampled_tokens=max(sampled, 0)))
        return Extended(tuple(solutions), tuple(spend))

    def _sample(self, name: str, prefix: Solution, seed: int) -> Solution:
        key = (name, tuple(step.text for step in prefix.steps))
        if key not in self._states:
            n, pool = len(prefix.steps), self._pools.get(name, ())
            self._states[key] = tuple(s for s in pool if tuple(step.text for step in s.steps[:n]) == key[1]), {}
        solutions, given = self._states[key]
        at = given.setdefault(seed, len(given))
        if at < len(solutions):
            return solutions[at]
        number = f"{len(solutions)} saved solution{'' if len(solutions) == 1 else 's'}"
        where = " that start with this prefix" if prefix.steps else ""
        return failed(f"problem {name!r} has {number}{where}; sample {at + 1} was asked for", prefix.steps)
