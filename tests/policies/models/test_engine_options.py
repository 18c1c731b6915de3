"""What a vLLM engine is started with, from Python and from a spec; no engine is needed to say it."""

import pytest

import policies
import prms
import verifiers
from bench.tiny import weights_folder
from policies import EngineOptions
from policies.models.engine_options import engine_of, engine_options, vllm_options
from verifiers.interface.spec_parts import spec_parts


def test_every_option_of_a_spec() -> None:
    spec = spec_parts("vllm:model,context=512,rows=8,gib=3,share=0.45,gpus=2,eager=yes")
    assert engine_options(spec) == EngineOptions(
        context=512, max_rows=8, memory_bytes=3 << 30, share=0.45, tensor_parallel=2, eager=True
    )
    assert engine_options(spec_parts("vllm:model")) == EngineOptions()


def test_a_scorers_engine() -> None:
    assert engine_of(spec_parts("prm:model,engine=vllm,share=0.4,dtype=bfloat16")) == EngineOptions(share=0.4)
    assert engine_of(spec_parts("prm:model,dtype=bfloat16")) == "transformers"


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
@pytest.mark.parametrize("kind", ["orm", "genrm", "judge", "prm"])
def test_what_a_scorers_spec_cannot_say(kind: str, options: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"{kind}:model") as raised:
        prms.load(f"{kind}:model,{options}")
    assert message in str(raised.value)


def test_an_unknown_engine_is_not_taken_for_transformers() -> None:
    assert vllm_options("transformers") is None
    loads = {prms.load: "prm", prms.PRM.load: "prm", verifiers.ORM.load: "orm", verifiers.GenRM.load: "genrm"}
    for load, name in loads.items():
        with pytest.raises(ValueError, match="engine='VLLM': use 'transformers', 'vllm' or"):
            load(weights_folder(name), engine="VLLM")


def test_a_share_is_a_part() -> None:
    for share in (0.0, -0.1, 1.01, float("nan")):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            policies.EngineOptions(share=share)
