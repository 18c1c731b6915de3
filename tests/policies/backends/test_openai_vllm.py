"""A policy on vLLM's own server, beside vLLM in this process and transformers on the same weights."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.tiny import load_task, weights_folder
from policies import EngineOptions, OpenAI, Transformers, check_policy
from tests.vllm_server import KEY, vllm_serving
from verifiers import GenRM, GenRMFormat, Solution, Stop
from verifiers.interface.errors import BadInput

pytest.importorskip("vllm", reason="the extra 'vllm' is not installed")
from policies.backends.vllm import VLLM

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]
ROOT = Solution()
TASK = load_task("chain", count=50)
GREEDY = replace(TASK.sampling, temperature=0.0, logprobs=True)
# What a message says, and nothing round it: a chat then is what a text to complete is.
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the embedded policy; prompts are read whole, as a CPU's engine needs it."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "template.jinja").write_text(TEMPLATE)
    more = ["--served-model-name", "tiny", "--no-enable-chunked-prefill", "--max-num-seqs", "64"]
    more += ["--enable-prompt-tokens-details", "--chat-template", str(folder / "template.jinja")]
    with vllm_serving(weights_folder("policy"), folder, *more) as url:
        yield url


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", KEY)


@pytest.fixture
def served(address: str, _key: None) -> Iterator[OpenAI]:
    with OpenAI("tiny", base_url=address, key_env="TINY_KEY") as policy:
        yield policy


@pytest.fixture(scope="module")
def plain() -> Transformers:
    return Transformers.load(weights_folder("policy"), dtype="float32")


def extend(policy, prefixes, *, until="end", sampling=TASK.sampling, problems=TASK.problems):
    seeds = list(range(len(prefixes)))
    return policy.extend(list(problems[: len(prefixes)]), list(prefixes), until=until, sampling=sampling, seeds=seeds)


def tokens(solutions):
    return [([(step.text, step.tokens) for step in s.steps], s.stop, s.reason) for s in solutions]


def test_the_three_engines_say_the_same_of_50_problems(served: OpenAI, plain: Transformers) -> None:
    options = EngineOptions(dtype="float32", eager=True, memory_bytes=1 << 28, max_rows=64)
    with VLLM(weights_folder("policy"), options=options) as engine:
        inside = extend(engine, [ROOT] * 50, sampling=GREEDY)
        drawn_inside = extend(engine, [ROOT] * 50)
    ours, theirs = extend(plain, [ROOT] * 50, sampling=GREEDY), extend(served, [ROOT] * 50, sampling=GREEDY)
    assert tokens(theirs.solutions) == tokens(ours.solutions) == tokens(inside.solutions)
    for mine, other in zip(ours.solutions, theirs.solutions, strict=True):
        for a, b in zip(mine.steps, other.steps, strict=True):
            np.testing.assert_allclose(a.logprobs, b.logprobs, atol=1e-4)
    assert [s.sampled_tokens for s in theirs.spend] == [s.sampled_tokens for s in ours.spend]
    read = [(s.prompt_tokens + s.cached_prompt_tokens) for s in theirs.spend]
    assert read == [(s.prompt_tokens + s.cached_prompt_tokens) for s in ours.spend]
    # A row has the same seed in vLLM's engine and in its server.
    drawn = extend(served, [ROOT] * 50)
    assert sum(a == b for a, b in zip(tokens(drawn.solutions), tokens(drawn_inside.solutions), strict=True)) >= 48


def test_steps_go_on_from_exact_ids_and_keep_the_laws(served: OpenAI) -> None:
    whole = extend(served, [ROOT] * 8, sampling=GREEDY).solutions
    grown = [ROOT] * 8
    while live := [i for i, solution in enumerate(grown) if solution.stop is Stop.OPEN]:
        problems = [TASK.problems[i] for i in live]
        reply = extend(served, [grown[i] for i in live], until="step", sampling=GREEDY, problems=problems)
        for i, solution in zip(live, reply.solutions, strict=True):
            grown[i] = solution
    assert tokens(grown) == tokens(whole)
    first = extend(served, [ROOT] * 2, until="step").solutions
    cases = [(p, s) for p, step in zip(TASK.problems, first, strict=False) for s in (ROOT, step)]
    check_policy(served, cases, sampling=replace(TASK.sampling, max_tokens=16))


def test_probabilities_are_those_of_the_model(served: OpenAI, plain: Transformers) -> None:
    solutions = extend(plain, [ROOT] * 6, sampling=GREEDY).solutions
    prefixes = [Solution(s.steps[:1]) for s in solutions]
    wanted = [3, 20, 21, 22, 30]
    ours, theirs = (p.next_token_probs(TASK.problems[:6], prefixes, tokens=wanted) for p in (plain, served))
    np.testing.assert_allclose(ours.probs, theirs.probs, atol=1e-5)
    mine, others = (p.logprobs(TASK.problems[:6], solutions) for p in (plain, served))
    for a, b in zip(mine.steps, others.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("chat", [False, True])
def test_texts_say_what_ids_say(address: str, served: OpenAI, chat: bool) -> None:
    with OpenAI("tiny", base_url=address, key_env="TINY_KEY", tokenizer=False, chat=chat) as policy:
        for until in ("end", "step"):
            in_ids = extend(served, [ROOT] * 8, until=until, sampling=GREEDY)
            in_texts = extend(policy, [ROOT] * 8, until=until, sampling=GREEDY)
            assert [[s.text for s in x.steps] for x in in_texts.solutions] == [
                [s.text for s in x.steps] for x in in_ids.solutions
            ]
            assert [x.stop for x in in_texts.solutions] == [x.stop for x in in_ids.solutions]
            assert [s.sampled_tokens for s in in_texts.spend] == [s.sampled_tokens for s in in_ids.spend]
        steps = in_texts.solutions
        assert policy._rows.says_what_stopped
        further = extend(policy, steps, until="step", sampling=GREEDY).solutions
        assert [s.text for s in further] == [
            s.text for s in extend(served, steps, until="step", sampling=GREEDY).solutions
        ]


def test_a_direct_verdict_in_texts_is_that_in_ids(address: str, served: OpenAI, plain: Transformers) -> None:
    words = GenRMFormat(direct="{problem}\n{solution}\n", cot="", solver="", verdict="=", yes="1", no="2")
    solutions = extend(plain, [ROOT] * 4, sampling=GREEDY).solutions
    with OpenAI("tiny", base_url=address, key_env="TINY_KEY", tokenizer=False, chat=False) as policy:
        texts, ids = (GenRM(p, format=words).score(TASK.problems[:4], solutions) for p in (policy, served))
    near = np.isfinite(texts.values())  # of the others neither verdict is among the most likely
    assert near.any()
    np.testing.assert_allclose(texts.values()[near], ids.values()[near], atol=2e-2)


def test_rows_that_are_cancelled_leave_the_server_free(served: OpenAI) -> None:
    rows = served.stream()
    long = replace(GREEDY, max_tokens=200)
    numbers = rows.add(TASK.problems[:8], [ROOT] * 8, until="end", sampling=long, seeds=range(8))
    assert len(rows.cancel(numbers)) == 8
    assert extend(served, [ROOT] * 2, sampling=GREEDY).solutions[0].finished
    rows.close()


def test_a_wrong_key_and_another_model_are_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="has no model 'small': it has tiny"):
        OpenAI("small", base_url=address, key_env="TINY_KEY")
    monkeypatch.setenv("TINY_KEY", "sk-wrong")
    with pytest.raises(BadInput, match=r"HTTP 401 .*: set TINY_KEY to a key that it takes") as error:
        OpenAI("tiny", base_url=address, key_env="TINY_KEY")
    assert "sk-" not in str(error.value)
    monkeypatch.setenv("TINY_KEY", KEY)
    with pytest.raises(BadInput, match=r"name its folder or hub name with tokenizer="):
        OpenAI("tiny", base_url=address, key_env="TINY_KEY", tokenizer=Path("/nowhere"))
