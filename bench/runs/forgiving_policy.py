"""A policy whose exceptions become failed rows, and that can be asked for some rows of a pool alone."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from policies.policy import Extended, Policy, Sampling, Until
from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import is_a_rows, reason_of
from verifiers.interface.scoring import ZERO, Spend
from verifiers.interface.solution import Problem, Solution, Stop, failed


@dataclass(frozen=True, slots=True)
class ForgivingPolicy:
    """A policy of which a row that raises is a failed one, so that a run can go on where all of a unit's do.

    What no row can be the cause of is raised. With `only`, seeds, it draws the rows of these alone; the others fail at
    no cost. `spent` has what each problem's rows cost that did not fail.
    """

    policy: Policy
    only: Collection[int] | None = None
    spent: dict[str, Spend] = field(default_factory=dict)

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """One row a row, in order; of more rows than one what the policy raises, for the caller to ask for fewer."""
        wanted = [i for i, seed in enumerate(seeds) if self.only is None or seed in self.only]
        solutions, spend = [failed("kept from before", prefix.steps) for prefix in prefixes], [ZERO] * len(seeds)
        if not wanted:
            return Extended(tuple(solutions), tuple(spend))
        started = time.perf_counter()
        asked, begun = [problems[i] for i in wanted], [prefixes[i] for i in wanted]
        try:
            reply = self.policy.extend(asked, begun, until=until, sampling=sampling, seeds=[seeds[i] for i in wanted])
        except Exception as error:
            if len(seeds) > 1 or not is_a_rows(error):
                raise
            return Extended((failed(reason_of(error), prefixes[0].steps),), (Spend(policy_calls=1),))
        if len(reply.solutions) != len(wanted):
            return reply  # a mistake of the policy's, which its caller tells
        seconds = (time.perf_counter() - started) / len(wanted)
        for i, solution, cost in zip(wanted, reply.solutions, reply.spend, strict=True):
            solutions[i], spend[i] = solution, cost
            if solution.stop is not Stop.FAILED:
                timed = replace(cost, policy_seconds=seconds)  # shared evenly, as the driver does
                self.spent[problems[i].id] = self.spent.get(problems[i].id, ZERO) + timed
        return Extended(tuple(solutions), tuple(spend))

    def remembering(self) -> "ForgivingPolicy":
        """The same with a memory, where the policy can have one; for one search."""
        return ForgivingPolicy(remembering(self.policy), self.only, self.spent)
