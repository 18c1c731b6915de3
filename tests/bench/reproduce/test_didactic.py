"""The planted word: the prover's values against counting, and the trainer as a whole."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.reproduce.pav import didactic
from bench.reproduce.pav.didactic import (
    LETTERS,
    PLANTED,
    PROBLEM,
    ROOM,
    SAMPLING,
    Planted,
    Prover,
    found,
    imitator,
    samples,
)
from policies import GRPOConfig, grpo_train
from verifiers import Solution, Stop, check_scorer, split_steps


def word(letters: str, stop: Stop = Stop.EOS) -> Solution:
    return Solution(split_steps("".join(f"{letter}\n" for letter in letters)), stop)


def test_values_are_what_counting_all_words_gives(monkeypatch):
    monkeypatch.setattr(didactic, "LETTERS", "abc")
    didactic._chance.cache_clear()
    gamma, planted, room = 3.0, "ab", 4
    total = 0.0
    for drawn in itertools.product("abc.", repeat=room):  # "." is the end; what follows it is never drawn
        letters = "".join(drawn).partition(".")[0]
        shown = drawn[: len(letters) + 1]
        if any(x != "." for x in drawn[len(shown) :]):
            continue
        chance, at = 1.0, 0
        for letter in shown:
            wanted = at < len(planted)
            mass = 4.0 + (gamma - 1.0) * wanted
            hit = wanted and letter == planted[at]
            chance *= (gamma if hit else 1.0) / mass
            at += hit
        total += chance * (at == len(planted))
    assert didactic._chance(gamma, len(planted), room) == pytest.approx(total, rel=1e-12)
    didactic._chance.cache_clear()


def test_the_prover_is_a_lawful_scorer_whose_steps_add_up():
    prover = Prover(10.0)
    cases = [(PROBLEM, word(w)) for w in ("kebdi", "kxe", "aaaaaaaaaa", "k")] + [(PROBLEM, word("ke", Stop.OPEN))]
    check_scorer(prover, cases, causal=True)
    [row] = prover.score([PROBLEM], [word("kebdi")]).steps
    assert row[-1] == 1.0
    assert (np.diff(row) > 0).all()
    assert prover.score([PROBLEM], [word("kxe")]).steps[0][-1] == 0.0  # it has ended without the rest
    assert prover.root_values([PROBLEM]).values()[0] < row[0]


def test_samples_of_the_prover_are_right_as_often_as_its_value_says():
    drawn = samples(5.0, 4000, seed=0)
    right = [found("\n".join(LETTERS[i] for i in w if i < len(LETTERS))) == len(PLANTED) for w in drawn]
    value = float(Prover(5.0).root_values([PROBLEM]).values()[0])
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
    for name, prm, config in (("outcome", None, plain), ("pav", Prover(10.0, word), pav)):
        policy = imitator(seed=0, planted=word)
        result = grpo_train(policy, [PROBLEM], Planted(word), prm, out=tmp_path / name, config=config)
        last[name] = np.mean([row["reward"] for row in result.metrics[-10:]])
    assert last["pav"] > 0.7
    assert last["outcome"] < 0.1
