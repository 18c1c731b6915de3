"""Rows in texts, by what servers do to a prefix, to a name and to what stopped a reply."""

import json

import pytest

from policies import Sampling
from tests.served import Served, serving
from verifiers import Problem, Solution, Step, Stop

pytest.importorskip("openai", reason="the extra 'openai' is not installed")
from policies import OpenAI
from policies.backends import openai_client
from policies.backends.openai_verdicts import read_verdict

PROBLEMS = [Problem(f"p{i}", f"{i:02}+{i:02}?") for i in range(6)]
ROOT = Solution()
LINES = "a\nb\nc"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.005)


def lines(prompt: str, seed: int) -> str:
    return LINES


def opened(served: Served, **options: object) -> OpenAI:
    return OpenAI("toy", base_url=served.url, **{"tokenizer": False, "continues": True, **options})


def step(policy: OpenAI, prefix: Solution = ROOT) -> Solution:
    sampling = Sampling(max_tokens=200)
    return policy.extend(PROBLEMS[:1], [prefix], until="step", sampling=sampling, seeds=[0]).solutions[0]


@pytest.mark.parametrize(("asked", "named", "like"), [("oth", "other", "vllm"), ("toy", "other", "plain")])
def test_a_reply_may_name_what_an_alias_stands_for(asked: str, named: str, like: str) -> None:
    served = Served(lines, like=like, names=(asked, named), fault=lambda body, time: "model")
    with serving(served), OpenAI(asked, base_url=served.url, tokenizer=False) as policy:
        drawn = policy.extend(PROBLEMS, [ROOT] * 6, until="end", sampling=Sampling(), seeds=range(6))
        assert all(solution.finished for solution in drawn.solutions)
    assert len(served.bodies) == 6


def test_a_chat_that_trims_a_prefix_fails_the_row_by_name() -> None:
    with serving(Served(lines, like="trims")) as served:
        with opened(served) as policy:
            first = step(policy)
            asked = len(served.bodies)
            second = step(policy, first)
        assert first == Solution((Step("a\n"),))
        assert second.stop is Stop.FAILED
        assert second.reason == (
            f"problem 'p0': {served.url}: its chat does not keep the '\\n' that ends a prefix: take chat=no, or search "
            "whole solutions only"
        )
        assert len(served.bodies) - asked == 3


@pytest.mark.parametrize("blank", ["\n", "\n\n"])
def test_blank_lines_behind_a_prefix_are_kept_where_the_chat_keeps_it(blank: str) -> None:
    with serving(Served(lambda prompt, seed: f"a\n{blank}b\nc", like="vllm")) as served, opened(served) as policy:
        assert step(policy, step(policy)).steps == (Step("a\n"), Step(f"{blank}b\n"))


def test_a_text_to_complete_is_kept_as_it_is() -> None:
    served = Served(lambda prompt, seed: "a\n\n\n\n\nb\nc", like="vllm")
    with serving(served), opened(served, chat=False) as policy:
        assert step(policy, step(policy)).steps == (Step("a\n"), Step("\n\n\n\nb\n"))


def test_a_server_that_says_of_every_reply_that_nothing_stopped_it_is_not_believed() -> None:
    with serving(Served(lines, like="null")) as served, opened(served) as policy:
        grown = [step(policy)]
        assert len(served.bodies) == 2
        while grown[-1].stop is Stop.OPEN:
            grown.append(step(policy, grown[-1]))
        assert [len(solution.steps) for solution in grown] == [1, 2, 3]
        assert (grown[-1].text, grown[-1].stop) == (LINES, Stop.EOS)
        assert sum("stop" in body for body in served.bodies) == 1


def test_a_solution_of_one_line_ends_before_it_is_known_whether_the_server_says_what_stopped_it() -> None:
    served = Served(lambda prompt, seed: "a" if "00" in prompt else LINES, like="vllm")
    with serving(served), opened(served) as policy:
        assert step(policy) == Solution((Step("a"),), Stop.EOS)
        assert policy._rows.says_what_stopped is None
        policy.extend(PROBLEMS[1:2], [ROOT], until="step", sampling=Sampling(), seeds=[0])
        assert policy._rows.says_what_stopped
        asked = len(served.bodies)
        assert step(policy) == Solution((Step("a"),), Stop.EOS)
        assert len(served.bodies) == asked + 1


@pytest.mark.parametrize(
    ("text", "probs"),
    [
        ("Correct? Now let me see. Yes", None),
        ("Correct? Nothing is wrong: Yes", None),
        ("Correct? Yesterday", None),
        ("Correct? Not so sure, but Yes", None),
        ("Correct? **Yes**", (1.0, 0.0)),
        ("Correct?\n\nNo, it is 5.", (0.0, 1.0)),
        ("Correct? Yes", (1.0, 0.0)),
    ],
)
def test_a_verdict_ends_where_its_word_does(text: str, probs: tuple[float, float] | None) -> None:
    assert read_verdict(text, {}, "Correct?", (" Yes", " No"))[0] == probs


def test_a_verdict_that_is_a_mark_needs_no_end_of_a_word() -> None:
    assert read_verdict("Correct? +1", {}, "Correct?", ("+", "-"))[0] == (1.0, 0.0)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {"content": None},
        {"content": [{"token": None, "top_logprobs": []}]},
        {"tokens": [7], "top_logprobs": [None]},
        {"tokens": ["Correct?", " Yes"], "top_logprobs": [None, {" Yes": 1000.0}]},
        {"tokens": ["Correct?", " Yes"], "top_logprobs": [None, {" Yes": float("nan")}]},
    ],
)
def test_odd_log_probabilities_are_none(logprobs: object) -> None:
    assert read_verdict("Correct? Yes", {"logprobs": logprobs}, "Correct?", (" Yes", " No")) == ((1.0, 0.0), None)


