"""Saved generations in the shapes that people have: what is recognised needs no names of columns."""

import csv
import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from bench.pools.grading import graded
from bench.pools.saved_pool import SavedPool, read_pools
from bench.pools.shapes.known import own_form
from tests.bench.pools.saved_rows import GOLD, RIGHT, WRONG, Q, notes, pass_at_1, read
from tests.shared_data import DATA
from verifiers import MATH, Message, Stop
from verifiers.interface.errors import BadInput

CASES = DATA.parent / "cases" / "pools"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def is_the_pool(pools: list[SavedPool]) -> None:
    [pool] = pools
    assert pool.problem.prompt in (Q, (Message("user", Q),))
    assert pool.problem.answer == GOLD
    assert [s.text for s in pool.solutions] == [RIGHT, WRONG]


@pytest.mark.parametrize(
    ("name", "expected", "said"),
    [
        ("inspect_log.json", 2 / 3, None),
        ("inspect.eval", 2 / 3, None),
        ("lmeval_repeats.jsonl", 2 / 3, None),
        ("lm_twice.jsonl", 1 / 2, "1 row logged the same solutions under another filter"),
        ("lighteval_new.parquet", 2 / 3, None),
        ("openai_chat_n.jsonl", 2 / 3, None),
        ("trl.jsonl", 1 / 2, None),
        ("responses_msgs.jsonl", 2 / 3, None),
        ("messages_full.jsonl", 2 / 3, None),
        ("simple.csv", 2 / 3, None),
        ("array.json", 2 / 3, None),
        ("vllm.jsonl", 1 / 2, "2 of 6 solutions were cut off"),
        ("finish.jsonl", 1 / 2, "1 of 2 solutions were cut off"),
        ("x_listjson.jsonl", 1 / 2, None),
        ("x_null.jsonl", 1 / 3, "1 of 3 solutions are null"),
        ("x_goldboxed.jsonl", 1 / 2, None),
        ("bystander.jsonl", 2 / 3, "not taken as scores: num_tokens, seed, temperature"),
        ("strscore.jsonl", 1 / 2, None),
        ("think.jsonl", 1 / 3, None),
    ],
)
def test_the_shared_cases(name: str, expected: float, said: str | None) -> None:
    if not (CASES / name).exists():
        pytest.skip(f"../shared/cases/pools lacks {name}")
    pools = read_pools([CASES / name])
    assert pass_at_1(pools) == pytest.approx(expected)
    assert (said is None and "count as wrong" not in notes(pools)) or (said or "?") in notes(pools)
    recorded = {scorer for pool in pools for scorer in pool.recorded}
    assert recorded <= {"accuracy_reward", "advantage", "logprob", "cumulative_logprob", "score"}
    assert (name == "strscore.jsonl") == ("score" in recorded)
    if name == "lm_twice.jsonl":
        assert [len(pool.solutions) for pool in pools] == [2]


SAMPLE = {"id": 7, "epoch": 1, "input": Q, "target": GOLD}
MESSAGE = {"role": "assistant", "content": RIGHT}


def sample(text: str | None, **more: object) -> dict[str, object]:
    return {**SAMPLE, "output": {"choices": [{"message": {"role": "assistant", "content": text}}]}, **more}


def talk(*texts: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in zip(("user", "assistant") * 2, texts, strict=False)]


LM = {"doc_id": 0, "doc": {"question": Q, "answer": GOLD}, "target": GOLD, "filter": "none"}
LIGHT = {"query": Q, "choices": [GOLD], "gold_index": [0], "id": "0", "specific": None}
CHOICES = [{"message": {"content": text}, "finish_reason": "stop"} for text in (RIGHT, WRONG)]
BODY = {"id": "chatcmpl-1", "object": "chat.completion", "choices": CHOICES, "usage": {"total_tokens": 7}}
OF_RESPONSES = {"object": "response", "status": "completed"}


