"""What is said of saved generations: what fits, what was cut, null or set aside, and golds that cannot be read."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.pools.saved_pool import SavedPool
from tests.bench.pools.saved_rows import GOLD, RIGHT, WRONG, Q, notes, pass_at_1, read
from verifiers import Stop
from verifiers.interface.errors import BadInput

MESSAGE = {"role": "assistant", "content": RIGHT}
SAMPLE = {"id": 7, "epoch": 1, "input": Q, "target": GOLD}
LM = {"doc_id": 0, "doc": {"question": Q, "answer": GOLD}, "target": GOLD, "filter": "none"}
BODY = {"choices": [{"message": {"content": text}, "finish_reason": "stop"} for text in (RIGHT, WRONG)]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sample(text: str | None, **more: object) -> dict[str, object]:
    return {**SAMPLE, "output": {"choices": [{"message": {"role": "assistant", "content": text}}]}, **more}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"frage": Q, "antwort": GOLD, "versuche": [RIGHT, WRONG]},
            "no 'prompt' in this row; it has 'frage', 'antwort', 'versuche'; "
            "try --columns prompt=frage,solutions=versuche,answer=antwort",
        ),
        ({"question": Q, "gold": GOLD, "versuch": RIGHT}, "no list.*; try --columns text=versuch"),
        (
            {"question": Q, "gold": GOLD, "solutions": [{"versuch": RIGHT}]},
            "solution 0: no 'text'.*; try --columns text=versuch",
        ),
        ({"frage": Q, "gold": GOLD, "responses": [RIGHT]}, "no 'prompt' in.*'frage'.*; try --columns prompt=frage"),
        ({"info": {"frage": Q}, "gold": GOLD, "responses": [RIGHT]}, "; try --columns prompt=info.frage"),
    ],
)
def test_what_is_not_recognised_ends_in_one_line_with_what_would_fit(row: object, message: str) -> None:
    with pytest.raises(BadInput, match=rf"^p.jsonl:1: {message if message[0] != ';' else '.*' + message}") as error:
        read(row)
    assert "\n" not in str(error.value)


def test_a_gold_answer_that_is_not_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    for name, value, hint in (("loesung", "4", "answer=loesung"), ("accuracy_reward", 1.0, "correct=accuracy_reward")):
        read({"question": Q, "response": RIGHT, name: value})
        assert main(["rerank", "p.jsonl", "--n=1", "--out=out"]) == 2
        line = capsys.readouterr().err
        assert "has neither an 'answer' nor 'correct' for each solution; the row has 'question', 'response'" in line
        assert line.endswith(f"; try --columns {hint}\n")
        assert main(["rerank", "p.jsonl", "--n=1", f"--columns={hint}", f"--out={hint}"]) == 0


@pytest.mark.parametrize(
    ("field", "stop"),
    [
        ({"finish_reason": "stop"}, Stop.EOS),
        ({"finish_reason": "length"}, Stop.LENGTH),
        ({"finish_reason": "MAX_TOKENS"}, Stop.LENGTH),
        ({"finish_reason": None, "stop_reason": 128001}, Stop.EOS),
        ({"finish_reason": "stop", "stop_reason": "max"}, Stop.EOS),
        ({"finish_reason": {"type": "length", "length": 512}}, Stop.LENGTH),
        ({"finish_reason": {"type": "stop", "matched": "</s>"}}, Stop.EOS),
        ({"finish_reason": "FinishReason.MAX_TOKENS"}, Stop.LENGTH),
        ({"meta_info": {"finish_reason": {"type": "length"}}}, Stop.LENGTH),
        ({"stop_reason": "end_turn"}, Stop.EOS),
        ({"stop_reason": "max_tokens"}, Stop.LENGTH),
        ({"stop_reason": "max_output_tokens"}, Stop.LENGTH),
        ({"stop_reason": "eos_token"}, Stop.EOS),
        ({"stop_reason": "tool_calls"}, Stop.FAILED),
        ({"finishReason": "SAFETY"}, Stop.FAILED),
        ({"finish_reason": "content_filter"}, Stop.FAILED),
        ({"stop_type": "limit", "stop": True}, Stop.LENGTH),
        ({"stop": ["\n"], "finish_reason": "length"}, Stop.LENGTH),
        ({"truncated": True}, Stop.LENGTH),
        ({"truncated": False}, Stop.EOS),
        ({"stop": "eos", "finish_reason": "length"}, Stop.EOS),
    ],
)
def test_the_words_for_a_stop(field: dict[str, object], stop: Stop) -> None:
    [pool] = read({"prompt": Q, "answer": GOLD, "solutions": [{"text": RIGHT, **field}]})
    assert [s.stop for s in pool.solutions] == [stop]
    [pool] = read({"question": Q, "answer": GOLD, "response": RIGHT, **field})
    assert [s.stop for s in pool.solutions] == [stop]


def test_stops_beside_solutions_and_words_that_are_not_known() -> None:
    pools = read({"prompt": Q, "answer": GOLD, "samples": ["4", "4", "4"], "finish_reasons": ["stop", "length", None]})
    assert [s.stop for s in pools[0].solutions] == [Stop.EOS, Stop.LENGTH, Stop.EOS]
    pools = read({"prompt": Q, "answer": GOLD, "samples": [{"text": "4", "finish_reason": "why not"}, "5"]})
    assert "1 of 2 solutions were stopped by 'why not', which is not known; they count as finished" in notes(pools)
    assert pass_at_1(pools) == 0.5
    pools = read({"prompt": Q, "answer": GOLD, "samples": [{"text": "4", "stop_reason": "tool_calls"}, "4"]})
    assert "1 of 2 solutions failed (recorded as tool_calls); they count as wrong" in notes(pools)


@pytest.mark.parametrize(
    "row",
    [
        {"solutions": [RIGHT, None]},
        {"solutions": [{"text": RIGHT}, {"text": None}]},
        {"choices": [{"message": {"content": RIGHT}}, {"message": {"content": None, "reasoning_content": "4"}}]},
        {"generations": [[RIGHT], [None]]},
        {"responses": [[MESSAGE], None]},
        {"samples": json.dumps([RIGHT, None])},
        {"outputs": [{"text": RIGHT}, {"text": None}]},
        {"completions": [{"completion": RIGHT}, {"completion": None}]},
    ],
)
def test_a_null_is_a_failed_solution(row: dict[str, object]) -> None:
    pools = read({"prompt": Q, "answer": GOLD, **row})
    assert [s.stop for s in pools[0].solutions] == [Stop.EOS, Stop.FAILED]
    assert pass_at_1(pools) == 0.5
    assert "1 of 2 solutions are null; failed, they stay" in notes(pools)


def test_nulls_in_rows_of_their_own() -> None:
    for name in ("response", "completion", "text", "completions", "solutions"):
        pools = read({"prompt": Q, "answer": GOLD, name: RIGHT}, {"prompt": Q, "answer": GOLD, name: None})
        assert [s.stop for s in pools[0].solutions] == [Stop.EOS, Stop.FAILED], name
    line = {"custom_id": "q", "prompt": Q, "answer": GOLD, "response": {"status_code": 200, "body": BODY}}
    pools = read(line, line | {"response": None, "error": {"code": "batch_expired"}})
    assert [s.stop for s in pools[0].solutions] == [Stop.EOS, Stop.EOS, Stop.FAILED]
    pools = read(sample(RIGHT), sample(None, error={"message": "boom"}), {**SAMPLE, "output": {"choices": []}})
    assert [s.stop for s in pools[0].solutions] == [Stop.EOS, Stop.FAILED, Stop.FAILED]
    pools = read(sample(RIGHT, limit={"type": "token", "limit": 9}))
    assert [s.stop for s in pools[0].solutions] == [Stop.LENGTH]
    pools = read({"prompt": Q, "answer": GOLD, "choices": [{"message": {"content": None}, "finish_reason": "length"}]})
    assert [s.stop for s in pools[0].solutions] == [Stop.LENGTH]
    for empty in ({"generations": []}, {"solutions": []}, {"outputs": []}):
        assert read({"prompt": Q, "answer": GOLD, **empty})[0].solutions == ()


@pytest.mark.parametrize(
    "name",
    [
        *("seed", "num_tokens", "temperature", "top_p", "index", "idx", "id", "step", "latency", "numTokens", "n"),
        *("completion_tokens", "token_ids", "response_length", "global_step", "latency_ms", "finish_time_ms"),
        *("token_logprobs", "epoch", "max_tokens"),
    ],
)
def test_what_counts_and_sets_is_no_scorer(name: str) -> None:
    pools = read({"prompt": Q, "answer": GOLD, "samples": [{"text": RIGHT, name: 3}, {"text": WRONG, name: 4}]})
    assert dict(pools[0].recorded) == {}
    assert name == "id" or f"not taken as scores: {name} (it says how" in notes(pools)
    rows = [{"question": Q, "answer": GOLD, "response": t, name: i} for i, t in enumerate((RIGHT, WRONG), 1)]
    assert dict(read(*rows)[0].recorded) == {}
    if name != "id":
        assert set(read(*rows, columns={"scores": name})[0].recorded) == {name}


@pytest.mark.parametrize("name", ["score", "logprob", "cumulative_logprob", "prm_score", "stepReward", "my_metric"])
def test_what_is_a_scorer(name: str) -> None:
    [pool] = read({"prompt": Q, "answer": GOLD, "samples": [{"text": RIGHT, name: 0.5}, {"text": WRONG, name: None}]})
    assert set(pool.recorded) == {name}


def test_scores_that_are_texts() -> None:
    def scored(*values: object, name: str = "score") -> list[SavedPool]:
        return read({"prompt": Q, "answer": GOLD, "samples": [{"text": "4", name: value} for value in values]})

    assert scored("0.9", " 1e-3 ", "")[0].recorded["score"].values()[:2].tolist() == pytest.approx([0.9, 1e-3])
    assert scored("0.9", 0.5)[0].recorded["score"].values().tolist() == pytest.approx([0.9, 0.5])
    pools = scored("0.9", "high")
    assert not pools[0].recorded
    assert "not taken as scores: score ('high' is no number)" in notes(pools)
    pools = scored("4", "5", name="extracted")
    assert not pools[0].recorded
    assert "not taken as scores: extracted (its numbers are written as texts)" in notes(pools)
    pools = read({"prompt": Q, "answer": GOLD, "samples": ["4", "5"], "scores": "[0.9, 0.1]"})
    assert pools[0].recorded["score"].values().tolist() == pytest.approx([0.9, 0.1])


def test_golds_that_nothing_can_be_equal_to() -> None:
    pools = read({"prompt": Q, "answer": r"\frac{", "samples": ["4"]}, {"prompt": "?", "answer": "4", "samples": ["4"]})
    assert r"1 problem has a gold answer that cannot be read, such as '\\frac{' (problem 'p-00000')" in notes(pools)
    prose = "First we add the two numbers, and then we look at what came out of it all."
    assert "1 problem has a gold answer that reads like a solution" in notes(
        read({"prompt": Q, "answer": prose, "samples": ["4"]})
    )
    pools = read({"prompt": Q, "answer": ["4", "four"], "samples": ["4"]})
    assert "1 problem has several gold answers, of which any counts" in notes(pools)
    assert notes(read({"prompt": Q, "answer": ["4", "4"], "samples": ["4"]})) == ""


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"custom_id": "q", "response": {"body": BODY}},
            "no 'prompt'.*; a batch's output holds no prompts: add 'prompt'",
        ),
        (
            {"doc": {"question": Q}, "doc_id": 0, "resps": [[[-1.0, False]], [[-2.0, True]]]},
            "; its 'resps' are log-likel",
        ),
        ({"question": Q, "answer": "It is 4", "reference": "4"}, "; try --columns text=answer,answer=reference$"),
        ({"problem": Q, "solution": "It is 4", "answer": "4"}, "; try --columns text=solution$"),
        (
            {"prompt": Q, "answer": {"wert": "4"}, "response": "4"},
            "'answer' is an object of 'wert'.*answer=answer.wert$",
        ),
        ({"prompt": Q, "responses": ["4", "5"], "finish_reasons": ["stop"]}, "1 of 'finish_reasons' for 2 solutions"),
    ],
)
def test_what_cannot_be_read_and_why(row: object, message: str) -> None:
    with pytest.raises(BadInput, match=rf"^p\.jsonl:1: .*{message}"):
        read(row)


def test_a_reason_for_all_solutions_and_lists_of_one() -> None:
    for more in ({"completions": [RIGHT, WRONG]}, {"completions": [RIGHT]}, {"completion": RIGHT}):
        pools = read({"prompt": Q, "answer": GOLD, "finish_reason": "length", **more})
        assert {s.stop for s in pools[0].solutions} == {Stop.LENGTH}
    choices = {"choices": [{"text": RIGHT, "finish_reason": "length"}, {"text": WRONG}], "stop": ["\n\n"]}
    pools = read({"prompt": Q, "answer": GOLD, **choices})
    assert [s.stop for s in pools[0].solutions] == [Stop.LENGTH, Stop.EOS]
    pools = read({"prompt": Q, "answer": GOLD, "response": RIGHT, "finish_reasons": ["length"]})
    assert pools[0].solutions[0].stop is Stop.LENGTH


def test_names_in_capitals_and_objects_of_lists() -> None:
    [pool] = read({"Question": Q, "Answer": GOLD, "Model Response": RIGHT, "Finish-Reason": "length"})
    assert (pool.problem.prompt, pool.problem.answer, pool.solutions[0].stop) == (Q, GOLD, Stop.LENGTH)
    [pool] = read({"question": Q, "answer": GOLD, "generations": {"text": [RIGHT, WRONG], "score": [0.5, 0.25]}})
    assert pool.recorded["score"].values().tolist() == [0.5, 0.25]


def test_pools_that_ids_part() -> None:
    rows = [{"id": i, "prompt": Q, "answer": GOLD, "response": RIGHT} for i in range(3)]
    assert "3 of 3 pools have the prompt and the gold answer of another, under an id of their own" in notes(read(*rows))


def test_ids_of_other_names_name_problems_and_do_not_part_them() -> None:
    rows = [{"idx": i, "question": q, "answer": GOLD, "response": "4"} for i, q in enumerate("aab")]
    assert [(p.problem.id, len(p.solutions)) for p in read(*rows)] == [("0", 2), ("2", 1)]
    rows = [{"question_id": 0, "question": q, "answer": GOLD, "response": "4"} for q in "abc"]
    assert [p.problem.id for p in read(*rows)] == ["0", "p-0", "p-00002"]


def test_the_command_says_what_was_read(capsys: pytest.CaptureFixture[str]) -> None:
    read({**LM, "resps": [[RIGHT, None]]}, {**LM, "filter": "flexible", "resps": [[RIGHT, None]]})
    assert main(["rerank", "p.jsonl", "--n=2", "--out=out"]) == 0
    printed = capsys.readouterr().out
    assert "- 1 row logged the same solutions under another filter; the pool holds them once" in printed
    assert "- 1 of 2 solutions are null" in printed
    assert "put together from several rows" not in printed


def test_a_gold_that_a_solution_has_given_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("fenced.py").write_text(
        "from verifiers import EXACT, Answers\n"
        "answers = Answers(lambda text: (text.split('`')[1:2] or [None])[0], EXACT.equal)\n"
    )
    rows = [{"prompt": str(n), "answer": f"run({n})", "samples": ["so `run(1)`", "`run(3)`"]} for n in (1, 2)]
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["rerank", "p.jsonl", "--answers", "fenced:answers", "--out", "out"]) == 0
    told = capsys.readouterr().out
    assert "1 problem has a gold answer that cannot be read, such as 'run(2)' (problem 'p-00001')" in told
