"""Specs in messages: what may be a secret is not shown, and all else is as it was written."""

import pytest

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
     "openai:m,key_env=MINE,tokenizer=no", "openai:m,base_url=http://h:8000/v1"],
)  # fmt: skip
def test_all_else_is_as_it_was_written(spec):
    assert shown(spec) == spec
