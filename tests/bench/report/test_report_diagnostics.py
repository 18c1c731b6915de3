"""What a report says of scorers."""

import json

import numpy as np
import pytest

from bench.diagnostics.label_quality import auc
from bench.report.curves import read_curves
from bench.report.diagnostics import diagnostics
from bench.report.folder import read_folder
from bench.report.page import report_page


def of(path):
    folder = read_folder(path, "run")
    return {record["name"]: record for record in diagnostics(folder, read_curves([folder]))}


def test_figures_are_those_of_the_scores(tmp_path, make_run):
    path = make_run(tmp_path / "run", problems=20)
    read = lambda name: [json.loads(line) for line in (path / name).read_text().splitlines()]  # noqa: E731
    drawn = [row for row in read("samples.jsonl") if row["strategy"] == "sample"]
    said = [row for row in read("scores.jsonl") if row["strategy"] == "sample" and row["scorer"] == "orm"]
    labels, values = np.array([r["correct"] for r in drawn]), np.array([r["value"] for r in said])
    found = of(path)["orm"]
    assert found["auc"] == pytest.approx(auc(values, labels))
    assert found["labels"] == 160
    assert found["right"] == pytest.approx(labels.mean())
    within = [
        auc(values[mine], labels[mine])
        for p in dict.fromkeys(r["problem"] for r in drawn)
        if 0 < labels[mine := np.array([r["problem"] == p for r in drawn])].mean() < 1
    ]
    assert found["auc_within"]["value"] == pytest.approx(np.mean(within))
    assert sum(b["count"] for b in found["bins"]) == 160
    [turn] = found["best_of_n"]
    assert turn["falls"] == []


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_samples_of_one_kind_have_no_auc(tmp_path, make_run, right):
    found = of(make_run(tmp_path / "run", right=right))["orm"]
    assert found["auc"] is None
    assert found["auc_within"] is None
    assert found["ece"] is not None


def test_a_silent_scorer_and_one_that_gives_no_probabilities(tmp_path, make_run):
    found = of(make_run(tmp_path / "silent", silent=True))["orm"]
    assert (found["labels"], found["silent"]) == (0, 32)
    assert "auc" not in found
    found = of(make_run(tmp_path / "logits", scale=10.0))["orm"]
    assert (found["ece"], found["accuracy"], found["bins"]) == (None, None, [])
    assert found["auc"] > 0.7


def fooled(path, fall, problems=60):
    """Results where Best-of-N rises to N = 2 and then falls by `fall`."""
    rng = np.random.default_rng(0)
    results, points = [], []
    for n, mean in ((1, 0.4), (2, 0.6), (4, 0.6 - fall / 2), (8, 0.6 - fall)):
        row = {"strategy": "best_of_n", "scorer": "orm", "n": n}
        chances = np.clip(mean + rng.normal(0, 0.1, problems), 0, 1)
        results += [{"problem": str(i), **row, "correct": float(c), "flops": 1.0 * n} for i, c in enumerate(chances)]
        points.append({**row, "accuracy": float(chances.mean()), "low": 0.0, "high": 1.0, "problems": problems})
    for name, lines in (("results", results), ("points", points)):
        (path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_curve_that_turns_down_is_flagged_and_noise_is_not(tmp_path, make_run):
    path = make_run(tmp_path / "run", problems=60, scorers=("orm",), trees=False)
    fooled(path, 0.3)
    [turn] = of(path)["orm"]["best_of_n"]
    assert turn["peak"] == 2
    assert [fall["n"] for fall in turn["falls"]] == [4, 8]
    assert all(fall["difference"] < 0 and fall["p"] < 0.05 / 6 for fall in turn["falls"])
    fooled(path, 0.01)
    [turn] = of(path)["orm"]["best_of_n"]
    assert turn["falls"] == []


def test_every_reducers_curve_is_its_scorers(tmp_path, make_run):
    """After `rerank --reduce` curves are named `scorer:reducer`, and the scores by the scorer alone."""
    path = make_run(tmp_path / "run", problems=60, scorers=("orm", "prm"), trees=False)
    fooled(path, 0.3)
    for name in ("results", "points"):
        lines = [json.loads(line) for line in (path / f"{name}.jsonl").read_text().splitlines()]
        lines = [line | {"scorer": scorer} for scorer in ("prm:min", "prm:mean") for line in lines]
        (path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = of(path)
    assert found["orm"]["best_of_n"] == []
    assert [turn["scorer"] for turn in found["prm"]["best_of_n"]] == ["prm:min", "prm:mean"]
    assert all([fall["n"] for fall in turn["falls"]] == [4, 8] for turn in found["prm"]["best_of_n"])


def test_infinite_scores_are_above_and_below_all_others(tmp_path, make_run):
    path = make_run(tmp_path / "run", problems=8)
    lines = [json.loads(line) for line in (path / "scores.jsonl").read_text().splitlines()]
    for line in lines:
        line["value"] = "inf" if line["value"] > 0.8 else "-inf" if line["value"] < 0.2 else line["value"]
    before = of(path)["orm"]
    (path / "scores.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    after = of(path)["orm"]
    assert after["auc"] == pytest.approx(before["auc"], abs=0.05)
    assert (after["labels"], after["accuracy"]) == (before["labels"], None)
    report_page([read_folder(path, "run")])
