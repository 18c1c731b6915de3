"""Bad input: one line that names the place, exit code 2, and nothing lost."""

import json
import os
import sys
from pathlib import Path

import pytest

from bench.commands.cli import main

ROW = {"id": "q1", "prompt": "1+1?", "answer": "2"}
POOL_ROW = {**ROW, "solutions": [{"text": "The answer is 2."}]}


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a command that must end with exit code 2 and one line, and return the line."""
    assert main(list(argv)) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("stepbeam: ")
    return lines[0]


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, *rows: object, end: str = "\n") -> str:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    Path(name).write_text(text + end)
    return name


def run(task: str, *more: str) -> tuple[str, ...]:
    return ("run", f"--task={task}", "--policy=tiny:policy", "--n=2", "--out=out", *more)


def test_a_missing_file(capsys) -> None:
    assert "nowhere.jsonl: no such file" in fails(capsys, *run("gsm8k:nowhere.jsonl"))
    assert "nowhere.jsonl.gz: no such file" in fails(capsys, "rerank", "nowhere.jsonl.gz")


def test_a_torn_last_line(capsys) -> None:
    name = write("t.jsonl", ROW, '{"id": "q2", "prom', end="")
    assert "t.jsonl:2: not JSON" in (line := fails(capsys, *run(name)))
    assert "torn" in line


def test_a_row_without_a_prompt(capsys) -> None:
    name = write("t.jsonl", ROW, {"id": "q2", "text": "?", "answer": "4"})
    assert "t.jsonl:2: no 'prompt' in this row; it has 'id', 'text', 'answer'" in fails(capsys, *run(name))
    assert "g.jsonl:1: no 'question' or 'prompt'" in fails(capsys, *run(f"gsm8k:{write('g.jsonl', {'q': 1})}"))


def test_duplicate_ids(capsys) -> None:
    name = write("t.jsonl", ROW, {**ROW, "prompt": "other?"})
    assert "t.jsonl:2: id 'q1' was used by t.jsonl:1" in fails(capsys, *run(name))
    pool = write("p.jsonl", POOL_ROW, {**POOL_ROW, "prompt": "other?"})
    assert "p.jsonl:2: id 'q1' was used by p.jsonl:1" in fails(capsys, "rerank", pool)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[1, 2]", "a list where an object"),
        ({**ROW, "prompt": 7}, "'prompt' is a int; text was expected"),
        ({"id": "q1", "prompt": "1+1?"}, "no 'answer' in this row"),
    ],
)
def test_rows_of_the_wrong_shape(capsys, row, message: str) -> None:
    assert message in fails(capsys, *run(write("t.jsonl", row)))


def test_a_file_that_is_not_utf8_and_one_that_is_not_gzip(capsys) -> None:
    Path("t.jsonl").write_bytes(b'{"prompt": "\xff\xfe", "answer": "1"}\n')
    assert "t.jsonl:1: not UTF-8" in fails(capsys, *run("t.jsonl"))
    Path("t.jsonl.gz").write_bytes(b"plain text")
    assert "t.jsonl.gz: cannot be read" in fails(capsys, *run("t.jsonl.gz"))
    Path("empty.jsonl").write_text("\n")
    assert "no problems in it" in fails(capsys, *run("empty.jsonl"))


def test_unknown_names(capsys) -> None:
    assert "--task chains: unknown task; use one of chain, countdown" in fails(capsys, *run("chains"))
    assert "--policy magic:x" in fails(capsys, "run", "--task=chain", "--policy=magic:x", "--out=out")
    assert "--policy tiny:polcy" in fails(capsys, "run", "--task=chain", "--policy=tiny:polcy", "--out=out")
    assert "--strategies best_of_m: unknown strategy" in fails(capsys, *run("chain", "--strategies=best_of_m"))
    assert "it needs a scorer" in fails(capsys, *run("chain", "--strategies=best_of_n"))
    with_orm = ("--scorer=tiny:orm", "--strategies=best_of_n:prm")
    assert "no scorer is named 'prm' (there is orm)" in fails(capsys, *run("chain", *with_orm))
    assert "--scorer tiny:nope" in fails(capsys, *run("chain", "--scorer=tiny:nope", "--limit=1"))
    assert "--scorer no.such.module:x" in fails(capsys, *run("chain", "--scorer=no.such.module:x", "--limit=1"))
    assert "unrecognized arguments: --nn=3" in fails(capsys, *run("chain", "--nn=3"))
    assert "COMMAND" in fails(capsys, "runn")


@pytest.mark.parametrize("option", ["--scorer=", "--scorer=orm=", "--scorer=:", "--n=100000000", "--expand=100001"])
def test_options_that_are_refused_before_anything_is_created(capsys, option: str) -> None:
    assert option.split("=")[0] in fails(capsys, *run("chain", "--limit=2", option))
    assert not Path("out").exists()


@pytest.mark.parametrize("option", ["--n=0", "--limit=0", "--chunk=0", "--expand=0", "--temperature=-1", "--top-p=2"])
def test_values_out_of_range(capsys, option: str) -> None:
    assert option.split("=")[0].strip("-").replace("-", "_")[:5] in fails(capsys, *run("chain", option)).replace(
        "-", "_"
    )


def test_the_same_name_twice(capsys) -> None:
    assert "the name 'orm' is taken" in fails(capsys, *run("chain", "--scorer=tiny:orm", "--scorer=orm=tiny:prm"))


def test_a_model_folder_without_weights(capsys) -> None:
    Path("hollow").mkdir()
    Path("hollow/config.json").write_text('{"model_type": "llama"}')
    for option in ("--policy=transformers:hollow", "--policy=transformers:./missing"):
        line = fails(capsys, "run", "--task=chain", option, "--limit=1", "--out=out")
        assert option.removeprefix("--policy=") in line
    for option in ("--scorer=orm:hollow", "--scorer=prm:hollow"):
        line = fails(capsys, *run("chain", option, "--limit=1"))
        assert "hollow" in line


def test_a_prompt_longer_than_the_context(capsys) -> None:
    """It fails that problem with a reason; the others are solved, and it stays in the denominator."""
    long = {"id": "long", "prompt": "C " + "1+1" * 5000 + "\n", "answer": "2"}
    task = write("t.jsonl", {**ROW, "prompt": "C 1+1+1+1+1\n"}, long)
    assert main(list(run(task))) == 0
    output = capsys.readouterr().out
    rows = [json.loads(line) for line in Path("out/samples.jsonl").read_text().splitlines()]
    assert [r["stop"] == "failed" for r in rows] == [False, False, True, True]
    assert "context" in rows[2]["reason"]
    assert "2 problems" in output
    assert "2 of 4 samples could not be sampled (first, of problem " in output
    assert main([*run(task), "--retry-failed"]) == 0
    assert [json.loads(line) for line in Path("out/samples.jsonl").read_text().splitlines()] == rows


def test_an_outcome_verifier_in_beam_search(capsys) -> None:
    line = fails(capsys, *run("chain", "--limit=2", "--scorer=tiny:orm", "--strategies=beam_search"))
    assert "add one of steps, --scorer prm:MODEL" in line


def test_earlier_results_stay_intact(capsys) -> None:
    assert main(list(run("chain", "--limit=2"))) == 0
    before = {p.name: p.read_bytes() for p in Path("out").iterdir()}
    capsys.readouterr()
    assert "holds a run with n = 2, and 4 was asked for" in fails(capsys, *run("chain", "--limit=2", "--n=4"))
    assert "seed" in fails(capsys, *run("chain", "--limit=2", "--seed=1"))
    assert {p.name: p.read_bytes() for p in Path("out").iterdir()} == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW, "no list 'solutions'"),
        ({**ROW, "solutions": [7]}, "solution 0: a int where a text"),
        ({**ROW, "solutions": [{"txt": "a"}]}, "no 'text' or 'steps' in this row"),
        ({**ROW, "solutions": [{"text": "a", "stop": "soon"}]}, "stop is 'soon'"),
        ({"id": "a", "prompt": "?", "solutions": ["x"]}, "neither an 'answer' nor 'correct'"),
    ],
)
def test_pools_of_the_wrong_shape(capsys, row, message: str) -> None:
    assert message in fails(capsys, "rerank", write("p.jsonl", row), "--out=out")


def test_an_out_folder_that_cannot_be(capsys) -> None:
    Path("taken").write_text("a file")
    assert "taken" in fails(capsys, "run", "--task=chain", "--policy=tiny:policy", "--n=1", "--out=taken")
    assert "taken" in fails(capsys, "rerank", write("p.jsonl", POOL_ROW), "--out=taken")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("prm:none,dtype=float64", "dtype=float64: use bfloat16 or float32"),
        ("prm:none,votes=2", "prm takes no votes=, but "),
        ("prm:none,share=0.4", "share is for vLLM's engine: add engine=vllm"),
        *((f"genrm:none,votes={v}", f"votes={v}: use a whole number of 1 or more") for v in ("2.7", "inf", "nan", "0")),
        ("judge:none,votes=-1", "votes=-1: use a whole number"),
        ("genrm:none,max_tokens=0", "max_tokens=0: use a whole number of 1 or more"),
        ("implicit:a,b,beta=nan", "beta=nan is not a number"),
    ],
)
def test_options_of_a_scorer(capsys, spec: str, message: str) -> None:
    assert message in fails(capsys, "rerank", write("p.jsonl", POOL_ROW), f"--scorer={spec}", "--out=out")


def test_the_arithmetic_of_a_prm() -> None:
    import torch

    from bench.inputs.specs import load_scorer
    from bench.tiny import weights_folder

    for spec in ("tiny:prm", f"prm:{weights_folder('prm')}"):
        for dtype in ("bfloat16", "float32"):
            assert load_scorer(f"{spec},dtype={dtype}").model.dtype is getattr(torch, dtype)
        assert load_scorer(spec).model.dtype is torch.float32


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_that_leaves_nothing(capsys, limit: str) -> None:
    pool = write("p.jsonl", POOL_ROW)
    wanted = f"--limit {limit}: it must be 1 or more"
    assert wanted in fails(capsys, "rerank", pool, f"--limit={limit}", "--out=out")
    rows = write("r.jsonl", {"problem": "?", "steps": ["a"], "label": -1})
    assert wanted in fails(capsys, "processbench", rows, "--scorer=tiny:prm", f"--limit={limit}")


def test_a_separator_that_is_empty(capsys) -> None:
    assert "--separator: it is empty" in fails(capsys, "rerank", write("p.jsonl", POOL_ROW), "--separator=")


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--task=chain", "--policy=a\0b"],
        ["rerank", "a\0"],
        ["report", "a\0b"],
        ["train", "orm", "a\0", "--out=t"],
    ],
)
def test_a_null_byte_in_an_argument(capsys, command: list[str]) -> None:
    assert "this argument holds a null byte" in fails(capsys, *command)


def test_an_argument_that_is_no_text(capsys) -> None:
    assert "this argument is not UTF-8" in fails(capsys, *run("chain", "--out=a\udcff"))


OWN = """
import numpy as np
import policies
from verifiers import Scores

