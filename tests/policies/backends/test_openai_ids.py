"""Rows in token ids, by what a server of vLLM's may reply: its own ends, odd replies, and none."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from policies import Sampling
from policies.models.embedded import weights_folder
from tests.served import Served, serving
from verifiers import GenRM, GenRMFormat, ImplicitReward, Problem, Solution, Step, Stop
from verifiers.interface.errors import EngineStoppedError

pytest.importorskip("openai", reason="the extra 'openai' is not installed")
pytest.importorskip("torch", reason="the extra 'models' is not installed")
from policies import OpenAI, Transformers
from policies.backends import openai_client
from policies.backends.openai_ids import _drawn_of
from policies.backends.servers.replies import BadReplyError

PROBLEMS = [Problem(f"p{i}", f"{i}+1=") for i in range(3)]
ROOT = Solution()
END = 2  # of the embedded policy

Body = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.005)


@pytest.fixture(scope="module")
def plain() -> Transformers:
    return Transformers.load(weights_folder("policy"), dtype="float32")


class Ids(Served):
    """A server that says it is vLLM's; `choice(body)` is what it replies with."""

    def __init__(self, choice: Callable[[Body], Body], *, context: int = 64, **options: Any) -> None:
        super().__init__(lambda prompt, seed: "", **options)
        self.choice, self.context = choice, context

    def listed(self) -> tuple[int, object]:
        card = {"id": "toy", "owned_by": "vllm", "root": str(weights_folder("policy")), "max_model_len": self.context}
        return 200, {"data": [card]}

    def said(self, body: Body) -> Body:
        return {"model": "toy", "choices": [self.choice(body)], "usage": {"prompt_tokens": 4, "completion_tokens": 5}}


def opened(*served: Served) -> OpenAI:
    return OpenAI("toy", base_url=[s.url for s in served], tries=2)


def drawn_of(choice: Body, *, until: str = "end", max_tokens: int = 30, logprobs: bool = False) -> Solution:
    sampling = Sampling(max_tokens=max_tokens, logprobs=logprobs)
    with serving(Ids(lambda body: choice)) as served, opened(served) as policy:
        return policy.extend(PROBLEMS[:1], [ROOT], until=until, sampling=sampling, seeds=[1]).solutions[0]


@pytest.mark.parametrize(
    ("finish", "more", "text", "stop"),
    [
        ("length", [], "2+2=4", Stop.LENGTH),  # fewer than were asked for: the server has a limit of its own
        ("stop", [END], "2+2=4", Stop.EOS),
        ("stop", [0], "2+2=4", Stop.EOS),  # an end that only the server knows
    ],
)
def test_a_whole_solution_ends_as_the_server_says(
    plain: Transformers, finish: str, more: list[int], text: str, stop: Stop
) -> None:
    solution = drawn_of({"token_ids": [*plain.encode("2+2=4"), *more], "finish_reason": finish})
    assert (solution.text, solution.stop) == (text, stop)


def test_a_step_ends_at_an_end_that_only_the_server_knows_and_goes_on_from_a_limit(plain: Transformers) -> None:
    ids = [*plain.encode("2+2=4"), 0]
    ended = drawn_of({"token_ids": ids, "finish_reason": "stop", "stop_reason": None}, until="step")
    assert (ended.text, ended.stop) == ("2+2=4", Stop.EOS)
    cut = drawn_of({"token_ids": list(plain.encode("2+")), "finish_reason": "length"}, until="step", max_tokens=6)
    assert (cut.text, cut.stop) == ("2+2+2+", Stop.LENGTH)
    at_separator = {"token_ids": list(plain.encode("2+2\n")), "finish_reason": "stop", "stop_reason": "\n"}
    assert drawn_of(at_separator, until="step") == Solution((Step("2+2\n", plain.encode("2+2\n")),))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"token_ids": [99_999]}, "ids that are none of the model's 100"),
        ({"token_ids": ["5"]}, "ids that are none of the model's 100"),
        ({"logprobs": {"token_logprobs": [math.nan]}}, "log-probabilities that are no numbers"),
        ({"logprobs": None}, "lacks what vLLM's server says: TypeError"),
        ({"finish_reason": "content_filter"}, "finish_reason 'content_filter'"),
    ],
)
def test_a_reply_that_is_odd_is_no_answer(more: Body, said: str) -> None:
    sound = {"token_ids": [5], "finish_reason": "stop", "logprobs": {"token_logprobs": [-0.5]}}
    solution = drawn_of({**sound, **more}, logprobs=True)
    assert solution.stop is Stop.FAILED
    assert said in str(solution.reason)


def test_a_failed_row_costs_what_its_replies_say() -> None:
    choice = {"token_ids": [], "finish_reason": "stop"}
    with serving(Ids(lambda body: choice)) as served, opened(served) as policy:
        drawn = policy.extend(PROBLEMS[:1], [ROOT], until="end", sampling=Sampling(max_tokens=9), seeds=[1])
    assert (drawn.spend[0].prompt_tokens, drawn.spend[0].sampled_tokens) == (8, 10)


