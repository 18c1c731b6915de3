"""Runs: folders that survive a kill, equal bytes, and numbers that add up."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest

from bench.commands.cli import main
from bench.files.rows import SampleRow, from_row
from bench.inputs.specs import load_scorer
from bench.runs.samples import solution_of
from tests.processes import start_command
from tests.waiting import until
from verifiers import Problem

PARTS = '''
"""A policy and scorers of a user's own, slow enough to be killed in the middle."""

import os, time
import numpy as np
import policies
from prms.pav import PAV
from verifiers import Scores, Spend, from_function

def _reply(problem, prefix, seed):
    time.sleep(float(os.environ.get("SLOW", "0")))
    text = f"first {seed % 7}\\nthen {seed % 5}\\nThe answer is {int(problem.answer) + (seed % 3 > 0) * (seed % 4)}."
    return text[len(prefix.text):]

policy = policies.Scripted(_reply)

class Steps:
    def score(self, problems, solutions):
        rows = tuple(np.array([(sum(map(ord, s.text)) % 97) / 97 for s in x.steps]) for x in solutions)
        return Scores(rows, tuple(Spend(scorer_calls=1, scored_tokens=len(x.text)) for x in solutions))

steps = Steps()

class Last:
    """A value of the text so far, another one for each `salt`."""

    def __init__(self, salt):
        self.salt = salt

    def score(self, problems, solutions):
        ends = [[sum(len(s.text) for s in x.steps[: k + 1]) for k in range(len(x.steps))] for x in solutions]
        said = [np.array([value_of(x.text[:end], self.salt) for end in e]) for x, e in zip(solutions, ends)]
        return Scores(tuple(said), (Spend(scorer_calls=1),) * len(solutions))

    def root_values(self, problems):
        return Scores((np.array([0.5]),) * len(problems))


def value_of(text, salt):
    return sum((i + salt) * ord(c) for i, c in enumerate(text)) % 101 / 101


