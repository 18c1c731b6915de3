"""`stepbeam train grpo` on the embedded models, and what it refuses."""

import json
import warnings
from dataclasses import fields
from pathlib import Path

import pytest

from bench.commands.cli import _parser, main
from bench.commands.train.progress import notes
from bench.training.audit import read_metrics
from policies import GRPOConfig
from policies.training.skipped import NothingLearntWarning
from tests.stand_ins import opens_out_of_order

SMALL = ("--steps=2", "--groups=2", "--group-size=4", "--limit=20", "--eval-limit=5", "--eval-samples=2")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(*arguments: str) -> int:
    return main(["train", "grpo", *arguments])


def test_a_policy_is_trained_and_its_folder_can_be_read(capsys) -> None:
    options = ("--prm=tiny:prm", "--held-out=tiny:prm_error", "--credit=progress", "--evaluate-every=1", "--out=runs/a")
    assert trained("countdown", "--policy=tiny:policy", *SMALL, *options) == 0
    said = capsys.readouterr().out
    assert "training tiny:policy on 20 problems of countdown -> runs/a" in said
    assert "- reward " in said
    assert "- held-out accuracy " in said
    for name in ("model/model.safetensors", "report.html", "audit.md"):
        assert f"runs/a/{name.split('/')[0]}" in said
        assert Path("runs/a", name).stat().st_size > 100
    rows = read_metrics(Path("runs/a"))
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert set(rows[0]["evaluation"]) == {"accuracy", "maj@2"}
    assert json.loads(Path("runs/a/training.json").read_text())["prm"] == "prm(prm)"
    assert trained("countdown", "--policy=tiny:policy", *SMALL, *options) == 0  # done already: nothing is added
    assert read_metrics(Path("runs/a")) == rows
    assert main(["report", "runs/a", "--out=again.html"]) == 0
    assert Path("again.html").read_bytes() == Path("runs/a/report.html").read_bytes()
    assert main(["run", "--task=chain", "--policy=transformers:runs/a/model", "--n=2", "--limit=2", "--out=r"]) == 0


def test_a_scorer_held_out_from_itself_agrees_with_itself_and_others_pages_stay(capsys) -> None:
    command = (
        "countdown",
        "--policy=tiny:policy",
        *SMALL,
        "--prm=tiny:prm",
        "--held-out=tiny:prm",
        "--evaluate-every=0",
    )
    assert trained(*command, "--out=a") == 0
    rows = read_metrics(Path("a"))
    assert [row["gap"] for row in rows] == [0.0, 0.0]
    assert [row["rank_correlation"] for row in rows] == [pytest.approx(1.0)] * 2
    Path("a/report.html").write_text("<title>mine")
    capsys.readouterr()
    assert trained(*command, "--out=a") == 2
    told = capsys.readouterr()
    assert "a/report.html: a file that is no report is there" in told.err
    assert "reward" not in told.out  # told before anything is trained
    assert Path("a/report.html").read_text() == "<title>mine"


@pytest.mark.slow
def test_its_scorers_may_be_asked_in_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.replicas.ray_workers.open_replicas", opens_out_of_order(0))
    options = (
        "countdown",
        "--policy=tiny:policy",
        *SMALL,
        "--prm=tiny:prm",
        "--held-out=tiny:prm_error",
        "--gate=always",
    )
    options += ("--evaluate-every=0",)
    assert trained(*options, "--out=here") == trained(*options, "--out=there", "--ray=local", "--replicas=3") == 0
    assert Path("here/training.json").read_bytes() == Path("there/training.json").read_bytes()
    for here, there in zip(read_metrics(Path("here")), read_metrics(Path("there")), strict=True):
        assert here["reward"] == there["reward"]
        assert here["held_out"] == pytest.approx(there["held_out"], abs=1e-5)


