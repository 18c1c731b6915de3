"""What a run's table says a strategy cost is what its journal recorded."""

import itertools
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main
from bench.stats.estimators import distinct_curve
from bench.tiny import load_task, weights_folder
from policies.backends.transformers import Transformers
from verifiers.interface.scoring import Spend

COMMAND = [
    "run",
    "--task=chain",
    "--limit=3",
    "--policy=tiny:policy",
    "--scorer=tiny:orm",
    "--scorer=pav:tiny:prm,tiny:prover",
    "--strategies=self_consistency,best_of_n,weighted_majority,beam_search:pav",
    "--n=8",
    "--chunk=2",
    "--out=a",
]
COSTS = [field.name for field in fields(Spend)]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("a", name).read_text().splitlines()]


def journal(*kinds: str) -> dict[str, Spend]:
    """By problem what units of these kinds spent: "sample", "score/NAME", "beam_search/NAME/N"."""
    found: dict[str, Spend] = {}
    for record in rows("journal.jsonl"):
        if record["unit"].partition("/")[2] in kinds:
            for problem, spend in record["spend"].items():
                found[problem] = found.get(problem, Spend()) + Spend(**spend)
    return found


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cost")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(COMMAND) == 0
    return place


def test_at_the_whole_pool_the_points_are_the_journals_sum(run_of: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_of)
    points = [row for row in rows("points.jsonl") if row["n"] == 8]
    assert len(points) == 2 + 2 * 2 + 1
    results = [row for row in rows("results.jsonl") if row["n"] == 8]
    for point in points:
        strategy, scorer = point["strategy"], point["scorer"]
        beam = strategy == "beam_search"
        spent = journal(f"beam_search/{scorer}/8") if beam else journal("sample", f"score/{scorer}")
        whole = Spend.total(spent.values())
        assert whole.sampled_tokens > 0
        assert (whole.scored_tokens > 0) == (scorer is not None)
        for name in COSTS:
            assert point[name] * len(spent) == pytest.approx(getattr(whole, name), rel=1e-12), name
        mine = [row for row in results if (row["strategy"], row["scorer"]) == (strategy, scorer)]
        assert {row["problem"] for row in mine} == set(spent)
        for row in mine:
            for name in ("sampled_tokens", "scored_tokens", "flops"):
                assert row[name] == pytest.approx(getattr(spent[row["problem"]], name), rel=1e-12), name


def test_some_of_a_pool_cost_what_differs_in_them(run_of: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solution that occurs several times is scored once, so its scorer costs less than its rows' share."""
    monkeypatch.chdir(run_of)
    pools: dict[str, list[tuple[str, ...]]] = {}
    for row in rows("samples.jsonl"):
        if row["strategy"] == "sample":
            pools.setdefault(row["problem"], []).append((*row["steps"], row["stop"]))
    assert any(len(set(pool)) < 8 for pool in pools.values())
    scored = {
        (row["problem"], row["n"]): row["scored_tokens"]
        for row in rows("results.jsonl")
        if (row["strategy"], row["scorer"]) == ("best_of_n", "orm")
    }
    for problem, pool in pools.items():
        for n in (1, 2, 4):
            subsets = [len(set(subset)) for subset in itertools.combinations(pool, n)]
            different = sum(subsets) / len(subsets)
            assert distinct_curve(pool, [n])[0] == pytest.approx(different)
            whole = journal("score/orm")[problem]
            read = (whole.scored_tokens + whole.cached_scored_tokens) * n / 8
            expected = min(read, whole.scored_tokens * different / len(set(pool)))
            assert scored[problem, n] == pytest.approx(expected)


def test_some_of_a_pool_cost_one_prompt_and_their_samples(run_of: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample stands behind the prompt, so that a token of it attends to more than one of the prompt does."""
    monkeypatch.chdir(run_of)
    policy = Transformers.load(weights_folder("policy"))
    prompts = {problem.id: len(policy.prompt_ids(problem)) for problem in load_task("chain", count=3).problems}
    samples: dict[str, list[float]] = {}
    for row in rows("samples.jsonl"):
        if row["strategy"] == "sample":
            begin = prompts[row["problem"]]
            drawn = sum(map(len, row["tokens"])) - 1  # the last one was not run
            samples.setdefault(row["problem"], []).append(policy.price.flops((begin, begin + drawn)))
    found = [row for row in rows("results.jsonl") if row["strategy"] == "self_consistency"]
    assert {row["n"] for row in found} >= {1, 8}
    for row in found:
        pool = samples[row["problem"]]
        expected = policy.price.flops((0, prompts[row["problem"]])) + row["n"] * sum(pool) / len(pool)
        assert row["flops"] == pytest.approx(expected, rel=1e-12)
