"""Reward models with their bodies on vLLM's pooling runner, beside the transformers path."""

from dataclasses import replace

import numpy as np
import pytest

import policies
import prms
import search
import verifiers
from bench.tiny import load_task, weights_folder
from policies.backends import vllm_engine
from verifiers import Problem, Solution, Stop, split_steps

pytest.importorskip("vllm", reason="the extra 'vllm' is not installed")
pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]
TASK = load_task("chain", count=12)


@pytest.fixture(scope="module")
def solutions():
    policy = policies.Transformers.load(weights_folder("policy"), dtype="float32")
    reply = policy.extend(
        TASK.problems, [Solution()] * 12, until="end", sampling=TASK.sampling, seeds=list(range(12))
    ).solutions
    return [*reply[:10], *(Solution(s.steps[:2]) for s in reply[10:])]


def test_our_orm(solutions):
    served = verifiers.load(f"orm:{weights_folder('orm')},engine=vllm")
    try:
        theirs = served.score(TASK.problems, solutions)
        verifiers.check_scorer(served, list(zip(TASK.problems, solutions, strict=True))[:4])
    finally:
        served.model.close()
    ours = verifiers.load(f"orm:{weights_folder('orm')}").score(TASK.problems, solutions)
    np.testing.assert_allclose(ours.values(), theirs.values(), atol=1e-4)
    assert ours.spend == theirs.spend
    assert served.name == "orm(orm)"


@pytest.mark.parametrize("name", ["prm", "prm_error", "prover"])
def test_our_prms(name, solutions):
    served = prms.load(weights_folder(name), engine="vllm")
    try:
        theirs = served.score(TASK.problems, solutions)
        roots = served.root_values(TASK.problems)
        found = search.rerank([(TASK.problems[0], solutions[:3])], served, answers=TASK.answers)
        assert verifiers.remembering(served) is served
    finally:
        served.model.close()
    plain = prms.load(weights_folder(name))
    ours = plain.score(TASK.problems, solutions)
    for a, b in zip(ours.steps, theirs.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert (ours.spend, served.target) == (theirs.spend, plain.target)
    for a, b in zip(plain.root_values(TASK.problems).steps, roots.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert found[0].solution is not None


def test_an_engine_with_options(solutions):
    served = prms.load(weights_folder("prm"), engine=policies.EngineOptions(context=64, memory_bytes=1 << 28))
    try:
        cut = served.score(TASK.problems, solutions)
    finally:
        served.model.close()
    whole = prms.load(weights_folder("prm")).score(TASK.problems, solutions)
    too_long = [i for i, spend in enumerate(whole.spend) if spend.scored_tokens + spend.cached_scored_tokens > 64]
    assert 0 < len(too_long) < len(solutions)
    assert [i for i, reason in enumerate(cut.reasons) if reason is not None] == too_long
    for i in set(range(len(solutions))) - set(too_long):
        np.testing.assert_allclose(cut.steps[i], whole.steps[i], atol=1e-4)


def test_an_engine_that_cannot_start_is_told_in_a_line():
    with pytest.raises(ValueError, match="max_model_len is context=") as raised:
        prms.load(weights_folder("prm"), engine=policies.EngineOptions(context=5120))
    assert str(raised.value).startswith(f"{weights_folder('prm')}: vLLM could not load it: ")
    assert "\n" not in str(raised.value)


def test_a_few_states_are_held_at_a_time(solutions, monkeypatch):
    served = prms.load(weights_folder("prm"), engine="vllm")
    try:
        whole = served.score(TASK.problems, solutions)
        asked = []
        hidden = served.model.base_model.engine.hidden
        monkeypatch.setattr(served.model.base_model.engine, "hidden", lambda rows: asked.append(rows) or hidden(rows))
        monkeypatch.setattr("verifiers.reward_models.vllm_backbone._TOKENS", 100)
        parts = served.score(TASK.problems, solutions)
    finally:
        served.model.close()
    assert len(asked) > 3
    assert all(len(rows) == 1 or sum(map(len, rows)) <= 100 for rows in asked)
    for a, b in zip(whole.steps, parts.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_model_of_another_kind_leaves_no_engine_behind():
    for load, words in (
        (verifiers.GenRM.load, "not a trained generative verifier"),
        (verifiers.ORM.load, "no trained orm"),
    ):
        with pytest.raises(ValueError, match=words):
            load(weights_folder("policy"), engine="vllm")
    assert not vllm_engine._RUNNING


def test_rationales_depend_on_their_own_solution_only(solutions):
    judge = verifiers.GenRM.load(weights_folder("genrm_cot"), votes=2, engine="vllm", dtype="float32")
    try:
        together = judge.score(TASK.problems[:5], solutions[:5]).values()
        alone = [judge.score([p], [s]).values()[0] for p, s in zip(TASK.problems[:5], solutions[:5], strict=True)]
    finally:
        judge.policy.close()
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_public_prms(kind, wide_public_folders):
    folder = str(wide_public_folders[kind])
    plain = prms.load(folder)
    cases = [
        (
            Problem("p1", "What is 2+2?"),
            Solution(split_steps(f"One.{plain.separator}2+2=4", plain.separator), Stop.EOS),
        ),
        (Problem("p2", "What is 3?"), Solution(split_steps(f"It is 3.{plain.separator}", plain.separator))),
        (Problem("p3", "Too long"), Solution(split_steps("x " * 600, plain.separator))),
    ]
    problems, solutions = [p for p, _ in cases], [s for _, s in cases]
    served = prms.load(folder, engine="vllm")
    try:
        theirs = served.score(problems, solutions)
    finally:
        served.backbone.close()
    ours = plain.score(problems, solutions)
    for a, b in zip(ours.steps, theirs.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert not np.isnan(theirs.steps[0]).any()
    assert ours.reasons == theirs.reasons
    assert ours.spend == theirs.spend
    assert replace(ours, steps=(), spend=(), reasons=()).reduce == theirs.reduce
