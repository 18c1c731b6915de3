"""The folders of runs as pools: a run's own grades and values, and folders that are not whole."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.commands.cli import main
from bench.pools.saved_pool import read_pools
from bench.report.diagnostics import diagnostics
from bench.report.folder import read_folder
from verifiers.interface.errors import BadInput

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows_of_a_run() -> Rows:
    """A problem with two solutions, of which a scorer has read the first; its value is a mean."""
    place = {"problem": "q", "strategy": "sample", "n": 2}
    solution = {"steps": ["a\n", "It is 2"], "stop": "eos", "answer": "2", "correct": True}
    return {
        "problems": [{"id": "q", "prompt": "1+1?", "answer": "2"}],
        "samples": [{**place, "index": i, **solution} for i in range(2)] + [{"strategy": "beam_search"}],
        "scores": [
            {**place, "index": 0, "scorer": "prm", "steps": [0.25, 0.75], "value": 0.5},
            {**place, "index": 1, "scorer": "prm", "steps": [None, None], "value": None},
        ],
    }


def write(rows: Rows) -> None:
    Path("run").mkdir(exist_ok=True)
    for name, found in rows.items():
        Path("run", f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))


def test_a_runs_own_values_grades_and_answers() -> None:
    write(rows_of_a_run())
    [pool] = read_pools(["run"])
    np.testing.assert_array_equal(pool.values["prm"], [0.5, np.nan])
    assert pool.values["prm"].dtype == np.float64
    np.testing.assert_array_equal(pool.recorded["prm"].values(), np.array([0.75, np.nan], dtype=np.float32))
    assert (pool.extracted, pool.correct, pool.where) == (("2", "2"), (True, True), "run/problems.jsonl:1")


def test_solutions_added_from_a_file_are_graded_with_the_rest() -> None:
    write(rows_of_a_run())
    extra = {"id": "q", "prompt": "1+1?", "answer": "2", "solutions": [{"text": "It is 3", "scores": {"prm": 0.1}}]}
    Path("more.jsonl").write_text(json.dumps(extra))
    [pool] = read_pools(["run", "more.jsonl"])
    assert pool.extracted is None
    assert pool.correct == (True, True, None)
    np.testing.assert_allclose(pool.values["prm"], [0.5, np.nan, 0.1])


def test_what_a_run_knows_of_a_problem_is_kept_in_any_order() -> None:
    rows = rows_of_a_run()
    rows["problems"][0]["fields"] = {"level": "easy"}
    write(rows)
    Path("more.jsonl").write_text(json.dumps({"id": "q", "prompt": "1+1?", "answer": "2", "solutions": ["2"]}) + "\n")
    for sources in (["run", "more.jsonl"], ["more.jsonl", "run"]):
        pools = read_pools(sources)
        assert [dict(fields) for fields in pools.fields()] == [{"level": "easy"}]
        assert [dict(pool.problem.fields) for pool in pools] == [{"level": "easy"}]


def test_columns_are_those_of_files_and_not_of_runs() -> None:
    write(rows_of_a_run())
    Path("more.jsonl").write_text('{"question": "2+2?", "text": "4"}')
    assert len(read_pools(["run", "more.jsonl"], columns={"prompt": "question"})) == 2
    with pytest.raises(BadInput, match=r"columns prompt=question: .*; the names there are only what a run's folder"):
        read_pools(["run"], columns={"prompt": "question"})


def test_infinities_of_a_run_are_texts() -> None:
    rows = rows_of_a_run()
    rows["scores"][0] |= {"steps": ["-inf", "inf"], "value": "inf"}
    rows["scores"][1] |= {"value": "-inf"}
    write(rows)
    [pool] = read_pools(["run"])
    assert pool.values["prm"].tolist() == [np.inf, -np.inf]
    assert pool.recorded["prm"].steps[0].tolist() == [-np.inf, np.inf]
    assert pool.recorded["prm"].values().tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("scores", ("strategy", "problem", "index", "scorer", "steps", "value")),
        ("samples", ("strategy", "problem", "index", "steps", "stop", "correct", "answer")),
        ("problems", ("id", "prompt")),
    ],
)
def test_rows_that_are_not_a_runs(name: str, fields: tuple[str, ...]) -> None:
    for field in fields:
        rows = rows_of_a_run()
        del rows[name][0][field]
        write(rows)
        with pytest.raises(BadInput, match=rf"^run/{name}.jsonl:1: no '{field}' in this row"):
            read_pools(["run"])
        rows[name][0][field] = {"a": 1}
        write(rows)
        with pytest.raises(BadInput, match=r"^run/"):
            read_pools(["run"])


def test_a_torn_line_of_a_run_is_mended_by_the_run() -> None:
    for name in ("scores", "samples", "problems"):
        write(rows_of_a_run())
        with open(f"run/{name}.jsonl", "a") as file:
            file.write('{"problem": "q", "stra')
        with pytest.raises(BadInput, match="the last line is torn; the command that writes this folder, given again, "):
            read_pools(["run"])


def test_a_runs_torn_scores_are_whole_again_after_the_run() -> None:
    """What the message says is so."""
    command = ["run", "--task=chain", "--policy=tiny:policy", "--scorer=prm=tiny:prm", "--n=2", "--limit=1", "--out=a"]
    assert main([*command, "--strategies=best_of_n"]) == 0
    scores = Path("a/scores.jsonl")
    whole = scores.read_bytes()
    with open(scores, "ab") as file:
        file.write(b'{"problem": "q", "stra')
    with pytest.raises(BadInput, match="the last line is torn"):
        read_pools(["a"])
    assert main([*command, "--strategies=best_of_n"]) == 0
    assert scores.read_bytes() == whole
    read_pools(["a"])


def test_a_rerank_of_a_run_has_its_figures_and_its_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """Its numbers of samples, what they cost problem by problem and on average, and one AUC in notes and report."""
    command = ["run", "--task=chain", "--policy=tiny:policy", "--scorer=tiny:prm", "--n=4", "--limit=4", "--out=a"]
    assert main([*command, "--strategies=best_of_n,self_consistency,beam_search", "--max-tokens=48"]) == 0
    capsys.readouterr()
    assert main(["rerank", "a"]) == 0
    printed = capsys.readouterr().out
    kept = lines("a/rerank/points.jsonl")
    for point in lines("a/points.jsonl"):
        if point["strategy"] != "beam_search":
            assert point in kept
    assert {point["n"] for point in kept} == {1, 2, 4}
    again = {(r["problem"], r["strategy"], r["scorer"], r["n"]): r for r in lines("a/rerank/results.jsonl")}
    assert max(row["flops"] for row in again.values()) > 0
    for row in lines("a/results.jsonl"):
        if row["strategy"] != "beam_search":
            found = again[row["problem"], row["strategy"], row["scorer"], row["n"]]
            for cost in ("sampled_tokens", "scored_tokens", "flops"):
                assert found[cost] == pytest.approx(row[cost], rel=1e-9)
    stops = [row["stop"] for row in lines("a/samples.jsonl") if row["strategy"] == "sample"]
    assert 0 < stops.count("length") < len(stops)
    [page] = diagnostics(read_folder(Path("a/rerank"), "rerank"), [])
    assert f"prm: AUC {page['auc']:.3f}" in printed
    assert f"on {page['labels']} finished solutions" in printed


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
