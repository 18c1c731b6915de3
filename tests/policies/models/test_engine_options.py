"""What a vLLM engine is started with, from Python and from a spec; no engine is needed to say it."""

import pytest

import policies
import prms
import verifiers
from bench.tiny import weights_folder
from policies import EngineOptions
from policies.models.engine_options import engine_from, options_from, vllm_options


def test_every_option_of_a_spec() -> None:
    given = {"context": "512", "rows": "8", "gib": "3", "share": "0.45", "gpus": "2", "eager": "yes"}
    assert options_from("vllm:model", given) == EngineOptions(
        context=512, max_rows=8, memory_bytes=3 << 30, share=0.45, tensor_parallel=2, eager=True
    )
    assert options_from("vllm:model", {}) == EngineOptions()


def test_a_scorers_engine_leaves_the_other_options() -> None:
    given = {"engine": "vllm", "share": "0.4", "dtype": "bfloat16"}
    assert engine_from("prm:model", given) == EngineOptions(share=0.4)
    assert given == {"dtype": "bfloat16"}
    assert engine_from("prm:model", given) == "transformers"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("engine=tgi", "engine=tgi: use transformers or vllm"),
        ("share=0.4", "share is for vLLM's engine: add engine=vllm"),
        ("engine=transformers,rows=4,gib=2", "gib, rows is for vLLM's engine: add engine=vllm"),
        ("engine=vllm,share=0", "share=0: use a number above 0 and at most 1"),
        ("engine=vllm,share=all", "share=all is not a number"),
        ("engine=vllm,gpus=none", "gpus=none: use a whole number of 1 or more"),
        ("engine=vllm,eager=1", "eager=1: use yes or no"),
    ],
)
@pytest.mark.parametrize("kind", ["orm", "genrm"])
def test_what_a_scorers_spec_cannot_say(kind: str, options: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"{kind}:model") as raised:
        verifiers.load(f"{kind}:model,{options}")
    assert message in str(raised.value)


def test_an_unknown_engine_is_not_taken_for_transformers() -> None:
    assert vllm_options("transformers") is None
    for load in (prms.load, prms.PRM.load, verifiers.ORM.load, verifiers.GenRM.load):
        with pytest.raises(ValueError, match="engine='VLLM': use 'transformers', 'vllm' or"):
            load(weights_folder("prm"), engine="VLLM")


def test_a_share_is_a_part() -> None:
    for share in (0.0, -0.1, 1.01, float("nan")):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            policies.EngineOptions(share=share)
