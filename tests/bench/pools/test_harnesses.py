"""Files of further harnesses and servers, of two problems each: what is read of every solution."""

import json
from pathlib import Path

import pytest

from bench.pools.grading import graded
from bench.pools.saved_pool import SavedPool, read_pools
from tests.bench.pools.saved_rows import GOLD, RIGHT, WRONG, Q
from verifiers import MATH, Stop
from verifiers.interface.errors import BadInput

Json = dict[str, object]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def user(text: str) -> list[Json]:
    return [{"role": "user", "content": text}]


def model(text: str) -> list[Json]:
    return [{"role": "assistant", "content": text}]


def gemini(text: str, stop: str = "STOP") -> Json:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": stop}]}


def lines(name: str, *rows: Json) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def said(pools: list[SavedPool]) -> str:
    """A letter a solution: right, wrong, cut, or failed ("x")."""
    found = zip(pools, graded(pools, MATH), strict=True)
    kinds = {Stop.EOS: "", Stop.LENGTH: "c", Stop.FAILED: "x"}
    return " ".join(
        "".join(kinds[s.stop] or "wr"[right is True] for s, right in zip(pool.solutions, grades, strict=True))
        for pool, (grades, *_) in found
    )


def asked(pool: SavedPool) -> object:
    return pool.problem.prompt if isinstance(pool.problem.prompt, str) else pool.problem.prompt[-1].content


