"""`stepbeam train`: rows in, a model and a table out, and one line for what cannot be."""

import argparse
import json
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from bench.commands.train import add_arguments, run
from bench.diagnostics.label_quality import judge, quality_of
from bench.tiny import load_task, weights_folder
from bench.training.rows import read_critiques, read_format, read_outcomes, read_step_labels
from policies.training.config import SOLUTION_WEIGHT
from policies.training.skipped import warn_of_skipped
from prms import PRM
from tests.bench.report.conftest import blob
from verifiers import ORM, GenRM, Labelled, Problem, Solution, Step, Stop, outcome_scores
from verifiers.interface.errors import BadInput

FORMAT = {
    "direct": "{problem}\n{solution}\nOK?", "cot": "{problem}\n{solution}\nWhy?\n", "solver": "{problem}\n",
    "verdict": "OK?", "yes": "Y", "no": "N",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, *rows: object) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def train(*argv: str):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(list(argv)))


def solutions(count=24, first=0):
    for k in range(first, first + count):
        digit = k % 10
        yield {
            "id": f"q{k // 2}",
            "prompt": f"C {k // 2}+1\n",
            "solution": f"{k}+1={digit}\n={digit}",
            "correct": digit % 2 == 0,
            "labels": [0.75, float(digit % 2 == 0)],
            "rationale": f"{digit} OK? {'Y' if digit % 2 == 0 else 'N'}",
        }


FAST = ("--base=tiny:policy", "--out=out", "--steps=40", "--batch-size=8", "--learning-rate=0.002")


def test_an_orm_and_its_table(capsys):
    data, held_out = write("train.jsonl", *solutions()), write("eval.jsonl", *solutions(12, 40))
    quality = train("orm", data, *FAST, f"--eval={held_out}", "--balance")
    assert quality.accuracy > 0.9
    assert quality.auc > 0.9
    assert isinstance(ORM.load("out"), ORM)
    printed = capsys.readouterr().out
    assert "training an ORM from tiny:policy on 24 rows of 12 problems -> out" in printed
    assert "held out" in printed
    assert "eval.jsonl      12" in printed
    assert "training loss" in printed
    record = json.loads(Path("out/evaluation.json").read_text())
    assert (record["file"], record["labels"], record["silent"]) == ("eval.jsonl", 12, 0)
    assert "- files: out, out/report.html" in printed
    [written] = blob(Path("out/report.html").read_text(), "summary")["trainings"]
    assert (written["steps"], dict(written["quality"])["labels"]) == (40, 12)
    train("orm", data, *FAST, f"--eval={data}", "--balance")
    assert "12 problems of train.jsonl are also in train.jsonl: they are not held out" in capsys.readouterr().out


def test_a_prm_from_rows_and_from_a_collected_folder():
    data = write("train.jsonl", *({**row, "root": 0.5} for row in solutions()))
    quality = train("prm", data, "--target=value", *FAST, f"--eval={data}")
    assert quality.labels == 48
    assert quality.loss < quality.constant
    assert PRM.load("out").target == "value"

    import policies
    import verifiers
    from prms.values import collect_values

    policy = policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")
    collect_values(
        policy, list(load_task("chain", count=2).problems), verifiers.AnswerVerifier(verifiers.EXACT), coverage=1,
        rollouts=1, out="values",
    )  # fmt: skip
    rows = read_step_labels(Path("values"))
    assert {row.problem.id for row in rows} == {p.id for p in load_task("chain", count=2).problems}
    train("prm", "values", "--target=value", "--base=tiny:policy", "--out=from_values", "--steps=1", "--batch-size=2")
    assert PRM.load("from_values").target == "value"


def test_a_separators_escapes_become_line_breaks():
    from bench.commands.cli import main

    row = {"prompt": "C 1+1\n", "solution": "1+1=2\n\n=2", "correct": True, "labels": [1, 0]}
    argv = ["train", "prm", write("t.jsonl", row), "--target=error", "--base=tiny:policy", "--out=out", "--steps=1"]
    assert main([*argv, r"--separator=\n\n", "--batch-size=1"]) == 0
    assert json.loads(Path("out/config.json").read_text())["stepbeam"]["separator"] == "\n\n"


@pytest.mark.parametrize("mode", ["direct", "cot"])
def test_a_generative_verifier(mode):
    Path("format.json").write_text(json.dumps(FORMAT))
    data = write("train.jsonl", *solutions())
    options = [f"--mode={mode}", "--format=format.json", *FAST]
    quality = train("genrm", data, *options, *([f"--eval={data}"] if mode == "direct" else []))
    genrm = GenRM.load("out")
    assert (genrm.mode, genrm.format.verdict) == (mode, "OK?")
    if mode == "direct":
        assert quality.accuracy > 0.9


def test_anothers_page_is_refused_before_anything_is_trained():
    Path("out").mkdir()
    Path("out/report.html").write_text("<title>mine")
    with pytest.raises(BadInput, match=r"out/report\.html: a file that is no report is there"):
        train("orm", write("train.jsonl", *solutions(4)), "--base=tiny:policy", "--out=out", "--steps=1")
    assert [path.name for path in Path("out").iterdir()] == ["report.html"]


