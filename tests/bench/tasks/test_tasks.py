"""Tasks by name and by file."""

import json
import pickle
from pathlib import Path

import pytest

from bench.inputs.data_sets import rows_at
from bench.inputs.specs import load_policy, load_scorer, named_scorers
from bench.runs.plan import RunPlan
from bench.stats.contest import Contest
from bench.tasks.tasks import answers_of, load_task
from policies import Sampling
from tests.shared_data import DATA, needs_data
from verifiers import GSM8K, MATH, Solution, Step, Stop
from verifiers.interface.errors import BadInput


@needs_data("gsm8k_test.jsonl")
def test_gsm8k_from_its_file() -> None:
    task = load_task(f"gsm8k:{DATA / 'gsm8k_test.jsonl'}", limit=3)
    assert [p.answer for p in task.problems] == ["18", "3", "70000"]
    assert str(task.problems[0].prompt).startswith("Janet’s ducks")
    right = Solution((Step("She makes 9 * 2 = $18.\n"), Step("The answer is $18.00.")), Stop.EOS)
    assert task.verifier.score(task.problems[:1], [right]).values().tolist() == [1.0]


@needs_data("math500.jsonl")
def test_math500_from_its_file() -> None:
    task = load_task(f"math500:{DATA / 'math500.jsonl'}", limit=1)
    said = r"Then \boxed{(3,\pi/2)}."
    assert task.verifier.score(task.problems, [Solution((Step(said),), Stop.EOS)]).values().tolist() == [1.0]


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "1/2?", "answer": "\\frac{1}{2}"}) + "\n\n")
    task = load_task(str(path))
    assert [(p.id, p.prompt) for p in task.problems] == [("jsonl-00000", "1/2?")]
    half = Solution((Step("The answer is 0.5."),), Stop.EOS)
    assert task.verifier.score(task.problems, [half]).values().tolist() == [1.0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"id": "a", "prompt": "1+1?", "answer": ""}', "t.jsonl:1: 'answer' holds no gold answer to grade by"),
        ('{"id": "a", "prompt": "1+1?", "answer": " "}', "t.jsonl:1: 'answer' holds no gold answer to grade by"),
        ('{"id": "a", "prompt": "", "answer": "2"}', "t.jsonl:1: the prompt is empty"),
        ('{"id": "a", "prompt": 5, "answer": "2"}', "t.jsonl:1: 'prompt' is a int; text was expected"),
        ('{"id": [1], "prompt": "1+1?", "answer": "2"}', r"t.jsonl:1: 'id' is \[1\]; a text or a number was expected"),
        ('{"id": NaN, "prompt": "1+1?", "answer": "2"}', "t.jsonl:1: 'id' is NaN; a text or a number"),
        ('{"id": true, "prompt": "1+1?", "answer": "2"}', "t.jsonl:1: 'id' is true; a text or a number"),
        (
            '{"id": "a\\ud800", "prompt": "1+1?", "answer": "2"}',
            "t.jsonl:1: 'id' holds a lone surrogate at",
        ),
        (
            '{"prompt": "?", "options": ["\\ud800", "b"], "answer": "A"}',
            "t.jsonl:1: an option holds a lone surrogate at",
        ),
        ("[" * 100_000, "t.jsonl:1: not JSON"),
        ("", "t.jsonl: no problems in it"),
    ],
)
def test_what_no_problem_can_be_made_of_is_named(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "t.jsonl").write_text(row + "\n")
    with pytest.raises(BadInput, match=message):
        load_task(str(tmp_path / "t.jsonl"))


def test_a_hub_dataset_that_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub\nand much more")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(BadInput, match=r"^task gsm8k: openai/gsm8k could not be loaded \(no route to the hub\)"):
        load_task("gsm8k")


