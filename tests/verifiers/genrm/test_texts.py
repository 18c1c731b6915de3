"""Generative verifiers on a server that gives texts and no token ids."""

import math
import re

import numpy as np
import pytest

import verifiers
from policies import OpenAI, Sampling
from tests.served import Served, serving
from verifiers import GENRM, JUDGE, GenRM, LLMJudge, check_scorer
from verifiers.genrm.format import GenRMFormat
from verifiers.interface.errors import EngineStoppedError
from verifiers.interface.solution import Problem, Solution, Step, Stop

PROBLEMS = [Problem(f"p{i}", f"{i}+{i}") for i in range(3)]
SOLUTIONS = [Solution((Step(text),), Stop.EOS) for text in ("It is 0.", "It is 2.", "It is 5.")]
RIGHT = [True, True, False]
CHAT = GenRMFormat(
    direct="{problem} = {solution} Right?", cot="", solver="", verdict="?", yes="Yes", no="No", chat=True
)


def is_right(prompt: str) -> bool:
    problem, said = re.findall(r"(\d)\+\d", prompt)[-1], re.findall(r"It is (\d)", prompt)[-1]
    return 2 * int(problem) == int(said)


def judge(prompt: str, seed: int) -> str:
    """What a judge says: once in four times it forgets the verdict."""
    verdict = "Yes" if is_right(prompt) else "No"
    return "It adds up." if seed % 4 == 3 else f"Let me see.\n{JUDGE.verdict} {verdict}.\nThat is all."


def likely(begun: str) -> dict[str, float]:
    """Of the place behind a verdict's words, and of the first token."""
    if begun and not begun.endswith("(Yes/No)?"):
        return {}
    probs = {" Yes": 0.6, " No": 0.3} if begun else {" Yes": 0.75, " Maybe": 0.2}
    return {token: math.log(prob) for token, prob in probs.items()}


def served(**options: object) -> Served:
    return Served(judge, mark="", **options)


def opened(server: Served, **options: object) -> OpenAI:
    return OpenAI("toy", base_url=server.url, tokenizer=False, **options)


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_a_judge_is_asked_once_a_vote_and_read_in_its_text(chat: bool, told: bool) -> None:
    words = JUDGE if chat else GENRM
    with serving(served(likely=likely if told else None)) as server, opened(server, chat=chat) as policy:
        scorer = LLMJudge(policy, votes=3, format=words)
        judged = scorer.as_genrm().judge(PROBLEMS, SOLUTIONS)
        check_scorer(scorer, list(zip(PROBLEMS, SOLUTIONS, strict=True)))
        forgotten = sum(not judge("0+0 It is 0", body["seed"]).startswith("Let") for body in server.bodies)
    for vote, right in zip(judged, RIGHT, strict=True):
        expected = [1.0, 0.0] if right else [0.0, 1.0]
        assert np.allclose([vote.yes[0], vote.no[0]], [0.6, 0.3] if told else expected)
        assert vote.rationales[0] == f"Let me see.\n{JUDGE.verdict}"
    assert forgotten > 0  # and was drawn again
    assert all(not np.isnan(vote.yes).any() for vote in judged)
    assert all(vote.spend.judged_tokens > 0 for vote in judged)


def test_a_direct_verdict_is_read_of_the_most_likely_tokens() -> None:
    with serving(served(likely=likely)) as server, opened(server, chat=False) as policy:
        raw = GenRM(policy, format=GENRM)
        assert np.allclose(raw.score(PROBLEMS, SOLUTIONS).values(), 0.75)
        [body, *_] = server.bodies
        assert body["prompt"].endswith("It is 0.\nVerification: Is the answer correct (Yes/No)?")
        assert (body["max_tokens"], body["temperature"]) == (1, 0.0)
        # " No" is not among them: it has at most what they leave, 1 - 0.75 - 0.2 - that of "Let".
        assert raw.judge(PROBLEMS[:1], SOLUTIONS[:1])[0].no[0] == pytest.approx(0.0, abs=0.05)