def told(body: Body) -> Body:
    """Probabilities of tokens, and log-probabilities of a prompt."""
    if "prompt_logprobs" in body:
        return {"prompt_logprobs": [None, *({str(i): {"logprob": -1.0}} for i in body["prompt"][1:])]}
    return {"logprobs": {"top_logprobs": [{f"token_id:{token}": -0.5 for token in body["logprob_token_ids"]}]}}


def test_a_row_that_is_not_answered_leaves_the_probabilities_of_the_others(plain: Transformers) -> None:
    two = plain.encode("2")[0]
    fault = lambda body, time: "503" if body["prompt"].count(two) > 1 else None  # noqa: E731
    with serving(Ids(told, fault=fault)) as served, opened(served) as policy:
        read = policy.next_token_probs(PROBLEMS[:2], [ROOT, Solution((Step("22"),))], tokens=np.array([3, 4]))
        assert np.allclose(read.probs[0], math.exp(-0.5))
        assert np.isnan(read.probs[1]).all()
        assert read.reasons[0] is None
        assert "problem 'p1'" in str(read.reasons[1])
        assert "HTTP 503" in str(read.reasons[1])
        scores = policy.logprobs(PROBLEMS[:2], [Solution((Step("3+4"),)), Solution((Step("22"),))])
        assert scores.values()[0] == -3
        assert np.isnan(scores.values()[1])
        assert "HTTP 503" in str(scores.reasons[1])
        reward = ImplicitReward(policy, policy, beta=1.0).score(PROBLEMS[:2], [Solution((Step("22"),))] * 2)
        assert np.isnan(reward.values()).all()
        assert "HTTP 503" in str(reward.reasons[0])


@pytest.mark.parametrize(
    "places",
    [
        lambda ids: [None],
        lambda ids: [None, *({"1": {"logprob": -1}} for _ in ids[1:])],
        lambda ids: [None, *({str(i): {"logprob": None}} for i in ids[1:])],
        lambda ids: [None, *({str(i): {"logprob": math.nan}} for i in ids[1:])],
        lambda ids: 5,
    ],
)
def test_log_probabilities_that_are_none_are_no_answer(places: Callable[[list[int]], object]) -> None:
    with serving(Ids(lambda body: {"prompt_logprobs": places(body["prompt"])})) as served, opened(served) as policy:
        scores = policy.logprobs(PROBLEMS[:1], [Solution((Step("34"),))])
    assert np.isnan(scores.values()).all()
    assert "its reply is no answer" in str(scores.reasons[0])


def test_a_server_that_refuses_everything_is_stopped() -> None:
    with serving(Ids(told, fault=lambda body, time: "404")) as served, opened(served) as policy:
        with pytest.raises(EngineStoppedError, match="HTTP 404"):
            policy.logprobs(PROBLEMS[:1], [Solution((Step("34"),))])
        with pytest.raises(EngineStoppedError, match="HTTP 404"):
            policy.next_token_probs(PROBLEMS[:1], [ROOT], tokens=[3])


def test_the_shortest_context_of_several_servers_is_kept(plain: Transformers) -> None:
    choice = {"token_ids": [*plain.encode("2+2=4"), END], "finish_reason": "stop"}
    with serving(Ids(lambda body: choice, context=64)) as long, serving(Ids(lambda body: choice, context=16)) as short:
        with opened(long, short) as policy:
            policy.extend(PROBLEMS, [ROOT] * 3, until="end", sampling=Sampling(max_tokens=30), seeds=[0, 1, 2])
        sent = long.bodies + short.bodies
    assert all(len(body["prompt"]) + body["max_tokens"] <= 16 for body in sent)


def test_a_verdict_that_is_not_answered_is_a_failed_score(plain: Transformers) -> None:
    words = GenRMFormat(direct="", cot="{problem}={solution}=", solver="", verdict="+", yes="1", no="2")
    rationale = {"token_ids": list(plain.encode("=4+")), "finish_reason": "stop", "stop_reason": "+"}
    served = Ids(lambda body: told(body) if "logprob_token_ids" in body else rationale)
    served.fault = lambda body, time: "400" if "logprob_token_ids" in body and served.choice is broken else None
    sound, broken = served.choice, lambda body: sound(body)
    solution = Solution((Step("3"),), Stop.EOS)
    with serving(served), opened(served) as policy:
        genrm = GenRM(policy, "cot", 2, words, sampling=Sampling(max_tokens=30))
        assert genrm.score(PROBLEMS[:1], [solution]).values()[0] == pytest.approx(math.exp(-0.5))
        served.choice, served.bodies = broken, []
        scores = genrm.score(PROBLEMS[:1], [solution])
        draws = [body for body in served.bodies if "logprob_token_ids" not in body]
    assert np.isnan(scores.values()).all()
    assert "vote 0: " in str(scores.reasons[0])
    assert len(draws) == 2


def test_log_probabilities_that_were_asked_for_are_all_there() -> None:
    choice = {"token_ids": [5, 6], "finish_reason": "stop", "logprobs": {"token_logprobs": [-0.5]}}
    assert _drawn_of(False, 9, None, {**choice, "logprobs": None}, {}) == ([5, 6], [], 0, Stop.EOS)
    with pytest.raises(BadReplyError, match="2 tokens"):
        _drawn_of(True, 9, None, choice, {})
