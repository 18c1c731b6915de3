"""Reading saved generations from whatever people keep them in."""

import json
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from bench.commands.cli import main
from bench.pools.saved_pool import read_pools
from bench.tiny import load_task
from verifiers import Message, Stop
from verifiers.interface.errors import BadInput
from verifiers.interface.files import held

COMMAND = ["run", "--task=chain", "--policy=tiny:policy", "--scorer=prm=tiny:prm", "--n=4", "--limit=3"]


def lines(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seen(pools) -> list[tuple[object, ...]]:
    return [(p.problem.id, p.problem.prompt, p.problem.answer, [s.text for s in p.solutions], p.correct) for p in pools]


ROWS = [
    {"problem": "1+1?", "answer": "2", "samples": ["It is 2", "It is 3"], "is_right": [True, False], "prm": [0.9, 0.2]},
    {"problem": "2+2?", "answer": "4", "samples": ["It is 4", "It is 4"], "is_right": [True, True], "prm": [0.8, None]},
]
COLUMNS = {"prompt": "problem", "solutions": "samples", "correct": "is_right"}
EXPECTED = [
    ("p-00000", "1+1?", "2", ["It is 2", "It is 3"], (True, False)),
    ("p-00001", "2+2?", "4", ["It is 4", "It is 4"], (True, True)),
]


def test_a_pipe_in_a_data_set_is_named() -> None:
    datasets.Dataset.from_list(ROWS).save_to_disk("p")
    [arrow] = Path("p").glob("*.arrow")
    arrow.unlink()
    os.mkfifo(arrow)
    with pytest.raises(BadInput, match=f"{arrow}: not a file"):
        read_pools(["p"], columns=COLUMNS)


def test_the_same_pool_from_every_kind_of_source() -> None:
    lines(Path("p.jsonl"), *ROWS)
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), "p.parquet")
    datasets.Dataset.from_list(ROWS).save_to_disk("p")
    for source in ("p.jsonl", "p.parquet", "p"):
        pools = read_pools([source], columns=COLUMNS)
        assert seen(pools) == EXPECTED, source
        np.testing.assert_array_equal(pools[0].recorded["prm"].values(), np.array([0.9, 0.2], dtype=np.float32))
        assert np.isnan(pools[1].recorded["prm"].values()[1])


def test_a_solution_a_row_and_several_files_are_joined_by_problem() -> None:
    rows = [
        {"prompt": row["problem"], "answer": row["answer"], "solutions": text, "correct": right, "score": score}
        for row in ROWS
        for text, right, score in zip(row["samples"], row["is_right"], row["prm"], strict=True)
    ]
    lines(Path("p.jsonl"), *rows[::2])
    lines(Path("q.jsonl"), *rows[1::2])
    pools = read_pools(["p.jsonl", "q.jsonl"])
    assert seen(pools) == EXPECTED
    assert [pool.rows for pool in pools] == [2, 2]
    assert [list(pool.recorded) for pool in pools] == [["score"], ["score"]]
    assert len(read_pools(["p.jsonl", "q.jsonl"], limit=1)[0].solutions) == 2
    assert main(["rerank", "p.jsonl", "q.jsonl", "--n=2", "--out=out"]) == 0
    assert Path("out/problems.jsonl").read_text().count("\n") == 2


def test_text_in_the_row_itself_and_a_prompt_of_messages() -> None:
    turn = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    [pool] = read_pools([lines(Path("p.jsonl"), {"id": 7, "prompt": turn, "text": "2", "stop": "length", "score": 1})])
    assert pool.problem.id == "7"
    assert pool.problem.prompt == (Message("system", "Be brief."), Message("user", "1+1?"))
    assert pool.solutions[0].stop is Stop.LENGTH
    assert pool.recorded["score"].values().tolist() == [1.0]


