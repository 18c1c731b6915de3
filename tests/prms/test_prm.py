"""The PRM against plain forwards of its model, step by step."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Gemma3Config

import prms
from bench.tiny import weights_folder
from bench.tiny.worlds.worlds import WORLDS
from policies.models.token_rows import token_rows
from prms import PRM
from tests.worked import worked
from verifiers import Problem, Solution, Spend, Step, Stop, check_scorer, failed
from verifiers.interface.errors import ScoresShapeError
from verifiers.reward_models import reward_model
from verifiers.reward_models.reward_model import context_of

PRM_FOLDER = weights_folder("prm")


@pytest.fixture(scope="module")
def prm():
    return PRM.load(PRM_FOLDER)


def plain_scores(prm, problem, solution) -> list[float]:
    """Each step on its own: the plain forward of the text up to its end, no padding, no batch."""
    scores, text = [], problem.prompt
    for k, step in enumerate(solution.steps):
        text += step.text
        last = solution.finished and k == len(solution.steps) - 1
        ids = prm.tokenizer(text).input_ids + [prm.tokenizer.eos_token_id] * last
        with torch.inference_mode():
            hidden = prm.model.model(input_ids=torch.tensor([ids], device=prm.model.device)).last_hidden_state[0, -1]
            scores.append(float(torch.sigmoid(prm.model.score(hidden))))
    return scores


def test_it_keeps_the_laws_and_is_causal(prm):
    cases = [*worked("chain"), *worked("countdown", 2), *worked("word_sort", 2)]
    cases += [(p, Solution(s.steps[:2])) for p, s in cases[:2]]
    cases += [(cases[0][0], Solution(cases[0][1].steps, Stop.LENGTH)), (cases[0][0], failed("no reply"))]
    cases += [(cases[0][0], Solution()), (cases[0][0], Solution((Step(""),), Stop.EOS))]
    check_scorer(prm, cases, causal=True)


@pytest.mark.parametrize("name", WORLDS)
def test_every_score_is_the_plain_forward_of_its_prefix(prm, name):
    cases = list(worked(name, 3))
    scores = prm.score([p for p, _ in cases], [s for _, s in cases])
    for row, (problem, solution) in zip(scores.steps, cases, strict=True):
        np.testing.assert_allclose(row, plain_scores(prm, problem, solution), atol=1e-5)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=12), st.integers(1, 300))
@settings(max_examples=20, deadline=None)
def test_neither_repeats_nor_the_batch_size_change_a_score(prm, picks, batch_tokens):
    cases = list(worked("chain", 3)) + list(worked("countdown", 3))
    rows = [(cases[i][0], Solution(cases[i][1].steps[:length])) for i, length in picks]
    scores = PRM(prm.model, prm.tokenizer, batch_tokens).score([p for p, _ in rows], [s for _, s in rows])
    seen = set()
    for (problem, solution), row, spend in zip(rows, scores.steps, scores.spend, strict=True):
        alone = prm.score([problem], [solution])
        np.testing.assert_allclose(row, alone.steps[0], atol=1e-5)
        again = Spend(scorer_calls=1, cached_scored_tokens=alone.spend[0].scored_tokens)
        assert spend == (again if (problem, solution) in seen else alone.spend[0])
        seen.add((problem, solution))


def test_a_separator_never_merges_with_what_follows(prm):
    problem = Problem("p", "C 7-9*3\n")
    cut = prm.score([problem], [Solution((Step("7-9=8\n"), Step("8*3=4\n")))]).steps[0]
    assert cut.shape == (2,)
    whole = prm.score([problem], [Solution((Step("7-9=8\n8*3=4\n"),))]).steps[0]
    assert whole[0] == pytest.approx(cut[1], abs=1e-6)


def test_the_end_belongs_to_the_last_step_even_if_it_is_empty(prm):
    problem = Problem("p", "C 7-9*3\n")
    steps = (Step("7-9=8\n"), Step("8*3=4\n"), Step(""))
    scores = prm.score([problem], [Solution(steps, Stop.EOS)])
    np.testing.assert_allclose(scores.steps[0], plain_scores(prm, problem, Solution(steps, Stop.EOS)), atol=1e-5)
    unfinished = prm.score([problem], [Solution(steps)])
    assert np.isnan(unfinished.steps[0]).all()
    assert "step 3 of 3 is empty" in str(unfinished.reasons[0])


def test_an_over_long_solution_is_refused_with_a_reason_and_spoils_no_other(prm):
    problem = Problem("p", "C 1+1\n")
    long = Solution((Step("7" * 150 + "\n"), Step("7" * 150)))
    scores = prm.score([problem] * 2, [long, Solution((Step("1+1=2\n"),))])
    assert np.isnan(scores.steps[0]).tolist() == [True, True]
    assert "over the scorer's context of 256" in str(scores.reasons[0])
    assert not np.isnan(scores.steps[1]).any()


def test_a_root_costs_nothing(prm):
    scores = prm.score([Problem("p", "C 1+1\n")], [Solution()])
    assert scores.steps[0].shape == (0,)
    assert scores.spend[0].scored_tokens == 0


def test_a_problem_without_a_token_has_no_root_value(prm):
    problems = [Problem("empty", ""), Problem("p", "C 1+1\n")]
    scores = prm.root_values(problems)
    assert np.isnan(scores.steps[0]).tolist() == [True]
    assert scores.reasons == ("the prompt has no tokens: there is none to read its value at", None)
    assert scores.spend[0].scored_tokens == 0
    np.testing.assert_allclose(scores.steps[1], prm.root_values(problems[1:]).steps[0], atol=1e-6)


def test_the_context_is_the_text_models(prm):
    """Where a model has a part for pictures too, its length is in the text's part of the config."""
    config = Gemma3Config(text_config={"max_position_embeddings": 9})
    model = SimpleNamespace(config=config)
    short, long = Solution((Step("1"),)), Solution((Step("1" * 9),))
    rows = token_rows(prm.tokenizer, [Problem("p", "2+2=")] * 2, [short, long], limit=context_of(model))
    assert len(rows[0].ids) == 5
    assert "over the scorer's context of 9" in rows[1]


