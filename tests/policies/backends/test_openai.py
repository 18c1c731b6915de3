"""A policy on a small server of OpenAI's protocol: what it asks, and what it makes of replies and of none."""

import logging
import math
import threading

import pytest

import policies
import search
from policies import Sampling, check_policy
from tests.served import Served, serving
from tests.waiting import LONGEST, until
from verifiers import Problem, Solution, Spend, Step, Stop
from verifiers.interface.errors import BadInput, EngineStoppedError

pytest.importorskip("openai", reason="the extra 'openai' is not installed")
pytest.importorskip("jinja2", reason="what prompts need is not installed")
from policies import OpenAI
from policies.backends import openai_client

PROBLEMS = [Problem(f"p{i}", f"{i:02}+{i:02}?") for i in range(6)]
SAMPLING = Sampling(max_tokens=200)
ROOT = Solution()


def reply(prompt: str, seed: int) -> str:
    """Three lines, of which the first has a blank one behind it."""
    return f"so {prompt[-6:-1]}\n\nthen {seed % 3}\nend {seed % 7}"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.005)


def opened(served: Served, **options: object) -> OpenAI:
    return OpenAI("toy", base_url=served.url, **{"tokenizer": False, "chat": True, **options})


def extend(policy, problems=PROBLEMS, prefixes=None, *, until="end", sampling=SAMPLING):
    prefixes = [ROOT] * len(problems) if prefixes is None else prefixes
    return policy.extend(problems, prefixes, until=until, sampling=sampling, seeds=list(range(len(problems))))


@pytest.mark.parametrize("chat", [True, False])
def test_a_whole_solution_is_one_request_and_costs_what_the_server_says(chat: bool) -> None:
    with serving(Served(reply)) as served, opened(served, chat=chat) as policy:
        drawn = extend(policy)
    assert len(served.bodies) == len(PROBLEMS)
    shown = f"user: {PROBLEMS[5].prompt}" if chat else PROBLEMS[5].prompt
    text = reply(shown, 5)
    assert drawn.solutions[5] == Solution(
        (Step("so " + shown[-6:-1] + "\n"), Step("\nthen 2\n"), Step("end 5")), Stop.EOS
    )
    assert drawn.spend[5].sampled_tokens == len(text) + 1
    assert drawn.spend[5].prompt_tokens == len(shown)
    assert math.isnan(drawn.spend[5].policy_flops)
    assert {body["seed"] for body in served.bodies} == set(range(6))
    assert all("n" not in body for body in served.bodies)


@pytest.mark.parametrize(("like", "chat"), [("vllm", True), ("vllm", False), ("plain", False)])
def test_the_laws_hold_in_texts(like: str, chat: bool) -> None:
    served = Served(lambda prompt, seed: f"{reply(prompt, 0)} {seed % 5}", like=like)
    with serving(served), opened(served, chat=chat) as policy:
        steps = extend(policy, PROBLEMS[:2], until="step").solutions
        cases = [(p, s) for p, step in zip(PROBLEMS, steps, strict=False) for s in (ROOT, step)]
        check_policy(policy, cases, sampling=Sampling(max_tokens=20))


@pytest.mark.parametrize(("like", "chat"), [("vllm", True), ("vllm", False), ("plain", False)])
def test_steps_joined_are_the_whole_solution(like: str, chat: bool) -> None:
    # Behind a blank line a server is asked again with another seed, which this one does not look at.
    with (
        serving(Served(lambda prompt, seed: reply(prompt, 0), like=like)) as served,
        opened(served, chat=chat) as policy,
    ):
        whole = extend(policy).solutions
        grown = extend(policy, until="step")
        asked = [body for body in served.bodies if body.get("stop")]
        assert len(asked) == (6 if like == "vllm" else len(asked))
        solutions = list(grown.solutions)
        for _ in range(2):
            solutions = list(extend(policy, prefixes=solutions, until="step").solutions)
    assert solutions == list(whole)
    # A server that does not say what stopped it is asked for whole solutions, as soon as that is seen.
    if like == "plain":
        assert len(asked) <= 6
        assert "stop" not in served.bodies[-1]