def test_what_is_left_out_becomes_a_note(capsys):
    rows = [*solutions(4), {"prompt": "C 1\n", "solution": "7" * 300, "correct": False}]
    train("orm", write("train.jsonl", *rows), "--base=tiny:policy", "--out=out", "--steps=1", "--batch-size=2")
    printed = capsys.readouterr().out
    assert "- 1 of 5 rows are not trained on: 1 are over 256 tokens (problem 'train-00000')" in printed
    assert "- training loss 0.6931 at step 1" in printed


def test_what_is_left_out_is_said_even_where_training_ends_badly(capsys, monkeypatch):
    from verifiers.reward_models import train_reward

    def fit(*_, **__):
        assert "- 1 of 5 rows are not trained on" in capsys.readouterr().out  # at once, not at the end
        warnings.warn("something else", UserWarning, stacklevel=1)
        warn_of_skipped({"are over 9 tokens": ["q7"]}, 2)
        raise FloatingPointError("the loss is nan")

    monkeypatch.setattr(train_reward, "fit", fit)
    rows = [*solutions(4), {"prompt": "C 1\n", "solution": "7" * 300, "correct": False}]
    with pytest.raises(BadInput, match="train orm: the loss is nan"), pytest.warns(UserWarning, match="something else"):
        train("orm", write("train.jsonl", *rows), "--base=tiny:policy", "--out=out", "--steps=1")
    assert "- 1 of 2 rows are not trained on: 1 are over 9 tokens (problem 'q7')" in capsys.readouterr().out


def test_a_generative_verifier_is_loaded_only_to_judge(monkeypatch):
    loads = []

    class Loaded:
        def score(self, problems, rows):
            return outcome_scores(rows, [0.5] * len(rows))

    monkeypatch.setattr(GenRM, "load", lambda out, **options: loads.append(options) or Loaded())
    Path("format.json").write_text(json.dumps(FORMAT))
    data = write("train.jsonl", *solutions(4))
    command = ["genrm", data, "--mode=cot", "--format=format.json", "--base=tiny:policy", "--steps=1", "--batch-size=2"]
    assert train(*command, "--out=out") is None
    assert loads == []
    train(*command, "--out=out", f"--eval={data}", "--votes=3")
    train(*command, "--out=bf16", f"--eval={data}", "--bf16")
    assert loads == [{"votes": 3, "dtype": "float32"}, {"votes": 1, "dtype": "bfloat16"}]


def test_one_weight_of_learning_to_solve():
    import inspect

    from bench.reproduce.genrm.arms import Arm
    from verifiers.genrm.train import train_genrm

    assert SOLUTION_WEIGHT == 1 / 3
    assert inspect.signature(train_genrm).parameters["solution_weight"].default == SOLUTION_WEIGHT
    assert Arm("cot").solution_weight == SOLUTION_WEIGHT


def test_judging_by_hand():
    class Fixed:
        def score(self, problems, rows):
            from verifiers import Scores

            return Scores((np.array([0.9, 0.2]), np.array([np.nan, 0.6]), np.array([0.5])))

    def row(name, *labels):
        return Labelled(Problem(name, name), Solution(tuple(Step("x") for _ in labels), Stop.EOS), labels)

    judged = judge(Fixed(), [row("a", 0.7, 0.0), row("b", 1.0, 0.0), row("b", math.nan)])
    assert judged.problems == ("a", "a", "b")
    quality = quality_of(judged)
    assert (quality.labels, quality.silent) == (3, 1)
    assert quality.accuracy == pytest.approx(2 / 3)
    assert quality.auc == 1.0
    pairs = [(0.7, 0.9), (0.0, 0.2), (0.0, 0.6)]
    assert quality.loss == pytest.approx(np.mean([-y * math.log(p) - (1 - y) * math.log(1 - p) for y, p in pairs]))
    mean = 0.7 / 3
    assert quality.constant == pytest.approx(-mean * math.log(mean) - (1 - mean) * math.log(1 - mean))


ROW = {"id": "q", "prompt": "1+1?", "solution": "a\nb", "correct": True, "labels": [1, 0]}