def test_scores_of_steps_and_what_does_not_fit() -> None:
    steps = {"steps": ["a\n", "b\n", "c"], "scores": {"prm": [0.9, None, 0.2], "orm": 0.5}}
    [pool] = read_pools([lines(Path("p.jsonl"), {"prompt": "?", "solutions": [steps]})])
    assert pool.recorded["prm"].with_reduce("min").values().tolist() == pytest.approx([0.2])
    assert pool.recorded["prm"].with_reduce("mean").values().tolist() == pytest.approx([0.55])
    with pytest.raises(BadInput, match=r"p.jsonl:1: solution 0: scores\['prm'\] has 2 numbers for 3 steps"):
        read_pools([lines(Path("p.jsonl"), {"prompt": "?", "solutions": [steps | {"scores": {"prm": [1, 0]}}]})])
    with pytest.raises(BadInput, match=r"p.jsonl:1: 1 of 'is_right' for 2 solutions"):
        read_pools([lines(Path("p.jsonl"), ROWS[0] | {"is_right": [True]})], columns=COLUMNS)
    with pytest.raises(BadInput, match=r"columns prompt=question: p.jsonl:1: no 'question' in this row; it has"):
        read_pools([lines(Path("p.jsonl"), *ROWS)], columns={"prompt": "question"})
    with pytest.raises(BadInput, match=r"columns gold=\.\.\.: use id, prompt, answer"):
        read_pools(["p.jsonl"], columns={"gold": "answer"})
    with pytest.raises(BadInput, match="'prompt' is a list, but not of messages"):
        read_pools([lines(Path("p.jsonl"), {"prompt": ["?"], "text": "2"})])