def test_blank_lines_before_a_step_are_its_own() -> None:
    with serving(Served(lambda prompt, seed: "\n\n2+2\n=4", like="vllm")) as served, opened(served) as policy:
        [step] = extend(policy, PROBLEMS[:1], until="step").solutions
        cut = extend(policy, PROBLEMS[:1], until="step", sampling=Sampling(max_tokens=2))
    assert step == Solution((Step("\n\n2+2\n"),))
    assert cut.solutions[0].stop is Stop.LENGTH
    assert cut.spend[0].policy_calls == 1


def test_a_step_of_a_chat_that_goes_on_from_no_prefix_is_refused_by_name() -> None:
    with serving(Served(reply)) as served, opened(served) as policy:
        with pytest.raises(BadInput, match=r"127.0.0.1.* not known to go on from a prefix: give continues=yes"):
            extend(policy, until="step")
        with pytest.raises(BadInput, match="go on from a prefix"):
            extend(policy, PROBLEMS[:1], [Solution((Step("so\n"),))])
        with pytest.raises(BadInput, match="gives no token ids"):
            policy.encode("4")
    with serving(Served(reply)) as served, opened(served, continues=True) as policy:
        assert extend(policy, PROBLEMS[:1], until="step").solutions[0].steps == (Step("so 00+00\n"),)


def test_a_conversation_and_the_arguments_of_a_template_are_sent_as_they_are() -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=7, max_tokens=50)
    with serving(Served(reply, like="vllm")) as served, opened(served, chat={"enable_thinking": False}) as policy:
        extend(policy, [Problem("p", turns)], [Solution((Step("It is\n"),))], sampling=sampling)
        assert policy.name == "toy[enable_thinking=False]"
    [body] = served.bodies
    assert body["messages"] == [*turns, {"role": "assistant", "content": "It is\n"}]
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["continue_final_message"] is True
    assert (body["temperature"], body["top_p"], body["top_k"], body["max_tokens"]) == (0.5, 0.9, 7, 48)


@pytest.mark.parametrize("fault", ["429", "later", "500", "503", "hang", "reset", "half", "model", "empty"])
def test_what_another_try_may_mend_is_tried_again(fault: str) -> None:
    with serving(Served(reply, like="vllm")) as served, opened(served) as policy:
        undisturbed = extend(policy)
    served = Served(reply, like="vllm", fault=lambda body, time: fault if body["seed"] % 2 and time == 0 else None)
    # A machine that is busy may need most of a second for any request.
    with serving(served), opened(served, seconds=2.0 if fault == "hang" else 60.0) as policy:
        drawn = extend(policy)
    assert drawn.solutions == undisturbed.solutions
    assert len(served.bodies) == 9
    # What was refused cost what it says, what nobody heard the end of is not known.
    times = {"model": 2, "empty": 2, "hang": math.nan, "reset": math.nan, "half": math.nan}.get(fault, 1)
    for i, (cost, alone) in enumerate(zip(drawn.spend, undisturbed.spend, strict=True)):
        expected = alone.sampled_tokens * (times if i % 2 else 1)
        assert cost.sampled_tokens == pytest.approx(expected, nan_ok=True)
        assert cost.policy_calls == 1


def test_a_row_that_fails_has_its_reason_and_leaves_the_others_alone() -> None:
    def fault(body, time):
        return {3: "503", 4: "400", 5: "empty"}.get(body["seed"])

    with serving(Served(reply, fault=fault)) as served, opened(served, tries=3) as policy:
        drawn = extend(policy)
    reasons = [solution.reason for solution in drawn.solutions]
    host = served.url
    assert reasons[3] == f"problem 'p3': {host}: HTTP 503 (so it is) (tried 3 times)"
    assert reasons[4] == f"problem 'p4': {host}: HTTP 400 (so it is)"
    assert reasons[5] == f"problem 'p5': {host}: its reply is no answer (it has no choices) (tried 3 times)"
    assert [i for i, reason in enumerate(reasons) if reason is not None] == [3, 4, 5]
    assert drawn.spend[3] == Spend(policy_calls=1)
    assert drawn.spend[5].sampled_tokens == 3 * drawn.spend[0].sampled_tokens
    asked = [body["seed"] for body in served.bodies]
    assert (asked.count(3), asked.count(4), asked.count(0)) == (3, 1, 1)


