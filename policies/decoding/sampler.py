"""Choose one token a row: a uniform number from (seed, position), then the inverse of the distribution function."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from policies.policy import Sampling

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NUCLEUS_WIDTH = 512  # a first guess at how many tokens hold the mass top_p; widened where they do not


def uniforms(seeds: npt.NDArray[np.uint64], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """One number in [0, 1) for each (seed, position), shape (B,): the same wherever and whenever it is asked for.

    The hash is splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
    generators"), used as a counter-based generator: no state, so no row depends on its batch-mates.

    >>> seeds, positions = np.array([7, 7, 8], np.uint64), np.array([0, 1, 0])
    >>> uniforms(seeds, positions).round(3).tolist()
    [0.722, 0.65, 0.267]
    """
    mixed = _mix(_mix(seeds + _GOLDEN) + (positions.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    # 32 bits: u times the total mass then stays below the total in float64.
    return (mixed >> np.uint64(32)).astype(np.float64) * 2.0**-32


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def choose(
    logits: torch.Tensor, u: torch.Tensor, sampling: Sampling
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sample from logits of shape (B, V) with u of shape (B,), float64 in [0, 1).

    Returns the tokens, their log-probabilities (of the tempered distribution, before top-k and
    top-p; at temperature 0 of the plain one) and which rows are sound (no NaN, no infinite mass),
    all of shape (B,).

    >>> logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    >>> [choose(logits, torch.tensor([x], dtype=torch.float64), Sampling(top_k=2))[0].item() for x in (0.6, 0.63, 0.99)]
    [0, 1, 1]
    """
    x = logits.float()
    if sampling.temperature not in (0.0, 1.0):
        x = x / sampling.temperature
    mass = torch.logsumexp(x, dim=-1)
    if sampling.temperature == 0.0:
        tokens = x.argmax(dim=-1)
    else:
        p = kept(torch.exp(x - mass[:, None]), sampling.top_k, sampling.top_p)
        # In the order of the vocabulary, not of the probabilities: near-ties that float noise would
        # reorder then do not move the boundaries between tokens.
        cumulative = p.cumsum(dim=-1, dtype=torch.float64)
        target = u[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, target, right=True)[:, 0].clamp_(max=x.shape[-1] - 1)
    logprobs = x.gather(1, tokens[:, None])[:, 0] - mass
    return tokens, logprobs, torch.isfinite(mass)


def kept(p: torch.Tensor, top_k: int, top_p: float) -> torch.Tensor:
    """Probabilities (B, V) with all but the top k, and then all but the top p of what is left, set to 0.

    Ties at the border are kept, so that the order of the vocabulary decides nothing; the result is not
    normalised. Top-p: Holtzman et al. 2020, section 3.1.

    >>> kept(torch.tensor([[0.4, 0.3, 0.2, 0.1]]), 3, 0.7).tolist()[0][2:]
    [0.0, 0.0]
    """
    vocabulary = p.shape[-1]
    if 0 < top_k < vocabulary:
        p = torch.where(p >= p.topk(top_k, dim=-1).values[:, -1:], p, 0.0)
    if top_p < 1.0:
        need = top_p * p.sum(dim=-1, keepdim=True, dtype=torch.float64)
        width = min(_NUCLEUS_WIDTH, vocabulary)
        while True:
            head = p.topk(width, dim=-1).values
            cumulative = head.cumsum(dim=-1, dtype=torch.float64)
            if width == vocabulary or bool((cumulative[:, -1:] >= need).all()):
                break
            width = min(8 * width, vocabulary)
        # A token is in the nucleus while those before it hold less than top_p.
        count = ((cumulative - head) < need).sum(dim=-1, keepdim=True).clamp_(min=1)
        p = torch.where(p >= head.gather(1, count - 1), p, 0.0)
    return p