def test_a_log_probability_that_rounding_put_above_0_is_a_probability_of_1() -> None:
    likely = {"tokens": ["Correct?", " Yes"], "top_logprobs": [None, {" Yes": 1e-4, " No": -20.0}]}
    probs, why = read_verdict("Correct? Yes", {"logprobs": likely}, "Correct?", (" Yes", " No"))
    assert why is None
    assert probs is not None
    assert probs[0] == 1.0
    assert probs[1] == pytest.approx(2e-9, rel=0.1)


def first(served: Served, **options: object) -> Solution:
    with serving(served), opened(served, tries=3, **options) as policy:
        return policy.extend(PROBLEMS[:1], [ROOT], until="end", sampling=Sampling(), seeds=[0]).solutions[0]


def saying(finish: str = "stop", **message: object) -> Served:
    """A server that replies with this message, and ends it so."""
    reply = {"choices": [{"message": message, "finish_reason": finish}]}
    return Served(lines, fault=lambda body, time: f"200 {json.dumps(reply)}")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"error": "top_k is none of its options"}', "top_k is none of its options"),
        ('{"detail": [{"loc": ["top_k"], "msg": "extra"}]}', '[{"loc": ["top_k"], "msg": "extra"}]'),
        ('{"message": "too\\n long"}', "too long"),
        ("<html>\n<title>no</title>", "<html> <title>no</title>"),
        ("{}", "Error code: 400"),
        ('{"error": {"message": null, "detail": "too long"}}', "too long"),
        ('{"message": "", "detail": "too long"}', "too long"),
        ('{"message": [], "detail": {"at": 4}, "msg": "too long"}', "too long"),
        ('{"error": {"msg": "too long"}}', "too long"),
        ('{"errors": ["zu gro\u00df"]}', '{"errors": ["zu gro\u00df"]}'),
        ('{"error": {"message": " ", "code": 7}}', '{"message": " ", "code": 7}'),
    ],
)
def test_a_refusal_is_told_in_the_server_s_words_however_it_spells_them(said: str, reason: str) -> None:
    assert str(first(Served(lines, fault=lambda body, time: f"400 {said}")).reason).endswith(f": HTTP 400 ({reason})")


@pytest.mark.parametrize("said", ["you sent Bearer KEY", {"errors": ["Bearer KEY"]}, {"you sent KEY": [{"KEY": 1}]}])
@pytest.mark.parametrize("key", ["sk-plain", 'sk-"two"\\\\quotes', "sk 'a'  b/c", "\\sk\\"])
def test_no_part_of_a_refusal_shows_the_key(said: object, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", key)
    body = json.dumps(said).replace("KEY", json.dumps(key)[1:-1])
    reason = str(first(Served(lines, fault=lambda asked, time: f"400 {body}"), key_env="TOY_KEY").reason)
    assert "***" in reason
    assert not any(part in reason for part in ("sk", "quotes", "two", "b/c"))


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking", "function_call", "refusal"])
def test_a_reply_that_says_nothing_but_elsewhere_is_no_solution(key: str) -> None:
    thinking = {"content": None, key: "so it is 4"}
    solution = first(served := saying(**thinking))
    assert str(solution.reason).endswith(f"its reply is no answer (it has no content, but {key})")
    assert len(served.bodies) == 1  # the same seed would say the same
    cut = first(saying("length", **thinking))
    assert (cut.stop, cut.text) == (Stop.LENGTH, "")
    assert str(first(saying(**{**thinking, "content": " \n"})).reason).endswith(f"(it has no content, but {key})")
    assert first(saying(content="4", **{key: "so it is 4"})).text == "4"
    assert first(saying(content=None)).stop is Stop.EOS  # as SGLang says of an end at once


@pytest.mark.parametrize("finish", ["tool_calls", "function_call"])
def test_a_reply_that_calls_a_tool_is_not_asked_for_again(finish: str) -> None:
    solution = first(served := saying(finish, content=None, **{finish: [{"id": "1"}]}))
    assert str(solution.reason).endswith(f"its reply is no answer (its finish_reason is {finish!r})")
    assert len(served.bodies) == 1


def test_of_a_message_in_parts_the_texts_are_taken() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "it is 4"}]
    assert first(saying(content=parts)).text == "it is 4"
    assert first(saying(content=[{"type": "text", "text": ""}])).stop is Stop.EOS


@pytest.mark.parametrize(
    ("content", "types"),
    [
        ([{"type": "thinking", "thinking": "hm"}, {"type": "refusal", "refusal": "no"}], "refusal, thinking"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "\n"}], "thinking"),
        ([{"type": "output_text", "text": "4"}], "output_text"),
        ([{"type": "text", "text": None}], "text"),
        ([{"type": "text", "text": [1, 2]}], "text"),
        ([{"type": ["text"]}, {}], "None, ['text']"),
        (["a", "b"], "str"),
    ],
)
def test_parts_without_a_text_are_no_solution(content: list[object], types: str) -> None:
    solution = first(served := saying(content=content))
    assert str(solution.reason).endswith(f"its reply is no answer (it has no content, but parts of type {types})")
    assert len(served.bodies) == 1
    cut = first(saying("length", content=content))
    assert (cut.stop, cut.text.strip()) == (Stop.LENGTH, "")


@pytest.mark.parametrize("content", [0, 4, False, {"text": "4"}])
def test_a_content_that_is_no_text_is_no_answer(content: object) -> None:
    solution = first(served := saying(content=content))
    assert str(solution.reason).endswith("its reply is no answer (its choice has no text) (tried 3 times)")
    assert len(served.bodies) == 3