def test_a_cost_that_the_server_does_not_say_is_not_nought() -> None:
    with serving(Served(reply, fault=lambda body, time: "usage")) as served, opened(served) as policy:
        drawn = extend(policy, PROBLEMS[:2])
    assert all(solution.finished for solution in drawn.solutions)
    assert math.isnan(drawn.spend[0].sampled_tokens)
    assert math.isnan(drawn.spend[0].prompt_tokens)
    assert math.isnan((drawn.spend[0] + Spend(sampled_tokens=3)).sampled_tokens)


def test_a_server_that_is_not_there_is_one_line() -> None:
    with serving(Served(reply)) as served:
        policy = opened(served, tries=2)
    with policy:
        with pytest.raises(
            EngineStoppedError, match=f"^{served.url}: the connection failed .*: start the server"
        ) as error:
            extend(policy)
        assert "\n" not in str(error.value)
        with pytest.raises(EngineStoppedError):
            search.sample(PROBLEMS, policy, n=2)
    with pytest.raises(BadInput, match=f"^{served.url}: the connection failed .*, or mend base_url"):
        opened(served)
    with pytest.raises(EngineStoppedError, match="was closed"):
        extend(policy)


@pytest.mark.parametrize(("status", "advice"), [("404", "name a model that the server has"), ("401", "set TOY_KEY")])
def test_what_every_row_is_refused_with_ends_a_search(
    status: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_KEY", "sk-1")
    served, refused = Served(reply, fault=lambda body, time: status), f"HTTP {status} .*{advice}"
    with serving(served), opened(served, key_env="TOY_KEY") as policy, pytest.raises(EngineStoppedError, match=refused):
        search.sample(PROBLEMS, policy, n=2)
    assert len(served.bodies) == 12


def test_a_server_that_once_answered_fails_rows_and_not_the_search() -> None:
    with serving(Served(reply)) as served, opened(served, tries=2) as policy:
        extend(policy, PROBLEMS[:1])
        served.fault = lambda body, time: "404"
        drawn = extend(policy)
    assert {solution.stop for solution in drawn.solutions} == {Stop.FAILED}


def test_the_key_is_in_no_error_log_or_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = "sk-very-secret-0123"
    monkeypatch.setenv("TOY_KEY", "sk-wrong-and-secret")
    caplog.set_level(logging.DEBUG)
    with serving(Served(reply, key=key)) as served:
        # The server's own message repeats the key.
        with opened(served, key_env="TOY_KEY") as policy, pytest.raises(EngineStoppedError) as error:
            extend(policy, PROBLEMS[:2])
        said = [str(error.value), repr(policy.__dict__)]
        monkeypatch.setenv("TOY_KEY", key)
        with opened(served, key_env="TOY_KEY") as policy:
            assert all(solution.finished for solution in extend(policy).solutions)
            served.fault = lambda body, time: "400"
            said += [str(extend(policy, PROBLEMS[:1])), policy.name]
    text = "\n".join([*said, caplog.text, *(str(record.__dict__) for record in caplog.records)])
    assert "HTTP 401" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000/v1", "must be an address such as http://localhost:8000/v1"),
        ("http://me:secret@localhost/v1", "keys do not belong into an address"),
        ("http://localhost/v1?key=secret", "keys do not belong into an address"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as error:
        OpenAI("toy", base_url=url)
    assert "secret" not in str(error.value)


def test_openais_own_address_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(BadInput, match="no key in the environment: set OPENAI_API_KEY"):
        OpenAI("gpt")


def test_no_more_requests_are_in_flight_than_may_be() -> None:
    full = threading.Barrier(3)  # nobody is answered before three are there

    def fault(body, time):
        full.wait(LONGEST)

    with serving(Served(reply, seconds=0.02, fault=fault)) as served, opened(served, connections=3) as policy:
        extend(policy)
    assert served.most_at_once == 3


def test_addresses_share_the_load_and_one_that_is_gone_costs_no_row() -> None:
    def later(body, time):
        """Behind two of the fast one, as long as any are left."""
        until(lambda: len(fast.bodies) > 2 * len(slow.bodies) or len(fast.bodies) + len(slow.bodies) == 36)

    with serving(Served(reply, fault=later)) as slow, serving(Served(reply)) as fast:
        with serving(Served(reply)) as gone:
            policy = OpenAI("toy", base_url=[slow.url, gone.url, fast.url], connections=4)
        with policy:
            drawn = extend(policy, PROBLEMS * 6, sampling=Sampling(max_tokens=50))
    assert all(solution.finished for solution in drawn.solutions)
    assert 0 < len(slow.bodies) < len(fast.bodies)
    assert len(slow.bodies) + len(fast.bodies) == 36


def test_rows_of_a_stream_are_answered_as_they_end_and_equal_those_of_a_call() -> None:
    with serving(Served(reply)) as served, opened(served) as policy:
        whole = extend(policy, PROBLEMS[:4])
        served.fault = lambda body, time: "hang" if body["seed"] == 2 else None
        rows = policy.stream()
        numbers = rows.add(PROBLEMS[:4], [ROOT] * 4, until="end", sampling=SAMPLING, seeds=range(4))
        answered = {}
        while len(answered) < 3:
            answered |= {number: (solution, spend) for number, solution, spend in rows.ended(seconds=LONGEST)}
        assert numbers == [0, 1, 2, 3]
        assert answered == {i: (whole.solutions[i], whole.spend[i]) for i in (0, 1, 3)}
        assert rows.ended(seconds=0) == []
        later = rows.add(PROBLEMS[4:5], [ROOT], until="end", sampling=SAMPLING, seeds=[9])
        assert [number for number, _, _ in rows.ended(seconds=LONGEST)] == later == [4]
        [(number, spend)] = rows.cancel([2, 4])
        assert number == 2
        assert math.isnan(spend.sampled_tokens)
        until(lambda: served.closed)
        assert served.closed == 1  # so that a server stops drawing
        assert rows.ended() == []
        rows.close()


def test_a_row_that_was_answered_before_it_was_cancelled_has_its_cost() -> None:
    with serving(Served(reply)) as served, opened(served) as policy:
        rows = policy.stream()
        rows.add(PROBLEMS[:2], [ROOT] * 2, until="end", sampling=SAMPLING, seeds=[0, 1])
        [*_] = rows.ended(seconds=LONGEST)
        while rows.ended(seconds=LONGEST):
            pass
        assert rows.cancel([0, 1]) == []


def test_a_spec_says_all_that_a_server_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", "sk-1")
    both = threading.Barrier(2)  # neither server answers before the other is asked

    def fault(body, time):
        both.wait(LONGEST)

    with (
        serving(Served(reply, key="sk-1", fault=fault)) as one,
        serving(Served(reply, key="sk-1", fault=fault)) as other,
    ):
        options = "connections=2,seconds=99.5,tries=3,key_env=TOY_KEY,tokenizer=no,chat=no,continues=yes"
        policy = policies.load(f"openai:toy,base_url={one.url}+{other.url},{options}")
        with policy:
            assert all(solution.finished for solution in extend(policy).solutions)
            servers = policy._servers
            assert (servers.connections, servers.seconds, servers.tries) == (2, 99.5, 3)
            assert policy.name == "toy[chat=False]"
    assert min(len(one.bodies), len(other.bodies)) >= 2
    assert (one.most_at_once, other.most_at_once) == (1, 1)  # two connections, shared out by load
    with pytest.raises(ValueError, match=r"connections=0: use a whole number of 1 or more"):
        policies.load("openai:toy,base_url=http://localhost,connections=0")
    with pytest.raises(ValueError, match="unknown policy"):
        policies.load("openai:toy,speed=9")
    with pytest.raises(BadInput, match="seconds"):
        policies.load("openai:toy,base_url=http://localhost,seconds=0")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "9", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({}, 0.0),
    ],
)
def test_a_server_says_how_long_it_wants_to_be_left_alone(headers: dict[str, str], seconds: float) -> None:
    assert openai_client._asked_wait(headers) == seconds
    later = {"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert openai_client._asked_wait(later) > 1e9


def test_a_wait_doubles_is_of_random_length_and_ends_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.5)
    servers = openai_client.Servers.at("http://localhost:1/v1")
    failure = openai_client._Failure("busy", again=True)
    waits = [[servers._wait(failure, tried) for _ in range(20)] for tried in (0, 3, 5000)]
    for some, longest in zip(waits, (0.5, 4.0, 30.0), strict=True):
        assert longest / 2 <= min(some) < max(some) <= longest
    asked = [servers._wait(openai_client._Failure("busy", again=True, wait=7.0), 0) for _ in range(20)]
    assert 7.0 <= min(asked) < max(asked) <= 7.8