ROWS: dict[str, tuple[Json, str]] = {
    "RAGAS": ({"question": Q, "answer": RIGHT, "contexts": ["x"], "ground_truth": GOLD}, "r"),
    "RAGAS, since 0.2": ({"user_input": Q, "response": RIGHT, "reference": GOLD}, "r"),
    "an answer beside a gold one": ({"question": Q, "gold": GOLD, "answer": WRONG}, "w"),
    "LLaMA-Factory": ({"prompt": Q, "predict": RIGHT, "label": GOLD}, "r"),
    "ms-swift": ({"response": RIGHT, "labels": GOLD, "messages": user(Q) + model(RIGHT)}, "r"),
    "Braintrust": ({"input": {"question": Q}, "output": RIGHT, "expected": GOLD, "scores": {"exact": 1}}, "r"),
    "DeepSeekMath": (
        {"messages": user(Q) + model(""), "answer": GOLD, "model_output": [RIGHT, WRONG], "accuracy": [1.0, 0.0]},
        "rw",
    ),
    "EvalScope": (
        {
            "model_output": {"choices": [{"message": model(RIGHT)[0], "stop_reason": "stop"}]},
            "messages": user(Q) + model(RIGHT),
            "target": GOLD,
        },
        "r",
    ),
    "rStar": ({"question": Q, "answer": GOLD, "trajectories": [RIGHT, WRONG]}, "rw"),
    "Vertex": ({"request": {"contents": [{"parts": [{"text": Q}]}]}, "response": gemini(RIGHT), "answer": GOLD}, "r"),
    "Bedrock": (
        {
            "recordId": "1",
            "modelInput": {"messages": user(Q)},
            "modelOutput": {**model(RIGHT)[0], "stop_reason": "max_tokens"},
            "answer": GOLD,
        },
        "c",
    ),
    "Inspect, with scores that are none": (
        {"input": Q, "target": GOLD, "epoch": 1, "scores": 1, "output": {"completion": RIGHT}},
        "r",
    ),
    "Inspect, with an output that is none": (
        {"input": Q, "target": GOLD, "messages": user(Q) + model(RIGHT), "output": 3},
        "r",
    ),
    "a gold answer named key": ({"question": Q, "key": GOLD, "answer": GOLD, "response": RIGHT}, "r"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_read_without_columns(name: str) -> None:
    row, expected = ROWS[name]
    [pool] = read_pools([lines("rows.jsonl", row)])
    assert (said([pool]), asked(pool), pool.golds) == (expected, Q, (GOLD,))


@pytest.mark.parametrize("gold", ["target", "gold", "ground_truth"])
def test_a_gold_answer_never_takes_the_place_of_what_a_model_said(gold: str) -> None:
    row = {"question": Q, "answer": f"We add. #### {GOLD}", gold: GOLD}
    for name in ("generation", "responses", "text", "candidates"):
        assert said(read_pools([lines("none.jsonl", {**row, name: None})])) == "x"
    for name in ("messages", "prompt", "conversations"):
        talk = {"answer": GOLD, gold: GOLD, name: user(Q) + model(WRONG)}
        [pool] = read_pools([lines("talk.jsonl", talk)])
        assert (said([pool]), asked(pool), pool.solutions[0].text) == ("w", Q, WRONG)
    for value in (WRONG, [WRONG], {"text": WRONG}, None):
        with pytest.raises(BadInput, match=r"no list 'solutions'.*; try --columns"):
            read_pools([lines("unknown.jsonl", {**row, "gpt4_out": value})])
    letters = {"question": Q, "options": ["4", "5"], "answer": "B", gold: 1}
    for more in ({}, {"llm": "It is A"}):
        with pytest.raises(BadInput, match=r"no list 'solutions'"):
            read_pools([lines("letters.jsonl", {**letters, **more})])


def test_a_batch_of_gemini_and_its_requests() -> None:
    requests = lines(
        "requests.jsonl", {"key": "a", "request": {"contents": [{"parts": [{"text": Q}], "role": "user"}]}}
    )
    golds = lines("golds.jsonl", {"key": "a", "answer": GOLD})
    [pool] = read_pools([lines("out.jsonl", {"key": "a", "response": gemini(RIGHT)})], prompts=[requests, golds])
    assert (said([pool]), asked(pool), pool.problem.id) == ("r", Q, "a")
    [pool] = read_pools([lines("bad.jsonl", {"key": "a", "error": {"code": 13}})], prompts=[requests, golds])
    assert said([pool]) == "x"


def test_a_key_beside_a_reply_of_another_kind_is_none_of_a_batch() -> None:
    row = {"key": GOLD, "question": Q}
    for more in (
        *({"response": {name: RIGHT}} for name in ("output_text", "content", "text")),
        {"response": RIGHT, "error": {}},
        {"output": RIGHT, "error": {"message": ""}},
    ):
        [pool] = read_pools([lines("rows.jsonl", {**row, "answer": GOLD, **more})])
        assert (said([pool]), pool.problem.id) == ("r", "rows-00000")
    blocked = {**row, "answer": GOLD, "response": {"promptFeedback": {"blockReason": "SAFETY"}}}
    assert said(read_pools([lines("blocked.jsonl", blocked)])) == "x"


def test_trajectories_of_steps_and_beside_a_response() -> None:
    row = {"question": Q, "answer": GOLD}
    for given in (
        [["step 1", WRONG], [RIGHT]],
        [["step 1\n", WRONG], [RIGHT]],
        json.dumps([["step 1", WRONG], [RIGHT]]),
    ):
        [pool] = read_pools([lines("steps.jsonl", {**row, "trajectories": given})])
        assert (said([pool]), pool.solutions[0].text) == ("wr", f"step 1\n{WRONG}")
    [pool] = read_pools([lines("both.jsonl", {**row, "trajectories": [WRONG, WRONG], "response": RIGHT})])
    assert said([pool]) == "r"


def test_the_accuracy_of_a_problem_is_no_verdict_on_each_sample() -> None:
    rows = [{"id": "a", "question": Q, "answer": GOLD, "response": text, "accuracy": 1} for text in (RIGHT, WRONG)]
    [pool] = read_pools([lines("rows.jsonl", *rows)])
    assert pool.correct == (None, None)
    one = {"question": Q, "answer": GOLD, "responses": [RIGHT, WRONG]}
    for accuracy, correct in ((1, (None, None)), ([0, 1], (False, True))):
        assert read_pools([lines("one.jsonl", {**one, "accuracy": accuracy})])[0].correct == correct


@pytest.mark.parametrize("beside", [{"text": "A passage."}, {"system": "Be brief."}, {"choices": ["4", "5"]}])
def test_an_object_of_inputs_with_more_than_the_question_is_refused(beside: Json) -> None:
    row = {"answer": GOLD, "response": RIGHT}
    [pool] = read_pools([lines("one.jsonl", {**row, "inputs": {"question": Q, "text": "", "n": 1}})])
    assert asked(pool) == Q
    with pytest.raises(BadInput, match=r"no 'prompt' in this row.*; try --columns prompt=inputs\.question"):
        read_pools([lines("more.jsonl", {**row, "inputs": {**beside, "question": Q}})])


def test_turns_of_questions_and_of_choices() -> None:
    questions = lines("questions.jsonl", {"question_id": "a", "turns": [Q], "ground_truth": GOLD})
    answers = {"question_id": "a", "choices": [{"index": 0, "turns": [RIGHT]}, {"index": 1, "turns": [WRONG]}]}
    [pool] = read_pools([lines("answers.jsonl", answers)], prompts=[questions])
    assert (said([pool]), asked(pool)) == ("rw", Q)


@pytest.mark.parametrize("room", ["results.MATH500.examples", "results.AIME24.examples", "results.results"])
def test_rows_within_the_results_of_a_task(room: str) -> None:
    found: object = [{"problem": Q, "answer": GOLD, "model_outputs": [RIGHT, WRONG]}]
    for name in reversed(room.split(".")):
        found = {name: found, "total": 1}
    Path("results.json").write_text(json.dumps(found))
    [pool] = read_pools(["results.json"])
    assert (said([pool]), pool.where) == ("rw", f"results.json: {room}[0]")


def test_several_tasks_in_one_document() -> None:
    tasks = {name: {"examples": [{"problem": name, "answer": GOLD, "output": RIGHT}]} for name in ("one", "two")}
    Path("results.json").write_text(json.dumps({"results": tasks}))
    assert [asked(pool) for pool in read_pools(["results.json"])] == ["one", "two"]


def test_no_row_of_a_task_is_left_out_in_silence() -> None:
    row = {"problem": Q, "answer": GOLD, "output": RIGHT}
    tasks: list[dict[str, object]] = [
        {"one": {"examples": [row]}, "two": [row]},
        {"one": {"examples": [row]}, "two": {"1": row}},
        {"one": {"examples": [row], "items": [row]}},
        {"one": {"examples": [row]}, "two": {"others": [row]}},
        {"examples": [row], "two": {"examples": [row]}},
    ]
    for given in tasks:
        Path("results.json").write_text(json.dumps({"results": given}))
        with pytest.raises(BadInput, match=r"^results\.json: 'results': no 'prompt' in this row"):
            read_pools(["results.json"])
    empty = {"one": {"examples": [row], "accuracy": 1}, "two": {"examples": []}, "three": None, "all": {"acc": 0.5}}
    Path("results.json").write_text(json.dumps({"results": empty}))
    assert said(read_pools(["results.json"])) == "r"


def test_a_scenario_of_helm_with_choices_and_failures() -> None:
    def state(text: str, completions: list[Json], **more: object) -> Json:
        references = [{"output": {"text": GOLD}, "tags": ["correct"]}, {"output": {"text": "5"}, "tags": []}]
        instance = {"id": "id1", "input": {"text": text}, "references": references}
        return {"instance": instance, "result": {"success": bool(completions), "completions": completions}, **more}

    cut = {"text": RIGHT, "logprob": -3.0, "tokens": [], "finish_reason": {"reason": "length"}}
    states = [
        state(Q, [{"text": RIGHT, "finish_reason": {"reason": "stop"}}, cut]),
        state("a?", []),
        state("b?", [{"text": "B"}], output_mapping={"A": "5", "B": GOLD}),
    ]
    Path("scenario_state.json").write_text(
        json.dumps({"adapter_spec": {"method": "generation"}, "request_states": states})
    )
    pools = read_pools(["scenario_state.json"])
    assert said(pools) == "rc x r"
    assert [pool.recorded for pool in pools] == [{}] * 3
