"""A second piece of work on a folder is refused in one line, before it spends anything."""

from collections.abc import Callable
from pathlib import Path

import pytest

import policies
import prms
import verifiers
from bench.commands.cli import main
from bench.reproduce.genrm.arms import GenRMPlan
from bench.reproduce.genrm.reproduce import reproduce_genrm
from bench.reproduce.pav.reproduce import reproduce_pav
from bench.reproduce.pav.rl import PAVRLPlan, reproduce_pav_rl
from bench.reproduce.pav.work import PAVPlan
from bench.reproduce.verigate.arms import VeriGatePlan
from bench.reproduce.verigate.reproduce import reproduce_verigate
from bench.tiny import weights_folder
from verifiers import Critiqued, Labelled, Preference, Problem, Solution, Step, Stop
from verifiers.interface.files import held

PROBLEM, SOLUTION = Problem("p", "1+1=", "2"), Solution((Step("2"),), Stop.EOS)
RIGHT = verifiers.from_function(lambda problem, solution: 1.0)
POLICY = weights_folder("policy")
LABELLED = [Labelled(PROBLEM, SOLUTION, (1.0,))]
REFUSED = "out: another process is writing there; wait for it, or choose another folder"

TRAININGS: dict[str, Callable[[Path], object]] = {
    "orm": lambda out: verifiers.train_orm(POLICY, LABELLED, out=out),
    "genrm": lambda out: verifiers.train_genrm(POLICY, [Critiqued(PROBLEM, SOLUTION, True)], mode="direct", out=out),
    "dpo": lambda out: verifiers.train_dpo(POLICY, [Preference(PROBLEM, SOLUTION, SOLUTION)], out=out),
    "grpo": lambda out: policies.grpo_train(
        policies.Transformers.load(POLICY, dtype="float32"), [PROBLEM], RIGHT, out=out
    ),
    "values": lambda out: prms.collect_values(
        policies.Scripted(lambda problem, prefix, seed: "2"), [PROBLEM], RIGHT, coverage=1, rollouts=1, out=out
    ),
}
REPRODUCTIONS: dict[str, Callable[[Path], object]] = {
    "genrm": lambda out: reproduce_genrm(GenRMPlan(out)),
    "pav": lambda out: reproduce_pav(PAVPlan(out)),
    "pav-rl": lambda out: reproduce_pav_rl(PAVRLPlan(out)),
    "verigate": lambda out: reproduce_verigate(VeriGatePlan(out)),
}


@pytest.mark.parametrize("name", TRAININGS | REPRODUCTIONS)
def test_a_second_one_in_the_folder(tmp_path: Path, name: str) -> None:
    with held(tmp_path / "out"):
        with pytest.raises(BlockingIOError, match=REFUSED):
            (TRAININGS | REPRODUCTIONS)[name](tmp_path / "out")
        assert [p.name for p in (tmp_path / "out").iterdir()] == [".lock"]


def test_commands_say_it_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text('{"prompt": "1+1=", "answer": "2", "solutions": ["2"]}\n')
    Path("rows.jsonl").write_text('{"prompt": "1+1=", "steps": ["2"], "labels": [1.0], "correct": true}\n')
    for command in (
        ["run", "--task=chain", "--policy=tiny:policy", "--n=1", "--limit=1"],
        ["rerank", "pool.jsonl", "--n=1"],
        ["train", "orm", "rows.jsonl", f"--base={POLICY}"],
        ["train", "prm", "rows.jsonl", f"--base={POLICY}", "--target=value"],
    ):
        with held(Path("out")):
            assert main([*command, "--out=out"]) == 2
        error = capsys.readouterr().err
        assert REFUSED in error
        assert error.count("\n") == 1
