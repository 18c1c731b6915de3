import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import Sampling, Scripted
from policies.backends.scripted import first_step
from verifiers import Problem, Solution, Step, Stop, failed, split_steps

PROBLEM = Problem("p1", "What is 2+2?")
ROOT, DEFAULT = Solution(), Sampling()
texts = st.text(alphabet="ab\n", max_size=20)


def whole(text):
    return Scripted(lambda problem, prefix, seed: text[len(prefix.text) :])


def run(policy, prefix=ROOT, until="end", sampling=DEFAULT):
    return policy.extend([PROBLEM], [prefix], until=until, sampling=sampling, seeds=[0]).solutions[0]


def step_by_step(policy, sampling=DEFAULT):
    solution = ROOT
    while solution.stop is Stop.OPEN:
        longer = run(policy, solution, "step", sampling)
        assert longer.stop is not Stop.OPEN or len(longer.steps) == len(solution.steps) + 1
        solution = longer
    return solution


@given(texts, st.sampled_from(["\n", "\n\n"]))
def test_the_first_step_is_that_of_split_steps(text, separator):
    assert first_step(text, separator) == next((s.text for s in split_steps(text, separator)), "")


@given(texts, st.sampled_from(["\n", "\n\n"]))
def test_step_by_step_equals_to_the_end(text, separator):
    sampling = Sampling(separator=separator)
    end = run(whole(text), sampling=sampling)
    assert end == step_by_step(whole(text), sampling)
    assert end == Solution(split_steps(text, separator) or (Step(""),), Stop.EOS)


@given(texts, st.integers(1, 20))
def test_max_tokens_counts_the_prefix_and_is_not_finished(text, room):
    sampling = Sampling(max_tokens=room)
    end = run(whole(text), sampling=sampling)
    assert end.text == text[:room]
    assert end.finished == (len(text) <= room)
    assert step_by_step(whole(text), sampling).text == end.text
    assert step_by_step(whole(text), sampling).stop == end.stop


def test_a_reply_depends_on_problem_prefix_and_seed_and_the_calls_are_kept():
    policy = Scripted(lambda problem, prefix, seed: f"{problem.id}-{len(prefix.steps)}-{seed}\nmore")
    prefix = Solution((Step("x\n"),))
    got = policy.extend([PROBLEM, PROBLEM], [Solution(), prefix], until="step", sampling=Sampling(), seeds=[3, 4])
    assert [s.text for s in got.solutions] == ["p1-0-3\n", "x\np1-1-4\n"]
    assert [s.sampled_tokens for s in got.spend] == [7, 7]
    assert [(len(call), call.until, call.seeds) for call in policy.calls] == [(2, "step", (3, 4))]


def test_a_solution_is_returned_as_it_is_and_an_exception_goes_through():
    assert run(Scripted(lambda problem, prefix, seed: failed("HTTP 500"))) == failed("HTTP 500")

    def broken(problem, prefix, seed):
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError, match="no route"):
        run(Scripted(broken))


def test_a_wrong_request_is_named():
    policy = whole("a")
    with pytest.raises(ValueError, match=r"problem 'p1' \(row 0\) has already ended \(stop is 'length'\)"):
        run(policy, Solution((Step("a"),), Stop.LENGTH))
    with pytest.raises(ValueError, match="1 problems, 1 prefixes and 2 seeds"):
        policy.extend([PROBLEM], [Solution()], until="end", sampling=Sampling(), seeds=[0, 1])
    with pytest.raises(ValueError, match="until is 'stop'"):
        run(policy, until="stop")
    assert policy.calls == []


@pytest.mark.alone
def test_a_row_costs_microseconds():
    text = "".join(f"step {i}\n" for i in range(9))
    policy, n = Scripted(lambda problem, prefix, seed: text[len(prefix.steps) * 7 :]), 8000
    prefix = Solution(tuple(Step(f"step {i}\n") for i in range(4)))
    best = min(_seconds(policy, prefix, n) for _ in range(5))
    assert best / n < 20e-6  # measured near 3; the slack is for a busy machine


def _seconds(policy, prefix, n):
    problems, prefixes, seeds = [PROBLEM] * n, [prefix] * n, list(range(n))
    start = time.perf_counter()
    policy.extend(problems, prefixes, until="step", sampling=Sampling(), seeds=seeds)
    return time.perf_counter() - start