@pytest.mark.parametrize(("name", "reader"), [("p.parquet", parquet), ("p.eval", zipfile)])
def test_a_file_is_not_called_damaged_where_the_machine_is_at_fault(
    name: str, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(error: Exception) -> type:
        raise error

    Path(name).touch()
    opens = "ParquetFile" if reader is parquet else "ZipFile"
    monkeypatch.setattr(reader, opens, lambda path: failing(MemoryError()))
    with pytest.raises(MemoryError):
        read_pools([name])
    monkeypatch.setattr(reader, opens, lambda path: failing(PermissionError(13, "Permission denied")))
    with pytest.raises(BadInput, match=r"cannot be read as .* \(\[Errno 13\] Permission denied\)$"):
        read_pools([name])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.parquet", "none.parquet: no such file"),
        ("bad.parquet", "bad.parquet: cannot be read as parquet"),
        ("days.parquet", r"days.parquet: cannot be read as parquet \(days=1073741824"),
        ("rows", r"rows: its rows are damaged \(.*UTF8"),
        ("days", r"days\[1\]: this row cannot be read \(days=1073741824"),
        ("packed.eval", r"packed.eval: cannot be read as a log of Inspect \(Corrupt input data\)"),
        ("folder", "folder: a folder without samples.jsonl is not that of a run"),
        ("bytes.jsonl", r"bytes.jsonl:2: not UTF-8 \(byte 12 of the line\)"),
        ("long.jsonl", "long.jsonl:1: this line has over 64 MiB; give its solutions in several rows"),
        ("deep.jsonl", "deep.jsonl:1: not JSON"),
    ],
)
def test_sources_that_cannot_be_read_end_in_one_line(source: str, message: str) -> None:
    Path("bad.parquet").write_bytes(b"PAR1 but not")
    days = pyarrow.array([1, 1 << 30], pyarrow.date32())
    table = pyarrow.table({"prompt": ["?", "?"], "text": ["2", "3"], "day": days})
    parquet.write_table(table, "days.parquet")  # a day that Python has not
    datasets.Dataset(table).save_to_disk("days")
    text = pyarrow.StringArray.from_buffers(1, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xff"))
    datasets.Dataset(pyarrow.table({"prompt": ["?"], "text": text})).save_to_disk("rows")
    with zipfile.ZipFile("packed.eval", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("samples/1_epoch_1.json", json.dumps(list(range(99))))
    packed = Path("packed.eval").read_bytes()
    Path("packed.eval").write_bytes(packed[:70] + b"\xff" * 8 + packed[78:])
    Path("folder").mkdir()
    Path("bytes.jsonl").write_bytes(b'{"prompt": "?", "text": "2"}\n{"prompt": "\xff\xfe"}\n')
    Path("deep.jsonl").write_text('{"prompt": ' + "[" * 100_000 + "\n")
    if source == "long.jsonl":
        with open(source, "w") as file:
            file.write('{"prompt": "?", "text": "')
            for _ in range(100):
                file.write("x" * (1 << 20))
            file.write('"}\n')
    tracemalloc.start()
    with pytest.raises(BadInput, match=message) as error:
        read_pools([source])
    assert "\n" not in str(error.value)
    assert tracemalloc.get_traced_memory()[1] < 300 << 20
    tracemalloc.stop()


def test_a_pool_of_nothing_but_empty_texts(capsys) -> None:
    rows = [{"id": "e", "prompt": "?", "answer": "1", "solutions": ["", {"text": "", "score": 0.5}, "   "]}]
    assert main(["rerank", lines(Path("p.jsonl"), *rows), "--n=2", "--scorer=tiny:orm", "--out=out"]) == 0
    printed = capsys.readouterr().out
    assert "- 2 solutions could not be graded; they count as wrong" in printed
    assert "- orm: all 1 finished solutions with a score are wrong" in printed
    found = [json.loads(line)["correct"] for line in Path("out/results.jsonl").read_text().splitlines()]
    assert set(found) == {0.0}


def test_a_runs_folder_is_a_pool_and_keeps_what_is_added(capsys) -> None:
    assert main([*COMMAND, "--strategies=self_consistency,best_of_n,beam_search:prm", "--out=a"]) == 0
    pools = read_pools(["a"])
    assert [p.problem for p in pools] == list(load_task("chain", count=3).problems)
    assert [len(p.solutions) for p in pools] == [4, 4, 4]
    before = {name: Path("a", name).read_bytes() for name in ("samples.jsonl", "scores.jsonl", "results.jsonl")}
    capsys.readouterr()
    assert main(["rerank", "a", "--scorer=tiny:orm", "--n=4", "--reduce=last,min", "--answers=exact"]) == 0
    printed = capsys.readouterr().out
    assert all(f"best_of_n ({name})" in printed for name in ("prm:last", "prm:min", "orm"))
    assert {name: Path("a", name).read_bytes() for name in before} == before
    rows = [json.loads(line) for line in Path("a/rerank/results.jsonl").read_text().splitlines()]
    kept = {
        (r["problem"], r["n"]): r["correct"]
        for r in map(json.loads, before["results.jsonl"].splitlines())
        if (r["strategy"], r["scorer"]) == ("best_of_n", "prm")
    }
    again = {
        (r["problem"], r["n"]): r["correct"] for r in rows if (r["strategy"], r["scorer"]) == ("best_of_n", "prm:last")
    }
    assert again == pytest.approx(kept)
    assert main(["rerank", "a", "--scorer=tiny:orm", "--scorer=tiny:prm_error", "--n=4"]) == 0
    assert "tiny:orm: 3 pools as scored before" in capsys.readouterr().out
    samples = [json.loads(line) for line in Path("a/rerank/samples.jsonl").read_text().splitlines()]
    scores = [json.loads(line) for line in Path("a/rerank/scores.jsonl").read_text().splitlines()]
    assert len(samples) == 12
    assert {r["scorer"] for r in scores} == {"orm", "prm", "prm_error"}
    steps = {(r["problem"], r["index"]): len(r["steps"]) for r in samples}
    assert all(len(r["steps"]) == steps[r["problem"], r["index"]] for r in scores)
    assert [p.recorded.keys() for p in read_pools(["a/rerank"])] == [{"orm", "prm", "prm_error"}] * 3
    assert main(["report", "a/rerank", "a"]) == 0


def test_a_second_process_on_the_folder_is_refused(capsys) -> None:
    pool = lines(Path("p.jsonl"), {"prompt": "?", "answer": "2", "solutions": ["2"]})
    with held(Path("out")):
        assert main(["rerank", pool, "--n=1", "--out=out"]) == 2
    assert "out: another process is writing there" in capsys.readouterr().err
    assert main(["rerank", pool, "--n=1", "--out=out"]) == 0


def test_an_unknown_reducer_is_named(capsys) -> None:
    pool = lines(Path("p.jsonl"), {"prompt": "?", "answer": "2", "solutions": ["2"]})
    assert main(["rerank", pool, "--reduce=median", "--out=out"]) == 2
    assert "--reduce median: use last, min, prod, mean" in capsys.readouterr().err
    assert main(["rerank", pool, "--columns=prompt", "--out=out"]) == 2
    assert "write OURS=THEIRS" in capsys.readouterr().err


def test_a_data_set_by_its_name_and_split(monkeypatch) -> None:
    asked = []

    def load(name: str, configuration: str | None, *, split: str):
        asked.append((name, split))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    pools = read_pools(["owner/p:test"], columns=COLUMNS)
    assert seen(pools) == EXPECTED
    read_pools(["owner/p"], columns=COLUMNS)
    assert asked == [("owner/p", "test"), ("owner/p", "train")]

    def fail(name: str, configuration: str | None, *, split: str):
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(
        BadInput, match=r"owner/none: no such file, and the data set owner/none could not be loaded \(no route\); where"
    ):
        read_pools(["owner/none"])