def of_responses(text: str) -> dict[str, object]:
    parts = [{"type": "output_text", "text": text}]
    return {**OF_RESPONSES, "output": [{"type": "reasoning", "content": []}, {"type": "message", "content": parts}]}


SHAPES: dict[str, list[object]] = {
    "inspect: a sample a row": [sample(RIGHT), sample(WRONG, epoch=2)],
    "inspect: no ids, a list of targets": [
        {k: v for k, v in sample(t, target=[GOLD]).items() if k != "id"} for t in (RIGHT, WRONG)
    ],
    "plain: a column each": [{"question": Q, "response_1": RIGHT, "response_2": WRONG, "gold": GOLD}],
    "plain: a column each, from 0": [{"problem": Q, "Completion0": RIGHT, "Completion1": WRONG, "answer": GOLD}],
    "inspect: a completion alone": [{**SAMPLE, "output": {"completion": t}} for t in (RIGHT, WRONG)],
    "inspect: messages and no output": [{**SAMPLE, "messages": talk(Q, t)} for t in (RIGHT, WRONG)],
    "inspect: several choices, messages as input": [
        {**SAMPLE, "input": talk(Q), "output": {"choices": CHOICES, "completion": RIGHT}}
    ],
    "inspect: parts and attachments": [
        sample("attachment://a1", attachments={"a1": RIGHT}),
        {**SAMPLE, "output": {"choices": [{"message": {"content": [{"type": "text", "text": WRONG}]}}]}},
    ],
    "lm-eval: nested": [{**LM, "resps": [[RIGHT, WRONG]]}],
    "lm-eval: flat, no filter": [{k: v for k, v in {**LM, "resps": [RIGHT, WRONG]}.items() if k != "filter"}],
    "lm-eval: a response a row": [{**LM, "resps": [[t]], "exact_match": 1.0} for t in (RIGHT, WRONG)],
    "lm-eval: no target, no id": [{"doc": LM["doc"], "resps": [[RIGHT, WRONG]]}],
    "lm-eval: arguments of older releases": [
        {"doc_id": 0, "doc": {}, "target": 4, "arguments": [[Q, {"until": []}]], "resps": [[RIGHT], [WRONG]]}
    ],
    "lm-eval: three filters": [{**LM, "filter": f, "resps": [[RIGHT, WRONG]]} for f in "abc"],
    "lm-eval: two runs under two filters": [{**LM, "filter": f, "resps": [[t]]} for f in "ab" for t in (RIGHT, WRONG)],
    "lighteval: underscores": [{"__doc__": LIGHT, "__model_response__": {"text": [RIGHT, WRONG]}, "__metric__": {}}],
    "lighteval: a text a row": [
        {"doc": {**LIGHT, "gold_index": 0}, "model_response": {"text": [t]}, "metric": {"em": 1}}
        for t in (RIGHT, WRONG)
    ],
    "lighteval: no choices": [
        {"doc": {"query": Q, "choices": [], "specific": {"answer": GOLD}}, "model_response": {"text": [RIGHT, WRONG]}}
    ],
    "lighteval: flat, as texts": [
        {"full_prompt": Q, "predictions": str([RIGHT, WRONG]), "gold": "['4']", "metrics": {"em": 1.0}}
    ],
    "openai: choices with texts": [
        {"prompt": Q, "answer": GOLD, "choices": [{"text": RIGHT, "index": 0}, {"text": WRONG, "index": 1}]}
    ],
    "openai: the response beside the question": [{"question": Q, "answer": GOLD, "response": BODY}],
    "openai: a response as text, a row each": [
        {"question": Q, "gold": GOLD, "response": json.dumps({**BODY, "choices": [c]})} for c in CHOICES
    ],
    "openai: several responses": [{"question": Q, "gold": GOLD, "responses": [{"choices": [c]} for c in CHOICES]}],
    "openai: other ids for the same prompt": [
        {**BODY, "id": f"cmpl-{i}", "choices": [c], "prompt": Q, "answer": GOLD} for i, c in enumerate(CHOICES)
    ],
    "openai: a batch": [
        {"id": "b", "custom_id": "q", "response": {"status_code": 200, "body": BODY}, "prompt": Q, "answer": GOLD}
    ],
    "openai: a batch with its requests": [
        {"custom_id": "q", "body": {"messages": talk(Q)}, "answer": GOLD, "response": {"body": BODY}, "error": None}
    ],
    "openai: the interface of responses": [
        {"prompt": Q, "gold": GOLD, "response": of_responses(t)} for t in (RIGHT, WRONG)
    ],
    "anthropic: a batch": [
        {
            "custom_id": "q",
            "prompt": Q,
            "answer": GOLD,
            "result": {
                "type": "succeeded",
                "message": {"content": [{"type": "text", "text": t}], "stop_reason": "end_turn"},
            },
        }
        for t in (RIGHT, WRONG)
    ],
    "gemini: candidates": [
        {
            "prompt": Q,
            "answer": GOLD,
            "candidates": [{"content": {"parts": [{"text": t}]}, "finishReason": "STOP"} for t in (RIGHT, WRONG)],
        }
    ],
    "vllm: requests": [
        {"prompt": Q, "gold": GOLD, "outputs": [{"text": RIGHT}, {"text": WRONG, "finish_reason": "stop"}]}
    ],
    "vllm: a request each": [
        {
            "request_id": str(i),
            "prompt": Q,
            "answer": GOLD,
            "outputs": [{"text": t, "token_ids": [1], "logprobs": [-0.1]}],
        }
        for i, t in enumerate((RIGHT, WRONG))
    ],
    "sglang: its own objects": [
        {"prompt": Q, "answer": GOLD, "text": t, "meta_info": {"finish_reason": {"type": "stop", "matched": 7}}}
        for t in (RIGHT, WRONG)
    ],
    "trl: talks": [
        {"step": 1, "prompt": talk(Q), "completion": talk(Q, t)[1:], "answer": GOLD} for t in (RIGHT, WRONG)
    ],
    "trl: texts, and a solution for gold": [
        {"step": 1, "prompt": Q, "completion": t, "solution": r"It is $\boxed{4}$", "reward": 0.5}
        for t in (RIGHT, WRONG)
    ],
    "verl: a dump": [{"input": Q, "output": t, "gts": GOLD, "score": 1.0, "step": 3} for t in (RIGHT, WRONG)],
    "verl: golds in a list": [{"input": Q, "output": t, "gts": [GOLD], "score": 1.0} for t in (RIGHT, WRONG)],
    "verl: generations": [
        {"prompt": talk(Q), "responses": [RIGHT, WRONG], "reward_model": {"style": "rule", "ground_truth": GOLD}}
    ],
    "messages: the last is the solution": [{"messages": talk(Q, t), "target": GOLD} for t in (RIGHT, WRONG)],
    "messages: sharegpt": [
        {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": t}], "answer": 4}
        for t in (RIGHT, WRONG)
    ],
    "messages: one answer each in a list": [
        {"messages": talk(Q), "gt": GOLD, "responses": [MESSAGE, talk(Q, WRONG)[1]]}
    ],
    "messages: whole talks": [{"messages": talk(Q), "gt": GOLD, "generations": [talk(Q, RIGHT), talk(Q, WRONG)]}],
    "names: nested lists": [{"input": Q, "target": GOLD, "generations": [[RIGHT, WRONG]]}],
    "names: objects with other names": [
        {"problem": Q, "gt_answer": 4, "samples": [{"completion": RIGHT}, {"content": WRONG}]}
    ],
    "names: one a row, ids absent": [{"query": Q, "expected_answer": GOLD, "generation": t} for t in (RIGHT, WRONG)],
    "names: prediction": [{"problem": Q, "ground_truth": [GOLD], "prediction": t} for t in (RIGHT, WRONG)],
    "names: ours win": [
        {"prompt": Q, "question": "?", "answer": GOLD, "target": "5", "solutions": [RIGHT, WRONG], "responses": ["5"]}
    ],
    "names: options of a question are no solutions": [
        {"question": Q, "choices": ["4", "5"], "answer": GOLD, "response": t} for t in (RIGHT, WRONG)
    ],
    "json text: lists": [{"problem": Q, "gold": '["4"]', "samples": json.dumps([RIGHT, WRONG])}],
    "json text: as Python shows it": [{"problem": Q, "gold": "4", "completions": str([RIGHT, WRONG])}],
    "json text: messages": [
        {"prompt": json.dumps(talk(Q)), "gold": "4", "completion": json.dumps([MESSAGE | {"content": t}])}
        for t in (RIGHT, WRONG)
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_recognised(shape: str) -> None:
    pools = read(*SHAPES[shape])
    is_the_pool(pools)
    assert all(s.stop is Stop.EOS for s in pools[0].solutions)
    assert pass_at_1(pools) == 0.5


@pytest.mark.parametrize("shape", [name for name in SHAPES if not name.startswith(("json", "openai: a resp"))])
def test_every_shape_in_other_containers(shape: str) -> None:
    Path("p.json").write_text(json.dumps(SHAPES[shape], indent=1))
    is_the_pool(read_pools(["p.json"]))
    Path("q.json").write_text("".join(json.dumps(row) + "\n" for row in [*SHAPES[shape], {}][:-1]))
    is_the_pool(read_pools(["q.json"]))
    names = list(dict.fromkeys(name for row in SHAPES[shape] for name in row))  # type: ignore[attr-defined]
    with open("p.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in SHAPES[shape]:
            cells = {k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()}  # type: ignore[attr-defined]
            writer.writerow(cells)
    is_the_pool(read_pools(["p.csv"]))


def test_a_table_in_parquet_where_all_rows_have_all_columns() -> None:
    rows = [
        {"question": Q, "answer": None, "target": 4, "response": RIGHT, "text": None, "finish_reason": None},
        {"question": Q, "answer": None, "target": 4, "response": WRONG, "text": None, "finish_reason": "end_turn"},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), "p.parquet")
    is_the_pool(read_pools(["p.parquet"]))


def test_documents_and_logs() -> None:
    rows = [sample(RIGHT), sample(WRONG, epoch=2)]
    for document in ({"eval": {}, "samples": rows, "results": {}}, {"data": rows}, {"a": rows[0], "b": rows[1]}):
        for indent in (None, 2):
            Path("p.json").write_text(json.dumps(document, indent=indent))
            is_the_pool(read_pools(["p.json"]))
    with zipfile.ZipFile("p.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("_journal/start.json", "{}")
        for i, row in enumerate(rows):
            archive.writestr(f"samples/7_epoch_{i + 1}.json", json.dumps(row))
    is_the_pool(read_pools(["p.eval"]))
    Path("bad.eval").write_bytes(b"PK no zip")
    with pytest.raises(BadInput, match=r"^bad\.eval: cannot be read as a log of Inspect"):
        read_pools(["bad.eval"])
    with zipfile.ZipFile("empty.eval", "w") as archive:
        archive.writestr("header.json", "{}")
    with pytest.raises(BadInput, match=r"^empty.eval: no samples/\*.json in it"):
        read_pools(["empty.eval"])


def zstandard_zip(files: dict[str, bytes]) -> bytes:
    """A zip as today's Inspect writes it, in a way of packing that older Pythons can neither write nor read."""
    bodies, entries = b"", b""
    for name, data in files.items():
        packed = pyarrow.compress(data, codec="zstd", asbytes=True)
        about = (63, 0, 93, 0, 33, zlib.crc32(data), len(packed), len(data), len(name), 0)
        entries += struct.pack("<4s6H3L5H2L", b"PK\1\2", 63, *about, 0, 0, 0, 0, len(bodies))
        entries += name.encode()
        bodies += struct.pack("<4s5H3L2H", b"PK\3\4", *about) + name.encode() + packed
    count = len(files)
    return bodies + entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entries), len(bodies), 0)


def test_logs_as_todays_inspect_packs_them() -> None:
    rows = [sample(RIGHT), sample(WRONG, epoch=2)]
    whole = zstandard_zip({f"samples/7_epoch_{i}.json": json.dumps(row).encode() for i, row in enumerate(rows)})
    Path("p.eval").write_bytes(whole)
    is_the_pool(read_pools(["p.eval"]))
    at = whole.index(b".json") + 25  # amid what is packed
    Path("p.eval").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(BadInput, match=r"^p\.eval: cannot be read as a log of Inspect"):
        read_pools(["p.eval"])


def test_tables_column_by_column() -> None:
    table = {"question": [Q, Q], "gold": [GOLD, GOLD], "response": [RIGHT, WRONG], "prompt_ids": [[1], [1]]}
    for document in (table, {name: dict(enumerate(column)) for name, column in table.items()}):
        Path("p.json").write_text(json.dumps(document))
        is_the_pool(read_pools(["p.json"]))
    Path("p.json").write_text(json.dumps({"messages": talk(Q), "answer": [GOLD, GOLD], "responses": [RIGHT, WRONG]}))
    is_the_pool(read_pools(["p.json"]))  # a row


def test_csv_of_other_kinds() -> None:
    for name, text in (
        ("p.csv", "\ufeff,problem,gold,response\r\n0,2+2?,4,So \\boxed{4}\r\n1,2+2?,4,So \\boxed{5}\r\n"),
        ("semi.csv", "problem;gold;response\n2+2?;4;So \\boxed{4}\n2+2?;4;So \\boxed{5}\n"),
        ("p.tsv", "problem\tgold\tresponse\n2+2?\t4\tSo \\boxed{4}\n\n2+2?\t4\tSo \\boxed{5}\n"),
    ):
        Path(name).write_text(text, newline="")
        is_the_pool(read_pools([name]))
    Path("bad.csv").write_text("problem,gold,response\n2+2?,4,So, so\n")
    with pytest.raises(BadInput, match=r"^bad\.csv: row 1: 4 values for 3 columns; quote what holds a ','"):
        read_pools(["bad.csv"])
    Path("two.csv").write_text("problem,problem\n2+2?,4\n")
    with pytest.raises(BadInput, match=r"^two\.csv: two columns are named 'problem'"):
        read_pools(["two.csv"])
    Path("scores.csv").write_text("prompt,answer,response,score,seed,is_correct\n?,4,4,0.9,1,True\n?,4,5,,2,False\n")
    [pool] = read_pools(["scores.csv"])
    np.testing.assert_array_equal(pool.recorded["score"].values(), np.array([0.9, np.nan], np.float32))
    assert (set(pool.recorded), pool.correct) == ({"score"}, (True, False))


def test_names_of_columns_inside_of_columns() -> None:
    row = {"doc": {"q": Q, "answer": GOLD}, "outs": [{"a": {"b": RIGHT}}, {"a": {"b": WRONG}}], "golds": ["4"]}
    names = {"prompt": "doc.q", "solutions": "outs", "text": "a.b"}
    is_the_pool(read(row, columns=names | {"answer": "doc.answer"}))
    is_the_pool(read(row, columns=names | {"answer": "golds.0"}))
    is_the_pool(read(row | {"doc": json.dumps(row["doc"])}, columns=names | {"answer": "doc.answer"}))
    is_the_pool(read({**LM, "target": "no", "resps": [[RIGHT, WRONG]]}, columns={"answer": "doc.answer"}))
    with pytest.raises(BadInput, match=r"columns answer=doc.gold: p.jsonl:1: no 'doc.gold' in this row; it has 'doc'"):
        read(row, columns=names | {"answer": "doc.gold"})


def test_a_gold_answer_that_is_the_place_of_an_option() -> None:
    row = {"question": "Which?", "choices": ["red", "blue", "green"], "responses": ["(C)", "The answer is green.", "B"]}
    [pool] = read(row | {"answer": 2})
    assert pool.golds == ("C", "green")
    assert next(graded([pool], MATH))[0] == (True, True, False)
    assert read(row | {"answer": "C"})[0].golds == ("C",)
    assert read(row | {"choices": ["2", "3", "4"], "answer": 2})[0].golds == ("2",)
    assert read(row | {"answer": 7})[0].golds == ("7",)


@pytest.mark.parametrize(
    ("rows", "golds", "doubtful"),
    [
        ([(["2", "3", "0", "1"], 0)], [("A", "2")], True),
        ([(["0", "4", "2", "6"], 2)], [("C", "2")], False),  # either way
        ([(["2", "3", "0", "1"], 0), (["5", "6", "7"], 2)], [("A", "2"), ("C", "7")], False),
        ([(["2", "3", "0", "1"], 0), (["5", "6", "7"], 6)], [("0",), ("6",)], False),
        ([(["1.0", "2.0", "3.0"], 2)], [("2",)], True),
        ([(["A) 1", "B) 2", "C) 3", "D) 4"], 3)], [("3",)], True),
        ([(["$1$", "$2$", "$3$"], 2), (["8", "9"], 9)], [("2",), ("9",)], False),
        ([(["I say 3", "I say 5", "I say 4"], 2)], [("2",)], True),  # other samples
        ([(["C", "B", "A"], 2)], [("C",)], True),  # places from 1, perhaps
        ([(["C", "B", "A"], 2), (["B", "A"], 0)], [("C",), ("A",)], False),
        ([(["A. red", "B. blue"], 1)], [("B", "blue")], True),
        ([(["red", "blue"], "1"), (["red", "blue"], "0")], [("B", "blue"), ("A", "red")], False),  # as HellaSwag has it
        ([({"A": "red", "B": "blue"}, 1.0), ({"A": "red", "B": "blue"}, 0.0)], [("B", "blue"), ("A", "red")], False),
        ([(["1", "0"], "0"), ([1, 0], "1")], [("0",), ("1",)], False),  # written as the options are
        ([({"text": ["red", "blue"], "label": ["1", "2"]}, "2")], [("2",)], False),  # a label
        ([(["red", "blue"], 1), (["red", "blue"], 2)], [("1",), ("2",)], True),  # places from 1, perhaps
    ],
)
def test_numbers_beside_options_are_places_or_answers_in_the_whole_file(rows, golds, doubtful: bool) -> None:
    pools = read(*({"question": f"{i}?", "options": o, "answer": a, "response": "A"} for i, (o, a) in enumerate(rows)))
    assert [pool.golds for pool in pools] == golds
    assert ("taken for" in notes(pools)) == doubtful


def test_options_in_a_file_of_prompts_count() -> None:
    Path("asked.jsonl").write_text(json.dumps({"id": "a", "question": Q, "options": ["4", "5"], "answer": 0}))
    Path("p.jsonl").write_text(json.dumps({"id": "a", "response": "A"}))
    assert read_pools(["p.jsonl"], prompts=["asked.jsonl"])[0].golds == ("A", "4")


def test_columns_numbered_as_the_solutions_are_theirs() -> None:
    row = {"question": Q, "gold": GOLD, "response_1": RIGHT, "response_2": WRONG}
    told = {"score_1": 0.9, "score_2": 0.2, "finish_reason_1": "stop", "finish_reason_2": "length"}
    assert own_form(row | told) == own_form(row | {"score": [0.9, 0.2], "finish_reason": ["stop", "length"]})
    assert own_form(row | {"Score1": 0.9, "Score2": 0.2}) == own_form(row | {"score": [0.9, 0.2]})
    for others in ({"label_1": "1", "label_2": "0"}, {"score_1": 0.9}, {"score_0": 0.9, "score_1": 0.2}):
        assert (
            own_form(row | others) == own_form(row) | others
        )  # gold answers by their name, and none of each solution's
