"""What the fields of saved pools may hold: gold answers, ids, verdicts, stops, and texts."""

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bench.commands.cli import main
from bench.pools.saved_pool import read_pools
from bench.tasks.tasks import load_task
from verifiers import Message, Stop
from verifiers.interface.errors import BadInput


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lines(name: str, *rows: object) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def read(*rows: object):
    return read_pools([lines("p.jsonl", *rows)])


@pytest.mark.parametrize(
    ("found", "gold"),
    [
        ("It is 2 + 2 = <<2+2=4>>4.\n#### 4", "4"),
        (" 4 ", "4"),
        (204, "204"),
        (204.0, "204"),
        (0, "0"),
        (0.5, "0.5"),
        (None, None),
        ("", None),
        (" \n", None),
        ([4], "4"),
        (["4"], "4"),
        ('["4"]', "4"),
        ("[1, 2]", "[1, 2]"),
        ([], None),
        (r"We add and get \boxed{4}.", "4"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("We add two and two, and so we see that the answer is 4.", "4"),
        ("to be done\n####", None),
    ],
)
def test_gold_answers(found: object, gold: str | None) -> None:
    assert read({"prompt": "?", "answer": found, "text": "4"})[0].problem.answer == gold


def test_numbers_as_gold_answers_in_parquet() -> None:
    for name, column in (("int", [204]), ("float", [204.0])):
        parquet.write_table(
            pyarrow.table({"prompt": ["?"], "answer": column, "text": ["It is 204"]}), name + ".parquet"
        )
        assert read_pools([name + ".parquet"])[0].problem.answer == "204"


def test_what_is_no_gold_answer() -> None:
    with pytest.raises(BadInput, match=r"p.jsonl:1: 'answer' is a bool; text was expected"):
        read({"prompt": "?", "answer": True, "text": "4"})
    [pool] = read({"prompt": "?", "answer": float("nan"), "text": "4", "correct": True})
    assert pool.problem.answer is None  # which is how pandas writes that there is none


def test_gsm8k_rows_are_graded(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"question": "2+2?", "answer": "2+2=4\n#### 4", "solutions": ["The answer is 4.", "The answer is 5."]}
    assert main(["rerank", lines("p.jsonl", row), "--columns=prompt=question", "--n=2", "--out=out"]) == 0
    samples = [json.loads(line) for line in Path("out/samples.jsonl").read_text().splitlines()]
    assert [sample["correct"] for sample in samples] == [True, False]


def test_rows_without_ids_get_free_ones() -> None:
    rows = [
        {"prompt": "a", "text": "1"},
        {"id": "p-00001", "prompt": "b", "text": "1"},
        {"prompt": "c", "text": "1"},
        {"id": "p-00000", "prompt": "d", "text": "1"},
    ]
    named = [pool.problem.id for pool in read(*rows)]
    assert named == ["p-00002", "p-00001", "p-00003", "p-00000"]
    assert [pool.problem.id for pool in read_pools(["p.jsonl"], limit=3)] == named[:3]


def test_sources_of_the_same_name_in_other_folders() -> None:
    first = lines("x/p.jsonl", {"prompt": "a", "text": "1"}, {"prompt": "b", "text": "1"})
    second = lines("y/p.jsonl", {"prompt": "b", "text": "2"}, {"prompt": "c", "text": "2"})
    third = lines("z/p.jsonl", {"id": "p-00002", "prompt": "d", "text": "2"})
    pools = read_pools([first, second, third])
    assert [pool.problem.id for pool in pools] == ["p-00000", "p-00001", "p-00003", "p-00002"]
    assert [pool.where for pool in pools] == ["x/p.jsonl:1", "x/p.jsonl:2", "y/p.jsonl:2", "z/p.jsonl:1"]


def test_a_source_given_twice_is_refused() -> None:
    lines("p.jsonl", {"prompt": "a", "text": "1"})
    for again in ("p.jsonl", "./p.jsonl", Path("p.jsonl").resolve()):
        with pytest.raises(BadInput, match=r"^p.jsonl: given twice; name each source once$"):
            read_pools(["p.jsonl", again])
    with pytest.raises(BadInput, match=r"^owner/p:test: given twice"):
        read_pools(["owner/p:test", "owner/p:test"])


def test_steps_and_text_where_a_table_has_both_columns() -> None:
    solutions = [{"text": None, "steps": ["a\n", "b"]}, {"text": "a\nb", "steps": None}]
    parquet.write_table(pyarrow.Table.from_pylist([{"prompt": "?", "solutions": solutions}]), "p.parquet")
    [pool] = read_pools(["p.parquet"])
    assert [s.text for s in pool.solutions] == ["a\nb", "a\nb"]
    assert pool.in_steps == (True, False)


def test_verdicts() -> None:
    found = [True, False, 1, 0, "True", "false", None]
    [pool] = read({"prompt": "?", "solutions": [{"text": "1", "correct": c} for c in found]})
    assert pool.correct == (True, False, True, False, True, False, None)
    for bad in (2, 0.5, "maybe", [True], float("nan")):
        with pytest.raises(BadInput, match=r"p.jsonl:1: solution 1: 'correct' is .*; use true, false, 1, 0, or null"):
            read({"prompt": "?", "solutions": ["1", {"text": "1", "correct": bad}]})


@pytest.mark.parametrize(
    ("found", "stop"),
    [
        (None, Stop.EOS),
        ("", Stop.EOS),
        ("eos", Stop.EOS),
        ("stop", Stop.EOS),
        ("length", Stop.LENGTH),
        ("abort", Stop.FAILED),
        ("error", Stop.FAILED),
        ("content_filter", Stop.FAILED),
        ("failed", Stop.FAILED),
        ("open", Stop.OPEN),
    ],
)
def test_stops_in_our_words_and_the_engines(found: str | None, stop: Stop) -> None:
    [solution] = read({"prompt": "?", "text": "1", "stop": found})[0].solutions
    assert solution.stop is stop
    assert solution.reason == (f"recorded as {found}" if stop is Stop.FAILED else None)


@pytest.mark.parametrize("found", ["STOPPED", 2, 0, False, [], ["stop"], {"a": 1}])
def test_what_is_no_stop(found: object) -> None:
    with pytest.raises(
        BadInput, match=r"p.jsonl:1: solution 0: stop is .*; use one of open, eos, length, failed, stop,"
    ):
        read({"prompt": "?", "text": "1", "stop": found})


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"prompt": "?", "text": "ab\ud800"}, "solution 0: 'text' holds a lone surrogate at character 2; remove it"),
        ({"prompt": "?", "steps": ["a", "\ud800"]}, "solution 0: 'steps' holds a lone surrogate at character 0"),
        ({"prompt": "\udfff", "text": "1"}, "'prompt' holds"),
        ({"prompt": [{"role": "user", "content": "\ud800"}], "text": "1"}, "'content' holds"),
        ({"prompt": "?", "answer": "\ud800", "text": "1"}, "'answer' holds"),
        ({"prompt": "?", "id": "\ud800", "text": "1"}, "'id' holds"),
        ({"prompt": "?", "text": "1", "\ud800": 1}, "solution 0: a field's name holds"),
        ({"prompt": "?", "text": "1", "scores": {"\ud800": 1}}, "solution 0: a score's name holds"),
    ],
)
def test_half_a_character_is_found_before_anything_is_scored(row: dict[str, object], place: str) -> None:
    with pytest.raises(BadInput, match=rf"^p.jsonl:2: {place}"):
        read({"prompt": "a whole one: \U0001f600", "text": "1"}, row)


