"""`stepbeam reproduce pav` in miniature: every stage on a handful of problems."""

import json
from dataclasses import replace

import pytest

from bench.reproduce.pav import reproduce as pav
from bench.reproduce.pav import work as pav_work
from bench.reproduce.pav.work import TASKS, PAVPlan, test_problems, tuning_problems
from bench.tiny.worlds.worlds import held_out
from verifiers.interface.errors import BadInput

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
