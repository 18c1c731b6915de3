"""Tasks of one's own: rows with messages and numbers, further fields, and how problems are asked."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.inputs.specs import load_answers
from bench.inputs.task import Task
from bench.runs.outputs import check_problems, write_problems
from bench.tasks.tasks import load_task
from verifiers import EXACT, Message, Problem, Solution, Step, Stop, from_function
from verifiers.interface.errors import BadArgument, BadInput

TURNS = [{"role": "system", "content": "You add."}, {"role": "user", "content": "1+1?"}]
_PARTS = """
from bench.inputs.task import Task
from verifiers import Problem, from_function

problems = [Problem("a", "1+1?", "2", fields={"level": 1}), Problem("b", "1+2?", "3")]
judged = Task("judged", [Problem("a", "Say it.")], verifier=from_function(lambda p, s: 1.0))
twice = [Problem("a", "1+1?", "2")] * 2
without = [Problem("a", "1+1?")]
number, empty = 7, []

def rows():
    yield {"prompt": "1+1?", "answer": 2, "level": 1}
    yield {"prompt": "1+2?", "answer": 3, "level": 2}

def broken():
    raise KeyError("x")
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_task_parts.py").write_text(_PARTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")


def write(name: str, *rows: object) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def test_messages_numbers_and_further_fields() -> None:
    rows = [
        {"messages": TURNS, "answer": 2, "level": 1, "tests": [1, 2.5, {"a": None}]},
        {"prompt": "1/2?", "answer": 0.5, "level": float("nan")},
        {"question": "4?", "answer": [4.0]},
    ]
    first, second, third = load_task(write("t.jsonl", *rows)).problems
    assert first.prompt == (Message("system", "You add."), Message("user", "1+1?"))
    assert (first.answer, second.answer, third.answer) == ("2", "0.5", "4")
    assert first.fields == {"level": 1, "tests": [1, 2.5, {"a": None}]}
    assert second.fields == {"level": None}
    assert third.fields == {}


def test_columns_answers_and_separator() -> None:
    name = write("t.jsonl", {"frage": "Hm?", "doc": {"gold": "B"}, "nr": 7})
    task = load_task(
        name, columns={"prompt": "frage", "answer": "doc.gold", "id": "nr"}, answers="exact", separator="\n\n"
    )
    [problem] = task.problems
    assert (problem.id, problem.prompt, problem.answer) == ("7", "Hm?", "B")
    assert task.sampling.separator == "\n\n"
    assert problem.fields == {}  # the gold answer is not left where a policy or a scorer could read it
    name = write("u.jsonl", {"doc": {"q": "Hm?", "golds": ["B", "C"], "level": 2}, "n": 1})
    [problem] = load_task(name, columns={"prompt": "doc.q", "answer": "doc.golds.0"}).problems
    assert problem.fields == {"doc": {"golds": [None, "C"], "level": 2}, "n": 1}
    lower = Solution((Step("b"),), Stop.EOS)
    assert task.verifier.score([problem], [lower]).values().tolist() == [0.0]


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_other_files(ending: str) -> None:
    text = '[{"prompt": "1+1?", "answer": 2, "level": "3"}]' if ending == ".json" else "prompt,answer,level\n1+1?,2,3\n"
    Path(f"t{ending}").write_text(text)
    [problem] = load_task(f"t{ending}").problems
    assert (problem.answer, problem.fields) == ("2", {"level": "3"})


def test_a_system_message_an_instruction_and_solved_problems() -> None:
    task = write("t.jsonl", {"prompt": "2+2?", "answer": 4}, {"prompt": TURNS, "answer": 2})
    shots = write("s.jsonl", {"prompt": "3+3?", "solution": "It is 6.", "answer": 6}, {"prompt": "1?", "answer": 1})
    plain, turns = load_task(task, instruction="Be brief.", shots=f"{shots}:1").problems
    assert plain.prompt == "3+3?\n\nBe brief.\nIt is 6.\n\n2+2?\n\nBe brief."
    assert [(turn.role, turn.content) for turn in turns.prompt] == [
        ("system", "You add."),
        ("user", "3+3?\n\nBe brief."),
        ("assistant", "It is 6."),
        ("user", "1+1?\n\nBe brief."),
    ]
    told, also = load_task(task, system="Add.", shots=shots).problems
    assert [turn.role for turn in told.prompt] == ["system", *["user", "assistant"] * 2, "user"]
    assert also.prompt[0] == Message("system", "Add.")


def test_solved_problems_have_the_tasks_columns_or_our_names() -> None:
    task = write("t.jsonl", {"frage": "2+2?", "doc": {"gold": 4}})
    ours, theirs = {"prompt": "1+1?", "answer": 2}, {"frage": "1+2?", "doc": {"gold": 3}}
    shots = write("s.jsonl", ours, theirs, {"question": "1+3?", "doc": {"gold": 4}})
    [problem] = load_task(task, columns={"prompt": "frage", "answer": "doc.gold"}, shots=shots).problems
    assert problem.prompt == "1+1?\n2\n\n1+2?\n3\n\n1+3?\n4\n\n2+2?"


def test_what_python_gives() -> None:
    assert [p.fields for p in load_task("own_task_parts:problems").problems] == [{"level": 1}, {}]
    rows = load_task("own_task_parts:rows", limit=1)
    assert [(p.id, p.answer, p.fields) for p in rows.problems] == [("rows-00000", "2", {"level": 1})]
    [judged] = (task := load_task("own_task_parts:judged")).problems
    assert task.verifier.score([judged], [Solution((Step("It."),), Stop.EOS)]).values().tolist() == [1.0]