def test_a_dropped_step_is_noticed(prm, monkeypatch):
    problem, solution = next(worked())
    real = reward_model.read_ends
    monkeypatch.setattr(reward_model, "read_ends", lambda *a, **o: [row[:-1] for row in real(*a, **o)])
    steps = len(solution.steps)
    with pytest.raises(
        ScoresShapeError, match=rf"{problem.id!r}: .* gave {steps - 1} scores for a solution of {steps} steps"
    ):
        prm.score([problem], [solution])


def test_one_taught_errors_sees_the_first_of_a_pupil():
    prm = PRM.load(weights_folder("prm_error"))
    problem = Problem("p", "C 4+7-3-9+7*3+3\n")
    lines = ["4+7=1\n", "1-3=8\n", "8-9=9\n", "9+7=6\n", "6*3=8\n", "8+3=1\n", "=1"]
    slip = [*lines[:2], "8-9=1\n", "1+7=8\n", "8*3=4\n", "4+3=7\n", "=7"]
    good, bad = (Solution(tuple(Step(t) for t in texts), Stop.EOS) for texts in (lines, slip))
    scores = prm.score([problem] * 2, [good, bad]).steps
    assert (scores[0] > 0.5).all()
    assert (scores[1] > 0.5).tolist() == [True, True] + [False] * 5


def test_what_it_was_trained_on_is_kept_with_it(prm):
    assert (prm.target, prm.separator) == ("value", "\n")
    assert PRM.load(weights_folder("prm_error")).target == "error"
    assert isinstance(prms.load(str(PRM_FOLDER)), PRM)


def test_what_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no prm at .*nothing.*no such folder"):
        prms.load(str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        prms.load(str(tmp_path))
    with pytest.raises(ValueError, match="of kind 'orm', not 'prm'"):
        prms.load(str(weights_folder("orm")))
