"""A run's folder as a log of Inspect's and as a data set, read again as the pools that it had."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main
from bench.harnesses import dataset
from bench.pools.rerank import rerank
from bench.pools.saved_pool import read_pools
from bench.runs.plan import RunPlan
from bench.runs.run import run
from tests.bench.pools.test_runs import rows_of_a_run, write
from verifiers.grading.answers import ANSWERS

SCORERS = {"orm": "tiny:orm", "prm": "tiny:prm"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "chain"
    run(RunPlan("chain", "tiny:policy", SCORERS, (), 4, limit=6).with_default_strategies(), out, progress=False)
    return out


def points(source: Path, tmp_path: Path) -> list[tuple[Any, ...]]:
    """What reranking finds, costs apart: only a run knows them."""
    results = rerank([source], {}, tmp_path / f"again-{source.name}", progress=False)
    return [(p.contest, p.n, p.accuracy, p.low, p.high) for p in results.points()]


def test_a_data_set_reads_as_the_run_does(folder: Path, tmp_path: Path) -> None:
    assert main(["export", str(folder), str(tmp_path / "set")]) == 0
    assert main(["export", str(folder), str(tmp_path / "set.parquet")]) == 0
    expected = points(folder, tmp_path)
    assert points(tmp_path / "set", tmp_path) == expected == points(tmp_path / "set.parquet", tmp_path)


def test_what_else_is_known_of_a_problem_leaves_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = rows_of_a_run()
    rows["problems"][0]["fields"] = {"level": 2, "tags": ["sums"]}
    write(rows)
    Path("run", "config.toml").write_text('task = "chain"')
    for name in ("set", "set.parquet", *(["log.eval"] if find_spec("inspect_ai") else [])):
        assert main(["export", "run", name]) == 0
        [fields] = read_pools([name]).fields()
        assert fields == {"level": 2, "tags": ["sums"]}


def test_what_is_there_is_not_replaced(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.parquet").touch()
    assert main(["export", str(folder), str(tmp_path / "mine.parquet")]) == 2
    assert "it is there already" in capsys.readouterr().err
    for name in ("pools.jsonl", "pools.csv", "pools.PARQUET"):
        assert main(["export", str(folder), str(tmp_path / name)]) == 2
        assert "no such file is written" in capsys.readouterr().err
    assert main(["export", str(tmp_path), str(tmp_path / "set")]) == 2
    assert "is not that of a run" in capsys.readouterr().err
    assert main(["export", str(folder), str(tmp_path / "set"), "--public"]) == 2
    assert "--public" in capsys.readouterr().err


def test_a_data_set_on_the_hub_is_private_unless_it_is_to_be_public(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import datasets
    import huggingface_hub

    sent: list[Any] = []
    monkeypatch.setattr(huggingface_hub.HfApi, "repo_exists", lambda api, name, **kind: name == "me/taken")
    monkeypatch.setattr(datasets.Dataset, "push_to_hub", lambda made, name, **how: sent.append((len(made), name, how)))
    assert main(["export", str(folder), "hub:me/chain"]) == 0
    assert main(["export", str(folder), "hub:me/chain", "--public"]) == 0
    assert sent == [(6, "me/chain", {"split": "test", "private": private}) for private in (True, False)]
    assert "https://huggingface.co/datasets/me/chain" in capsys.readouterr().out
    assert main(["export", str(folder), "hub:me/taken"]) == 2
    assert "it is there already" in capsys.readouterr().err
    assert len(sent) == 2


@pytest.mark.parametrize("name", ["set", "set.parquet"])
def test_an_export_that_ends_early_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import datasets

    def half(made: object, place: str) -> None:
        Path(place).write_text("half")
        raise KeyboardInterrupt

    for method in ("save_to_disk", "to_parquet"):
        monkeypatch.setattr(datasets.Dataset, method, half)
    with pytest.raises(KeyboardInterrupt):
        dataset.save(folder, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_the_hub_refuses_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub

    def unreachable(api: object, name: str, **kind: Any) -> bool:
        raise RuntimeError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "repo_exists", unreachable)
    for name, told in (("me/chain", "RuntimeError: no route to host"), ("a/b/c", "not a name on the hub")):
        assert main(["export", str(folder), f"hub:{name}"]) == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("row", ["not json", "[1]"])
def test_a_damaged_run_is_one_sentence(tmp_path: Path, row: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        write(rows_of_a_run())
    (tmp_path / "run" / "scores.jsonl").write_text(row + "\n")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "scores.jsonl").write_text("[1]\n")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "2+2?", "text": "4"}\n')
    for name, told in (
        ("run", "scores.jsonl"),
        ("bare", "is not that of a run"),
        ("rows.jsonl", "is not that of a run"),
    ):
        assert main(["export", str(tmp_path / name), str(tmp_path / "out.parquet")]) == 2
        assert told in capsys.readouterr().err


def test_silence_is_null_and_a_conversation_stays_one(tmp_path: Path) -> None:
    here = tmp_path / "at"
    here.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        rows = rows_of_a_run()
        rows["problems"][0]["prompt"] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+1?"},
        ]
        write(rows)
    [row] = dataset.to_dataset(here / "run")
    assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
    assert [s["scores"]["prm"] for s in row["solutions"]] == [[0.25, 0.75], None]


def test_a_log_of_inspects_reads_as_the_run_does(folder: Path, tmp_path: Path) -> None:
    log = pytest.importorskip("inspect_ai.log", reason="the extra stepbeam[inspect] is not installed")
    for name in ("chain.eval", "chain.json"):
        assert main(["export", str(folder), str(tmp_path / name)]) == 0
        assert points(tmp_path / name, tmp_path) == points(folder, tmp_path)
    read = log.read_eval_log(str(tmp_path / "chain.eval"))
    assert (len(read.samples), read.eval.model, read.eval.task) == (24, "stepbeam/tiny:policy", "chain")
    assert {*read.samples[0].scores} == {"answer", "orm", "prm"}
    curves = {score.name: sorted(score.metrics) for score in read.results.scores}
    assert curves["best_of_n(orm)"] == ["n=1", "n=2", "n=4"]


def test_verdicts_answers_and_values_of_an_export_are_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [
        {"steps": ["A feline\n", "cat"], "stop": "eos", "answer": "feline", "correct": True},
        {"steps": ["A dog"], "stop": "eos", "answer": None, "correct": False},
    ]
    place = {"problem": "q", "strategy": "sample", "n": 2}
    write(
        {
            "problems": [{"id": "q", "prompt": "What purrs?", "answer": "cat"}],
            "samples": [{**place, "index": i, **text} for i, text in enumerate(texts)],
            "scores": [{**place, "index": 0, "scorer": "prm", "steps": [0.25, 0.75], "value": 0.5}],
        }
    )
    names = ["set", "set.parquet"] + ["log.eval", "log.json"] * bool(find_spec("inspect_ai"))
    (tmp_path / "run" / "config.toml").write_text('task = "mine"\n')
    for name in names:
        assert main(["export", "run", name]) == 0
    (tmp_path / "run" / "scores.jsonl").unlink()
    assert main(["export", "run", "unscored.parquet"]) == 0
    for name in [*names, "unscored.parquet"]:
        [pool] = read_pools([name])
        assert (pool.correct, pool.extracted) == ((True, False), ("feline", None)), name
        assert dict(pool.aside) == {}
        assert {s: v.tolist()[0] for s, v in pool.values.items()} == ({} if "un" in name else {"prm": 0.5}), name
        results = rerank([name], {}, tmp_path / f"again-{name}", answers=ANSWERS["exact"], progress=False)
        assert results.points()[0].accuracy == 0.5
