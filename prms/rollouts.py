"""Completions of prefixes, graded and counted: what Monte-Carlo values are made of."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from policies.policy import Policy, Sampling
from verifiers.interface.files import Row
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import ZERO, Scorer, Spend, ask
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Step, Stop


@dataclass(frozen=True, slots=True)
class State:
    """A problem with the steps so far; equal states have equal rollouts."""

    problem: Problem
    steps: tuple[Step, ...] = ()


def state_of(problem: Problem, steps: Iterable[Step]) -> State:
    """The state after some steps; how likely they were is no part of it."""
    return State(problem, tuple(Step(step.text, step.tokens) for step in steps))


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the rollouts of one state.

    `rollouts` is the denominator: every rollout but those of an `unknown` grade. A rollout that was
    cut by length, or that `failed`, is in it and adds nothing to `total`, the sum of the outcomes;
    `counted` says that every outcome was 0 or 1. `reason` is the first of what went wrong.
    """

    total: float
    rollouts: int
    failed: int = 0
    unknown: int = 0
    counted: bool = True
    reason: str | None = None

    @property
    def value(self) -> float:
        """The mean outcome; NaN where every rollout failed or has an unknown grade."""
        return self.total / self.rollouts if self.rollouts > self.failed else math.nan


def settled(outcome: float, rollouts: int, reason: str | None = None) -> Tally:
    """The tally of a solution whose outcome is known: every rollout would end with it."""
    if math.isnan(outcome):
        return Tally(0.0, 0, unknown=rollouts, reason=reason or "the verifier has no opinion on the finished solution")
    return Tally(outcome * rollouts, rollouts, counted=outcome in (0.0, 1.0))


def roll_out(
    policy: Policy, verifier: Scorer, states: Sequence[State], *, n: int, sampling: Sampling, seed: int
) -> tuple[list[Tally], list[Spend], list[Spend]]:
    """Complete every state `n` times in one call to the policy, and grade what finished in one to the verifier.

    Returns the tallies and what each state cost the policy and the verifier. The rollouts of a state depend
    on nothing but the state, `seed` and `sampling`. Raises ValueError for a reply of the wrong length.
    """
    if not states:
        return [], [], []
    solutions, policy_spend = sample(
        policy,
        [(state, seed_at(seed, state.problem.id, "rollout", text_of(state), j)) for state in states for j in range(n)],
        sampling=sampling,
    )
    problems = [state.problem for state in states for _ in range(n)]
    outcomes, reasons, grading = grade(verifier, problems, solutions)
    of_state = [slice(i, i + n) for i in range(0, len(solutions), n)]
    return (
        [_tally(solutions[rows], outcomes[rows], reasons[rows]) for rows in of_state],
        [Spend.total(policy_spend[rows]) for rows in of_state],
        [Spend.total(grading[rows]) for rows in of_state],
    )


def sample(
    policy: Policy, rows: Sequence[tuple[State, int]], *, sampling: Sampling
) -> tuple[list[Solution], list[Spend]]:
    """One solution for each (state, seed), in one call."""
    reply = policy.extend(
        [state.problem for state, _ in rows],
        [Solution(state.steps) for state, _ in rows],
        until="end",
        sampling=sampling,
        seeds=[seed for _, seed in rows],
    )
    if len(reply.solutions) != len(rows):
        raise ValueError(f"the policy answered {len(reply.solutions)} rows where {len(rows)} were asked for")
    return list(reply.solutions), list(reply.spend)


def grade(
    verifier: Scorer, problems: Sequence[Problem], solutions: Sequence[Solution]
) -> tuple[list[float], list[str | None], list[Spend]]:
    """The outcome of each solution: the verifier's word where it finished, 0 where it did not; NaN if unknown."""
    outcomes, spend = [0.0] * len(solutions), [ZERO] * len(solutions)
    reasons: list[str | None] = [solution.reason for solution in solutions]
    finished = [i for i, solution in enumerate(solutions) if solution.finished]
    if not finished:
        return outcomes, reasons, spend
    scores = ask(verifier, [problems[i] for i in finished], [solutions[i] for i in finished])
    for i, value, reason, cost in zip(finished, scores.values().tolist(), scores.reasons, scores.spend, strict=True):
        outcomes[i], spend[i] = value, cost
        if math.isnan(value):
            reasons[i] = reason or "the verifier has no opinion on a finished solution"
    return outcomes, reasons, spend


def check_counts(problem: Problem, verifier: Scorer, tallies: Iterable[Tally]) -> None:
    """Raise ValueError where some tally has outcomes other than 0 and 1."""
    if not all(tally.counted for tally in tallies):
        raise ValueError(
            f"problem {problem.id!r}: {name_of(verifier)} gave an outcome other than 0 and 1, which is no count: "
            "use a verifier that says right or wrong"
        )


def text_of(state: State) -> str:
    """The text so far."""
    return "".join(step.text for step in state.steps)


def _tally(solutions: Sequence[Solution], outcomes: Sequence[float], reasons: Sequence[str | None]) -> Tally:
    known = [value for value in outcomes if not math.isnan(value)]
    failures = sum(solution.stop is Stop.FAILED for solution in solutions)
    unknown = len(outcomes) - len(known)
    first = next((reason for reason in reasons if reason), None)
    if first and failures == len(known):
        first = f"none of {len(solutions)} rollouts has a known outcome; first reason: {first}"
    return Tally(
        float(np.sum(known)), len(known), failures, unknown, all(value in (0.0, 1.0) for value in known), first
    )


def figures(
    solutions: Sequence[Solution], outcomes: Sequence[float], reasons: Sequence[str | None], tallies: Sequence[Tally]
) -> Row:
    """What came of sampled solutions and of their prefixes' rollouts, counted; the first reason of a failure."""
    stops = [solution.stop for solution in solutions]
    return {
        "solutions": len(solutions),
        "right": sum(outcome == 1.0 for outcome in outcomes),
        "cut_by_length": stops.count(Stop.LENGTH),
        "failed": stops.count(Stop.FAILED),
        "unknown": sum(math.isnan(outcome) for outcome in outcomes),
        "prefixes": len(tallies),
        "rollouts": sum(tally.rollouts + tally.unknown for tally in tallies),
        "failed_rollouts": sum(tally.failed for tally in tallies),
        "unknown_rollouts": sum(tally.unknown for tally in tallies),
        "first_reason": next((r for r in (*reasons, *(tally.reason for tally in tallies)) if r), None),
    }
