"""The losses: exact gradients on a policy that can be enumerated, and sums that no split of the batch changes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.grpo.loss import clipped_loss, k3, token_weights
from policies.training.token_logprobs import token_logprobs

V, T = 4, 3
LOSSES = ("grpo", "dr_grpo", "dapo")


def logits_of(seed):
    """An autoregressive policy over V tokens and T places: logits by (place, token before)."""
    return torch.randn(T, V, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def logprobs_of(logits, sequences):
    """Log-probability of each token, (N, T); before the first stands token 0."""
    table = logits.log_softmax(-1)
    before = torch.cat([torch.zeros(len(sequences), 1, dtype=torch.long), sequences[:, :-1]], dim=1)
    return table[torch.arange(T), before, sequences]


ALL = torch.tensor(list(itertools.product(range(V), repeat=T)))
REWARD = torch.tensor(
    [float(a + 2 * b == c + 1) + 0.3 * float(a == c) for a, b, c in ALL.tolist()], dtype=torch.float64
)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_expected_gradient_is_that_of_the_expected_reward(loss):
    """Over all 64 sequences, each weighted by its probability; of one length, so all three losses agree."""
    logits = logits_of(0).requires_grad_()
    (logprobs_of(logits, ALL).sum(1).exp() @ REWARD).backward()
    exact, logits.grad = logits.grad, None
    logprobs = logprobs_of(logits, ALL)
    chance = logprobs.detach().sum(1).exp()
    advantages = (REWARD - float(chance @ REWARD))[:, None].expand(-1, T)
    tokens = clipped_loss(logprobs, logprobs.detach(), advantages, clip_low=0.2, clip_high=0.2)
    # One sequence is a batch of its own here: its weight is that of a batch of one.
    weight = token_weights([T], loss=loss, max_tokens=T)[0]
    (weight * (chance[:, None] * tokens)).sum().backward()
    torch.testing.assert_close(-T * logits.grad, exact, rtol=1e-10, atol=1e-12)


def test_sampled_gradients_come_to_the_exact_one():
    logits = logits_of(1).requires_grad_()
    (logprobs_of(logits, ALL).sum(1).exp() @ REWARD).backward()
    exact, logits.grad = logits.grad.clone(), None
    chance = logprobs_of(logits.detach(), ALL).sum(1).exp()
    drawn = torch.multinomial(chance, 200_000, replacement=True, generator=torch.Generator().manual_seed(2))
    logprobs = logprobs_of(logits, ALL[drawn])
    advantages = (REWARD[drawn] - REWARD[drawn].mean())[:, None].expand(-1, T)
    tokens = clipped_loss(logprobs, logprobs.detach(), advantages, clip_low=0.2, clip_high=0.2)
    (tokens * float(token_weights([T] * len(drawn), loss="dapo", max_tokens=T)[0])).sum().backward()
    error = (-T * logits.grad - exact).abs().max()
    assert error < 0.01 * float(exact.abs().max()) + 2e-3


def test_gradients_are_those_of_the_formulas():
    generator = torch.Generator().manual_seed(3)
    old, new, reference = (
        torch.randn(2, 5, generator=generator, dtype=torch.float64, requires_grad=name == "new") * 0.3
        for name in ("old", "new", "reference")
    )
    advantages = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    new = new.detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: clipped_loss(x, old, advantages, clip_low=0.2, clip_high=0.28), (new,))
    assert torch.autograd.gradcheck(lambda x: k3(x, reference), (new,))


def test_on_policy_the_ratio_is_one_and_the_gradient_that_of_log_pi():
    logprobs = torch.tensor([-1.0, -0.3], requires_grad=True)
    advantages = torch.tensor([2.0, -0.5])
    tokens = clipped_loss(logprobs, logprobs.detach(), advantages, clip_low=0.2, clip_high=0.2)
    torch.testing.assert_close(tokens, -advantages)
    tokens.sum().backward()
    torch.testing.assert_close(logprobs.grad, -advantages)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.5, 1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (0.5, -1.0, False), (1.25, 1.0, True), (0.85, -1.0, True)],
)
def test_what_has_moved_far_enough_is_moved_no_further(ratio, advantage, moves):
    logprobs = torch.tensor([float(np.log(ratio))], requires_grad=True)
    tokens = clipped_loss(logprobs, torch.zeros(1), torch.tensor([advantage]), clip_low=0.2, clip_high=0.28)
    tokens.sum().backward()
    assert bool(logprobs.grad) == moves


def test_k3_is_never_negative_nor_infinite_and_its_mean_is_the_kl():
    logits, other = logits_of(4), logits_of(5)
    mine, theirs = logprobs_of(logits, ALL), logprobs_of(other, ALL)
    estimates = k3(mine, theirs)
    assert (estimates >= 0).all()
    chance = mine.sum(1).exp()
    # Token by token: the mean of k3 over the policy is the KL between the next-token distributions.
    exact = chance @ (mine - theirs)
    torch.testing.assert_close(chance @ estimates, exact)
    assert k3(torch.zeros(1), torch.tensor([1e4])).isfinite().all()
    assert k3(torch.zeros(1), torch.zeros(1)).item() == 0.0


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
    loss=st.sampled_from(LOSSES),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_the_split_into_parts_changes_no_sum(lengths, cuts, loss, seed):
    values = [np.random.default_rng((seed, i)).normal(size=n) for i, n in enumerate(lengths)]
    weights = token_weights(lengths, loss=loss, max_tokens=9)
    whole = sum(w * v.sum() for w, v in zip(weights, values, strict=True))
    expected = {
        "grpo": np.mean([v.mean() for v in values]),
        "dr_grpo": sum(v.sum() for v in values) / (len(lengths) * 9),
        "dapo": np.concatenate(values).mean(),
    }[loss]
    assert whole == pytest.approx(expected)
    borders = [0, *sorted(c for c in cuts if c < len(lengths)), len(lengths)]
    parts = [sum(weights[i] * values[i].sum() for i in range(a, b)) for a, b in itertools.pairwise(borders)]
    assert sum(parts) == pytest.approx(whole)


def test_what_cannot_be_weighed_is_named():
    with pytest.raises(ValueError, match="solution 1 has no tokens"):
        token_weights([3, 0], loss="grpo", max_tokens=9)
    with pytest.raises(ValueError, match="loss='ppo'"):
        token_weights([3], loss="ppo", max_tokens=9)
    assert [len(token_weights([], loss=loss, max_tokens=9)) for loss in LOSSES] == [0, 0, 0]


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_by_chunks_are_those_of_all_logits(chunk, temperature):
    generator = torch.Generator().manual_seed(6)
    hidden = torch.randn(7, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    head = torch.nn.Linear(5, 11).double()
    targets = torch.randint(11, (7,), generator=generator)
    found, entropy = token_logprobs(hidden, head, targets, temperature=temperature, chunk=chunk)
    (found * torch.arange(7)).sum().backward()
    gradients = [hidden.grad.clone(), head.weight.grad.clone(), head.bias.grad.clone()]
    hidden.grad = None
    head.zero_grad()
    plain = (head(hidden) / temperature).log_softmax(-1)
    expected = plain[torch.arange(7), targets]
    (expected * torch.arange(7)).sum().backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(entropy, -(plain.exp() * plain).sum(-1).detach())
    assert not entropy.requires_grad
    for one, other in zip(gradients, (hidden.grad, head.weight.grad, head.bias.grad), strict=True):
        torch.testing.assert_close(one, other)


def test_no_more_logits_than_a_chunk_exist_at_once():
    seen = []

    class Head(torch.nn.Linear):
        def forward(self, hidden):
            seen.append(len(hidden))
            return super().forward(hidden)

    hidden = torch.randn(10, 4, requires_grad=True)
    found, _ = token_logprobs(hidden, Head(4, 6), torch.zeros(10, dtype=torch.long), chunk=4)
    found.sum().backward()
    assert seen[:3] == [4, 4, 2]
    assert sorted(seen[3:]) == [2, 4, 4]  # once more, going back
    assert token_logprobs(hidden[:0], Head(4, 6), torch.zeros(0, dtype=torch.long))[0].shape == (0,)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"hidden of shape \(2, 3\) and targets \(3,\)"):
        token_logprobs(torch.zeros(2, 3), torch.nn.Linear(3, 5), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="temperature is 0"):
        token_logprobs(torch.zeros(2, 3), torch.nn.Linear(3, 5), torch.zeros(2, dtype=torch.long), temperature=0)
