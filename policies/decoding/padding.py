"""Rows of ids as tensors: padded on the right, which no token sees, because it comes later."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence


def padded(rows: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of ids with zeros behind them, and a mask with ones where the ids are: two (N, longest) tensors.

    >>> [tensor.tolist() for tensor in padded([[7, 8], [9]])]
    [[[7, 8], [9, 0]], [[1, 1], [1, 0]]]
    """
    ids = [torch.as_tensor(row, dtype=torch.long) for row in rows]
    return pad_sequence(ids, batch_first=True), pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