def test_every_number_of_the_settings_can_be_given() -> None:
    command = ["train", "grpo", "chain", "--policy=p", "--out=o"]
    known = vars(_parser().parse_args(command))
    numbers = [f.name for f in fields(GRPOConfig) if f.type in (int, float, int | None) and f.name in known]
    assert {"part_tokens", "clip_low", "steps"} < set(numbers)
    given = [f"--{name.replace('_', '-')}=2" for name in numbers]
    assert vars(_parser().parse_args([*command, *given])) == known | dict.fromkeys(numbers, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--policy=tiny:policy"), "--task nowhere: unknown task"),
        (("countdown", "--policy=tiny:policy", "--group-size=1"), "group_size is 1: an advantage compares"),
        (("countdown", "--policy=tiny:policy", "--limit=0"), "--limit 0: it must be 1 or more"),
        (("chain", "--policy=tiny:policy", "--system=Add."), "--system Add.: chain reads its problems from their"),
        (
            ("countdown", "--policy=tiny:policy", "--prm=tiny:orm", "--limit=5", "--groups=4"),
            "PRM has an opinion of every",
        ),
        (("countdown", "--policy=nowhere"), "--policy nowhere"),
        (
            ("countdown", "--policy=tiny:policy", "--ray=local"),
            "--ray local: it is for --verifier, --prm and --held-out",
        ),
        (("countdown", "--policy=tiny:policy", "--gate=open"), "invalid choice: 'open'"),
        (
            ("mine.jsonl", "--policy=tiny:policy", "--eval=mine.jsonl", "--evaluate-every=1"),
            "1 of its problems are trained",
        ),
    ],
)
def test_bad_input_ends_in_one_line(capsys, arguments, message) -> None:
    Path("mine.jsonl").write_text(json.dumps({"prompt": "C 1+1\n", "answer": "2"}) + "\n")
    assert trained(*arguments, "--steps=1", "--out=out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_file_is_read_and_asked_as_by_run(capsys) -> None:
    rows = [{"frage": f"C {n}+1", "gold": n + 1, "level": 1} for n in range(4)]
    Path("mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ("mine.jsonl", "--policy=tiny:policy", *SMALL, "--max-tokens=32", "--out=runs/a")
    assert trained(*given) == 2
    assert "if that is 'frage', give --columns prompt=frage" in capsys.readouterr().err
    assert trained(*given, "--columns", "prompt=frage,answer=gold", "--instruction", "\n", "--answers=exact") == 0
    assert "training tiny:policy on 4 problems of mine.jsonl" in capsys.readouterr().out
    read_otherwise = ("--columns", "prompt=frage,answer=level", "--instruction", "\n", "--answers=exact")
    assert trained(*given, *read_otherwise) == 2
    assert "this folder holds a training with right_answers = " in capsys.readouterr().err


def test_an_evaluation_without_problems_is_refused(capsys) -> None:
    Path("mine.jsonl").write_text('{"prompt": "C 1+1", "answer": "2"}\n')
    assert trained("mine.jsonl", "--policy=tiny:policy", "--evaluate-every=1", "--out=a") == 2
    assert "--evaluate-every 1: there are no held-out problems; add --eval TASK" in capsys.readouterr().err


def test_what_is_refused_has_the_name_of_its_own_option(capsys) -> None:
    for option in ("--verifier", "--prm", "--held-out"):
        assert trained("chain", "--policy=tiny:policy", option, "orm:nowhere", "--out=a") == 2
        assert f"stepbeam: {option} orm:nowhere: " in capsys.readouterr().err


def test_an_unknown_option_names_the_nearest_and_the_right_help(capsys) -> None:
    assert trained("chain", "--policy=tiny:policy", "--learning_rate", "1", "--out=a") == 2
    told = "unrecognized arguments: --learning_rate 1; did you mean --learning-rate? (see 'stepbeam train grpo --help')"
    assert told in capsys.readouterr().err
    assert main(["run", "--num-generations=4"]) == 2


def test_what_teaches_nothing_is_a_note(capsys) -> None:
    with notes():
        warnings.warn("step 1 taught nothing", NothingLearntWarning, stacklevel=1)
    assert capsys.readouterr().out == "- step 1 taught nothing\n"