class Long:
    def score(self, problems, solutions):
        return Scores(tuple(np.zeros(len(s.steps) + 1) for s in solutions))

class Text:
    def score(self, problems, solutions):
        return "abc"

class Silent:
    def extend(self, problems, prefixes, *, until, sampling, seeds):
        return policies.Extended(())

long, text, silent = Long(), Text(), Silent()
"""


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--scorer=ownparts.bad:x", "--scorer ownparts.bad:x: cannot import it (ZeroDivisionError: "),
        ("--scorer=ownparts.syntax:x", "cannot import it (SyntaxError: "),
        ("--scorer=ownparts.exits:x", "cannot import it (SystemExit: 5)"),
        ("--policy=ownparts.exits:x", "--policy ownparts.exits:x: "),
        ("--scorer=ownparts.parts:long", "scoring with long: ScoresShapeError: problem 'q1': Long gave "),
        ("--scorer=ownparts.parts:text", "scoring with text: ScoresShapeError: Text gave a str; give verifiers.Scores"),
        ("--policy=ownparts.parts:silent", "the policy answered 0 rows where 2 were asked for"),
        ("--strategies=self_consistency:orm", "self_consistency asks no scorer"),
    ],
)
def test_parts_of_ones_own_that_are_none(capsys, tmp_path, monkeypatch, option: str, message: str) -> None:
    Path("ownparts").mkdir()
    modules = {"__init__": "", "parts": OWN, "bad": "1 / 0\n", "syntax": "def (\n", "exits": "raise SystemExit(5)\n"}
    for name, text in modules.items():
        Path("ownparts", f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownparts"]:
        del sys.modules[name]
    assert message in fails(capsys, *run(write("t.jsonl", ROW), "--max-tokens=8", option))
    if "ScoresShapeError" in message:
        rows = write("r.jsonl", {"problem": "?", "steps": ["a"], "label": -1})
        assert f"{option.replace('=', ' ')}: ScoresShapeError: " in fails(capsys, "processbench", rows, option)


LABELLED = {"prompt": "1+1?", "steps": ["2"], "labels": [1.0], "correct": True}


@pytest.mark.parametrize(
    ("row", "option", "message"),
    [
        ({"id": [1]}, "--steps=1", "rows.jsonl:1: 'id' is [1]; a text or a number was expected"),
        ({"steps": ["2\ud800"]}, "--steps=1", "rows.jsonl:1: 'steps' holds a lone surrogate at character 1"),
        ({}, "--seed=-1", "seed is -1: out of range"),
        ({}, f"--seed={1 << 63}", f"seed is {1 << 63}: out of range"),
        ({}, "--epochs=inf", "epochs is inf: out of range"),
        ({}, "--learning-rate=inf", "learning_rate is inf: out of range"),
        ({}, "--lora-alpha=0", "lora_alpha is 0: out of range"),
        ({}, "--lora-rank=99999999999", "train orm: out of memory ("),
        ({}, "--base=.", ".: no config.json, so this is not a transformers model folder"),
        ({}, "--max-length=1", "none of the 1 rows can be trained on"),
    ],
)
def test_a_training_that_cannot_be_leaves_nothing(capsys, row, option: str, message: str) -> None:
    rows = write("rows.jsonl", {**LABELLED, **row})
    told = fails(capsys, "train", "orm", rows, "--base=tiny:policy", "--steps=1", "--out=new/out", option)
    assert message in told
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--prm-coef=nan", "prm_coef is nan: out of range"),
        ("--seed=-1", "seed is -1: out of range"),
        ("--eval-samples=0", "--eval-samples: '0' is not a whole number of 1 or more"),
        ("--eval-limit=0", "--eval-limit: '0' is not a whole number of 1 or more"),
        ("--eval=chain", "--eval chain: it is judged every so many steps; add --evaluate-every"),
    ],
)
def test_a_policy_cannot_be_trained_so(capsys, option: str, message: str) -> None:
    command = ["train", "grpo", "chain", "--policy=tiny:policy", "--steps=1", "--limit=2", "--out=new/out", option]
    assert message in fails(capsys, *command)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("command", "option", "message"),
    [
        ("run --task=chain --policy=tiny:policy", f"--limit={'9' * 40}", "9: it is too large; leave it out"),
        (
            "train orm rows.jsonl --base=tiny:policy --out=out",
            f"--limit={'9' * 40}",
            "9: it is too large; leave it out",
        ),
        ("processbench rows.jsonl --scorer=tiny:prm", f"--limit={'9' * 40}", "9: it is too large; leave it out"),
        ("train grpo chain --policy=tiny:policy --out=out", f"--limit={'9' * 40}", "9: it is too large; leave it out"),
        ("rerank pool.jsonl", f"--n={'9' * 5000}", "is not a whole number"),
        ("processbench", "--limit=1_0", "--limit: '1_0' is not a whole number"),
        ("train orm", "--limit=nan", "--limit: 'nan' is not a whole number"),
        ("train grpo", "--eval-limit=１", "--eval-limit: '１' is not a whole number"),
        ("reproduce pav", "--processes=", "--processes: '' is not a whole number"),
        ("run", "--strategies=", "--strategies: '': write one name or several, separated by commas"),
        ("rerank", "--reduce=last,", "--reduce: 'last,': write one name or several, separated by commas"),
        ("rerank", "--select=", "--select: '': write one name or several, separated by commas"),
    ],
)
def test_numbers_and_lists_are_read_alike_by_every_command(capsys, command: str, option: str, message: str) -> None:
    assert message in fails(capsys, *command.split(), option)


def test_a_number_that_no_evaluation_has_is_not_kept(capsys) -> None:
    task = write("task.jsonl", {"id": "a", "prompt": "C 7\n", "answer": "7"})
    command = ["train", "grpo", "chain", "--policy=tiny:policy", "--steps=1", "--limit=2", "--out=new/out"]
    command += [f"--eval={task}", "--evaluate-every=1", "--eval-samples=2", "--keep-best=loss"]
    assert fails(capsys, *command) == "stepbeam: --keep-best loss: use accuracy or maj@2"
    assert not Path("new").exists()


def test_a_refused_training_leaves_no_lock_in_a_folder_that_was_there(capsys) -> None:
    Path("here").mkdir()
    rows = write("rows.jsonl", LABELLED)
    fails(capsys, "train", "genrm", rows, "--mode=direct", "--base=tiny:policy", "--out=here")
    assert not [*Path("here").iterdir()]


@pytest.mark.parametrize("address", ["", " ", "x", "host:", ":"])
def test_an_address_of_a_cluster_is_looked_at_before_anything_starts(capsys, address: str) -> None:
    told = fails(capsys, "run", "--task=chain", "--policy=tiny:policy", "--out=out", f"--ray={address}")
    assert told.endswith(f"--ray {address}: it is no address; use local, auto or HOST:PORT")
    assert not Path("out").exists()


@pytest.mark.parametrize("what", ["deep", "folder", "pipe"])
def test_a_format_that_is_none(capsys, what: str) -> None:
    place = Path("format.json")
    {"deep": lambda: place.write_text("[" * 100_000), "folder": place.mkdir, "pipe": lambda: os.mkfifo(place)}[what]()
    rows = write("rows.jsonl", LABELLED)
    command = ["train", "genrm", rows, "--mode=direct", "--base=tiny:policy", "--out=out", "--format=format.json"]
    assert "--format format.json: not a format (" in fails(capsys, *command)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--most-seconds=nan", "seconds=nan): it must be a finite number"),
        ("--most-seconds=-1", "seconds"),
        ("--separator=", "--separator: it is empty"),
        ("--port=-1", "--port: '-1': it must be from 1 to 65535"),
        ("--port=8000x", "--port: '8000x': it must be from 1 to 65535"),
        ("--port=65536", "--port: '65536': it must be"),
        ("--host=", "--host '': it names no address"),
    ],
)
def test_a_server_cannot_be_so(capsys, option: str, message: str) -> None:
    assert message in fails(capsys, "serve", "--policy=tiny:policy", option)


def test_a_link_that_leads_to_itself(capsys) -> None:
    Path("loop").symlink_to("loop")
    for command in (["report", "loop"], ["rerank", "loop"], ["rerank", write("p.jsonl", POOL_ROW), "--out=loop"]):
        assert "loop: a link that leads to itself" in fails(capsys, *command)
    assert "--base '': it names no model" in fails(capsys, "reproduce", "genrm", "--base=", "--out=out")


def test_half_a_character_in_a_case_of_processbench(capsys) -> None:
    rows = write("r.jsonl", {"problem": "?", "steps": ["a\ud800"], "label": -1})
    assert "r.jsonl:1: 'steps' holds a lone surrogate" in fails(capsys, "processbench", rows, "--scorer=tiny:prm")


def test_what_is_said_is_one_line_however_long_the_argument_is(capsys) -> None:
    assert len(fails(capsys, *run("chain", "--limit=1", f"--scorer={'a' * 5000}"))) < 1100
    assert "one two" in fails(capsys, *run("chain", "--limit=1", "--scorer=one\ntwo:x"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--scorer=", "--scorer '': it names no scorer; write SPEC"),
        ("--scorer=mine=", "--scorer 'mine=': it names no scorer"),
        ("--n=100000000", "--n 100000000: it must be at most 100000"),
        ("--temperature=inf", "temperature is inf: it must be a finite number"),
        ("--max-tokens=0", "max_tokens is 0: it must be 1 or more"),
        ("--max-failed=2", "--max-failed 2.0: it is a share of rows"),
    ],
)
def test_what_can_be_known_is_checked_before_anything_is_made(capsys, option: str, message: str) -> None:
    assert main(list(run("chain", "--limit=2", option))) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert (said.out, Path("out").exists()) == ("", False)


def test_an_empty_gold_answer(capsys) -> None:
    assert "t.jsonl:2: 'answer' holds no gold answer" in fails(
        capsys, *run(write("t.jsonl", ROW, {**ROW, "id": "b", "answer": " "}))
    )
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--policy=tiny:none", "--policy tiny:none"),
        ("--scorer=tiny:none", "--scorer tiny:none"),
        ("--strategies=best_of_n", "it needs a scorer"),
    ],
)
def test_no_folder_is_left_of_a_run_that_was_refused(capsys, more: str, message: str) -> None:
    assert main(["run", "--task=chain", "--policy=tiny:policy", "--n=2", "--limit=1", "--out=new/out", more]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert not Path("new").exists()
