"""The sampler against the analytic distribution, and the generator against chance."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from policies import Sampling
from policies.decoding.sampler import choose, kept, uniforms

LOGITS = torch.tensor([2.0, -1.0, 0.5, 1.5, 0.0, -3.0, 1.0, 0.2])


def analytic(logits, temperature, top_k, top_p):
    """By the definition, in plain Python: temperature, then the k best, then the smallest set that holds top_p."""
    p = np.exp(np.asarray(logits, np.float64) / temperature)
    p /= p.sum()
    order = sorted(range(len(p)), key=lambda i: -p[i])
    if top_k:
        order = order[:top_k]
    need, held, nucleus = top_p * p[order].sum(), 0.0, []
    for i in order:
        if nucleus and held >= need:
            break
        nucleus.append(i)
        held += p[i]
    out = np.zeros_like(p)
    out[nucleus] = p[nucleus] / held
    return out


CASES = [(1.0, 0, 1.0), (0.7, 0, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.8), (1.3, 5, 0.9), (0.5, 4, 0.5), (1.0, 1, 1.0)]


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), CASES)
def test_samples_follow_the_analytic_distribution(temperature, top_k, top_p):
    n = 40_000
    u = torch.from_numpy(uniforms(np.full(n, 123, np.uint64), np.arange(n)))
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    tokens, _, sound = choose(LOGITS.expand(n, -1), u, sampling)
    assert sound.all()
    expected = analytic(LOGITS, temperature, top_k, top_p)
    counts = np.bincount(tokens.numpy(), minlength=len(LOGITS))
    assert counts[expected == 0].sum() == 0
    if (expected > 0).sum() > 1:
        assert stats.chisquare(counts[expected > 0], n * expected[expected > 0]).pvalue > 1e-3


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), CASES)
def test_the_inverse_distribution_function_is_exact(temperature, top_k, top_p):
    n = 5000
    u = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    tokens, _, _ = choose(LOGITS.expand(n, -1), u, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))
    shares = np.bincount(tokens.numpy(), minlength=len(LOGITS)) / n
    assert np.abs(shares - analytic(LOGITS, temperature, top_k, top_p)).max() <= 1 / n


@given(
    st.lists(st.floats(-8, 8), min_size=2, max_size=30, unique=True),
    st.integers(0, 30),
    st.sampled_from([0.05, 0.3, 0.65, 0.9, 0.999, 1.0]),
)
def test_the_kept_tokens_are_those_of_the_definition(logits, top_k, top_p):
    p = torch.softmax(torch.tensor(logits), -1)
    got = kept(p[None], top_k, top_p)[0].double()
    expected = torch.from_numpy(analytic(p.log(), 1.0, top_k, top_p))
    near = torch.isclose(p[:, None], p[None]).sum() > len(p)  # a tie up to float noise keeps both
    if not near:
        borderline = (got > 0) ^ (expected > 0)
        assert borderline.sum() == 0 or float(p.double()[borderline].min()) < 1e-6
        assert torch.allclose(got / got.sum(), expected, atol=1e-6) or borderline.any()


def test_a_nucleus_wider_than_the_first_guess_is_found():
    p = torch.full((2, 4000), 1 / 4000) * torch.linspace(1.1, 0.9, 4000)
    p[1] = 0
    p[1, 7] = 1
    got = kept(p, 0, 0.9)
    assert 3500 < (got[0] > 0).sum() < 3650
    assert (got[1] > 0).sum() == 1


def test_ties_at_the_border_are_kept():
    assert (kept(torch.tensor([[0.3, 0.3, 0.3, 0.1]]), 1, 1.0) > 0).tolist() == [[True, True, True, False]]


def test_log_probabilities_are_of_the_tempered_distribution_before_the_filters():
    u = torch.tensor([0.2, 0.9], dtype=torch.float64)
    tokens, logprobs, _ = choose(LOGITS.expand(2, -1), u, Sampling(temperature=0.6, top_k=3, top_p=0.9))
    assert torch.allclose(logprobs, torch.log_softmax(LOGITS / 0.6, -1)[tokens])
    greedy, logprobs, _ = choose(LOGITS[None], u[:1], Sampling(temperature=0.0))
    assert greedy.item() == 0
    assert torch.allclose(logprobs, torch.log_softmax(LOGITS, -1)[:1])


def test_rows_that_are_not_finite_are_told():
    bad = torch.stack([LOGITS, LOGITS.clone().fill_(torch.nan), LOGITS.clone().fill_(-torch.inf), LOGITS])
    bad[3, 0] = torch.inf
    for temperature in (0.0, 1.0):
        _, _, sound = choose(bad, torch.full((4,), 0.5, dtype=torch.float64), Sampling(temperature=temperature))
        assert sound.tolist() == [True, False, False, False]


def test_uniforms_are_uniform_and_rows_are_independent():
    seeds, positions = np.meshgrid(np.arange(300, dtype=np.uint64), np.arange(300))
    u = uniforms(seeds.ravel(), positions.ravel())
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert 0 <= u.min() < u.max() < 1
    table = u.reshape(300, 300)
    for a, b in ((table[:, :-1], table[:, 1:]), (table[:-1], table[1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.015
    assert len(np.unique(u)) > 0.9999 * len(u)


def test_the_largest_uniform_does_not_leave_the_vocabulary():
    u = torch.tensor([1 - 2.0**-32], dtype=torch.float64)
    for seed in range(50):
        logits = torch.randn(1, 1000, generator=torch.Generator().manual_seed(seed)) * 4
        tokens, _, _ = choose(logits, u, Sampling(top_k=7))
        assert tokens.item() in logits[0].topk(7).indices
