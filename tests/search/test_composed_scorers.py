"""Scorers made of others work unchanged in every strategy, and problems together equal problems alone."""

import numpy as np
import pytest

import policies
import prms
import search
import verifiers
from bench.tiny import load_task, weights_folder
from prms.pav import PAV
from prms.rollout_value import RolloutValue
from verifiers.combinators.cached import cached
from verifiers.combinators.calibration import Calibrated, Platt
from verifiers.combinators.weighted import weighted

TASK = load_task("chain", count=4, seed=5, difficulty=4)
COMMON = {"answers": TASK.answers, "sampling": TASK.sampling}
BEAM = {"width": 2, "expand": 2, "max_steps": 8, **COMMON}
PROCESS = ["rollout_value", "pav", "pav_best_of_k", "pav_of_rollouts", "weighted", "cached", "calibrated"]


@pytest.fixture(scope="module")
def policy():
    return policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")


@pytest.fixture(scope="module")
def scorers(tmp_path_factory, policy):
    prm = prms.load(str(weights_folder("prm")))
    orm = verifiers.load(f"orm:{weights_folder('orm')}")
    rollouts = RolloutValue(orm, policy, 2, sampling=TASK.sampling)
    path = tmp_path_factory.mktemp("kept") / "scores.sqlite"
    return {
        "rollout_value": rollouts,
        "pav": PAV(prm, RolloutValue(TASK.verifier, policy, 2, sampling=TASK.sampling)),
        "pav_best_of_k": PAV.best_of_k(prm),
        "pav_of_rollouts": PAV.best_of_k(RolloutValue(TASK.verifier, policy, 4, sampling=TASK.sampling), k=2),
        "weighted": weighted({prm: 0.7, orm: 0.3}),
        "cached": cached(prm, path, name="prm", causal=True),
        "calibrated": Calibrated(prm, Platt(2.0, -1.0)),
        "outcome": weighted({Calibrated(orm, Platt(2.0, -1.0)): 0.5, orm: 0.5}),
    }


@pytest.mark.parametrize("name", [*PROCESS, "outcome"])
def test_it_reranks_and_votes(scorers, policy, name):
    scorer = scorers[name]
    best = search.best_of_n(TASK.problems, policy, scorer, n=4, **COMMON)
    votes = search.weighted_majority(TASK.problems, policy, scorer, n=4, **COMMON)
    again = search.rerank([(r.problem, r.pool) for r in best], scorer, answers=TASK.answers)
    for one, vote, other in zip(best, votes, again, strict=True):
        assert one.answer == other.answer
        assert vote.answer is not None
        np.testing.assert_allclose(one.scores.values(), other.scores.values(), atol=1e-5)
        assert not np.isnan(one.scores.values()).any()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "pav_of_rollouts" else []) for name in PROCESS]
)
def test_it_guides_a_beam_and_together_is_as_alone(scorers, policy, name):
    scorer = scorers[name]
    together = search.beam_search(TASK.problems[:3], policy, scorer, **BEAM)
    assert all(result.answer is not None for result in together)
    for result in together:
        [alone] = search.beam_search([result.problem], policy, scorer, **BEAM)
        assert [s.text for s in alone.pool] == [s.text for s in result.pool]
        assert alone.answer == result.answer
        np.testing.assert_allclose(alone.scores.values(), result.scores.values(), atol=1e-5)
        if name != "cached":  # what is kept is free for whoever comes second
            for field in ("scored_tokens", "judged_tokens", "scorer_calls", "sampled_tokens"):
                assert getattr(alone.spend, field) == getattr(result.spend, field), field


def test_what_is_silent_inside_a_solution_is_refused_by_beam_search(scorers, policy):
    with pytest.raises(search.NoOpinionError, match="RolloutValue"):
        search.beam_search(TASK.problems[:1], policy, scorers["outcome"], **BEAM)
