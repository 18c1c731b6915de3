"""Log-probabilities of given tokens without the logits of a whole batch."""

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint


def token_logprobs(
    hidden: torch.Tensor,
    head: Callable[[torch.Tensor], torch.Tensor],
    targets: torch.Tensor,
    *,
    temperature: float = 1.0,
    chunk: int = 1024,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The log-probability of each target in nats, and the entropy there: two float32 tensors of shape (N,).

    `hidden` has shape (N, d): the states that `head` (the LM head) turns into logits; `targets` (N,) the
    ids that followed. Logits are divided by `temperature`, as in sampling.

    >>> head = torch.nn.Linear(8, 50)
    >>> logprobs, entropy = token_logprobs(torch.zeros(3, 8), head, torch.tensor([1, 2, 3]), chunk=2)
    >>> logprobs.shape, bool((entropy > 0).all())
    (torch.Size([3]), True)

    The logits of `chunk` tokens exist at a time, in the backward pass too, where they are computed again: for a
    vocabulary V that is chunk x V numbers and not N x V, which would be most of a training's memory. The
    entropy carries no gradient. Raises ValueError where the shapes differ.
    """
    if hidden.ndim != 2 or targets.shape != hidden.shape[:1]:
        raise ValueError(
            f"hidden of shape {tuple(hidden.shape)} and targets {tuple(targets.shape)}: (N, d) and (N,) fit"
        )
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}: log-probabilities need one above 0")
    chunks = [
        checkpoint(_of_chunk, hidden[i : i + chunk], head, targets[i : i + chunk], temperature, use_reentrant=False)
        for i in range(0, len(hidden), chunk)
    ]
    if not chunks:
        return hidden.new_zeros(0, dtype=torch.float32), hidden.new_zeros(0, dtype=torch.float32)
    logprobs, entropy = zip(*chunks, strict=True)
    return torch.cat(logprobs), torch.cat(entropy)


def _of_chunk(
    hidden: torch.Tensor, head: Callable[[torch.Tensor], torch.Tensor], targets: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = head(hidden)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
    logprobs = logits.log_softmax(-1)
    with torch.no_grad():
        entropy = -(logprobs.exp() * logprobs).sum(-1)
    return logprobs.gather(-1, targets[:, None])[:, 0], entropy
