"""Losses of read-outs are the same numbers for some tokens at a time."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from policies.training import examples
from policies.training.examples import _losses, next_token_loss, next_token_losses

VOCABULARY, ROWS, LENGTH = 50, 3, 200


class Lookup(torch.nn.Module):
    """A model whose logits are a table: one row per token's id."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.dtype = dtype
        self.table = torch.nn.Parameter(torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(0)))

    def forward(self, input_ids, attention_mask, use_cache):
        return SimpleNamespace(logits=self.table[input_ids].to(self.dtype))


def batch(count):
    draw = torch.Generator().manual_seed(count)
    ids = torch.randint(VOCABULARY, (ROWS, LENGTH), generator=draw)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "row": torch.randint(ROWS, (count,), generator=draw),
        "at": torch.randint(LENGTH, (count,), generator=draw),
        "targets": torch.randint(VOCABULARY, (count,), generator=draw).double(),
        "weights": torch.rand(count, generator=draw),
    }


@pytest.mark.parametrize("count", [0, 1, 256, 257, 599])
def test_losses_and_gradients_are_those_of_all_tokens_at_once(count):
    read, at_once, in_parts = batch(count), Lookup(), Lookup()
    logits = at_once(read["input_ids"], None, None).logits[read["row"], read["at"]]
    losses = cross_entropy(logits, read["targets"].long(), reduction="none")
    (losses * read["weights"]).sum().backward()
    next_token_loss(in_parts, read).backward()
    torch.testing.assert_close(next_token_losses(in_parts, read), losses)
    torch.testing.assert_close(in_parts.table.grad, at_once.table.grad)


def test_of_logits_in_bfloat16_no_more_than_a_part_is_kept_in_float32(monkeypatch):
    read, model = batch(599), Lookup(torch.bfloat16)
    kept = []

    def keep(tensor):
        kept.append(tensor.numel() if tensor.dtype == torch.float32 else 0)
        return tensor

    largest = []

    def told(logits, targets):
        largest.append(len(logits))
        return _losses(logits, targets)

    monkeypatch.setattr(examples, "_losses", told)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = next_token_losses(model, read)
    losses.sum().backward()
    assert largest == [256, 256, 87, 87, 256, 256]  # and again, from the last part to the first
    logits = model(read["input_ids"], None, None).logits[read["row"], read["at"]]
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, cross_entropy(logits.float(), read["targets"].long(), reduction="none"))
    assert sum(kept) < 256 * VOCABULARY
