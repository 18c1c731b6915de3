"""How many of a model's parameters a token passes through."""

from typing import Any

import torch


def flop_parameters(model: Any) -> int:
    """Parameters that a token passes through: all but the embedding tables, and the LM head (tied or not).

    Twice this number is a forward pass's FLOPs per token (Kaplan et al. 2020, section 2.1, who leave
    the head out too; here it counts because small models spend much of their time in it). All experts
    of a mixture are counted.
    """
    head = model.get_output_embeddings()
    tables = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    if head is not None:
        tables -= {id(p) for p in head.parameters()}
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values() if id(p) not in tables)
