"""What is the request's own fault is a 4xx with its reason; what is a part's behind it is a 5xx."""

from typing import Any

import httpx2 as httpx
import pytest

import policies
import verifiers
from bench.commands.cli import main
from bench.serve.limits import Limits
from bench.serve.strategies import read_strategy
from policies import Sampling
from tests.bench.serve.test_serve import SCORERS, asked, served, url_of
from tests.served import Served, serving
from verifiers import Problem, Solution, failed


@pytest.fixture(scope="module")
def tiny() -> Any:
    from bench.inputs.specs import load_policy, load_scorer

    return load_policy("tiny:policy"), load_scorer("tiny:orm")


def refused(address: str, **options: Any) -> dict[str, Any]:
    """The error of a request, which is to be its own fault."""
    reply = httpx.post(url_of(address), json=asked(**options))
    error: dict[str, Any] = reply.json()["error"]
    assert (reply.status_code, error["type"], error["code"]) == (400, "invalid_request_error", None)
    return error


LONG = "1+" * 400


def test_a_prompt_that_the_policy_cannot_read_is_refused_with_the_reason(tiny: Any) -> None:
    with served(tiny[0], sampling=Sampling(max_tokens=8)) as address:
        for strategy in (None, "self_consistency:n=2", "beam_search:steps,width=2,expand=2"):
            error = refused(address, text=LONG, strategy=strategy)
            assert error["message"].endswith("the prompt has 800 tokens and the model's context 256")
            assert error["param"] == "messages"
        assert refused(address, text="")["message"].endswith("the prompt has no tokens")
        streamed = httpx.post(url_of(address), json=asked(LONG, stream=True)).text
        metrics = httpx.get(address.removesuffix("/v1") + "/metrics").text
    assert '"invalid_request_error"' in streamed
    assert 'stepbeam_requests_total{status="400"} 5.0' in metrics
    assert 'status="5' not in metrics


def test_a_conversation_that_the_scorer_cannot_read_is_refused(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "A"}]
    monkeypatch.setitem(SCORERS, "two", tiny[1])
    with served() as address:
        assert "no chat template: give the prompt as one string" in refused(address, messages=turns)["message"]


@pytest.mark.parametrize(("status", "ours"), [("400", 400), ("500", 502)])
@pytest.mark.parametrize("stream", [False, True])
def test_a_server_behind_says_whose_fault_it_is(status: str, ours: int, stream: bool) -> None:
    pytest.importorskip("openai")
    with (
        serving(Served(lambda prompt, seed: "hi", fault=lambda body, time: status)) as behind,
        policies.OpenAI("toy", base_url=behind.url, tokenizer=False, tries=1) as policy,
        served(policy) as address,
    ):
        reply = httpx.post(url_of(address), json=asked(stream=stream))
    assert f"HTTP {status}" in reply.text
    assert f'"type": "{"invalid_request_error" if ours == 400 else "server_error"}"' in reply.text
    assert reply.status_code == (200 if stream else ours)


def test_rows_of_which_one_failed_by_itself_are_no_fault_of_the_request() -> None:
    def either(problem: Problem, prefix: Solution, seed: int) -> Solution:
        return failed(verifiers.Refusal("too long") if seed % 2 else "the engine is down")

    with served(policies.Scripted(either)) as address:
        assert httpx.post(url_of(address), json=asked()).status_code == 502


def test_a_strategy_that_cannot_be_done_is_the_fault_of_whoever_named_it(capsys: pytest.CaptureFixture[str]) -> None:
    beam = "beam_search:two,width=2,expand=2"
    with served() as address:
        error = refused(address, strategy=beam)
    assert error["param"] == "strategy"
    assert "judges finished solutions only" in error["message"]
    with serving(Served(lambda prompt, seed: "hi")) as behind, policies.OpenAI("toy", base_url=behind.url) as policy:
        with served(policy) as address:
            error = refused(address, strategy="beam_search:steps,width=2,expand=2")
            assert "not known to go on from a prefix" in error["message"]
            goes_on = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "h"}]
            assert refused(address, messages=goes_on)["param"] == "messages"
        by_server = read_strategy("beam_search:steps,width=2,expand=2", SCORERS, Limits())
        with served(policy, strategy=by_server) as address:
            assert httpx.post(url_of(address), json=asked()).status_code == 500
    command = ["serve", "--policy", "tiny:policy", "--scorer", "tiny:orm", "--strategy", "beam_search:orm"]
    assert main(command) == 2
    assert "--strategy beam_search:orm: orm(orm) judges finished solutions only" in capsys.readouterr().err


def test_a_scorer_without_an_opinion_is_no_fault_of_the_messages() -> None:
    by_server = read_strategy("beam_search:two,width=2,expand=2", SCORERS, Limits())
    turns = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "A"}]
    with served(strategy=by_server) as address:
        for options in ({}, {"messages": turns}):
            assert httpx.post(url_of(address), json=asked(**options)).status_code == 500
