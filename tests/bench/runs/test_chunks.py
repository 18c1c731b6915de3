"""How many problems are worked on together is no part of a run: it may change while the run is gone on with."""

import json
from pathlib import Path

import pytest

from bench.files.run_folder import RunFolder
from bench.runs.plan import RunPlan
from bench.runs.run import run
from tests.small_commands import write_parts


class _EndedError(Exception):
    pass


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(tmp_path, monkeypatch)


def plan(chunk: int) -> RunPlan:
    scorers = {"judge": "own.parts:judge"}
    return RunPlan("chain", "own.parts:drawn", scorers, ("best_of_n", "beam_search"), 2, limit=7, chunk=chunk)


def rows(folder: str, name: str) -> list[str]:
    return sorted(Path(folder, name).read_text().splitlines())


@pytest.mark.parametrize("units", [1, 2, 5])
def test_a_run_is_gone_on_with_in_other_chunks(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run(plan(2), Path("whole"), progress=False)
    commit, count = RunFolder.commit, iter(range(99))

    def commit_some(*given, **more) -> None:
        if next(count) == units:
            raise _EndedError
        commit(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "commit", commit_some)
        with pytest.raises(_EndedError):
            run(plan(3), Path("out"), progress=False)
    run(plan(1), Path("out"), progress=False)
    for name in ("samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl", "problems.jsonl"):
        assert rows("out", name) == rows("whole", name), name
    config = Path("out/config.toml").read_text()
    assert "chunk = 3" in config
    before = Path("out/checksums.json").read_bytes()
    run(plan(16), Path("out"), progress=False)  # finished: shown again, as it was
    assert (Path("out/config.toml").read_text(), Path("out/checksums.json").read_bytes()) == (config, before)


def test_the_chunks_of_the_journal_are_those_that_were_begun_and_then_the_new_ones() -> None:
    run(plan(3), Path("out"), progress=False)
    journal = [json.loads(line) for line in Path("out/journal.jsonl").read_text().splitlines()]
    assert [len(line["spend"]) for line in journal if line["unit"].endswith("/sample")] == [3, 3, 1]
