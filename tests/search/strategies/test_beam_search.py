"""Beam search against brute force on a small tree, its tree and its refusals."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

import policies
import search
from search import Fate
from verifiers import Problem, Scorer, Scores, Solution, Step, Stop, failed, from_function, from_steps

PROBLEM = Problem("p", "?")


def spell(problem: Problem, prefix: Solution, seed: int) -> str:
    """Four steps, each one of three letters; then the end."""
    rest = "".join(f"{'abc'[(seed >> 4 * i) % 3]}\n" for i in range(4))
    return rest[len(prefix.text) :]


def by_prefix(value: Callable[[Problem, str], float], seen: list[str] | None = None) -> Scorer:
    """A process scorer from a function of the text so far; `seen` notes what it is asked."""

    def steps(problem: Problem, solution: Solution) -> list[float]:
        if seen is not None:
            seen.append(solution.text)
        return [value(problem, solution.text[:end]) for end in np.cumsum([len(s.text) for s in solution.steps])]

    return from_steps(steps)


def letters_b(problem: Problem, text: str) -> float:
    return text.count("b") + 0.1 * text.count("a")


def test_a_wide_beam_finds_what_brute_force_finds() -> None:
    scorer = by_prefix(letters_b)
    [result] = search.beam_search([PROBLEM], policies.Scripted(spell), scorer, width=81, expand=40, max_steps=4)
    texts = {"".join(f"{x}\n" for x in word) for word in product("abc", repeat=4)}
    assert {s.text for s in result.pool} == texts
    assert result.solution is not None
    assert result.solution.text == max(texts, key=lambda t: letters_b(PROBLEM, t)) == "b\nb\nb\nb\n"


def test_the_tree_accounts_for_every_candidate() -> None:
    policy = policies.Scripted(spell)
    [result] = search.beam_search([PROBLEM], policy, by_prefix(letters_b), width=2, expand=3, max_steps=9)
    assert len(result.tree) == sum(len(call) for call in policy.calls) == result.spend.policy_calls
    for node in result.tree:
        if node.parent >= 0:
            parent = result.tree[node.parent]
            assert parent.fate is Fate.KEPT
            assert parent.depth == node.depth - 1
            assert node.solution.text.startswith(parent.solution.text)
        else:
            assert node.depth == 0
    for depth in range(4):
        level = [n for n in result.tree if n.depth == depth]
        kept = [n.value for n in level if n.fate in (Fate.KEPT, Fate.DONE)]
        pruned = [n.value for n in level if n.fate is Fate.PRUNED and not np.isnan(n.value)]
        assert 1 <= len(kept) <= 2
        assert min(kept) >= max(pruned, default=-1.0)
    assert {n.solution for n in result.tree if n.fate is Fate.DONE} == set(result.pool)


def test_equal_texts_count_once_and_are_scored_once() -> None:
    seen: list[str] = []
    scorer = by_prefix(letters_b, seen)
    search.beam_search([PROBLEM], policies.Scripted(spell), scorer, width=4, expand=8, max_steps=1)
    assert sorted(seen) == ["a\n", "b\n", "c\n"]


def test_the_beam_narrows_as_solutions_finish() -> None:
    def short_or_long(problem: Problem, prefix: Solution, seed: int) -> str:
        return "stop" if prefix.text and seed % 2 else f"{seed % 97}\ngo on\n"

    policy = policies.Scripted(short_or_long)
    [result] = search.beam_search(
        [PROBLEM], policy, by_prefix(lambda p, t: float("stop" in t)), width=3, expand=2, max_steps=4
    )
    places = [len(call) for call in policy.calls]
    assert places[0] == 6
    assert sum(s.finished for s in result.pool) >= 1
    done = 0
    for depth, rows in enumerate(places):
        assert rows <= (3 - done) * 2
        done += sum(n.fate is Fate.DONE for n in result.tree if n.depth == depth)


def test_a_cut_solution_is_never_chosen_and_never_extended() -> None:
    def endless(problem: Problem, prefix: Solution, seed: int) -> str:
        return "done" if seed % 2 else "x" * 100

    policy = policies.Scripted(endless)
    likes_x = by_prefix(lambda p, t: float(t.count("x")))
    sampling = policies.Sampling(max_tokens=20)
    [result] = search.beam_search([PROBLEM], policy, likes_x, width=2, expand=8, max_steps=3, sampling=sampling)
    assert result.solution is not None
    assert result.solution.text == "done"
    assert {s.stop for s in result.pool} == {Stop.EOS, Stop.LENGTH}
    assert any(n.fate is Fate.CUT for n in result.tree)


def test_the_final_pick_is_by_the_final_scorer() -> None:
    policy = policies.Scripted(spell)
    against_b = from_function(lambda problem, solution: -letters_b(problem, solution.text))
    options = {"width": 3, "expand": 9, "max_steps": 4}
    [plain] = search.beam_search([PROBLEM], policy, by_prefix(letters_b), **options)
    [other] = search.beam_search([PROBLEM], policy, by_prefix(letters_b), **options, final=against_b)
    assert plain.pool == other.pool
    assert plain.solution == max(plain.pool, key=lambda s: letters_b(PROBLEM, s.text))
    assert other.solution == min(other.pool, key=lambda s: letters_b(PROBLEM, s.text))


def test_without_a_final_scorer_nothing_is_scored_twice() -> None:
    seen: list[str] = []
    scorer = by_prefix(letters_b, seen)
    [result] = search.beam_search([PROBLEM], policies.Scripted(spell), scorer, width=3, expand=9, max_steps=4)
    assert len(seen) == len(set(seen))
    assert [len(row) for row in result.scores.steps] == [len(s.steps) for s in result.pool]


def test_an_outcome_verifier_is_refused_with_what_to_do() -> None:
    outcome, policy = from_function(lambda problem, solution: 1.0), policies.Scripted(spell)
    with pytest.raises(search.NoOpinionError, match=r"from_function.* judges finished solutions only.*RolloutValue"):
        search.beam_search([PROBLEM], policy, outcome, width=2, expand=2, max_steps=4)
    assert not policy.calls  # nothing was drawn for it

    class Unsaid:  # one that does not say so is found out at the first step
        score = outcome.score

    with pytest.raises(search.NoOpinionError, match=r"problem 'p'.*RolloutValue"):
        search.beam_search([PROBLEM], policy, Unsaid(), width=2, expand=2, max_steps=4)
    with search.Session(policy, outcome) as session, pytest.raises(search.NoOpinionError):
        session.beam_search(PROBLEM, width=2, expand=2, max_steps=4)


def test_nan_with_a_reason_fails_the_problem_and_no_other() -> None:
    class TooLong:
        def score(self, problems, solutions):
            scores = by_prefix(letters_b).score(problems, solutions)
            lost = [p.id == "long" for p in problems]
            steps = [np.full_like(row, np.nan) if x else row for row, x in zip(scores.steps, lost, strict=True)]
            return Scores(tuple(steps), reasons=tuple("prompt too long" if x else None for x in lost))

    good, bad = search.beam_search(
        [PROBLEM, Problem("long", "?")],
        policies.Scripted(spell),
        TooLong(),
        width=2,
        expand=2,
        max_steps=4,
    )
    assert good.answer is None or good.solution is not None
    assert good.solution is not None
    assert bad.solution is None
    assert bad.reason == "every candidate failed; first reason: prompt too long"


def test_a_failed_candidate_costs_its_place_only() -> None:
    def flaky(problem: Problem, prefix: Solution, seed: int) -> str | Solution:
        return failed("timeout", prefix.steps) if seed % 3 == 0 else spell(problem, prefix, seed)

    [result] = search.beam_search(
        [PROBLEM], policies.Scripted(flaky), by_prefix(letters_b), width=4, expand=4, max_steps=4
    )
    assert result.solution is not None
    assert any(n.fate is Fate.FAILED for n in result.tree)
    assert all(s.stop is not Stop.FAILED for s in result.pool)


def test_max_steps_leaves_open_solutions_in_the_pool_and_chooses_none() -> None:
    [result] = search.beam_search(
        [PROBLEM], policies.Scripted(spell), by_prefix(letters_b), width=2, expand=2, max_steps=2
    )
    assert {s.stop for s in result.pool} == {Stop.OPEN}
    assert result.solution is None
    assert "stops: open" in str(result.reason)


def test_a_solution_that_ends_at_once_is_a_candidate() -> None:
    empty = Solution((Step(""),), Stop.EOS)
    [result] = search.beam_search(
        [PROBLEM], policies.Scripted(lambda p, x, s: empty), by_prefix(letters_b), width=2, expand=2, max_steps=2
    )
    assert result.solution == empty
    assert result.answer is None


@pytest.mark.parametrize("name", ["width", "expand", "max_steps"])
def test_sizes_below_one_are_refused(name: str) -> None:
    options = {"width": 1, "expand": 1, "max_steps": 1, name: 0}
    with pytest.raises(ValueError, match=f"{name}=0"):
        search.beam_search([PROBLEM], policies.Scripted(spell), by_prefix(letters_b), **options)
