"""Pools that are not in memory as a whole: what comes of them is what comes of small ones."""

import gzip
import json
import random
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.pools.saved_pool import read_pools
from bench.pools.spool import Spool
from bench.report.folder import read_folder

SCORER = """
import verifiers

@verifiers.from_steps
def judge(problem, solution):
    return [len(set(step.text)) / 40 for step in solution.steps]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("far").mkdir()
    Path("far/__init__.py").write_text("")
    Path("far/parts.py").write_text(SCORER)


def solutions(problem: int, count: int) -> list[dict[str, object]]:
    rng = random.Random(problem)
    return [
        {
            "text": f"I add.\nThe answer is {rng.randint(0, 2)}.",
            "rm": rng.random(),
            "stop": rng.choice(["eos", "length"]),
        }
        for _ in range(count)
    ]


def problems(count: int = 12) -> list[dict[str, object]]:
    return [
        {"id": f"p{i}", "prompt": f"{i}?", "answer": str(i % 3), "solutions": solutions(i, 3 + i % 2)}
        for i in range(count)
    ]


def write(path: str, rows: list[dict[str, object]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    Path(path).write_bytes(gzip.compress(text) if path.endswith(".gz") else text)


def files(folder: str) -> dict[str, bytes]:
    """What is the same whenever it is made; the points have seconds."""
    names = ("problems.jsonl", "samples.jsonl", "scores.jsonl", "results.jsonl", "notes.txt")
    return {name: Path(folder, name).read_bytes() for name in names}


def test_in_parts_and_from_the_disk_the_bytes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    write("pool.jsonl", problems())
    command = ["rerank", "pool.jsonl", "--scorer=far.parts:judge", "--n=3", "--reduce=min", "--answers=exact"]
    assert main([*command, "--out=whole"]) == 0
    monkeypatch.setattr("bench.pools.saved_pool._PART", 300)
    monkeypatch.setattr("bench.pools.spool._HELD", 1000)
    assert len(list(read_pools(["pool.jsonl"]).parts())) > 3
    assert main([*command, "--out=parts"]) == 0
    assert files("parts") == files("whole")


def test_rows_of_one_solution_in_any_order_are_pools_in_the_order_of_their_first() -> None:
    rows = [{**row, "solutions": None, **one} for row in problems() for one in row["solutions"]]
    write("rows.jsonl", [{k: v for k, v in row.items() if v is not None} for row in rows])
    mixed = sorted(rows, key=lambda row: (row["rm"] > 0.5, row["id"]))
    write("mixed.jsonl.gz", [{k: v for k, v in row.items() if v is not None} for row in mixed])
    found, scattered = read_pools(["rows.jsonl"]), read_pools(["mixed.jsonl.gz"])
    assert [pool.problem.id for pool in scattered] == list(dict.fromkeys(row["id"] for row in mixed))
    scores = {pool.problem.id: sorted(pool.recorded["rm"].values().tolist()) for pool in found}
    assert scores == {pool.problem.id: sorted(pool.recorded["rm"].values().tolist()) for pool in scattered}
    for pool in scattered:
        wanted = [row["text"] for row in mixed if row["id"] == pool.problem.id]
        assert [solution.text for solution in pool.solutions] == wanted


def test_a_bad_solution_is_refused_before_any_pool_is_made() -> None:
    rows = problems(3)
    rows[2]["solutions"][1]["stop"] = "tomorrow"
    write("pool.jsonl", rows)
    assert main(["rerank", "pool.jsonl", "--out=out"]) == 2
    rows[2] |= {"answer": None, "solutions": ["4"]}
    write("pool.jsonl", rows)
    assert main(["rerank", "pool.jsonl", "--scorer=far.parts:judge", "--out=out"]) == 2
    assert not Path("out").exists()


def test_only_the_problems_that_are_listed_are_held_for_a_report() -> None:
    write("pool.jsonl", problems())
    assert main(["rerank", "pool.jsonl", "--out=out", "--n=2", "--answers=exact"]) == 0
    few, all_of_them = read_folder(Path("out"), "out", most=2), read_folder(Path("out"), "out")
    assert [rows.problem.id for rows in few.shown] == ["p0", "p1"]
    assert [len(rows.samples) for rows in few.shown] == [3, 4]
    assert few.failures == all_of_them.failures
    assert few.judged == all_of_them.judged
    assert few.failures.drawn["sample"] == 42


def test_the_report_of_what_was_just_computed_is_the_one_of_its_files() -> None:
    write("pool.jsonl", problems())
    command = ["rerank", "pool.jsonl", "--scorer=far.parts:judge", "--n=3", "--answers=exact", "--out=out"]
    assert main(command) == 0
    assert main(["report", "out", "--out=again.html"]) == 0
    assert Path("again.html").read_bytes() == Path("out/report.html").read_bytes()


def test_what_is_kept_on_disk_comes_back_whatever_it_is() -> None:
    spool = Spool()
    for i in range(50):
        spool.add(i % 7, {"text": "x" * i, "nan": None, "place": i})
    assert [row["place"] for row in spool.of(3)] == list(range(3, 50, 7))
    spool.add(3, "later")
    assert list(spool.of(3))[-1] == "later"
    assert list(spool.of(99)) == []
