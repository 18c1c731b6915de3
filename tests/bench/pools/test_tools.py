"""Files of single tools: tables of rollouts, batches and their requests, flags of cuts, and golds in several forms."""

import csv
import json
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.files.run_folder import read_config
from bench.pools.grading import graded
from bench.pools.saved_pool import SavedPool, read_pools
from tests.bench.pools.saved_rows import GOLD, RIGHT, WRONG, Q, notes, read
from verifiers import MATH, Stop
from verifiers.interface.errors import BadInput


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def model(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def read_as(pools: list[SavedPool]) -> list[str]:
    """A word a pool, a letter a solution: right, wrong, cut, or failed ("x")."""
    found = zip(pools, graded(pools, MATH), strict=True)
    kinds = {Stop.EOS: "", Stop.LENGTH: "c", Stop.FAILED: "x"}
    return [
        "".join(kinds[s.stop] or "wr"[right is True] for s, right in zip(pool.solutions, grades, strict=True))
        for pool, (grades, *_) in found
    ]


def lines(name: str, *rows: object) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": [Q, Q], "completion": [RIGHT, WRONG], "reward": [1.0, 0.0], "answer": [GOLD, GOLD]}, ["rw"]),
        ({"step": 2, "prompt": [Q, "?"], "completion": [RIGHT, WRONG], "solution": [GOLD, "5"]}, ["r", "r"]),
        ({"prompt": [user(Q), user(Q)], "completion": [model(RIGHT), model(WRONG)], "answer": [GOLD, GOLD]}, ["rw"]),
        ({"question": [Q, "?"], "responses": [[RIGHT, WRONG], [WRONG]], "gold": [GOLD, "5"]}, ["rw", "r"]),
        ({"prompt": json.dumps([Q, Q]), "completion": json.dumps([RIGHT, WRONG]), "answer": GOLD}, ["rw"]),
        ({"prompt": [Q], "completion": [RIGHT], "answer": [GOLD]}, ["r"]),
        ({"prompt": [Q], "completions": [RIGHT, WRONG], "answer": [GOLD]}, ["rw"]),
    ],
)
def test_a_row_of_lists_side_by_side_is_several_rows(row: dict[str, object], expected: list[str]) -> None:
    assert read_as(read(row)) == expected


def test_tables_of_names_and_rows_of_values() -> None:
    values = [[1, Q, RIGHT, 1.0, GOLD], [1, Q, WRONG, 0.0, GOLD]]
    table = {"columns": ["step", "prompt", "completion", "accuracy_reward", "answer"], "data": values}
    served = {"features": [], "rows": [{"row_idx": 0, "row": {"question": Q, "gold": GOLD, "response": RIGHT}}]}
    for name, document, expected in (("t.json", table, "rw"), ("s.json", served, "r")):
        Path(name).write_text(json.dumps(document))
        assert read_as(read_pools([name])) == [expected]


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        (["3", GOLD], "rw"),
        ([["3"], [GOLD, None]], "rw"),
        ({"value": "3", "aliases": [GOLD, "iv"]}, "rw"),
        ({"target": [GOLD]}, "rw"),
        ({"text": [GOLD, "four"], "answer_start": [0, 1]}, "rw"),
        ('{"target": ["4"]}', "rw"),
        ([r"We get \boxed{4}.", "so it is four"], "rw"),
        ("Two and two. The answer is 4.", "rw"),
        (["3", "7"], "ww"),
        (10**400, "ww"),
    ],
)
@pytest.mark.parametrize("name", ["answer", "target", "answers", "ground_truths"])
def test_any_of_several_gold_answers_counts(name: str, gold: object, expected: str) -> None:
    assert read_as(read({"question": Q, name: gold, "responses": [RIGHT, WRONG]})) == [expected]


