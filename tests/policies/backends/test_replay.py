import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import Replay, Sampling
from verifiers import Problem, Solution, Step, Stop, failed, split_steps

ROOT = Solution()


def saved(*texts, stop=Stop.EOS):
    return [Solution(split_steps(t), stop) for t in texts]


def extend(policy, rows, until="end"):
    problems, prefixes, seeds = zip(*((Problem(name, "?"), prefix, seed) for name, prefix, seed in rows), strict=True)
    return policy.extend(problems, prefixes, until=until, sampling=Sampling(), seeds=seeds)


def test_a_seed_names_a_sample():
    policy = Replay({"p": saved("a\nb", "a\nc", "d"), "q": saved("e")})
    texts = [s.text for s in extend(policy, [("p", ROOT, 9), ("q", ROOT, 9), ("p", ROOT, 4), ("p", ROOT, 9)]).solutions]
    assert texts == ["a\nb", "e", "a\nc", "a\nb"]
    assert extend(policy, [("p", ROOT, 4)]).solutions[0].text == "a\nc"


def test_a_prefix_is_continued_by_what_starts_with_it():
    policy = Replay({"p": saved("a\nb\nc", "x\ny", "a\nb\nd")})
    prefix = Solution((Step("a\n"),))
    step = extend(policy, [("p", prefix, 0), ("p", prefix, 1)], "step")
    assert [s.text for s in step.solutions] == ["a\nb\n", "a\nb\n"]
    assert {s.stop for s in step.solutions} == {Stop.OPEN}
    end = extend(policy, [("p", step.solutions[0], 5), ("p", step.solutions[0], 6)], "step")
    assert [(s.text, s.stop) for s in end.solutions] == [("a\nb\nc", Stop.EOS), ("a\nb\nd", Stop.EOS)]


def test_an_empty_pool_and_a_used_up_one_fail_their_rows_only():
    policy = Replay({"p": saved("a\nb", "a\nc")})
    prefix = Solution((Step("a\n"),))
    got = extend(policy, [("p", prefix, 0), ("p", prefix, 1), ("p", prefix, 2), ("none", ROOT, 0)]).solutions
    assert [s.stop for s in got] == [Stop.EOS, Stop.EOS, Stop.FAILED, Stop.FAILED]
    assert got[2].reason == "problem 'p' has 2 saved solutions that start with this prefix; sample 3 was asked for"
    assert got[3].reason == "problem 'none' has 0 saved solutions; sample 1 was asked for"


def test_saved_stops_tokens_and_reasons_are_handed_on():
    cut = Solution((Step("a\n", (1, 2), (-0.1, -0.2)), Step("b", (3,), (-0.3,))), Stop.LENGTH)
    policy = Replay({"p": [cut, failed("HTTP 500")]})
    reply = extend(policy, [("p", ROOT, 0), ("p", ROOT, 1)])
    assert reply.solutions == (cut, failed("HTTP 500"))
    assert [s.sampled_tokens for s in reply.spend] == [3, 0]
    first = extend(policy, [("p", ROOT, 0)], "step")
    assert first.spend[0].sampled_tokens == 2
    assert extend(policy, [("p", first.solutions[0], 0)], "step").spend[0].sampled_tokens == 1


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match="saved solution 1 of problem 'p' is open"):
        Replay({"p": [*saved("a"), Solution((Step("b"),))]})
    with pytest.raises(ValueError, match="has already ended"):
        extend(Replay({}), [("p", Solution((Step("a"),), Stop.EOS), 0)])


@given(st.lists(st.text("ab\n", min_size=1, max_size=8), min_size=1, max_size=5))
def test_walking_by_steps_ends_in_a_saved_solution(texts):
    pool = saved(*texts)
    policy, solution = Replay({"p": pool}), ROOT
    while solution.stop is Stop.OPEN:
        solution = extend(policy, [("p", solution, 3)], "step").solutions[0]
    assert solution == pool[0]
