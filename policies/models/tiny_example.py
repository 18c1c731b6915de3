"""A tiny random model with a character-level tokenizer, for examples, tests and benchmarks."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

_CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
_EOS, _BOS, _UNKNOWN = "<eos>", "<bos>", "<unk>"


def tiny_tokenizer(characters: str = _CHARACTERS) -> Any:
    """A tokenizer with one token a character, and `<eos>`, `<bos>`, `<unk>` at ids 0 to 2.

    >>> tiny_tokenizer()("1+1")["input_ids"]
    [21, 15, 21]
    """
    vocabulary = {token: i for i, token in enumerate([_EOS, _BOS, _UNKNOWN, *dict.fromkeys(characters)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=_EOS, bos_token=_BOS, unk_token=_UNKNOWN)


def tiny_model(
    *, seed: int = 0, width: int = 32, layers: int = 2, heads: int = 4, context: int = 256
) -> tuple[PreTrainedModel, Any]:
    """A random Llama over `tiny_tokenizer`, and the tokenizer.

    >>> model, tokenizer = tiny_model()
    >>> model.config.vocab_size == len(tokenizer)
    True
    """
    tokenizer = tiny_tokenizer()
    generator_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=2,
            max_position_embeddings=context,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    torch.random.set_rng_state(generator_state)
    return model.eval(), tokenizer