def test_several_golds_are_noted_and_part_pools() -> None:
    row = {"question": Q, "response": RIGHT}
    pools = read(row | {"golds": ["3", "4"]}, row | {"golds": ["3"]}, row | {"golds": ["3", "4"]})
    assert read_as(pools) == ["rr", "w"]
    assert "1 problem has several gold answers, of which any counts" in notes(pools)
    assert "2 of 2 pools have the prompt of another with another gold answer" in notes(
        read(row | {"gold": "3"}, row | {"gold": "4"})
    )


@pytest.mark.parametrize("gold", ["First we multiply, and then we are done.", "one two three " * 5])
def test_a_gold_that_is_a_whole_solution_without_an_answer_is_noted(gold: str) -> None:
    assert "reads like a solution without a final answer" in notes(read({"prompt": Q, "answer": gold, "text": "4"}))


def batch_line(key: str, *texts: str | None) -> dict[str, object]:
    choices = [{"index": i, "message": m, "finish_reason": "stop"} for i, t in enumerate(texts) for m in model(t or "")]
    return {"id": "b", "custom_id": key, "response": {"status_code": 200, "body": {"choices": choices}}, "error": None}


def test_a_batch_is_joined_with_its_requests_and_golds(capsys: pytest.CaptureFixture[str]) -> None:
    output = lines("out.jsonl", batch_line("q2", WRONG), batch_line("q1", RIGHT, WRONG))
    asked = [
        {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": {"messages": user(text)}}
        for key, text in (("q1", Q), ("q2", "3+2?"))
    ]
    requests = lines("requests.jsonl", *asked)
    golds = lines("golds.jsonl", {"id": "q1", "answer": GOLD}, {"id": "q2", "gold": ["5"]})
    pools = read_pools([output], prompts=[requests, golds])
    assert [pool.problem.id for pool in pools] == ["q2", "q1"]
    assert read_as(pools) == ["r", "rw"]
    assert main(["rerank", output, "--n=2", "--out=r", f"--prompts={requests}", f"--prompts={golds}"]) == 0
    assert read_config(Path("r/config.toml"))["prompts"] == [requests, golds]
    capsys.readouterr()
    for given, said in (
        ([], "or give the file of its requests with --prompts"),
        ([f"--prompts={requests}"], "give a file of 'custom_id' and 'answer' with --prompts"),
        ([f"--prompts={golds}"], "--prompts has no prompt for id 'q2'"),
        ([f"--prompts={requests}", f"--prompts={output}"], "no prompt and no answer in this row of --prompts"),
        ([f"--prompts={lines('no.jsonl', {'prompt': Q})}"], "no id such as 'custom_id' in this row of --prompts"),
        ([f"--prompts={lines('a.jsonl', *asked, {'id': 'q1', 'prompt': '?'})}"], "id 'q1' has another prompt"),
    ):
        assert main(["rerank", output, "--out=e", *given]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line


def test_a_request_may_hold_its_gold_answer_beside_the_response() -> None:
    body = {"model": "m", "messages": user(Q), "metadata": {"answer": GOLD}}
    answers = {"choices": [{"message": m, "finish_reason": "length"} for m in model(RIGHT)]}
    assert read_as(read({"request": body, "response": answers})) == ["c"]
    assert read_as(read({"custom_id": "q", "request": {"body": body}, "response": {"body": answers}})) == ["c"]


@pytest.mark.parametrize(
    "fields",
    [
        {
            "result": {
                "type": "succeeded",
                "message": {"role": "assistant", "content": RIGHT, "stop_reason": "max_tokens"},
            }
        },
        {"response": {"role": "assistant", "content": RIGHT, "stop_reason": "max_tokens"}},
        {"responses": [{"role": "assistant", "content": RIGHT, "finish_reason": "length"}]},
        {"message": {"role": "assistant", "content": RIGHT}, "done": True, "done_reason": "length"},
        {"content": RIGHT, "stop": True, "stop_type": "limit", "tokens_predicted": 9},
        {"generations": [RIGHT], "is_reasoning_complete": [False], "finish_reasons": None},
        {"generation": RIGHT, "is_reasoning_complete": False},
        {"generations": [RIGHT], "truncated": [True], "finish_reasons": [None]},
    ],
)
def test_cut_solutions_of_more_tools(fields: dict[str, object]) -> None:
    assert read_as(read({"custom_id": "q", "prompt": Q, "answer": GOLD, **fields})) == ["c"]


def test_flags_beside_reasons() -> None:
    row = {"problem": Q, "answer": GOLD, "generations": [RIGHT] * 3, "is_reasoning_complete": [True, False, True]}
    assert read_as(read(row | {"finish_reasons": ["length", "stop", "stop"]})) == ["crr"]
    assert read_as(read(row | {"correctness_math_verify": [True, False, True]})) == ["rcr"]


@pytest.mark.parametrize(
    "row",
    [
        {"text": Q, "completion": RIGHT, "answer": GOLD},
        {"prompt": Q, "text": Q + RIGHT, "completion": RIGHT, "answer": GOLD},
        {"question": Q, "text": Q, "response": RIGHT, "target": GOLD},
        {"convo": user(Q) + model(RIGHT), "correct_answer": GOLD, "extracted_answer": "5"},
        {"origin_prompt": [{"role": "HUMAN", "prompt": Q}], "prediction": RIGHT, "gold": GOLD},
        {"idx": 3, "question": Q, "gt": GOLD, "answer": GOLD, "code": [RIGHT], "pred": ["5"], "score": [False]},
        {"problem": Q, "ground_truth_answer": GOLD, "model_completion": RIGHT},
    ],
)
def test_which_column_is_the_prompt_and_which_the_solution(row: dict[str, object]) -> None:
    pools = read(row)
    assert read_as(pools) == ["r"]
    prompt = pools[0].problem.prompt
    assert (prompt if isinstance(prompt, str) else prompt[0].content) == Q


def test_a_column_of_truths_is_no_gold_answer() -> None:
    for found in (True, [True, False], [1, 0]):
        [pool] = read({"prompt": Q, "responses": [RIGHT, WRONG], "label": found})
        assert pool.problem.answer is None


def test_cumulative_log_probabilities_are_scores() -> None:
    row = {"prompt": Q, "answer": GOLD, "responses": [RIGHT, WRONG]}
    assert set(read(row | {"cumulative_logprobs": [-1.0, -2.0]})[0].recorded) == {"cumulative_logprobs"}
    assert not read(row | {"logprobs": [-1.0, -2.0]})[0].recorded


def test_csv_with_blank_rows_and_cells_and_torn_ends() -> None:
    with open("p.csv", "w", newline="") as file:
        file.write("\n")
        csv.writer(file).writerows([["question", "gold", "response"], [Q, GOLD, ""], [Q, GOLD, RIGHT], ["", "", ""]])
    assert read_as(read_pools(["p.csv"])) == ["xr"]
    Path("torn.csv").write_text(f'question,gold,response\n{Q},{GOLD},"It is')
    with pytest.raises(BadInput, match=r"torn.csv: cannot be read as CSV"):
        read_pools(["torn.csv"])


def test_a_log_without_samples_says_so() -> None:
    Path("log.json").write_text(json.dumps({"version": 2, "status": "started", "eval": {"task": "t"}}))
    with pytest.raises(BadInput, match="a log of Inspect without its samples"):
        read_pools(["log.json"])


def test_lists_in_cells_are_read_one_each() -> None:
    with open("p.csv", "w", newline="") as file:
        cells = [json.dumps([RIGHT, RIGHT]), json.dumps(["stop", "length"])]
        csv.writer(file).writerows([["question", "gold", "generations", "finish_reasons"], [Q, GOLD, *cells]])
    assert read_as(read_pools(["p.csv"])) == ["rc"]


def test_a_path_to_a_text_in_the_row() -> None:
    row = {"doc": {"q": Q, "a": GOLD}, "out": [{"text": RIGHT, "why": "length"}]}
    columns = {"prompt": "doc.q", "answer": "doc.a", "text": "out.0.text", "stop": "out.0.why"}
    assert read_as(read(row, columns=columns)) == ["c"]


@pytest.mark.parametrize("word", ["RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "MALFORMED_FUNCTION_CALL"])
def test_words_of_filters_are_failures(word: str) -> None:
    assert read_as(read({"prompt": Q, "answer": GOLD, "response": RIGHT, "finish_reason": word})) == ["x"]


@pytest.mark.parametrize(
    "row",
    [
        {"Question": Q, "groundTruth": GOLD, "modelResponse": RIGHT, "finishReason": "stop"},
        {"Prompts": [Q], "Completions": [RIGHT], "Answer": [GOLD]},
        {"problem": Q, "reference_solution": r"So \boxed{4}.", "completions": [RIGHT]},
        {"input": user(Q), "ideal": GOLD, "sampled": [RIGHT]},
        {"question": Q, "gold": GOLD, "samples": [{"solution": RIGHT}]},
    ],
)
def test_further_names(row: dict[str, object]) -> None:
    assert read_as(read(row)) == ["r"]


@pytest.mark.parametrize("gold", ["n/a", "None", "proof", r"\frac{"])
def test_golds_that_stand_for_none_are_noted(gold: str) -> None:
    assert "1 problem has a gold answer that cannot be read" in notes(read({"prompt": Q, "gold": gold, "text": "4"}))


def test_a_whole_number_that_is_too_long_says_so() -> None:
    Path("p.jsonl").write_text('{"prompt": "?", "text": "1", "answer": ' + "1" * 5000 + "}\n")
    with pytest.raises(BadInput, match=r"p.jsonl:1: a whole number of over \d+ digits; quote it"):
        read_pools(["p.jsonl"])


@pytest.mark.parametrize("name", ["answer", "target", "responses"])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"value":', "}"), ('{"content":', "}")])
def test_what_lies_too_deep_ends_in_one_line(name: str, opened: str, closed: str) -> None:
    deep = opened * 900 + '"4"' + closed * 900
    columns = {"question": '"2+2?"', "answer": '"4"', "responses": '["4"]', name: deep}
    Path("p.jsonl").write_text("{" + ", ".join(f'"{key}": {value}' for key, value in columns.items()) + "}\n")
    try:
        read_pools(["p.jsonl"])
    except BadInput as error:
        assert str(error).startswith("p.jsonl:1: ")  # noqa: PT017  (some are read, and that is well too)


def test_another_gold_answer_than_the_one_that_counts_is_noted() -> None:
    row = {"question": Q, "answer": "9", "target": "4", "response": RIGHT}
    assert "1 problem has another gold answer in 'target' than in 'answer', which counts" in notes(read(row))
    assert "another gold answer" not in notes(read(row | {"answer": r"So \boxed{4}"}))
    assert "another gold answer" not in notes(read(row, columns={"answer": "target"}))


@pytest.mark.parametrize("stop", [["\n\n", "Q:"], ["</s>"], ["\n\n", "Q:", "</s>"]])
def test_texts_to_stop_at_are_no_reasons(stop: list[str]) -> None:
    row = {"prompt": Q, "answer": GOLD, "stop": stop}
    assert read_as(read(row | {"responses": [RIGHT, WRONG]})) == ["rw"]
    assert read_as(read(row | {"response": RIGHT})) == ["r"]


def test_prompts_that_are_empty() -> None:
    [pool] = read({"prompt": "", "question": Q, "response": RIGHT, "gold": GOLD})
    assert pool.problem.prompt == Q
    with pytest.raises(BadInput, match="'prompt' is a list, but not of messages"):
        read({"prompt": [], "completion": []})
