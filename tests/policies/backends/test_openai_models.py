"""A server's list of models, and the one that it is asked for."""

import pytest

from tests.served import Served, serving
from verifiers import Problem, Solution, Stop
from verifiers.interface.errors import EngineStoppedError

pytest.importorskip("openai", reason="the extra 'openai' is not installed")
from policies import OpenAI, Sampling
from policies.backends.servers.start import Card, instead

MODEL = "Qwen/Qwen2.5-0.5B-Instruct"


def draw(policy: OpenAI) -> Solution:
    drawn = policy.extend([Problem("p", "1+1?")], [Solution()], until="end", sampling=Sampling(), seeds=[0])
    return drawn.solutions[0]


def test_a_server_that_lists_other_models_and_answers_is_told_of_once() -> None:
    """As llama.cpp's does, which has one model and answers to every name with it."""
    with serving(Served(lambda prompt, seed: "2", names=("qwen2.5-0.5b-q4_k_m.gguf",))) as served:
        with pytest.warns(
            UserWarning, match=f"^{served.url} lists no model '{MODEL}', but qwen2.5-0.5b-q4_k_m"
        ) as told:
            policy = OpenAI(MODEL, base_url=served.url)
        with policy:
            assert [draw(policy).stop for _ in range(3)] == [Stop.EOS] * 3
        assert len(told) == 1


def test_where_it_refuses_the_model_those_that_it_lists_are_named() -> None:
    """As Ollama does."""
    served = Served(lambda prompt, seed: "2", names=("qwen2.5:0.5b", "llama3:latest"), fault=lambda body, time: "404")
    with serving(served):
        with pytest.warns(UserWarning, match="lists no model 'qwen2.5'"):
            policy = OpenAI("qwen2.5", base_url=served.url)
        with (
            policy,
            pytest.raises(EngineStoppedError, match=r"name a model that the server has \(qwen2.5:0.5b, llama3:"),
        ):
            draw(policy)


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("llama3", "llama3:latest"),  # Ollama's
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),  # Gemini's
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("openai/gpt-oss-120b:nitro", "openai/gpt-oss-120b"),  # OpenRouter's
        ("openai/gpt-4o", "openai/*"),  # a proxy's
    ],
)
def test_names_that_are_spelled_otherwise_are_listed(model: str, listed: str) -> None:
    assert instead(model, [Card("another"), Card(listed)]) is None
    assert instead(model, []) is None


def test_of_many_models_the_nearest_are_named() -> None:
    told = instead("gpt-4o-mni", [Card(f"model-{i:03}") for i in range(300)] + [Card("gpt-4o-mini")])
    assert told is not None
    assert told.startswith("gpt-4o-mini, model-000, ")
    assert told.endswith(", model-008 and 291 more")
