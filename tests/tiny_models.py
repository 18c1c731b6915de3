"""Random models of a few hundred weights, and byte-level tokenizers that learnt to merge on a few texts."""

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from policies.training.examples import Batch, Example, collated


def random_llama(vocab_size: int, **changes: object) -> LlamaForCausalLM:
    """A Llama of one layer, with the same weights at every call."""
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, **(sizes | changes))).eval()


def byte_pairs(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE as that of a pretrained model, trained on `texts`; id 0 ends a sequence."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False, vocab_size=vocab_size
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")


def batch_of(examples: Sequence[Example], picks: Sequence[int], *, factors: Sequence[float] = (1.0,)) -> Batch:
    """The tensors of one batch in one part, as a training makes them: each term's mean times its factor."""
    picked = [examples[i] for i in picks]
    totals = [sum(float(e.weights.sum()) for e in picked if e.term == term) for term in range(len(factors))]
    return collated(picked, [factors[e.term] / totals[e.term] for e in picked])
