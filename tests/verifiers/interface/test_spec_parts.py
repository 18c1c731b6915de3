"""Specs in messages: what may be a secret is not shown, all else is as it was written, and what is wrong is named."""

from typing import Any

import pytest

import prms
import verifiers
from bench.inputs.specs import load_policy, load_scorer
from verifiers.interface.errors import BadArgument
from verifiers.interface.spec_parts import shown, spec_parts


@pytest.mark.parametrize(
    "spec",
    ["openai:m,key=sk-word", "openai:m,api_key=word", "openai:m,base_url=http://me:word@h/v1", "judge:m,TOKEN=word",
     "openai:m,base_url=https://h/v1?key=word", "prm:m,base_url=http://h/v1#word", "openai:m,base_url=http://word@h/v1,n=1"],
)  # fmt: skip
def test_no_secret_is_shown(spec):
    assert "word" not in shown(spec)
    assert "word" not in spec_parts(spec).text


@pytest.mark.parametrize(
    "spec",
    ["vllm:org/model,context=512,share=0.4", "tiny:orm", r"C:\models\prm", "prm:.",
     "openai:m,key_env=MINE,tokenizer=no", "openai:m,base_url=http://h:8000/v1", "genrm:m,max_tokens=9"],
)  # fmt: skip
def test_all_else_is_as_it_was_written(spec):
    assert shown(spec) == spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("openai:m,tokenzier=no", "unknown policy: openai takes no tokenzier=, but tokenizer="),
        ("openai:m,token=word", "takes no token=, but key_env="),
        ("openai:m,api_key=word", "takes no api_key=, but key_env=, the name of the environment's variable that holds"),
        ("transformers:m,foo=1,chat.x=2", "unknown policy: transformers takes no foo=, but chat=, dtype="),
        ("openai:", "unknown policy: it names no model; use transformers:FOLDER"),
        ("opneai:m", "unknown policy (did you mean openai:?): use transformers:"),
        ("openai:m,connections=0", "--policy openai:m,connections=0: connections=0: use a whole number"),
        ("orm:m", "policies.load takes no 'orm': give it to verifiers.load"),
    ],
)
def test_what_is_wrong_with_a_spec_is_named_and_the_spec_once(spec: str, message: str) -> None:
    with pytest.raises(BadArgument) as caught:
        load_policy(spec)
    said = caught.value.as_option()
    assert message in said
    assert said.startswith(f"--policy {shown(spec)}: ")
    assert repr(shown(spec)) not in said
    assert "word" not in said


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("prm:m,api_key=word", "unknown scorer: prm takes no api_key=, but key_env=, the name of the environment's"),
        ("pav:tiny:prm,k=4,token=word", "unknown scorer: pav takes no token=, but alpha=, k="),
        ("judge:m,api_key=word", "unknown verifier: judge takes no api_key=, but key_env="),
        ("judge:m,base_url=http://me:word@h/v1,dtype=float32", "base_url is for a server: give its base_url, and no"),
        ("nosuch,api_key=word", "no prm at 'nosuch,api_key=...': "),
        ("nosuch", "no prm at 'nosuch': "),
    ],
)
def test_what_is_wrong_with_a_scorers_spec_is_named_without_a_secret(
    spec: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BadArgument) as caught:
        load_scorer(spec)
    said = caught.value.as_option()
    assert said.startswith(f"--scorer {shown(spec)}: {message}")
    assert "word" not in said


@pytest.mark.parametrize("load", [prms.load, verifiers.load])
@pytest.mark.parametrize("spec", ["judge:m,base_url=http://me:word@h/v1,dtype=float32", "judge:m,api_key=word"])
def test_what_a_load_says_has_no_secret(load: Any, spec: str) -> None:
    with pytest.raises(ValueError, match="judge:m") as caught:
        load(spec)
    assert "word" not in str(caught.value)


def test_a_spec_that_refuses_a_keyword_shows_no_secret() -> None:
    with pytest.raises(ValueError, match="format, dtype, device and engine are for a folder") as caught:
        prms.load("prm:m,api_key=word", dtype="float32")
    assert "word" not in str(caught.value)
