"""A PRM that can be hacked, in a small world: what an open gate makes of it, a shut one, and what the audit sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.reproduce.pav.didactic import SAMPLING, imitator, problem_of
from bench.tiny.worlds.planted import ExactValue, Planted
from bench.training.audit import audit, read_metrics
from policies import GRPOConfig, grpo_train
from policies.grpo.advantages import CREDITS
from verifiers import from_function, from_steps

pytestmark = pytest.mark.slow  # some dozen trainings

WORD = "keb"
PROBLEM = problem_of(WORD)
CONFIG = GRPOConfig(
    steps=60, groups=8, group_size=8, sampling=SAMPLING, learning_rate=3e-3, save_every=0, attribute_every=0
)


@from_steps
def hackable(problem, solution):
    """A PRM that likes one letter, which has nothing to do with the task."""
    return [float("a" in step.text) for step in solution.steps]


@from_steps
def constant(problem, solution):
    """A PRM that says the same of every step."""
    return [0.6] * len(solution.steps)


def trained(out, gate):
    config = replace(CONFIG, gate=gate)
    held_out = ExactValue(10.0)
    start = imitator(seed=0, planted=WORD)
    grpo_train(start, [PROBLEM], Planted(), hackable, out=out, config=config, held_out=held_out)
    return read_metrics(out)


def last(rows, name):
    return np.mean([row[name] for row in rows[-10:]])


def test_an_open_gate_lets_a_hackable_prm_ruin_the_policy_and_the_audit_says_so(tmp_path):
    rows = trained(tmp_path, "always")
    assert last(rows, "prm") > 0.9
    assert last(rows, "reward") < 0.05
    found = audit(rows)
    assert found.fired
    assert "the PRM rose and the verifier fell" in found.signs


@pytest.mark.parametrize("gate", ["never", "all_wrong"])
def test_behind_a_shut_gate_the_same_prm_does_no_harm_and_the_audit_is_silent(tmp_path, gate):
    rows = trained(tmp_path, gate)
    assert last(rows, "reward") > 0.9
    assert last(rows, "prm") < 0.1
    assert not audit(rows).fired


@pytest.mark.parametrize("credit", [c for c in CREDITS if c != "future_sum"])
def test_a_prm_that_tells_nothing_moves_no_weight(tmp_path, credit):
    before, after = imitator(seed=0), imitator(seed=0)
    config = replace(CONFIG, steps=2, gate="all_wrong", credit=credit)
    wrong = from_function(lambda problem, solution: 0.0)
    rows = grpo_train(after, [PROBLEM], wrong, constant, out=tmp_path, config=config).metrics
    assert all(row["dead"] == 1.0 for row in rows)
    for a, b in zip(before.model.parameters(), after.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_summed_from_a_step_on_the_same_prm_pays_for_length(tmp_path):
    """The artefact of the faithful rule: no step is better than another, and solutions grow."""
    config = replace(CONFIG, steps=40, gate="all_wrong", credit="future_sum")
    wrong = from_function(lambda problem, solution: 0.0)
    rows = grpo_train(imitator(seed=0), [PROBLEM], wrong, constant, out=tmp_path, config=config).metrics
    steps = [row["steps"] for row in rows]
    assert np.mean(steps[-5:]) > np.mean(steps[:5]) + 1.0
