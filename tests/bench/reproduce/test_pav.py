"""`stepbeam reproduce pav` in miniature: every stage on a handful of problems."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.reproduce.pav import planted
from bench.reproduce.pav import reproduce as pav
from bench.reproduce.pav import work as pav_work
from bench.reproduce.pav.work import TASKS, PAVPlan, test_problems, tuning_problems
from bench.reproduce.savings import SeededCurve, replicate
from bench.tiny.worlds.planted import Writer, planted_task
from bench.tiny.worlds.worlds import held_out
from search.result import Fate, Node
from search.strategies.beam_search import beam_search
from verifiers.interface.errors import BadInput
from verifiers.interface.solution import Solution, Step

test_problems.__test__ = False  # a function of the library, not a test


@pytest.fixture(scope="module")
def miniature(quick):
    plan = PAVPlan.quick(quick("pav"))
    return plan, pav.reproduce_pav(plan, processes=1)


@pytest.mark.slow
def test_every_claim_stands_beside_its_measurement(miniature):
    plan, reports = miniature
    page = (plan.out / "pav.md").read_text()
    assert [task for task, _ in reports] == ["a planted subsequence", *TASKS]
    for _, claims in reports:
        assert len(claims) >= 7
        for claim in claims:
            assert claim.text in page
    assert (plan.out / "pav.png").stat().st_size > 10_000
    assert (plan.out / "pav_sweeps.png").stat().st_size > 10_000
    assert not list(plan.out.rglob("*.draft*"))


@pytest.mark.slow
def test_work_that_is_done_is_not_done_again(miniature, monkeypatch, work_again):
    plan, reports = miniature
    for name in ("beam_search", "sample", "score", "train_prm", "train_orm", "value_solutions"):
        monkeypatch.setattr(pav_work, name, work_again)
    again = pav.reproduce_pav(plan, processes=1)
    assert repr(again) == repr(reports)


@pytest.mark.slow
def test_a_folder_of_another_run_is_refused(miniature):
    plan, _ = miniature
    with pytest.raises(BadInput, match=r"holds a run with problems = \d+, and 4 was asked for; choose another folder"):
        pav.reproduce_pav(replace(plan, problems=4), processes=1)


@pytest.mark.slow
def test_costs_are_those_of_the_searches(miniature):
    plan, _ = miniature
    for task in TASKS:
        unit = json.loads((plan.out / "beam" / f"{task}_0_none_0_w1.json").read_text())
        assert len(unit["correct"]) == len(unit["flops"]) == plan.problems
        assert all(total > policy > 0 for total, policy in zip(unit["flops"], unit["policy_flops"], strict=True))
        curve = json.loads((plan.out / "best_of_n" / f"{task}_0.json").read_text())
        assert all(row == sorted(row) for row in curve["flops"])


def test_a_training_that_ended_amid_the_saving_of_its_model_is_gone_on_with(tmp_path, monkeypatch):
    out = tmp_path / "models" / "base_1"
    out.mkdir(parents=True)
    (out / "config.json").write_text("{}")
    (out / "training.json").write_text('{"finished": false}')
    trained_in = []
    monkeypatch.setattr(pav_work, "values", lambda *_: [])
    monkeypatch.setattr(pav_work, "make_up_outcomes", lambda *_: [])
    monkeypatch.setattr(pav_work, "train_prm", lambda *_, out, **__: trained_in.append(out))
    assert pav_work.trained(PAVPlan.quick(tmp_path), "base", 1) == out
    (out / "training.json").write_text('{"finished": true}')
    assert pav_work.trained(PAVPlan.quick(tmp_path), "base", 1) == out
    assert trained_in == [out]


def test_choices_are_made_on_train_problems(tmp_path):
    plan = PAVPlan.quick(tmp_path)
    for task in TASKS:
        assert not any(held_out(str(p.prompt)) for p in tuning_problems(plan, task))
        assert all(held_out(str(p.prompt)) for p in test_problems(plan, task))
        assert len(tuning_problems(plan, task)) == plan.tuning


def curve(accuracies, flops):
    shape = (8, 20, len(flops))
    return SeededCurve(np.broadcast_to(np.array(accuracies), shape), np.broadcast_to(np.array(flops, float), shape))


def test_compute_is_compared_with_the_largest_best_of_n_and_with_the_cheapest_that_does_as_well():
    beam = curve([0.6, 0.6], [1, 2])
    rows = replicate(
        {
            "orm": curve([0.2, 0.6, 0.7, 0.6], [1, 4, 8, 16]),  # it falls again
            "any": curve([0.1, 0.3, 0.5, 0.9], [1, 4, 8, 16]),
            **dict.fromkeys(("pav", "q", "pav_any", "q_any"), beam),
        },
        replicates=50,
    )
    found = {claim.text: claim for claim in pav._claims(rows, (1, 2, 4, 8), (1, 2))}

    def said(text):
        return [(c.measured, c.verdict) for name, c in found.items() if name.startswith(text)]

    assert said("PAV is 8 points or more above Best-of-N") == [("+40.0 points", "holds"), ("+20.0 points", "holds")]
    at_end = "PAV comes to the 0.600 of Best-of-8 with the ORM"
    assert said(f"{at_end} with ") == [("16.00 times", verdict) for verdict in ("holds", "holds", "holds")]
    assert said(f"{at_end}, at") == [("4.00 times", verdict) for verdict in ("holds", "holds not", "holds not")]
    assert said("PAV comes to 0.695") == [("never", "holds not")] * 3
    assert said("PAV is above beam search on Q") == [("+0.0 points", "open")] * 2
    assert said("more beams hold") == [("+50.0 points", "holds"), ("+30.0 points", "holds")]
    assert said("a PRM labelled automatically") == [("+40.0 points", "holds not"), ("+20.0 points", "holds not")]


def test_a_step_of_progress_is_displaced_where_a_negative_one_is_kept():
    [problem] = planted_task(1).problems  # mdlnba
    [result] = beam_search([problem], Writer(3.0), planted.ExactValue(3.0), width=1, expand=1, max_steps=1)

    def node(text, fate, parent=-1):
        letters = Solution(tuple(Step(f"{letter}\n") for letter in text))
        return Node(parent, len(text) - 1, letters, 0.0, fate)

    first = (node("m", Fate.KEPT), node("a", Fate.PRUNED), node("m", Fate.PRUNED))  # an equal one is no other
    second = (node("ma", Fate.KEPT, 0), node("md", Fate.PRUNED, 0), node("mn", Fate.PRUNED, 0))
    counts = planted._steps(replace(result, tree=first + second))
    assert counts == {"kept": 2, "negative": 1, "promising": 2, "displaced": 1}
    counts = planted._steps(replace(result, tree=(*first, node("md", Fate.KEPT, 0), *second[1:])))
    assert counts == {"kept": 2, "negative": 0, "promising": 2, "displaced": 0}