def test_problems_whose_fields_were_edited_are_others(tmp_path: Path) -> None:
    begun = [Problem("a", "1+1?", "2", fields={"level": 1, "tags": ("x",)}), Problem("b", "1+2?", "3")]
    write_problems(tmp_path, begun)
    check_problems(tmp_path, begun, ["0/sample"])
    for edited in (replace(begun[0], fields={"level": 2, "tags": ("x",)}), replace(begun[0], fields={})):
        with pytest.raises(BadInput, match="problem 'a' had another prompt, answer or fields when this run began"):
            check_problems(tmp_path, [edited, begun[1]], ["0/sample"])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Answers(lambda: None, list)", "extract <lambda>: too many positional arguments; it is given a text"),
        ("Answers(lambda text: text.split()[-1], list)", r"extract\(''\) fails \(IndexError: "),
        ("Answers(len, list)", "it gave a int, not a text or None"),
        (
            "Answers(str.strip, lambda a, b: a == b)",
            "equal <lambda>: missing a required argument: 'b'; it is",
        ),
        ("Answers(str.strip, lambda pairs: True)", "'bool' object is not iterable"),
        ("Answers(str.strip, lambda pairs: [])", "it gave another number of verdicts than there are pairs"),
        ("Answers(str.strip, list, float)", "it gave a float, not a text"),
    ],
)
def test_answers_that_cannot_be_read_or_compared(code: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("answers_tried.py").write_text(f"from verifiers import Answers\nours = {code}\n")
    monkeypatch.delitem(sys.modules, "answers_tried", raising=False)
    with pytest.raises(BadArgument, match=message):
        load_answers("answers_tried:ours")


def test_answers_of_their_own_kind_may_refuse_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    dates = "lambda pairs: [date.fromisoformat(a) == date.fromisoformat(b) for a, b in pairs]"
    Path("answers_tried.py").write_text(
        f"from datetime import date\nfrom verifiers import Answers\nours = Answers(str.strip, {dates})\n"
    )
    monkeypatch.delitem(sys.modules, "answers_tried", raising=False)
    assert load_answers("answers_tried:ours").equal([("2020-01-01", "2020-01-01")]) == [True]


def test_a_task_grades_by_its_answers_where_it_says_no_other_way() -> None:
    task = Task("t", [Problem("a", "A?", "x")], answers=EXACT)  # type: ignore[arg-type]
    assert task.verifier.score(task.problems, [Solution((Step("x"),), Stop.EOS)]).values().tolist() == [1.0]
    own = Task("t", (Problem("a", "A?"),), verifier=from_function(lambda problem, solution: 0.5))
    assert own.verifier.score(own.problems, [Solution((Step("x"),), Stop.EOS)]).values().tolist() == [0.5]


@pytest.mark.parametrize(
    ("spec", "given", "message"),
    [
        ("own_task_parts:number", {}, "it is a int; give a Task, a list of Problems or of rows"),
        ("own_task_parts:empty", {}, "it holds nothing"),
        ("own_task_parts:twice", {}, "two problems have the id 'a'"),
        ("own_task_parts:without", {}, "problem 'a' has no answer to grade by; give one, or a Task with a verifier"),
        ("own_task_parts:broken", {}, "KeyError: 'x'"),
        ("own_task_parts:absent", {}, "no 'absent' in"),
        ("nowhere_at_all:x", {}, "unknown task; use one of chain.*mine:problems"),
        ("own_task_parts:judged", {"answers": "exact"}, "the task judged grades by itself"),
        ("own_task_parts:judged", {"columns": {"prompt": "a"}}, "is a Task, which has no rows"),
        ("own_task_parts:problems", {"columns": {"prompt": "frage"}}, "columns prompt: .* has Problems, which have no"),
        ("own_task_parts:problems", {"answers": "nope"}, "answers nope: use math, gsm8k, exact"),
        ("chain", {"columns": {"prompt": "a"}}, "chain is read from no file"),
        ("chain", {"instruction": "Add."}, "instruction Add.: chain reads its problems from their prompts alone"),
        ("word_sort", {"system": ""}, "system : word_sort reads its problems from their prompts alone"),
        ("countdown", {"shots": "t.jsonl"}, "shots t.jsonl: countdown reads its problems from their prompts alone"),
        ("t.jsonl", {"columns": {"prompt": "frage"}}, "t.jsonl:1: no 'frage' in this row; it has 'prompt', 'answer'"),
        ("t.jsonl", {"columns": {"gold": "answer"}}, "of a task's file use id, prompt, answer, solution"),
        ("t.jsonl", {"shots": "t.jsonl"}, "is problem 'jsonl-00000' of the task; show others"),
        (
            "other.jsonl",
            {},
            "no 'prompt' in this row; it has 'text', 'gold'; if that is 'text', give --columns prompt=text",
        ),
    ],
)
def test_what_is_said_of_another_thing(spec: str, given: dict, message: str) -> None:
    write("t.jsonl", {"prompt": "1+1?", "answer": 2})
    write("other.jsonl", {"text": "1+1?", "gold": 2})
    with pytest.raises(BadInput, match=message):
        load_task(spec, **given)