pav = PAV(Last(3), Last(5), 5.0)
outcome = from_function(lambda problem, solution: float(f" {problem.answer}." in solution.text))
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("")
    (tmp_path / "own" / "parts.py").write_text(PARTS)
    rows = [{"id": f"q{i}", "prompt": f"{i}+{i}?", "answer": str(2 * i)} for i in range(6)]
    (tmp_path / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for module in ("own", "own.parts"):
        sys.modules.pop(module, None)
    return tmp_path


COMMAND = [
    "run",
    "--task=task.jsonl",
    "--policy=own.parts:policy",
    "--scorer=own.parts:steps",
    "--scorer=right=own.parts:outcome",
    "--strategies=self_consistency,best_of_n,weighted_majority,beam_search:steps",
    "--n=8",
    "--chunk=2",
]


def table_of(output: str) -> list[list[str]]:
    """The rows of the printed table without the column of seconds."""
    rows = [line.split() for line in output.splitlines()]
    return [row[:-1] for row in rows if len(row) > 6 and row[0] not in ("strategy", "-")]


def test_a_run_writes_its_folder_and_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--out=a"]) == 0
    output = capsys.readouterr().out
    names = {p.name for p in Path("a").iterdir()}
    assert names >= {"config.toml", "samples.jsonl", "scores.jsonl", "journal.jsonl", "results.jsonl", "curve.png"}
    samples = [json.loads(line) for line in Path("a/samples.jsonl").read_text().splitlines()]
    scores = [json.loads(line) for line in Path("a/scores.jsonl").read_text().splitlines()]
    pool = [row for row in samples if row["strategy"] == "sample"]
    assert len(pool) == 6 * 8
    assert len([row for row in scores if row["strategy"] == "sample"]) == 2 * 6 * 8
    assert all(row["correct"] == (row["answer"] == str(2 * int(row["problem"][1:]))) for row in pool)
    assert "best_of_n (right)" in output
    results = [json.loads(line) for line in Path("a/results.jsonl").read_text().splitlines()]
    by_verifier = {r["problem"]: r["correct"] for r in results if r["scorer"] == "right" and r["n"] == 8}
    pass_at_8 = {r["problem"]: r["correct"] for r in results if r["strategy"] == "pass@n" and r["n"] == 8}
    assert by_verifier == pass_at_8  # a perfect verifier finds whatever is there
    sampled = {r["n"]: r["sampled_tokens"] for r in results if r["problem"] == "q1" and r["strategy"] == "pass@n"}
    assert sampled[8] == sum(len("".join(row["steps"])) for row in pool if row["problem"] == "q1")
    assert sampled[2] == pytest.approx(sampled[8] / 4)


def test_a_tree_leads_from_the_root_to_every_solution_kept(place: Path) -> None:
    assert main([*COMMAND, "--out=a"]) == 0
    trees = [json.loads(line) for line in Path("a/trees.jsonl").read_text().splitlines()]
    samples = [json.loads(line) for line in Path("a/samples.jsonl").read_text().splitlines()]
    by_place = {(row["problem"], row["n"], row["node"]): row for row in trees}
    leaves: dict[tuple[str, int], set[str]] = {}
    for row in trees:
        text, above = row["text"], row
        while above["parent"] >= 0:
            assert above["parent"] < above["node"]
            above = by_place[row["problem"], row["n"], above["parent"]]
            text = above["text"] + text
        if row["fate"] == "done":
            leaves.setdefault((row["problem"], row["n"]), set()).add(text)
    kept = [row for row in samples if row["strategy"] == "beam_search" and row["stop"] == "eos"]
    assert len({row["problem"] for row in kept}) == 6
    assert all("".join(row["steps"]) in leaves[row["problem"], row["n"]] for row in kept)


def test_the_same_run_twice_gives_the_same_bytes(place: Path) -> None:
    assert main([*COMMAND, "--out=a"]) == main([*COMMAND, "--out=b"]) == 0
    for name in ("problems.jsonl", "samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl", "config.toml"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()


def test_a_finished_run_is_shown_again_without_its_models(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--out=a"]) == 0
    first = table_of(capsys.readouterr().out)
    Path("own/parts.py").write_text("raise SystemExit('loaded')")
    sys.modules.pop("own.parts")
    assert main([*COMMAND, "--out=a"]) == 0
    assert table_of(capsys.readouterr().out) == first


def test_another_problem_set_in_the_file_does_not_change_a_problem(place: Path) -> None:
    assert main([*COMMAND, "--out=all"]) == main([*COMMAND, "--out=two", "--limit=2"]) == 0
    two = Path("two/results.jsonl").read_text().splitlines()
    everything = Path("all/results.jsonl").read_text().splitlines()
    assert set(two) <= set(everything)


def test_datasets_reads_the_rows(place: Path) -> None:
    assert main([*COMMAND, "--out=a"]) == 0
    for name in ("problems", "samples", "scores", "trees", "results", "points"):
        rows = datasets.load_dataset("json", data_files=f"a/{name}.jsonl", cache_dir=str(place / "cache"))["train"]
        assert len(rows) == len(Path(f"a/{name}.jsonl").read_text().splitlines())


def test_a_scorer_of_another_format_is_noted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = r"- steps scores steps that end with '\n' and was trained on steps that end with '\n\n'"
    assert main([*COMMAND, "--out=a"]) == 0
    assert "was trained on" not in capsys.readouterr().out
    Path("own/parts.py").write_text(PARTS + 'steps.separator = "\\n\\n"\n')
    sys.modules.pop("own.parts")
    for _ in range(2):  # a finished run says it again, without its models
        assert main([*COMMAND, "--out=b"]) == 0
        assert capsys.readouterr().out.count(note) == 1
    assert Path("a/results.jsonl").read_bytes() == Path("b/results.jsonl").read_bytes()


def test_a_pav_steers_the_search_and_its_base_picks(place: Path) -> None:
    import own.parts

    command = [*COMMAND[:3], "--scorer=own.parts:pav", "--strategies=beam_search", "--n=8", "--expand=2", "--out=a"]
    assert main(command) == 0
    rows = [json.loads(line) for line in Path("a/samples.jsonl").read_text().splitlines()]
    by_base, by_pav = [], []
    for name in sorted({row["problem"] for row in rows}):
        pool = [r for r in rows if (r["problem"], r["strategy"], r["n"]) == (name, "beam_search", 8)]
        solutions = [solution_of(from_row(SampleRow, row, where="a")) for row in pool]
        problems = [Problem(name, "?")] * len(pool)
        [chosen] = [i for i, row in enumerate(pool) if row["chosen"]]
        for found, scorer in ((by_base, own.parts.pav.base), (by_pav, own.parts.pav)):
            values = scorer.score(problems, solutions).values()
            found.append(values[chosen] == values.max())
    assert all(by_base)
    assert not all(by_pav)  # or nothing would be shown


def test_alpha_is_a_half_where_a_spec_does_not_say() -> None:
    for spec in ("pav:tiny:prm,tiny:prm", "pav:tiny:prm,k=4"):
        assert load_scorer(spec).alpha == 0.5  # type: ignore[attr-defined]
        assert load_scorer(f"{spec},alpha=0.25").alpha == 0.25  # type: ignore[attr-defined]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def killed_and_resumed(command: list[str], rng: random.Random, capsys: pytest.CaptureFixture[str]) -> int:
    """Run to `whole`; run to `killed` with SIGKILLs until it gets through; compare. Returns the kills."""
    journal, kills = Path("killed/journal.jsonl"), 0
    assert main([*command, "--out=whole"]) == 0
    whole = capsys.readouterr().out
    for _ in range(12):
        process, wanted = start_command([*command, "--out=killed"]), lines(journal) + rng.randint(0, 3)
        while process.is_alive() and lines(journal) < wanted:
            time.sleep(0.005)
        process.join(rng.uniform(0.0, 0.3))
        if not process.is_alive():
            break
        process.kill()
        process.join()
        kills += 1
    assert main([*command, "--out=killed"]) == 0
    for name in ("samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl"):
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes()
    assert table_of(capsys.readouterr().out) == table_of(whole)
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_killed_anywhere_and_started_again_it_ends_the_same(
    place: Path, seed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLOW", "0.01")
    assert killed_and_resumed(COMMAND, random.Random(seed), capsys)


@pytest.mark.slow
def test_killed_anywhere_with_real_models_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["run", "--task=chain", "--policy=tiny:policy", "--scorer=tiny:prm"]
    command += ["--strategies=self_consistency,best_of_n,beam_search", "--n=4", "--limit=12", "--chunk=3"]
    assert killed_and_resumed(command, random.Random(0), capsys)


@pytest.mark.parametrize("cut", [1, 40, 400, 4000])
def test_torn_files_are_repaired(place: Path, cut: int) -> None:
    assert main([*COMMAND, "--out=whole"]) == main([*COMMAND, "--out=torn"]) == 0
    journal = Path("torn/journal.jsonl").read_bytes()
    Path("torn/journal.jsonl").write_bytes(journal[: max(0, len(journal) - cut)])
    with open("torn/scores.jsonl", "ab") as file:
        file.write(b'{"problem": "q5", "torn')
    Path("torn/results.jsonl").unlink()
    assert main([*COMMAND, "--out=torn"]) == 0
    for name in ("samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl"):
        assert Path("torn", name).read_bytes() == Path("whole", name).read_bytes()


def test_a_second_process_on_the_folder_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = os.environ | {"PYTHONPATH": str(place), "SLOW": "600"}  # it is at work until it is killed
    command = [sys.executable, "-m", "bench.commands.cli", *COMMAND, "--out=shared"]
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(Path("shared/config.toml").exists)
        assert main([*COMMAND, "--out=shared"]) == 2
        assert "another process is writing there" in capsys.readouterr().err
    finally:
        first.kill()
        first.wait()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("samples.jsonl", "mine\n", "mine: this folder holds other files and no config.toml"),
        ("config.toml", 'pools = ["p.jsonl"]\n', "mine: this folder holds a rerank"),
    ],
)
def test_what_somebody_else_has_in_the_folder_is_left_alone(
    place: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, complaint: str
) -> None:
    Path("mine").mkdir()
    Path("mine", name).write_text(content)
    assert main([*COMMAND, "--out=mine"]) == 2
    assert complaint in capsys.readouterr().err
    assert Path("mine", name).read_text() == content
