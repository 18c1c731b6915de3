"""Step-level beam search: extend prefixes by a step, score them, keep the best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.policy import Policy, Sampling
from search.budget import Budget
from search.driver import drive, started
from search.picking import pick
from search.requests import Strategy, extend, score
from search.result import Fate, Node, SearchResult
from search.selection import best
from verifiers.grading.answers import MATH, Answers
from verifiers.interface.arguments import check_answers_argument, check_scorer_argument
from verifiers.interface.capabilities import judges_ends_only, remembering
from verifiers.interface.errors import NoOpinionError, check_least
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import ZERO, FloatArray, Reduce, Scorer, Scores
from verifiers.interface.solution import Problem, Solution, Stop

_ENDS_ONLY = (
    "judges finished solutions only. Beam search needs a process scorer: a PRM, or the outcome scorer wrapped as "
    "prms.RolloutValue(verifier, policy, k=8)"
)


def beam_search(
    problems: Sequence[Problem],
    policy: Policy,
    scorer: Scorer,
    *,
    width: int,
    expand: int,
    max_steps: int,
    final: Scorer | None = None,
    answers: Answers = MATH,
    sampling: Sampling | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[SearchResult]:
    r"""Keep the `width` best prefixes; each step draws `expand` next steps from each of them.

    >>> import policies, search, verifiers
    >>> text = "try {0}\nkeep {0}\nThe answer is {0}."
    >>> policy = policies.Scripted(lambda problem, prefix, seed: text.format(seed % 7)[len(prefix.text):])
    >>> sixes = verifiers.from_steps(lambda problem, solution: [float("6" in step.text) for step in solution.steps])
    >>> [result] = search.beam_search(
    ...     [verifiers.Problem("p1", "?")], policy, sixes, width=2, expand=8, max_steps=5)
    >>> result.answer, len(result.pool)
    ('6', 2)

    A round samples `expand` candidates for every open place in the beam, so the first round draws
    `width * expand` from the empty prefix. Candidates with equal text count once. A finished
    candidate that is kept gives up its place, so the beam narrows as solutions finish, and the
    search ends with the last of them or after `max_steps` rounds. `result.pool` holds the kept
    solutions, finished first; the pick among the finished is by `final`, or by `scorer` where it is
    None. `result.tree` holds every candidate with its value and its fate. A scorer that can remember
    prefixes (`verifiers.Incremental`, as a PRM) computes each step's own tokens only.

    Raises NoOpinionError where `scorer` says nothing of an unfinished solution (an outcome verifier:
    wrap it as `prms.RolloutValue`); ValueError for a width, expand or max_steps below 1.
    """
    check_beam(width, expand, max_steps)
    check_scorer_argument(scorer)
    check_steers(scorer)
    judge = remembering(scorer)
    searches = started(
        problems, lambda problem: beam_search_strategy(problem, width, expand, max_steps, final is not None, answers)
    )
    scorers = judges(scorer, judge, final)
    return drive(searches, policy, scorers, sampling=sampling, budget=budget, seed=seed, progress=progress)


def check_beam(width: int, expand: int, max_steps: int) -> None:
    """Raise ValueError for a beam of no size."""
    check_least(1, {"width": width, "expand": expand, "max_steps": max_steps}, who="beam_search")


def check_steers(scorer: Scorer) -> None:
    """Raise NoOpinionError for a scorer that says of itself that it judges finished solutions only."""
    if judges_ends_only(scorer):
        raise NoOpinionError(f"{name_of(scorer)} {_ENDS_ONLY}")


def judges(scorer: Scorer, remembering: Scorer, final: Scorer | None) -> dict[str, Scorer]:
    """Who judges a beam: the scorer with a memory, and `final` at the end, if anybody."""
    if final is None:
        return {"search": remembering}
    # A PAV's base has read the beams already.
    read_already: Scorer | None = getattr(remembering, "base", None) if final is getattr(scorer, "base", None) else None
    return {"search": remembering, "final": read_already or final}


@dataclass(frozen=True, slots=True)
class _Candidate:
    solution: Solution
    parent: int  # its parent's place in the tree
    steps: FloatArray
    value: float
    reason: str | None


def beam_search_strategy(
    problem: Problem, width: int, expand: int, max_steps: int, judged_again: bool, answers: Answers
) -> Strategy:
    check_answers_argument(answers)
    tree: list[Node] = []
    beam: list[tuple[int, Solution]] = [(-1, Solution())]  # (place in the tree, prefix)
    done: list[_Candidate] = []
    cut: list[_Candidate] = []
    failures: list[str] = []
    opened: list[_Candidate] = []
    reduce: Reduce = "last"
    out: str | None = None
    for depth in range(max_steps):
        slots = width - len(done)
        n = slots * expand // len(beam)
        children, out = yield from extend([prefix for _, prefix in beam], n, "step")
        unique, twins = _merge_twins(children, [place for place, _ in beam], n)
        scores = yield from score([solution for solution, _ in unique])
        reduce = scores.reduce
        candidates = [
            _Candidate(solution, parent, steps, float(value), reason or solution.reason)
            for (solution, parent), steps, value, reason in zip(
                unique, scores.steps, scores.values(), scores.reasons, strict=True
            )
        ]
        _refuse_silence(problem, candidates)
        ranked = sorted((c for c in candidates if not np.isnan(c.value)), key=lambda c: -c.value)
        kept = [c for c in ranked if c.solution.stop in (Stop.OPEN, Stop.EOS)][:slots]
        kept_ids = {id(c) for c in kept}
        failures += [c.reason for c in candidates if c.reason]
        cut += [c for c in candidates if c.solution.stop is Stop.LENGTH]
        done += [c for c in kept if c.solution.finished]
        opened = [c for c in kept if not c.solution.finished]
        beam = []
        for c in candidates:
            if id(c) in kept_ids and not c.solution.finished:
                beam.append((len(tree), c.solution))
            tree.append(Node(c.parent, depth, c.solution, c.value, _fate(c, id(c) in kept_ids)))
        tree += [Node(parent, depth, twin, float("nan"), Fate.PRUNED) for twin, parent in twins]
        if not beam or out:
            break
    pool = done + opened + cut
    solutions = tuple(c.solution for c in pool)
    if judged_again:
        verdict = yield from score(solutions, "final")
    else:
        verdict = Scores(tuple(c.steps for c in pool), (ZERO,) * len(pool), tuple(c.reason for c in pool), reduce)
    reason = out or (f"every candidate failed; first reason: {failures[0]}" if failures and not pool else None)
    return pick(problem, solutions, verdict, select=best, answers=answers, tree=tuple(tree), reason=reason)


def _merge_twins(
    children: Sequence[Solution], parents: Sequence[int], n: int
) -> tuple[list[tuple[Solution, int]], list[tuple[Solution, int]]]:
    """Candidates of different text and the twins left out, each with its parent."""
    seen: set[tuple[str, Stop]] = set()
    unique: list[tuple[Solution, int]] = []
    twins: list[tuple[Solution, int]] = []
    for i, child in enumerate(children):
        key = (child.text, child.stop)
        is_twin = key in seen and child.stop is not Stop.FAILED
        (twins if is_twin else unique).append((child, parents[i // n]))
        seen.add(key)
    return unique, twins


def _refuse_silence(problem: Problem, candidates: Sequence[_Candidate]) -> None:
    opened = [c for c in candidates if c.solution.stop is Stop.OPEN]
    if opened and all(np.isnan(c.value) and c.reason is None for c in opened):
        raise NoOpinionError(
            f"problem {problem.id!r}: the scorer has no opinion on any of {len(opened)} unfinished solutions, as it "
            f"{_ENDS_ONLY}"
        )


def _fate(candidate: _Candidate, kept: bool) -> Fate:
    if kept:
        return Fate.DONE if candidate.solution.finished else Fate.KEPT
    if candidate.solution.stop is Stop.LENGTH:
        return Fate.CUT
    return Fate.FAILED if np.isnan(candidate.value) else Fate.PRUNED