def test_a_direct_verdict_without_log_probabilities_is_silent_and_says_why() -> None:
    with serving(served()) as server, opened(server) as policy:
        scores = GenRM(policy, format=CHAT).score(PROBLEMS, SOLUTIONS)
    assert np.isnan(scores.values()).all()
    assert scores.reasons[0] == "the server gives no log-probabilities, of which a verdict without a rationale is read"


def test_a_server_that_refuses_log_probabilities_is_asked_without() -> None:
    fault = lambda body, time: "400" if body.get("logprobs") else None  # noqa: E731
    with serving(served(fault=fault)) as server, opened(server, connections=1) as policy:
        values = LLMJudge(policy, votes=3).score(PROBLEMS, SOLUTIONS).values()
        assert values.tolist() == [float(right) for right in RIGHT]
        assert sum("logprobs" in body for body in server.bodies) < len(server.bodies) // 2


def test_a_row_that_the_server_does_not_answer_has_its_reason() -> None:
    with serving(served(fault=lambda body, time: "400")) as server, opened(server) as policy:
        scores = LLMJudge(policy, votes=1, redraws=0, sampling=Sampling()).score(PROBLEMS, SOLUTIONS)
    assert np.isnan(scores.values()).all()
    assert all("HTTP 400" in (reason or "") for reason in scores.reasons)


@pytest.mark.parametrize("told", [True, False])
def test_a_vote_without_an_answer_is_a_failed_score_and_never_another_seed(told: bool) -> None:
    with serving(served(likely=likely if told else None)) as server, opened(server) as policy:
        sound = LLMJudge(policy, votes=4).score(PROBLEMS[:2], SOLUTIONS[:2])
        seeds = {body["seed"] for body in server.bodies}
        last = next(
            b for b in server.bodies if "0+0" in str(b["messages"]) and judge("0+0 It is 0", b["seed"]) != "It adds up."
        )
        fault = lambda body, time: "400" if body["seed"] == last["seed"] else None  # noqa: E731
        server.fault, server.bodies = fault, []
        broken = LLMJudge(policy, votes=4).score(PROBLEMS[:2], SOLUTIONS[:2])
        assert {body["seed"] for body in server.bodies} <= seeds
        server.fault = lambda body, time: None
        assert LLMJudge(policy, votes=4).score(PROBLEMS[:2], SOLUTIONS[:2]).values().tolist() == sound.values().tolist()
    assert np.isnan(broken.values()[0])
    assert "vote " in str(broken.reasons[0])
    assert "HTTP 400" in str(broken.reasons[0])
    assert broken.values()[1] == sound.values()[1]


@pytest.mark.parametrize("direct", [True, False])
def test_a_judge_on_a_server_that_refuses_everything_is_stopped(direct: bool) -> None:
    with serving(served(fault=lambda body, time: "401")) as server, opened(server) as policy:
        scorer = GenRM(policy, format=CHAT) if direct else LLMJudge(policy, votes=2)
        with pytest.raises(EngineStoppedError, match=r"HTTP 401 .*: set OPENAI_API_KEY to a key that it takes"):
            scorer.score(PROBLEMS, SOLUTIONS)


def test_a_spec_names_a_judge_on_a_server() -> None:
    with serving(served()) as server:
        judge_ = verifiers.load(f"judge:toy,base_url={server.url},tokenizer=no,votes=2,max_tokens=300")
        assert isinstance(judge_, LLMJudge)
        assert judge_.name == "judge(toy, votes=2)"
        assert judge_.score(PROBLEMS, SOLUTIONS).values().tolist() == [float(right) for right in RIGHT]
        assert {body["max_tokens"] for body in server.bodies} == {300}
        judge_.policy.close()
    for spec in ("judge:toy,tries=3", "judge:toy,base_url=http://localhost,engine=vllm"):
        with pytest.raises(ValueError, match="is for a server: give its base_url, and no engine"):
            verifiers.load(spec)
    with pytest.raises(ValueError, match="unknown verifier"):
        verifiers.load("genrm:toy,base_url=http://localhost")