@pytest.mark.parametrize(
    ("reader", "row", "message"),
    [
        (read_outcomes, {"correct": None}, "t.jsonl:2: no 'correct' in this row"),
        (read_outcomes, {"correct": 1.5}, r"t.jsonl:2: correct is 1\.5; use true, false, a number in \[0, 1\]"),
        (read_outcomes, {"stop": "length"}, r"t.jsonl:2: an unfinished or empty solution \(stop length\)"),
        (read_outcomes, {"stop": "failed"}, "t.jsonl:2: stop is 'failed'; use eos, open or length"),
        (read_outcomes, {"stop": ["eos"]}, r"t.jsonl:2: stop is \['eos'\]; use eos, open or length"),
        (read_outcomes, {"prompt": "other"}, "t.jsonl:2: id 'q' has another prompt at t.jsonl:1"),
        (read_outcomes, {"steps": "a"}, "t.jsonl:2: 'steps' must be a list of texts"),
        (read_step_labels, {"labels": None}, "t.jsonl:2: no list 'labels' in this row"),
        (
            read_step_labels,
            {"labels": [1]},
            r"t.jsonl:2: 1 labels for 2 steps; .* \(is the separator '\\n' what ends a step",
        ),
        (read_step_labels, {"labels": [1, "good"]}, r"t.jsonl:2: labels\[1\] is 'good'"),
        (read_step_labels, {"root": 2}, "t.jsonl:2: root is 2"),
    ],
)
def test_bad_rows_are_named(reader, row, message):
    path = Path(write("t.jsonl", ROW, {**ROW, **row}))
    with pytest.raises(BadInput, match=message):
        reader(path)


def test_rationales_are_asked_for_where_they_are_learnt_from():
    path = Path(write("t.jsonl", {**ROW, "rationale": "x"}, ROW))
    assert [row.rationales for row in read_critiques(path, rationales=False)] == [(), ()]
    with pytest.raises(BadInput, match=r"t.jsonl:2: no text 'rationale' and no list of texts 'rationales'"):
        read_critiques(path, rationales=True)
    with pytest.raises(BadInput, match=r"t.jsonl:1: 'correct' is 0\.5; a generative verifier learns true or false"):
        read_critiques(Path(write("t.jsonl", {**ROW, "correct": 0.5})), rationales=False)


def test_rows_are_read_as_they_are():
    path = Path(write("t.jsonl", {"prompt": "p", "steps": ["a", ""], "labels": [None, True], "root": 0.25}, {**ROW}))
    first, second = read_step_labels(path)
    assert first.solution.steps == (Step("a"), Step(""))
    assert (math.isnan(first.labels[0]), first.labels[1], first.root) == (True, 1.0, 0.25)
    assert (second.labels, second.root, second.problem.id) == ((1.0, 0.0), None, "q")
    assert first.problem.id == "t-00000"
    [only] = read_step_labels(path, limit=1)
    assert only.solution == first.solution
    [cut] = read_step_labels(Path(write("s.jsonl", {**ROW, "solution": "a;b"})), separator=";")
    assert [step.text for step in cut.solution.steps] == ["a;", "b"]
    [one] = read_critiques(Path(write("c.jsonl", {**ROW, "rationales": ["x", "y"]})), rationales=True)
    assert one.rationales == ("x", "y")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("orm", "t.jsonl", "--target=value"), "--target: it is for 'prm', and this trains 'orm'"),
        (("prm", "t.jsonl"), "--target: say what the labels are"),
        (("genrm", "t.jsonl"), "--mode: say 'direct'"),
        (("orm", "none.jsonl"), "none.jsonl: no such file"),
        (("orm", "t.jsonl", "--batch-size=0"), "batch_size is 0"),
        (("orm", "t.jsonl", "--limit=0"), "--limit 0"),
        (("orm", "t.jsonl", "--base=./nothing"), "train orm: no model at './nothing': there is no such folder"),
        (("orm", "t.jsonl", "--base=tiny:nothing"), "train orm: no tiny model named 'nothing'"),
        (("orm", "t.jsonl", "--out=full"), "train orm: full: this folder holds other files and no training.json"),
        (("orm", "t.jsonl", "--balance"), "train orm: all 1 examples are right: balance=True needs both kinds"),
        (("genrm", "t.jsonl", "--mode=direct", "--format=t.jsonl"), "--format t.jsonl: not a format"),
        (("genrm", "t.jsonl", "--mode=direct", "--votes=2", "--eval=t.jsonl"), "--votes 2: it is for --mode cot"),
        (("genrm", "t.jsonl", "--mode=direct", "--rationales=2"), "--rationales 2: it is for --mode cot"),
        (("genrm", "t.jsonl", "--mode=cot", "--votes=2"), "--votes 2: it is for judging held-out rows; add --eval"),
        (("genrm", "t.jsonl", "--mode=cot", "--votes=0", "--eval=t.jsonl"), "--votes 0: it must be 1 or more"),
        (("genrm", "t.jsonl", "--mode=cot", "--rationales=0"), "--rationales 0: it must be 1 or more"),
        (("genrm", "t.jsonl", "--mode=direct"), "train genrm: the verdict ' Yes' is 4 tokens"),
        (("prm", "full", "--target=value"), "full: not a folder that prms.collect_values wrote"),
    ],
)
def test_what_cannot_be_is_one_line(capsys, argv, message):
    from bench.commands.cli import main

    write("t.jsonl", ROW)
    Path("full").mkdir()
    Path("full/thesis.txt").write_text("mine")
    given = [*argv, *(o for o in ("--base=tiny:policy", "--out=out") if o.partition("=")[0] not in str(argv))]
    assert main(["train", *given]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1


def test_a_format_is_read():
    Path("f.json").write_text(json.dumps(FORMAT))
    assert read_format(Path("f.json")).yes == "Y"
