"""The losses of group-relative policy optimisation, token by token, and what each token weighs in a batch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from policies.grpo.config import Loss


def token_weights(lengths: Sequence[int], *, loss: Loss, max_tokens: int) -> npt.NDArray[np.float64]:
    """What each token of each of a batch's N solutions weighs in the loss, shape (N,).

    >>> token_weights([2, 6], loss="grpo", max_tokens=10).tolist()
    [0.25, 0.08333333333333333]
    >>> token_weights([2, 6], loss="dapo", max_tokens=10).tolist()
    [0.125, 0.125]

    "grpo" is the mean over solutions of their mean over tokens (Shao et al. 2024, equation 3), "dr_grpo" the sum
    over N * `max_tokens` (Liu et al. 2025), "dapo" the mean over all tokens (Yu et al. 2025, equation 8). The
    weights are those of the whole batch, so its parts may be computed one by one, in any split, and add up to
    the same gradient. Give the solutions that are trained on and no others: a dead group in the
    denominator would only shrink the step. Raises ValueError for an unknown loss and a solution without tokens.
    """
    counts = np.asarray(lengths, dtype=np.float64)
    if (counts <= 0).any():
        raise ValueError(f"solution {int((counts <= 0).argmax())} has no tokens: there is nothing to train on")
    if loss == "grpo":
        return 1.0 / (len(counts) * counts)
    if loss == "dr_grpo":
        return np.full(len(counts), 1.0 / (len(counts) * max_tokens)) if len(counts) else counts
    if loss == "dapo":
        return np.full(len(counts), 1.0 / counts.sum()) if len(counts) else counts
    raise ValueError(f"loss={loss!r}: use one of grpo, dr_grpo, dapo")


def clipped_loss(
    logprobs: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, *, clip_low: float, clip_high: float
) -> torch.Tensor:
    """-min(ratio * A, clip(ratio) * A) for each token; all shapes are equal (PPO; Schulman et al. 2017, equation 7).

    `old` are the log-probabilities under the policy that sampled. Where only one update is made from a rollout,
    they are `logprobs.detach()`: the ratio is 1, and the gradient is that of -A log pi. The ratio is held within
    [1 - `clip_low`, 1 + `clip_high`] (DAPO's clip-higher, where these differ).
    """
    ratio = (logprobs - old).exp()
    held = ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    return -torch.minimum(ratio * advantages, held * advantages)


def k3(logprobs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Schulman's k3 estimate of KL(policy, reference) for each token: e^d - d - 1 with d = reference - policy.

    Never negative, 0 where both agree. The difference is held within 20 nats, so that one token cannot
    overflow the batch.
    """
    d = (reference - logprobs).clamp(-20.0, 20.0)
    return d.exp() - d - 1.0
