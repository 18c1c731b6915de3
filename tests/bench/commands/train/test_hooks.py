"""`stepbeam train` with a tracker, with checkpoints that are kept, and dry."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main

ROWS = [{"prompt": f"C {k}+1\n", "solution": f"={k}" * (k + 1), "correct": k % 2 == 0} for k in range(6)]
ORM = ["train", "orm", "rows.jsonl", "--base=tiny:policy", "--out=orm", "--batch-size=2", "--learning-rate=1e-3"]
GRPO = ["train", "grpo", "chain", "--policy=tiny:policy", "--out=grpo", "--groups=2", "--group-size=2", "--limit=4"]
GRPO += ["--max-tokens=12"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))


@pytest.mark.parametrize(("command", "told"), [(ORM, "3 steps in all"), ([*GRPO, "--steps=7"], "7 steps in all")])
def test_a_dry_run_says_what_a_step_takes_and_keeps_nothing(
    command: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "tokens in the step" in said
    assert "GiB at most" in said
    assert told in said
    assert sorted(p.name for p in Path().iterdir()) == ["rows.jsonl"]


def test_the_heaviest_step_is_that_of_the_longest_rows(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.tiny import weights_folder
    from policies.models.pretrained import load_tokenizer

    assert main([*ORM, "--dry-run"]) == 0
    tokenizer = load_tokenizer(str(weights_folder("policy")))
    longest = [len(tokenizer(row["prompt"] + row["solution"]).input_ids) + 1 for row in ROWS[-2:]]
    assert f"- {sum(longest)} tokens in the step" in capsys.readouterr().out


def test_the_heaviest_rows_are_those_that_are_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.tiny import weights_folder
    from policies.models.pretrained import load_tokenizer

    tokenizer = load_tokenizer(str(weights_folder("policy")))
    lengths = [len(tokenizer(row["prompt"] + row["solution"]).input_ids) + 1 for row in ROWS]
    assert main([*ORM, "--dry-run", f"--max-length={lengths[3]}", "--epochs=3"]) == 0
    said = capsys.readouterr().out
    assert f"- {lengths[2] + lengths[3]} tokens in the step" in said
    assert "- 6 steps in all" in said  # of the four rows that fit


def test_the_tokens_of_a_dry_step_of_grpo_are_all_that_were_sampled(tmp_path: Path) -> None:
    from bench.training.dry_run import dry_run

    lines = dry_run(lambda folder, told: told({"tokens": 2.5, "sampled_tokens": 40}))
    assert lines[0] == "- 40 tokens in the step, sampled"


def test_a_checkpoint_is_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ORM, "--save-every=1", "--keep-last=2"]) == 0
    assert main(["export", "orm/checkpoints/step-2", "made", "--base=tiny:policy"]) == 0
    assert Path("made/model.safetensors").is_file()
    for command, match in (
        (["export", "orm/checkpoints/step-2", "other"], "--base"),
        (
            ["export", "orm", "other", "--base=tiny:policy"],
            "orm: no checkpoint of a training; of those there are: ",
        ),
        (
            ["export", "orm/checkpoints/step-9", "other", "--base=tiny:policy"],
            "there are: orm/checkpoints/step-1, ",
        ),
        (["export", "made", "other", "--base=tiny:policy"], "it is for a checkpoint"),
    ):
        assert main(command) == 2
        assert match in capsys.readouterr().err


@pytest.mark.parametrize(
    ("log", "match"),
    [('{"a": 1}\n', "line 1: no 'step'"), ('{"step": 2}\n{"step": 1}\n', "line 2: 'step' is 1 after 2")],
)
def test_a_finished_training_names_a_log_that_is_none(capsys: pytest.CaptureFixture[str], log: str, match: str) -> None:
    assert main(ORM) == 0
    Path("orm/log.jsonl").write_text(log)
    capsys.readouterr()
    assert main(ORM) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"orm/log.jsonl, {match}" in line


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_report_to_tells_a_tracker(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    assert main([*ORM, "--report-to=tensorboard"]) == 0
    assert list(Path("orm/tensorboard").glob("events*"))
    assert main([*ORM, "--report-to=mlflow"]) == 2