def test_a_hub_dataset_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    rows = datasets.Dataset.from_list([{"problem": "1+1?", "answer": "2"}])
    monkeypatch.setattr(datasets, "load_dataset", lambda name, configuration, split: rows)
    [problem] = load_task("math500").problems
    assert (problem.id, problem.answer) == ("math500-00000", "2")


def test_strategies_of_a_plan() -> None:
    plan = RunPlan(
        "chain", "tiny:policy", {"orm": "a", "prm": "b"}, ("best_of_n", "beam_search:prm", "best_of_n:orm"), 8
    )
    assert plan.contests() == [
        Contest("best_of_n", "orm"),
        Contest("best_of_n", "prm"),
        Contest("beam_search", "prm"),
    ]
    assert RunPlan("chain", "p", {}, (), 8).with_default_strategies().strategies == ("self_consistency",)
    assert plan.sampling(Sampling(max_tokens=9)) == Sampling(max_tokens=9)


def test_parts_of_ones_own_by_module_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ones_own").mkdir()
    (tmp_path / "ones_own" / "__init__.py").write_text("")
    (tmp_path / "ones_own" / "things.py").write_text(
        "import policies, verifiers\n"
        "policy = policies.Scripted(lambda problem, prefix, seed: 'x')\n"
        "scorer = verifiers.from_function(lambda problem, solution: 1.0)\n"
        "number = 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert hasattr(load_policy("ones_own.things:policy"), "extend")
    assert hasattr(load_scorer("ones_own.things:scorer"), "score")
    for spec, message in (
        ("ones_own.things:number", r"is a int, without the method .score\(\)"),
        ("ones_own.nope:x", "import"),
    ):
        with pytest.raises(BadInput, match=message):
            load_scorer(spec)
    assert named_scorers(["ones_own.things:scorer"]) == {"scorer": "ones_own.things:scorer"}


@pytest.mark.parametrize("spec", ["chain", "countdown", "last_letter", "word_sort"])
def test_an_embedded_task_can_be_sent_to_another_process(spec: str) -> None:
    task = load_task(spec, limit=3)
    sent = pickle.loads(pickle.dumps(task))
    assert sent == task
    rows = [Solution((Step("=?"),), Stop.EOS)] * 3
    assert sent.verifier.score(sent.problems, rows).values().tolist() == [0.0] * 3


def test_a_data_set_that_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import Dataset, DatasetDict

    monkeypatch.chdir(tmp_path)
    saved = Dataset.from_list([{"question": "2+2?", "answer": "4", "level": 2}])
    saved.save_to_disk("one")
    DatasetDict({"train": saved, "test": saved}).save_to_disk("two")
    for spec in ("one", "two/test", "two:test"):
        [problem] = load_task(spec).problems
        assert (problem.prompt, problem.answer, dict(problem.fields)) == ("2+2?", "4", {"level": 2})
    for spec, why in (
        ("two", "it has the splits train, test; name one, as two:train"),
        ("two:dev", "it has the splits"),
        ("one:test", "it has no splits; give one"),
        ("me/none:test", "me/none:test: no such file, and the data set me/none could not be loaded"),
    ):
        with pytest.raises(BadInput, match=why):
            load_task(spec)
    for source in ("none:test", "./none:test", "me/none:test"):
        with pytest.raises(
            BadInput, match="where one was saved and moved, give the folder that it is in now, FOLDER or"
        ):
            rows_at(source)


@pytest.mark.parametrize(
    "spec", ["gone.jsonl", "gone.txt", "gone", "./gone", "/data/gone", "/data/gone:test", "a/b/gone:test", "me/gone"]
)
def test_a_file_or_data_set_that_has_moved_was_read_as_mathematics(spec: str) -> None:
    assert answers_of(spec) is MATH
    assert answers_of(f"gsm8k:{spec}") is GSM8K


def test_a_task_of_ones_own_that_is_gone_is_not_known_to_be_mathematics() -> None:
    with pytest.raises(BadInput, match="task nowhere_at_all:x: there is no such task here"):
        answers_of("nowhere_at_all:x")
