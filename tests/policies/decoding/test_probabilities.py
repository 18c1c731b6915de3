"""Next-token probabilities and log-probabilities against plain forwards of the model."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import Sampling, Transformers
from policies.models.tiny_example import tiny_model
from verifiers import Message, Problem, Solution, Step, Stop

PROBLEMS = [Problem("p1", "1+1="), Problem("p2", "What is 2+2?\n"), Problem("p3", "x")]
TEXTS = st.lists(st.text("0123456789+= \n", min_size=1, max_size=8), max_size=4)


@pytest.fixture(scope="module")
def policy():
    return Transformers(*tiny_model())


def plain_logits(policy, ids):
    with torch.inference_mode():
        return policy.model(input_ids=torch.tensor([ids])).logits[0].double()


def ids_of(policy, problem, solution):
    return [i for text in (problem.prompt, *(s.text for s in solution.steps)) for i in policy.encode(text)]


@given(st.lists(st.tuples(st.sampled_from(PROBLEMS), TEXTS), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_next_token_probabilities_are_the_models(rows):
    policy = Transformers(*tiny_model())
    solutions = [Solution(tuple(Step(t) for t in texts)) for _, texts in rows]
    tokens = policy.encode("YN 7")
    found = policy.next_token_probs([p for p, _ in rows], solutions, tokens=tokens)
    for (problem, _), solution, got in zip(rows, solutions, found.probs, strict=True):
        logits = plain_logits(policy, ids_of(policy, problem, solution))[-1]
        np.testing.assert_allclose(got, logits.softmax(-1)[list(tokens)].numpy(), atol=1e-6)


def test_probabilities_of_all_tokens_sum_to_one(policy):
    found = policy.next_token_probs(PROBLEMS, [Solution()] * 3, tokens=range(policy.runner.vocabulary))
    np.testing.assert_allclose(found.probs.sum(axis=1), 1.0, atol=1e-5)


def test_a_shared_prompt_is_paid_once_and_a_sampled_prefix_is_remembered(policy):
    problem, policy = PROBLEMS[0], policy.remembering()
    found = policy.next_token_probs([problem] * 3, [Solution(), Solution((Step("2"),)), Solution()], tokens=[5])
    # The prompt, then its last token once more, for the probabilities after it.
    assert [s.prompt_tokens for s in found.spend] == [4 + 1, 1, 0]
    assert [s.cached_prompt_tokens for s in found.spend] == [0, 4, 4]
    sampling = Sampling(max_tokens=200)
    drawn = policy.extend([problem] * 8, [Solution()] * 8, until="step", sampling=sampling, seeds=range(8)).solutions
    grown = next(solution for solution in drawn if solution.stop is Stop.OPEN)
    after = policy.next_token_probs([problem], [grown], tokens=[5])
    assert after.spend[0].prompt_tokens == 1  # its last token alone had not been computed


@given(st.lists(st.tuples(st.sampled_from(PROBLEMS), TEXTS, st.booleans()), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_log_probabilities_of_steps_are_sums_over_their_tokens(rows):
    policy = Transformers(*tiny_model())
    solutions = [Solution(tuple(Step(t) for t in texts), Stop.EOS if ends else Stop.OPEN) for _, texts, ends in rows]
    found = policy.logprobs([p for p, _, _ in rows], solutions)
    for (problem, _, ends), solution, got, spend in zip(rows, solutions, found.steps, found.spend, strict=True):
        ids = ids_of(policy, problem, solution) + [policy.tokenizer.eos_token_id] * ends
        logprobs = plain_logits(policy, ids).log_softmax(-1)
        at, expected = len(policy.encode(problem.prompt)), []
        for k, step in enumerate(solution.steps):
            n = len(policy.encode(step.text)) + (ends and k == len(solution.steps) - 1)
            expected.append(sum(float(logprobs[i - 1, ids[i]]) for i in range(at, at + n)))
            at += n
        np.testing.assert_allclose(got, expected, atol=1e-4)
        assert spend.prompt_tokens == (len(ids) if solution.steps else 0)


def test_they_agree_with_what_the_policy_says_while_sampling(policy):
    sampling = Sampling(max_tokens=60)
    drawn = policy.extend(PROBLEMS, [Solution()] * 3, until="end", sampling=sampling, seeds=[1, 2, 3]).solutions
    found = policy.logprobs(PROBLEMS, drawn)
    for solution, row in zip(drawn, found.steps, strict=True):
        np.testing.assert_allclose(row, [math.fsum(step.logprobs) for step in solution.steps], atol=1e-3)


def test_rows_that_cannot_be_read_have_a_reason_and_spoil_no_other(policy):
    long = Solution((Step("1" * 300),))
    said = policy.logprobs([PROBLEMS[0]] * 2, [long, Solution((Step("2"),))])
    assert np.isnan(said.steps[0]).all()
    assert "304 tokens and a context of 256" in str(said.reasons[0])
    assert said.reasons[1] is None
    assert np.isfinite(said.steps[1]).all()
    after = policy.next_token_probs([PROBLEMS[0]] * 2, [long, Solution()], tokens=[4])
    assert np.isnan(after.probs[0]).all()
    assert "304 tokens" in str(after.reasons[0])
    assert after.reasons[1] is None


def test_a_batch_as_small_as_memory_allows_changes_nothing(policy):
    small = Transformers(*tiny_model(), batch_bytes=1)
    solutions = [Solution((Step("2+2\n"), Step("=4")), Stop.EOS), Solution((Step("=7"),)), Solution((Step("\n=1"),))]
    for a, b in zip(policy.logprobs(PROBLEMS, solutions).steps, small.logprobs(PROBLEMS, solutions).steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    prefixes = [Solution(s.steps) for s in solutions]
    ours, theirs = (p.next_token_probs(PROBLEMS, prefixes, tokens=[9, 8]) for p in (policy, small))
    np.testing.assert_allclose(ours.probs, theirs.probs, atol=1e-6)


def test_an_ended_prefix_has_no_next_token(policy):
    with pytest.raises(ValueError, match=r"problem 'p1' \(row 0\) has already ended"):
        policy.next_token_probs(PROBLEMS[:1], [Solution((Step("2"),), Stop.EOS)], tokens=[4])


def test_a_conversation_without_a_template_is_read_as_lines(policy):
    chat = Problem("c", (Message("user", "2+2?"),))
    found = policy.logprobs([chat], [Solution((Step("4"),))])
    assert found.spend[0].prompt_tokens == len("user: 2+2?\nassistant:") + 1
