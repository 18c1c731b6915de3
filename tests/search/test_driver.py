"""The driver: batching, seeds, budgets and failures."""

import contextlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
import search
from policies import Sampling
from tests.circles import left_in_circles
from verifiers import Problem, Scores, Solution, Spend, Step, Stop, failed, from_function


def problems(count: int) -> list[Problem]:
    return [Problem(f"p{i}", f"{i}+{i}?", str(2 * i)) for i in range(count)]


def reply(problem: Problem, prefix: Solution, seed: int) -> str:
    """Three steps of fixed length; each step's content is decided by the seed that draws it."""
    text = f"take {seed % 7}\nadd {seed % 5:02d}\nThe answer is {seed % 3}."
    return text[len(prefix.text) :]


class StepCounter:
    """A process scorer that says how much it likes each step, by its text alone."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        self.calls.append(len(solutions))
        rows = tuple(np.array([(sum(map(ord, s.text)) % 97) / 97 for s in x.steps]) for x in solutions)
        return Scores(rows, tuple(Spend(scorer_calls=1, scored_tokens=len(x.text)) for x in solutions))


def run_beam(subset: list[Problem], **options: object) -> list[search.SearchResult]:
    return search.beam_search(
        subset, policies.Scripted(reply), StepCounter(), width=2, expand=3, max_steps=5, **options
    )


def comparable(result: search.SearchResult) -> object:
    """Everything but the seconds, with NaN made equal to itself."""
    spend = result.spend
    counts = (spend.policy_calls, spend.sampled_tokens, spend.scorer_calls, spend.scored_tokens)
    return (
        result.problem,
        result.answer,
        result.solution,
        result.pool,
        [row.tobytes() for row in result.scores.steps],
        [(n.parent, n.depth, n.solution, repr(n.value), n.fate) for n in result.tree],
        counts,
        result.reason,
    )


@pytest.mark.parametrize(
    "solve",
    [
        run_beam,
        lambda subset: search.self_consistency(subset, policies.Scripted(reply), n=9),
        lambda subset: search.best_of_n(subset, policies.Scripted(reply), StepCounter(), n=9),
        lambda subset: search.best_of_n(subset, policies.Scripted(reply), StepCounter(), n=9, select="soft"),
        lambda subset: search.weighted_majority(subset, policies.Scripted(reply), StepCounter(), n=9),
        lambda subset: run_beam(subset, budget=search.Budget(tokens=2100)),
    ],
)
def test_problems_together_equal_problems_alone(solve) -> None:
    both = problems(6)
    together = [comparable(r) for r in solve(both)]
    apart = [comparable(r) for part in (both[:2], both[2:3], both[3:]) for r in solve(part)]
    backwards = [comparable(r) for r in solve(both[::-1])][::-1]
    assert together == apart == backwards


def test_a_round_is_one_call_however_many_problems() -> None:
    policy, scorer = policies.Scripted(reply), StepCounter()
    search.beam_search(problems(20), policy, scorer, width=2, expand=3, max_steps=5)
    assert [len(call) for call in policy.calls[:1]] == [20 * 6]
    assert len(policy.calls) == len(scorer.calls) == 3


def test_the_first_samples_of_a_large_run_are_those_of_a_small_one() -> None:
    [small] = search.self_consistency(problems(1), policies.Scripted(reply), n=4)
    [large] = search.self_consistency(problems(1), policies.Scripted(reply), n=16)
    assert small.pool == large.pool[:4]


def test_seeds_differ_between_runs_problems_and_places() -> None:
    policy = policies.Scripted(reply)
    search.beam_search(problems(5), policy, StepCounter(), width=2, expand=3, max_steps=5, seed=1)
    search.beam_search(problems(5), policy, StepCounter(), width=2, expand=3, max_steps=5, seed=2)
    seeds = [seed for call in policy.calls for seed in call.seeds]
    assert len(set(seeds)) == len(seeds)


def test_spend_is_the_sum_of_the_rows() -> None:
    policy = policies.Scripted(reply)
    results = search.best_of_n(problems(4), policy, StepCounter(), n=5)
    for result in results:
        texts = [len(s.text) for s in result.pool]
        assert result.spend.sampled_tokens == result.spend.scored_tokens == sum(texts)
        assert result.spend.policy_calls == result.spend.scorer_calls == 5
        assert result.spend.policy_seconds > 0
        assert result.spend.scorer_seconds > 0


class FailsOn:
    """A policy that raises whenever its batch holds the named problem."""

    def __init__(self, bad: str) -> None:
        self.bad = bad
        self.inner = policies.Scripted(reply)

    def extend(self, problems, prefixes, *, until, sampling, seeds) -> policies.Extended:
        if any(p.id == self.bad for p in problems):
            raise ConnectionError("HTTP 500")
        return self.inner.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)


def test_a_policy_error_fails_its_rows_only() -> None:
    results = search.best_of_n(problems(7), FailsOn("p3"), StepCounter(), n=4)
    assert len(results) == 7
    assert results[3].answer is None
    assert "ConnectionError: HTTP 500" in str(results[3].reason)
    assert all(s.stop is Stop.FAILED and s.reason == "ConnectionError: HTTP 500" for s in results[3].pool)
    assert np.isnan(results[3].scores.values()).all()
    good = [comparable(r) for i, r in enumerate(results) if i != 3]
    alone = search.best_of_n([p for p in problems(7) if p.id != "p3"], policies.Scripted(reply), StepCounter(), n=4)
    assert good == [comparable(r) for r in alone]


def test_a_policy_error_in_a_beam_fails_that_problem_only() -> None:
    results = search.beam_search(problems(4), FailsOn("p2"), StepCounter(), width=2, expand=2, max_steps=5)
    assert [r.answer is None for r in results] == [False, False, True, False]
    assert "HTTP 500" in str(results[2].reason)


def test_an_error_on_every_row_is_the_programs_and_is_raised() -> None:
    class Wrong:
        def extend(self, problems, prefixes, *, until, sampling, seeds):
            raise TypeError("no such argument")

    with pytest.raises(TypeError, match="no such argument"):
        search.self_consistency(problems(3), Wrong(), n=2)


@pytest.mark.parametrize("error", [NameError("no_such_name"), NotImplementedError(), ImportError("no such package")])
def test_a_mistake_in_the_program_is_raised_though_other_rows_were_answered(error: Exception) -> None:
    def sometimes(problem: Problem, _: object, seed: int = 0) -> str:
        if problem.id == "b":
            raise error
        return "4"

    problems = [Problem("a", "?"), Problem("b", "?")]
    with pytest.raises(type(error)):
        search.sample(problems, policies.Scripted(sometimes), n=2)
    with pytest.raises(type(error)):
        search.best_of_n(
            problems, policies.Scripted(lambda *_: "4"), from_function(lambda p, s: float(sometimes(p, s))), n=2
        )


def test_an_error_on_every_row_leaves_no_circle() -> None:
    def never(*_: object) -> str:
        raise OSError("no route")

    def fail_all() -> None:
        with contextlib.suppress(OSError):
            search.sample([Problem("a", "?"), Problem("b", "?")], policies.Scripted(never), n=2)
        with contextlib.suppress(OSError):
            search.best_of_n([Problem("a", "?")], policies.Scripted(lambda *_: "4"), from_function(never), n=2)

    assert left_in_circles(fail_all) == []


def test_a_scorer_that_fails_or_is_silent_on_a_row_fails_that_row() -> None:
    class Picky(StepCounter):
        def score(self, problems, solutions):
            if any(p.id == "p1" for p in problems):
                raise RuntimeError("device lost")
            return super().score(problems, solutions)

    results = search.best_of_n(problems(3), policies.Scripted(reply), Picky(), n=3)
    assert [r.answer is None for r in results] == [False, True, False]
    assert "RuntimeError: device lost" in str(results[1].reason)
    assert len(results[1].pool) == 3


def test_failed_samples_stay_in_the_pool_and_are_not_scored() -> None:
    def half(problem: Problem, prefix: Solution, seed: int) -> str | Solution:
        return failed("timeout") if seed % 2 else reply(problem, prefix, seed)

    scorer = StepCounter()
    [result] = search.best_of_n(problems(1), policies.Scripted(half), scorer, n=32)
    lost = [s for s in result.pool if s.stop is Stop.FAILED]
    assert len(result.pool) == 32
    assert 0 < len(lost) < 32
    assert scorer.calls == [32 - len(lost)]
    assert [r for r in result.scores.reasons if r] == ["timeout"] * len(lost)


def test_a_reply_of_the_wrong_length_is_raised() -> None:
    class Short(StepCounter):
        def score(self, problems, solutions):
            return Scores(super().score(problems, solutions).steps[:-1])

    class Long(StepCounter):
        def score(self, problems, solutions):
            return Scores(tuple(np.ones(len(s.steps) + 1) for s in solutions))

    with pytest.raises(ValueError, match="answered 5 rows where 6 were asked for"):
        search.best_of_n(problems(2), policies.Scripted(reply), Short(), n=3)
    with pytest.raises(ValueError, match="problem 'p0': Long gave 4 scores for a solution of 3 steps"):
        search.best_of_n(problems(2), policies.Scripted(reply), Long(), n=3)


def test_samples_budget_is_never_exceeded() -> None:
    results = search.best_of_n(
        problems(3), policies.Scripted(reply), StepCounter(), n=20, budget=search.Budget(samples=7)
    )
    for result in results:
        assert len(result.pool) == result.spend.policy_calls == 7
        assert result.answer is not None
        assert result.reason == "the budget of 7 samples ended the search"


@settings(max_examples=30, deadline=None)
@given(tokens=st.integers(1, 3000))
def test_token_budget_is_never_exceeded_and_is_used(tokens: int) -> None:
    sampling = Sampling(max_tokens=100)
    [result] = search.best_of_n(
        problems(1),
        policies.Scripted(reply),
        StepCounter(),
        n=64,
        sampling=sampling,
        budget=search.Budget(tokens=tokens),
    )
    assert result.spend.sampled_tokens <= tokens
    if len(result.pool) < 64:  # it stopped for the budget: no further row was sure to fit
        assert tokens - result.spend.sampled_tokens < sampling.max_tokens
        assert "tokens ended the search" in str(result.reason)


def test_what_a_policy_does_not_say_counts_as_the_most_that_it_may_have_sampled() -> None:
    class Silent(policies.Scripted):
        def extend(self, problems, prefixes, *, until, sampling, seeds):
            reply = super().extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
            return policies.Extended(
                reply.solutions, (Spend(policy_calls=1, sampled_tokens=float("nan")),) * len(seeds)
            )

    [result] = search.best_of_n(
        problems(1),
        Silent(reply),
        StepCounter(),
        n=64,
        sampling=Sampling(max_tokens=100),
        budget=search.Budget(tokens=350),
    )
    assert len(result.pool) == 3
    assert "350 tokens ended the search" in str(result.reason)
    assert np.isnan(result.spend.sampled_tokens)


def test_an_ample_budget_changes_nothing() -> None:
    ample = search.Budget(samples=10_000, tokens=10_000_000, seconds=1000)
    assert [comparable(r) for r in run_beam(problems(3), budget=ample)] == [
        comparable(r) for r in run_beam(problems(3))
    ]


def test_no_call_starts_after_the_seconds_are_over() -> None:
    policy = policies.Scripted(reply)
    [result] = search.self_consistency(problems(1), policy, n=4, budget=search.Budget(seconds=1e-9))
    assert policy.calls == []
    assert result.pool == ()
    assert result.reason == "the budget of 1e-09 seconds ended the search"


def test_a_beam_out_of_budget_returns_its_best_so_far() -> None:
    [result] = run_beam(problems(1), budget=search.Budget(samples=9))
    assert result.spend.policy_calls == 9
    assert result.pool
    assert result.answer is None
    assert "9 samples" in str(result.reason)


@pytest.mark.parametrize("n", [0, -1])
def test_a_request_for_no_samples_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 or more"):
        search.self_consistency(problems(1), policies.Scripted(reply), n=n)


def test_ids_that_occur_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="problem id 'p0' occurs twice"):
        search.self_consistency(problems(1) * 2, policies.Scripted(reply), n=1)


def test_no_problems_no_calls() -> None:
    policy = policies.Scripted(reply)
    assert search.self_consistency([], policy, n=4) == []
    assert policy.calls == []


def test_a_strategy_is_tested_by_sending_it_replies() -> None:
    from search.selection import best
    from search.strategies.best_of_n import best_of_n_strategy
    from verifiers.grading.answers import MATH

    strategy = best_of_n_strategy(Problem("p", "?"), 2, best, MATH)
    assert next(strategy) == search.Extend((Solution(),), 2, "end")
    pool = tuple(Solution((Step(f"The answer is {i}."),), Stop.EOS) for i in (1, 2))
    assert strategy.send(pool) == search.Score(pool)
    with pytest.raises(StopIteration) as stop:
        strategy.send(Scores((np.array([0.1]), np.array([0.9]))))
    assert stop.value.value.answer == "2"


def test_rerank_takes_pools_of_any_size() -> None:
    saved = [Solution((Step(f"The answer is {i}."),), Stop.EOS) for i in (1, 2, 2)]
    scorer = from_function(lambda problem, solution: float("1" in solution.text))
    empty, one, three = search.rerank(
        [(Problem("a", "?"), []), (Problem("b", "?"), saved[1:2]), (Problem("c", "?"), saved)], scorer
    )
    assert empty.answer is None
    assert empty.reason == "none of 0 solutions is finished and scored (stops: none)"
    assert (one.answer, three.answer) == ("2", "1")


def test_only_finished_solutions_are_chosen() -> None:
    cut = Solution((Step("The answer is 9"),), Stop.LENGTH)
    done = Solution((Step("The answer is 1."),), Stop.EOS)
    everything = StepCounter()
    [result] = search.rerank([(Problem("a", "?"), [cut, done, cut])], everything)
    assert result.solution == done
    [nothing] = search.rerank([(Problem("a", "?"), [cut])], everything)
    assert nothing.answer is None
    assert "stops: length" in str(nothing.reason)


UNSOLVED = "__import__('sympy').solve('x - cos(x)')"  # a library's NotImplementedError


@pytest.mark.parametrize("text", ["four apples", "x", "__import__('no_such_package')", UNSOLVED])
def test_what_a_row_holds_is_no_mistake_in_the_program_though_it_is_run_as_code(text: str) -> None:
    grader = from_function(lambda problem, solution: float(eval(solution.text) == 4))
    policy = policies.Scripted(lambda problem, prefix, seed: text if problem.id == "b" else "4")
    good, bad = search.best_of_n([Problem("a", "?"), Problem("b", "?")], policy, grader, n=1)
    assert (good.answer, bad.answer) == ("4", None)
    assert "Error" in str(bad.scores.reasons[0])


def test_a_strategy_may_ask_with_lists() -> None:
    def strategy():
        drawn = yield search.Extend([Solution()], 2, "end")  # type: ignore[arg-type]
        scores = yield search.Score(list(drawn))  # type: ignore[arg-type]
        return search.SearchResult(Problem("a", "?"), "4", drawn[0], drawn, scores)

    searches = [(Problem("a", "?"), strategy())]
    [result] = search.drive(searches, policies.Scripted(lambda *_: "4"), {"search": from_function(lambda p, s: 1.0)})
    assert len(result.pool) == len(result.scores) == 2
