"""The planted word: the prover's values against counting, and the trainer as a whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.reproduce.pav.didactic import PLANTED, SAMPLING, imitator, problem_of, samples
from bench.tiny.worlds.planted import LETTERS, ROOM, ExactValue, Planted, letters_found
from policies import GRPOConfig, grpo_train
from verifiers import Solution

PROBLEM = problem_of(PLANTED)


def test_samples_of_the_prover_are_right_as_often_as_its_value_says():
    drawn = samples(5.0, 4000, seed=0)
    right = [
        letters_found("\n".join(LETTERS[i] for i in w if i < len(LETTERS)), PLANTED) == len(PLANTED) for w in drawn
    ]
    value = float(ExactValue(5.0).root_values([PROBLEM]).values()[0])
    assert np.mean(right) == pytest.approx(value, abs=4 * np.sqrt(value / 4000))
    assert max(map(len, drawn)) == ROOM


def test_the_imitator_is_weak_and_its_steps_are_letters():
    policy = imitator(seed=0)
    reply = policy.extend([PROBLEM] * 200, [Solution()] * 200, until="end", sampling=SAMPLING, seeds=range(200))
    rewards = Planted().score([PROBLEM] * 200, reply.solutions).values()
    assert 0.0 <= rewards.mean() < 0.2
    for solution in reply.solutions:
        assert all(len(step.text) == 2 for step in solution.steps if step.text)
        assert solution.token_count <= ROOM


def test_a_training_of_one_imitator_leaves_the_next_as_it_was():
    changed, kept = imitator(seed=0), [weight.clone() for weight in imitator(seed=0).model.parameters()]
    with torch.no_grad():
        for weight in changed.model.parameters():
            weight.add_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(imitator(seed=0).model.parameters(), kept, strict=True))


@pytest.mark.slow
def test_pav_rl_finds_a_word_that_the_outcome_alone_does_not(tmp_path):
    """The trainer as a whole: sampling, scores, credit and update; at chance both would stay where they are."""
    word = "kebdig"
    plain = GRPOConfig(
        steps=150, groups=1, group_size=64, sampling=SAMPLING, learning_rate=1e-3, scale="none", gate="never",
        save_every=0, attribute_every=0,
    )  # fmt: skip
    pav = replace(plain, gate="always", credit="advantage")
    last = {}
    for name, prm, config in (("outcome", None, plain), ("pav", ExactValue(10.0), pav)):
        policy = imitator(seed=0, planted=word)
        result = grpo_train(policy, [problem_of(word)], Planted(), prm, out=tmp_path / name, config=config)
        last[name] = np.mean([row["reward"] for row in result.metrics[-10:]])
    assert last["pav"] > 0.7
    assert last["outcome"] < 0.1
