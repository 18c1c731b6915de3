"""The implicit reward against log-probabilities taken by hand."""

import numpy as np
import pytest

from policies import Transformers
from policies.tiny_example import tiny_model
from verifiers import ImplicitReward, Problem, Solution, Step, Stop, check_scorer, failed

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
    assert spend.scorer_flops == models[0].runner.flops_per_token * spend.scored_tokens
    assert (spend.scorer_calls, spend.policy_calls) == (1, 0)


def test_a_row_that_cannot_be_read_has_a_reason(models):
    scores = ImplicitReward(*models, beta=0.1).score([P, P], [Solution((Step("1" * 300),), Stop.EOS), CASES[0][1]])
    assert np.isnan(scores.values()).tolist() == [True, False]
    assert "context of 256" in str(scores.reasons[0])


def test_beta_must_be_positive(models):
    with pytest.raises(ValueError, match=r"beta=0\.0"):
        ImplicitReward(*models, beta=0.0)