def test_a_message_without_a_role_is_named_by_its_row() -> None:
    asked, said = {"role": "", "content": "?"}, {"role": "assistant", "content": "1"}
    for row in ({"prompt": [asked], "text": "1"}, {"messages": [asked, said]}):
        with pytest.raises(BadInput, match=r"^p.jsonl:2: 'prompt' has a message with an empty 'role'; write one"):
            read({"prompt": "?", "text": "1"}, row)
        with pytest.raises(BadInput, match=r"^p.jsonl:1: 'prompt' has a message with an empty 'role'; write one"):
            load_task(lines("p.jsonl", {**row, "prompt": [asked], "answer": "1"}))


@pytest.mark.parametrize("turn", ["?", {"role": "user"}, None])
def test_prompts_that_are_no_messages(turn: object) -> None:
    with pytest.raises(BadInput, match=r"p.jsonl:1: 'prompt' is a list, but not of messages"):
        read({"prompt": [turn], "text": "1"})
    with pytest.raises(BadInput, match=r"p.jsonl:1: 'content' is a list; text was expected"):
        read({"prompt": [{"role": "user", "content": ["?"]}], "text": "1"})
    parts = [{"type": "text", "text": "2+2"}, {"type": "text", "text": "?"}]
    [pool] = read({"prompt": [{"role": "user", "content": parts}], "text": "1"})
    assert pool.problem.prompt == (Message("user", "2+2?"),)


def test_what_else_is_known_of_a_problem() -> None:
    row = {"question": "2+2?", "gold": 4, "level": 2, "meta": {"topic": "sums", "raw": [1]}, "note": "x" * 1000}
    [pool] = read(row | {"responses": ["4", "5"], "Finish Reason": "stop"})
    assert dict(pool.problem.fields) == {"level": 2, "meta": {"topic": "sums"}}
    [pool] = read(*[row | {"response": str(n), "try": n, "reward": n / 2} for n in (4, 5)])
    assert dict(pool.problem.fields) == {"level": 2, "meta": {"topic": "sums"}}
    [pool] = read({"prompt": "2+2?", "answer": "4", "text": "4", "fields": {"tests": ["a"]}})
    assert dict(pool.problem.fields) == {"tests": ["a"]}
    logged = {"id": 1, "epoch": 1, "input": "2+2?", "target": "4", "output": {"completion": "4"}}
    [pool] = read(logged | {"metadata": {"level": 2, "stepbeam": {"answer": "4"}}})
    assert dict(pool.problem.fields) == {"level": 2}


def test_what_is_known_of_a_problem_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    row = '{"prompt": "2+2?", "answer": "4", "texts": ["4"], "a": "\\ud800", "b": Infinity, "level": 1}'
    Path("p.jsonl").write_text(row + "\n")
    assert main(["rerank", "p.jsonl", "--columns", "solutions=texts", "--by", "level", "--out", "out"]) == 0
    [problem] = [json.loads(line) for line in Path("out/problems.jsonl").read_text().splitlines()]
    assert problem["fields"] == {"a": "?", "b": None, "level": 1}
    capsys.readouterr()


def test_results_by_a_field_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"{n}?", "answer": n, "meta": {"level": n % 2}, "texts": ["4", "5"]} for n in range(6)]
    name = lines("p.jsonl", *rows)
    assert main(["rerank", name, "--columns", "solutions=texts", "--by", "meta.level", "--out", "out"]) == 0
    assert "meta.level  problems" in capsys.readouterr().out
    assert main(["show", "out", "--by", "meta.level", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("0,pass@n")


def test_an_id_of_another_name_is_no_field_of_its_solutions() -> None:
    pools = read(*[{"prompt": "2+2?", "answer": "4", "text": "4", "sample_id": str(i)} for i in range(2)])
    assert "named" not in pools.names.aside
