"""The price of attention beside pairs of tokens counted one by one."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from policies.decoding.runner import Runner
from policies.models.parameters import FlopPrice
from verifiers.interface.errors import BadInput

L = 23
SHAPE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 1,
    "pad_token_id": 0,
}  # fmt: skip
SLIDING = ["sliding_attention", "full_attention"] * 2
KINDS = {
    "llama": ({}, {None: 4}),
    "mistral": ({"sliding_window": 7}, {7: 4}),
    "gemma3n_text": (
        {
            "layer_types": SLIDING, "sliding_window": 7, "num_kv_shared_layers": 2, "intermediate_size": [64] * 4,
            "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 64, "laurel_rank": 4,
            "activation_sparsity_pattern": [0.0] * 4,
        },
        {7: 2, None: 2},
    ),
    "gpt_neo": (
        {
            "num_layers": 4, "num_heads": 4, "window_size": 7, "attention_types": [[["global", "local"], 2]],
        },
        {7: 2, None: 2},
    ),
}  # fmt: skip


def build(kind, **options):
    torch.manual_seed(0)
    shape = {k: v for k, v in SHAPE.items() if kind != "gpt_neo" or "num_" not in k}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(shape | options)))


def pairs(window=None, chunk=None):
    """How many pairs of tokens attention is paid for, counted one by one."""
    return sum(
        (window is None or q - k < window) and (chunk is None or q // chunk == k // chunk)
        for q in range(L)
        for k in range(q + 1)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_attention_costs_the_pairs_that_each_layer_attends_to(kind):
    options, windows = KINDS[kind]
    price = Runner(build(kind, **options)).price
    expected = 4 * 32 * sum(count * pairs(window) for window, count in windows.items())
    assert price.flops((0, L)) - 2 * price.parameters * L == expected
    assert price.flops((0, 9), (9, L)) == price.flops((0, L))


def test_chunks_are_no_windows():
    model = build(
        "llama4_text", attention_chunk_size=5, no_rope_layers=[1, 1, 1, 0], num_local_experts=2,
        num_experts_per_tok=1, intermediate_size_mlp=64, interleave_moe_layer_step=1,
    )  # fmt: skip
    price = Runner(model).price
    assert model.config.layer_types == ["chunked_attention"] * 3 + ["full_attention"]
    assert price.flops((0, L)) - 2 * price.parameters * L == 4 * 32 * (3 * pairs(chunk=5) + pairs())
    assert price.flops((0, 7), (7, L)) == price.flops((0, L))
    assert FlopPrice(0, chunked=((1.0, 5),)).flops((0, 6)) == 16


def test_heads_of_several_sizes_are_read_layer_by_layer():
    model = build("gemma4_text", hidden_size_per_layer_input=0, layer_types=SLIDING, sliding_window=7,
                  global_head_dim=16)  # fmt: skip
    price = Runner(model).price
    assert [layer.self_attn.head_dim for layer in model.model.layers] == [8, 16, 8, 16]
    assert price.flops((0, L)) - 2 * price.parameters * L == 2 * 4 * 4 * (8 * pairs(7) + 16 * pairs())


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_a_model_without_attention_is_refused_in_one_line(kind):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "state_size": 4, "vocab_size": 64}
    if kind == "mamba2":
        sizes |= {"num_heads": 4, "head_dim": 8, "n_groups": 1}
    with pytest.raises(BadInput, match="layers without a plain key-value cache"):
        Runner(AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes)))
