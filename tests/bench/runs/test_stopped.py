"""A run whose engine stops: what was done stays, nothing false is kept, and the same command goes on."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.runs.plan import RunPlan

PARTS = """
import policies
from bench.tiny import weights_folder
from verifiers.interface.errors import EngineStoppedError

class Mortal:
    def __init__(self):
        self.plain = policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")
        self.name, self.calls, self.last = "mortal", 0, 10**9

    def extend(self, problems, prefixes, *, until, sampling, seeds):
        self.calls += 1
        if self.calls > self.last:
            raise EngineStoppedError("the vLLM engine has stopped (EngineDeadError): load the model again")
        return self.plain.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)

mortal = Mortal()
"""


@pytest.mark.slow
def test_a_stopped_engine_is_no_rows_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "mortals").mkdir()
    (tmp_path / "mortals/__init__.py").write_text("")
    (tmp_path / "mortals/parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    command = ["run", "--task=chain", "--policy=mortals.parts:mortal", "--scorer=tiny:prm", "--limit=8", "--chunk=4"]
    command += ["--strategies=beam_search", "--n=4"]
    assert main([*command, "--out=whole"]) == 0
    from mortals.parts import mortal

    mortal.calls, mortal.last = 0, 12
    capsys.readouterr()
    assert main([*command, "--out=stopped"]) == 2
    assert capsys.readouterr().err.startswith("stepbeam: the vLLM engine has stopped (EngineDeadError)")
    rows = [json.loads(line) for line in Path("stopped/samples.jsonl").read_text().splitlines()]
    assert rows
    assert all(row["stop"] != "failed" for row in rows)
    mortal.last = 10**9
    assert main([*command, "--out=stopped"]) == 0
    for name in ("samples.jsonl", "scores.jsonl", "results.jsonl"):
        assert Path("stopped", name).read_bytes() == Path("whole", name).read_bytes()


def test_a_run_goes_on_with_less_of_the_machine() -> None:
    before = RunPlan("chain", "vllm:model,context=512", {"prm": "prm:model,engine=vllm"}, ("beam_search",), 4)
    after = RunPlan(
        "chain",
        "vllm:model,context=512,share=0.4,eager=yes",
        {"prm": "prm:model,engine=vllm,gib=2"},
        ("beam_search",),
        4,
    )
    assert before.config() == after.config()
    other = RunPlan("chain", "vllm:model,context=256", {"prm": "prm:model,engine=vllm"}, ("beam_search",), 4)
    assert before.config() != other.config()
