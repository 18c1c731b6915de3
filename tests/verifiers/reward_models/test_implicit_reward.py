"""The implicit reward against log-probabilities taken by hand."""

import numpy as np
import pytest

from policies import Transformers
from policies.models.tiny_example import tiny_model
from verifiers import ImplicitReward, Message, Problem, Solution, Step, Stop, check_scorer, failed, load

P = Problem("p1", "2+2=")
CASES = [
    (P, Solution((Step("it\n"), Step("is 4")), Stop.EOS)),
    (P, Solution((Step("5"),))),
    (Problem("p2", "1"), Solution((Step("a\n"), Step("b\n"), Step("c")), Stop.LENGTH)),
    (P, Solution()),
    (P, failed("no reply")),
]


@pytest.fixture(scope="module")
def models():
    return Transformers(*tiny_model(seed=1)), Transformers(*tiny_model(seed=2))


def test_it_is_beta_times_the_cumulated_gain(models):
    tuned, reference = models
    scorer = ImplicitReward(tuned, reference, beta=0.3)
    problems, solutions = [p for p, _ in CASES], [s for _, s in CASES]
    scores = scorer.score(problems, solutions)
    a, b = tuned.logprobs(problems, solutions), reference.logprobs(problems, solutions)
    for row, x, y in zip(scores.steps, a.steps, b.steps, strict=True):
        np.testing.assert_allclose(row, 0.3 * np.cumsum(x - y), atol=1e-4)
    assert scores.values()[0] == pytest.approx(0.3 * float((a.steps[0] - b.steps[0]).sum()), abs=1e-4)


def test_it_keeps_the_laws_and_is_causal(models):
    # A finished solution's last step holds the end of sequence, so only what goes on is compared.
    check_scorer(ImplicitReward(*models, beta=0.1), CASES, causal=True)


def test_both_models_are_paid_for(models):
    scorer = ImplicitReward(*models, beta=0.1)
    [spend] = scorer.score([P], [CASES[0][1]]).spend
    assert spend.scored_tokens == 2 * (4 + 3 + 4 + 1)
    assert spend.scorer_flops == 2 * models[0].price.flops((0, spend.scored_tokens // 2))
    assert (spend.scorer_calls, spend.policy_calls) == (1, 0)


def test_a_row_that_cannot_be_read_has_a_reason(models):
    scores = ImplicitReward(*models, beta=0.1).score([P, P], [Solution((Step("1" * 300),), Stop.EOS), CASES[0][1]])
    assert np.isnan(scores.values()).tolist() == [True, False]
    assert "context of 256" in str(scores.reasons[0])


def test_a_failed_solution_has_its_own_reason_and_costs_nothing(models):
    lost = failed("HTTP 500", (Step("it\n"), Step("is")))
    scores = ImplicitReward(*models, beta=0.1).score([P, P], [lost, CASES[0][1]])
    assert [np.isnan(row).all() for row in scores.steps] == [True, False]
    assert scores.reasons == ("HTTP 500", None)
    assert len(scores.steps[0]) == 2
    assert scores.spend[0].scored_tokens == 0
    only = ImplicitReward(*models, beta=0.1).score([P], [lost])
    assert (only.reasons, only.spend[0].scorer_calls) == (("HTTP 500",), 1)


def test_a_prompt_that_the_template_refuses_spoils_its_row_only():
    model, tokenizer = tiny_model()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    policy = Transformers(model, tokenizer)
    problems = [Problem("sys", (Message("system", "Be brief."), Message("user", "2+2="))), P]
    for scorer in (policy.logprobs, ImplicitReward(policy, policy, beta=0.1).score):
        scores = scorer(problems, [CASES[0][1]] * 2)
        assert [np.isnan(row).all() for row in scores.steps] == [True, False]
        assert scores.reasons == ("problem 'sys': the chat template refused the prompt (no system role)", None)
        assert len(scores.steps[0]) == 2


@pytest.mark.parametrize("entry", [{"kind": "dpo", "beta": 0.5, "chat": False}, {"kind": "dpo", "chat": True}, None])
def test_a_tuned_folder_is_read_as_it_was_trained(tmp_path, entry):
    for name in ("tuned", "base"):
        model, tokenizer = tiny_model(seed=len(name))
        tokenizer.chat_template = "{% for m in messages %}[{{ m.content }}]{% endfor %}"
        if entry is not None and name == "tuned":
            model.config.stepbeam = entry
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    chat = entry is None or entry["chat"]
    prompt = len("2+2=") + 2 * chat
    for scorer in (
        ImplicitReward.load(tmp_path / "tuned", tmp_path / "base", beta=0.1),
        load(f"implicit:{tmp_path / 'tuned'},{tmp_path / 'base'},beta=0.1"),
    ):
        assert scorer.beta == 0.1
        assert (scorer.policy.uses_chat_template, scorer.reference.uses_chat_template) == (chat, chat)
        [spend] = scorer.score([P], [Solution((Step("4"),))]).spend
        assert spend.scored_tokens == 2 * (prompt + 1)


def test_a_model_of_another_kind_is_refused(tmp_path):
    model, tokenizer = tiny_model()
    model.config.stepbeam = {"kind": "genrm"}
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a model of kind 'genrm', not 'dpo'"):
        ImplicitReward.load(tmp_path, tmp_path, beta=0.1)


def test_beta_must_be_positive(models):
    with pytest.raises(ValueError, match=r"beta=0\.0"):
        ImplicitReward(*models, beta=0.0)
