"""Addresses, keys and lists of models; which address is asked, how often, and at what cost."""

import asyncio
import math
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import policies
from policies import Sampling
from policies.policy import Extended
from tests.served import Served, serving
from tests.waiting import LONGEST, until
from verifiers import Problem, Solution, Stop
from verifiers.interface.errors import BadInput, EngineStoppedError

pytest.importorskip("openai", reason="the extra 'openai' is not installed")
from policies import OpenAI
from policies.backends import openai_client
from policies.backends.openai_client import Servers
from policies.backends.servers.start import Card, one_card

PROBLEMS = [Problem(f"p{i}", f"{i:02}+{i:02}?") for i in range(6)]
ROOT = Solution()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.005)


def hi(prompt: str, seed: int) -> str:
    return "hi"


def opened(*served: Served, **options: object) -> OpenAI:
    return OpenAI("toy", base_url=[s.url for s in served], **{"tokenizer": False, **options})


def extend(policy: OpenAI, count: int = 6, *, sampling: Sampling | None = None, seeds=None):
    problems = (PROBLEMS * (1 + count // 6))[:count]
    seeds = range(count) if seeds is None else seeds
    return policy.extend(problems, [ROOT] * count, until="end", sampling=sampling or Sampling(), seeds=seeds)


def failures(drawn: Extended) -> list[str | None]:
    return [solution.reason for solution in drawn.solutions if solution.stop is Stop.FAILED]


@pytest.mark.parametrize("status", ["400", "401", "403", "404"])
def test_a_row_that_one_address_refuses_goes_to_another(status: str) -> None:
    with serving(Served(hi, seconds=0.02)) as good, serving(Served(hi, fault=lambda body, time: status)) as bad:
        with opened(bad, good, connections=2) as policy:
            assert not failures(extend(policy, 40))
        assert len(good.bodies) == 40
        assert len(bad.bodies) < 20  # it rests, however fast it refuses


def test_what_every_address_refuses_is_refused_with_the_reason_of_the_last() -> None:
    one, other = (Served(hi, fault=lambda body, time: "400") for _ in range(2))
    with serving(one), serving(other), opened(one, other) as policy:
        [reason] = failures(extend(policy, 1))
    assert reason is not None
    assert reason.endswith("HTTP 400 (so it is) (tried 2 times)")
    assert (len(one.bodies), len(other.bodies)) == (1, 1)


@pytest.mark.parametrize("wrong", ["", "/v1/chat/completions", "/v1/models"])
def test_an_address_without_its_end_is_refused_when_it_is_opened_with_the_one_that_fits(wrong: str) -> None:
    with serving(Served(hi)) as served:
        host = served.url.removesuffix("/v1")
        with pytest.raises(BadInput) as error:
            OpenAI("toy", base_url=host + wrong)
        assert str(error.value) == (
            f"base_url {host}{wrong}: HTTP 404 (Not Found) at /models; give {served.url}, which lists models"
        )
    assert not served.bodies


def test_a_server_that_lists_no_models_is_taken_as_it_is() -> None:
    silent = Served(hi)
    silent.listed = lambda: (404, {"error": {"message": "no such route"}})  # type: ignore[method-assign]
    with serving(silent), opened(silent) as policy:
        assert not failures(extend(policy, 1))


def test_a_rate_limit_costs_time_and_no_row() -> None:
    lock, state = threading.Lock(), {"left": 4.0, "at": time.monotonic()}

    def fault(body: dict[str, object], time_: int) -> str | None:
        with lock:
            now = time.monotonic()
            state["left"] = min(4.0, state["left"] + 80 * (now - state["at"]))
            state["at"] = now
            if state["left"] < 1:
                return "later"
            state["left"] -= 1
            return None

    with serving(Served(hi, fault=fault)) as served, opened(served, connections=16, tries=2) as policy:
        assert not failures(extend(policy, 40))


def test_a_server_that_works_on_a_few_rows_at_a_time_loses_none() -> None:
    at_once, lock = [0], threading.Lock()

    def fault(body: dict[str, object], time_: int) -> str | None:
        with lock:
            if at_once[0] == 1:
                return "429"
            at_once[0] += 1
        time.sleep(0.2)  # many rests long
        with lock:
            at_once[0] -= 1
        return None

    with serving(Served(hi, fault=fault)) as served, opened(served, tries=3) as policy:
        assert not failures(extend(policy, 4))


def test_an_address_that_rests_is_not_asked_and_nobody_waits_where_another_does_not() -> None:
    busy, free = Served(hi), Served(hi)
    with serving(busy), serving(free), opened(busy, free, connections=1) as policy:
        policy._servers._addresses[0].rests_until = time.monotonic() + 60
        policy._servers._addresses[0].busy = True
        assert not failures(extend(policy, 12))
    assert not busy.bodies


def test_an_answer_that_was_under_way_ends_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_asked_wait", lambda headers: 300.0)
    under_way = threading.Event()

    def fault(body: dict[str, object], time_: int) -> str | None:
        if body["seed"] == 0:
            under_way.wait(LONGEST)
            return "later"
        under_way.set()
        until(lambda: policy._servers._addresses[0].rests_until)
        return None

    with serving(Served(hi, fault=fault)) as served, opened(served) as policy:
        rows = policy.stream()
        rows.add(PROBLEMS[:2], [ROOT] * 2, until="end", sampling=Sampling(), seeds=[0, 1])
        assert [number for number, _, _ in rows.ended(seconds=LONGEST)] == [1]
        assert policy._servers._addresses[0].rests_until > time.monotonic() + 30
        rows.close()
    assert len(served.bodies) == 2


def test_a_server_that_only_ever_asks_to_wait_uses_the_tries_up() -> None:
    with serving(Served(hi, fault=lambda body, time: "later")) as served, opened(served, tries=3) as policy:
        assert all("HTTP 429 (slow down) (tried 3 times)" in str(reason) for reason in failures(extend(policy, 2)))
    assert len(served.bodies) == 6


def test_a_403_is_a_rows_own() -> None:
    fault = lambda body, time: "403" if body["seed"] == 0 else None  # noqa: E731
    with serving(Served(hi, fault=fault)) as served, opened(served) as policy:
        assert "HTTP 403" in str(failures(extend(policy, 1))[0])
        assert len(failures(extend(policy, 3))) == 1


def test_a_server_that_has_replied_is_not_lost() -> None:
    # Whichever comes first: a refusal of all, or one of a row.
    for seed in (0, 1):
        fault = lambda body, time, seed=seed: "400" if body["seed"] == seed else "404"  # noqa: E731
        with serving(Served(hi, fault=fault)) as served, opened(served, connections=1) as policy:
            assert len(failures(extend(policy, 2))) == 2


@pytest.mark.parametrize(
    ("finish", "asked"), [("content_filter", 1), ("tool_calls", 1), ("function_call", 1), ("abort", 3)]
)
def test_replies_that_were_refused_cost_what_they_say(finish: str, asked: int) -> None:
    served = Served(hi)
    said = served.said

    def filtered(body: dict[str, object]) -> dict[str, object]:
        reply = said(body)
        reply["choices"][0]["finish_reason"] = finish
        return reply

    served.said = filtered  # type: ignore[method-assign]
    with serving(served), opened(served, tries=3) as policy:
        drawn = extend(policy, 1)
    assert f"its finish_reason is {finish!r}" in str(failures(drawn)[0])
    assert len(served.bodies) == asked
    assert drawn.spend[0].sampled_tokens == 3 * asked


def test_a_row_that_nobody_heard_the_end_of_has_an_unknown_cost() -> None:
    served = Served(hi, fault=lambda body, time: "hang")
    with serving(served), opened(served, tries=2, seconds=0.1) as policy:
        drawn = extend(policy, 1)
    assert math.isnan(drawn.spend[0].sampled_tokens)
    assert math.isnan(drawn.spend[0].prompt_tokens)


def test_more_cached_than_read_is_no_negative_cost() -> None:
    from policies.backends.servers.replies import spend_of

    usage = {"prompt_tokens": 3, "completion_tokens": True, "prompt_tokens_details": {"cached_tokens": 9}}
    cost = spend_of({"usage": usage})
    assert (cost.prompt_tokens, cost.cached_prompt_tokens) == (0, 3)
    assert math.isnan(cost.sampled_tokens)
    assert spend_of({"usage": [1]}).cached_prompt_tokens == 0
    assert math.isnan(spend_of({"usage": {"completion_tokens": 2**64 - 1}}).sampled_tokens)


def test_half_a_character_in_a_reply_can_be_written() -> None:
    with serving(Served(lambda prompt, seed: "a\ud83d\n#### 1")) as served, opened(served) as policy:
        [solution] = extend(policy, 1).solutions
    assert solution.text == "a\ufffd\n#### 1"


def test_a_key_that_a_reply_repeats_is_hidden_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", "sk-proj-" + "ABCDEFGHIJ" * 20)
    served = Served(hi, fault=lambda body, time: "echo")
    with serving(served), opened(served, key_env="TOY_KEY", tries=1) as policy:
        [reason] = failures(extend(policy, 1))
    assert "You sent Bearer ***" in str(reason)
    assert "ABC" not in str(reason)


@pytest.mark.parametrize("key", ["sk-1\n", " sk-1 ", "sk-1\r\n"])
def test_space_round_a_key_is_none_of_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TOY_KEY", key)
    with serving(Served(hi, key="sk-1")) as served, opened(served, key_env="TOY_KEY") as policy:
        assert not failures(extend(policy, 1))


@pytest.mark.parametrize("key", ["sk-se\ncret", "sk-secr\u00e9t", "sk-se\tcret"])
def test_a_key_that_no_header_holds_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TOY_KEY", key)
    with pytest.raises(BadInput, match=r"^the key in TOY_KEY has a line break or") as error:
        OpenAI("toy", base_url="http://localhost:1/v1", key_env="TOY_KEY")
    assert "sk-" not in str(error.value)


def test_a_key_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOY_KEY", raising=False)
    with pytest.raises(BadInput, match=r"^key_env TOY_KEY: this environment variable holds no key; set it, or leave"):
        OpenAI("toy", base_url="http://localhost:1/v1", key_env="TOY_KEY")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(BadInput, match=r"^key_env OPENAI_API_KEY: this environment variable holds no key"):
        OpenAI("toy", base_url="http://localhost:1/v1", key_env="OPENAI_API_KEY")
    with pytest.raises(BadInput, match=r"set OPENAI_API_KEY, or name a server of your own with base_url="):
        OpenAI("toy")


def test_an_address_that_is_not_there_at_the_start_is_told_of() -> None:
    with serving(Served(hi)) as served:
        with pytest.warns(UserWarning, match=r"http://localhost:1/v1: the connection failed.*; others are asked"):
            policy = OpenAI("toy", base_url=["http://localhost:1/v1", served.url], tokenizer=False)
        with policy:
            assert not failures(extend(policy))


def test_a_server_without_completions_is_told_from_one_without_the_model() -> None:
    told = "or leave out chat=no, where the server has no /completions"
    absent = Served(hi, fault=lambda body, time: "404")
    with serving(absent), opened(absent, chat=False) as policy, pytest.raises(EngineStoppedError, match=told):
        extend(policy, 1)


@pytest.mark.parametrize("base_url", ["", [], ["http://localhost:1/v1", ""]])
def test_an_address_that_is_given_and_empty_is_refused(base_url: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    with pytest.raises(BadInput, match=r"^base_url is empty"):
        OpenAI("toy", base_url=base_url)
    with pytest.raises(BadInput, match=r"^base_url is empty"):
        policies.load("openai:toy,base_url=")


@pytest.mark.parametrize(
    "url",
    [
        "http://h:x/v1",
        "http://h:99999/v1",
        "http://[::1/v1",
        "http://h/v1\n",
        "http://h ost/v1",
        "http://\xe4\u2026/v1",
    ],
)
def test_what_is_no_address_is_one_line(url: str) -> None:
    with pytest.raises(BadInput, match=r"base_url .*: it (must be an address|is no address)"):
        OpenAI("toy", base_url=url)


def test_an_address_with_a_key_behind_it_is_refused() -> None:
    with pytest.raises(BadInput, match="keys do not belong into an address") as error:
        OpenAI("toy", base_url="http://h/v1#key=secret")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "listed", [{"data": 5}, {"data": [{"id": "toy", "owned_by": ["x"]}, 7, {"id": 3}]}, [1], "<html>"]
)
def test_a_list_of_models_that_is_odd_says_nothing(listed: object) -> None:
    served = Served(hi)
    served.listed = lambda: (200, listed)  # type: ignore[method-assign]
    with serving(served), opened(served) as policy:
        assert not failures(extend(policy, 1))


def test_an_address_that_lacks_the_model_or_takes_no_key_is_named_at_the_start() -> None:
    with serving(Served(hi)) as good, serving(Served(hi, names=("small", "large"))) as bad:
        with pytest.raises(BadInput, match=f"^{bad.url} has no model 'toy': it has large, small$"):
            opened(good, bad)
        bad.listed = lambda: (401, {"error": {"message": "no"}})  # type: ignore[method-assign]
        with pytest.raises(BadInput, match=rf"^{bad.url}: HTTP 401 \(no\): set OPENAI_API_KEY"):
            opened(good, bad)


def test_the_start_waits_no_longer_than_it_must_for_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_LONGEST_START", 0.05)
    over = threading.Event()
    served = Served(hi)
    served.listed = lambda: (over.wait(20), (200, {}))[1]  # type: ignore[method-assign]
    with serving(served):
        try:
            with pytest.raises(BadInput, match=r"no answer within 0\.05 seconds"):
                opened(served)
        finally:
            over.set()


def test_the_start_does_not_wait_as_long_as_a_busy_server_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    patched = SimpleNamespace(**(vars(asyncio) | {"sleep": sleep}))
    monkeypatch.setattr(openai_client, "asyncio", patched)
    monkeypatch.setattr(openai_client, "_asked_wait", lambda headers: 200.0)
    served = Served(hi)
    served.listed = lambda: (429, {"error": {"message": "wait"}})  # type: ignore[method-assign]
    with serving(served), pytest.raises(BadInput, match=r"HTTP 429 \(wait\)"):
        opened(served)
    assert slept == [openai_client._LONGEST_START] * 2


@pytest.mark.parametrize("chat", [{"x": {1, 2}}, {"x": math.nan}])
def test_arguments_of_a_template_that_are_no_json_are_refused(chat: dict[str, object]) -> None:
    with serving(Served(hi)) as served, pytest.raises(BadInput, match="a template's arguments are sent as JSON"):
        opened(served, chat=chat)


def test_numbers_of_numpy_are_numbers() -> None:
    sampling = Sampling(max_tokens=np.int64(50), temperature=np.float32(0.5), top_k=np.int32(3))
    with serving(Served(hi)) as served, opened(served) as policy:
        assert not failures(extend(policy, 2, sampling=sampling, seeds=np.arange(2)))
    assert {body["seed"] for body in served.bodies} == {0, 1}


def test_what_cannot_be_sent_is_no_row_that_failed() -> None:
    servers = Servers.at("http://localhost:1/v1")
    loop = openai_client.asyncio.new_event_loop()
    with pytest.raises(BadInput, match="problem 'p': what is asked cannot be written as JSON"):
        loop.run_until_complete(servers.post("/completions", {"x": {1}}, dict, who="problem 'p'"))
    loop.close()


def test_a_model_of_several_servers_has_the_least_of_their_contexts() -> None:
    cards = [Card("toy", "vllm", "/m", None, 64), Card("toy", "vllm", "/m", None, 16), Card("other", "vllm", "/n")]
    assert one_card("toy", cards, one_root=True) == Card("toy", "vllm", "/m", None, 16)
    elsewhere = [*cards, Card("toy", "vllm", "/elsewhere", None, 64)]
    with pytest.raises(BadInput, match="'toy' is '/elsewhere' at one address and '/m' at another"):
        one_card("toy", elsewhere, one_root=True)
    assert one_card("toy", elsewhere, one_root=False).context == 16
    adapter = [Card("mine", "vllm", "/a", "toy"), *cards]
    assert one_card("mine", adapter, one_root=True).root == "/m"
    assert one_card("absent", cards, one_root=True) == Card("absent")
