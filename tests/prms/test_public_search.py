"""Public PRMs where scorers are used: in every search, in reranking and in ProcessBench."""

import json
import math

import numpy as np
import pytest

import policies
import search
from bench.commands.processbench import processbench
from bench.tiny import load_task, weights_folder
from verifiers import Problem, Solution, Step, Stop


@pytest.fixture(scope="module")
def policy():
    return policies.load(f"transformers:{weights_folder('policy')}")


@pytest.fixture(scope="module")
def task():
    return load_task("chain", count=2)


def test_it_guides_every_search(public_prms, kind, policy, task):
    prm, how = public_prms[kind], {"sampling": task.sampling, "answers": task.answers, "seed": 3}
    found = search.best_of_n(task.problems, policy, prm, n=3, **how)
    voted = search.weighted_majority(task.problems, policy, prm, n=3, **how)
    beams = search.beam_search(task.problems, policy, prm, width=2, expand=2, max_steps=4, **how)
    for results in (found, voted, beams):
        for result in results:
            assert result.spend.scored_tokens > 0
            finished = [s for s, v in zip(result.pool, result.scores.values(), strict=True) if not math.isnan(v)]
            assert finished
    again = search.rerank([(r.problem, r.pool) for r in found], prm, answers=task.answers)
    assert [r.answer for r in again] == [r.answer for r in found]


def test_it_remembers_prefixes_in_a_search(public_prms, kind):
    prm = public_prms[kind]
    problem, steps = (
        Problem("p", "What is 2 + 3?"),
        [Step(f"{text}{prm.separator}") for text in ("2 + 3 = 6.", "So", "6")],
    )
    remembers = prm.remembering()
    beam = [Solution(tuple(steps[:n])) for n in (1, 2, 3)] + [Solution(tuple(steps), Stop.EOS)]
    for solution in beam:
        twin = Solution((*solution.steps[:-1], Step(f"Or 5?{prm.separator}")), solution.stop)
        plain, got = (scorer.score([problem] * 2, [solution, twin]) for scorer in (prm, remembers))
        for a, b in zip(plain.steps, got.steps, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        computed = sum(spend.scored_tokens for spend in got.spend)
        if len(solution.steps) > 1:
            assert 2 * computed < sum(spend.scored_tokens for spend in plain.spend)


def test_it_stands_processbench(public_folders, kind, tmp_path, capsys):
    rows = [
        {"id": "a", "problem": "What is 2 + 3?", "steps": ["2 + 3 = 6.", "It is 6."], "label": 0},
        {"id": "b", "problem": "What is 2 * 3?", "steps": ["2 * 3 = 6.", "\n", "It is 6."], "label": -1},
        {"id": "c", "problem": "What is 4 - 3?", "steps": ["4 - 3 = 1."], "label": -1},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = processbench(
        str(tmp_path / "rows.jsonl"), f"prm:{public_folders[kind]}", out=tmp_path / "out", progress=False
    )
    assert report.predictions[1] is None
    assert "1 rows have no prediction and count as wrong; the first: step 2 of 3 is blank" in capsys.readouterr().out
    kept = [json.loads(line) for line in (tmp_path / "out" / "processbench.jsonl").read_text().splitlines()]
    assert kept[1]["scores"] == [None, None, None]
    assert all(0 <= score <= 1 for score in kept[0]["scores"] + kept[2]["scores"])
