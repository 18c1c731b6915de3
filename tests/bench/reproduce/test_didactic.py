"""The planted word: the prover's values against counting, and the trainer as a whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.reproduce.pav.didactic import PLANTED, SAMPLING, draw, fine_tuned, imitator, problem_of, samples
from bench.reproduce.pav.measured import CANDIDATES, NS, measured, next_step_entropy
from bench.tiny.worlds.planted import LETTERS, ROOM, ExactValue, Planted, letters_found
from policies import GRPOConfig, grpo_train
from verifiers import Solution, Stop

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


def test_to_end_is_an_action_of_its_own():
    """So an early end is punished by itself, and a right letter before it is not."""
    drawn = draw(imitator(seed=0), PLANTED, 200, seed=0, what="test")
    ended = [s for s in drawn if s.stop is Stop.EOS]
    assert 50 < len(ended) < len(drawn)
    assert all(len(solution.steps[-1].tokens or ()) == 1 for solution in ended)
    for solution in drawn:
        assert "" not in [step.text for step in solution.steps[:-1]]
        assert (solution.steps[-1].text == "") == (solution.stop is Stop.EOS)
    early = next(s for s in ended if len(s.steps) > 2)
    *letters, end = ExactValue(10.0).score([PROBLEM], [early]).steps[0]
    assert letters[-1] > end == 0.0


def test_a_start_may_have_learnt_from_its_own_right_samples():
    word = "ab"  # which the imitator finds now and then
    before, after = imitator(seed=0, planted=word), fine_tuned(seed=0, planted=word, rollouts=400)
    found = [
        Planted().score([problem_of(word)] * 400, draw(policy, word, 400, seed=1, what="test")).values().mean()
        for policy in (before, after)
    ]
    assert 0.05 < found[0] < found[1] - 0.1
    unlucky = fine_tuned(seed=0, planted="abcdefghij", rollouts=16)
    same = imitator(seed=0, planted="abcdefghij")
    assert all(torch.equal(a, b) for a, b in zip(unlucky.model.parameters(), same.model.parameters(), strict=True))


def test_what_a_policy_can_do_is_measured():
    found = measured(imitator(seed=0, planted="ab"), "ab", seed=0, drawn=128)
    chances = [found[f"pass@{n}"] for n in NS]
    assert chances == sorted(chances)
    assert 0 < chances[0] < chances[-1] == found["found"] == 1.0
    assert {found[f"beam {n}"] for n in CANDIDATES} == {1.0}
    assert 1.0 < found["entropy"] < np.log(15)


def test_the_entropy_of_the_next_step_is_that_of_its_probabilities():
    policy = imitator(seed=0)
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.zero_()  # every token is as likely as any other, that of the beginning too
    tokens = len(LETTERS) + 2
    expected = (len(LETTERS) + 1) / tokens * np.log(tokens)
    assert next_step_entropy(policy, PLANTED, draw(policy, PLANTED, 4, seed=0, what="test")) == pytest.approx(expected)


def test_a_training_of_one_imitator_leaves_the_next_as_it_was():
    changed, kept = imitator(seed=0), [weight.clone() for weight in imitator(seed=0).model.parameters()]
    with torch.no_grad():
        for weight in changed.model.parameters():
            weight.add_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(imitator(seed=0).model.parameters(), kept, strict=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::policies.training.skipped.NothingLearntWarning")  # which the outcome alone earns
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
