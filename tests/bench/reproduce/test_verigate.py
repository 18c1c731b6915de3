"""`stepbeam reproduce verigate` in miniature: every arm for two steps, and claims beside their measurements."""

import json
from dataclasses import replace

import pytest
import torch

from bench.commands.cli import main
from bench.reproduce.folder import slug
from bench.reproduce.verigate import work as verigate_work
from bench.reproduce.verigate.reproduce import reproduce_verigate
from bench.reproduce.verigate.work import (
    ARMS,
    FAITHFUL,
    GATES,
    LONGER,
    OURS,
    SETTINGS,
    VeriGatePlan,
    config_of,
    held_out,
    policy,
)
from bench.tiny import load_task
from policies.grpo.advantages import CREDITS
from verifiers.interface.errors import BadInput

# Of the gated arms, which differ in two options, two stand for all.
GATED = {f"{gate}, {credit}" for gate in GATES for credit in CREDITS}
SMALL = tuple(replace(s, arms=tuple(a for a in s.arms if a not in GATED - {FAITHFUL, OURS})) for s in SETTINGS)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory, small_batches):
    plan = VeriGatePlan(
        tmp_path_factory.mktemp("verigate"), seeds=(0,), settings=SMALL, problems=6, held_out=4, samples=1,
        final_samples=8, steps=2, groups=2, evaluations=1, labelled=6, prm_steps=2,
    )  # fmt: skip
    return plan, reproduce_verigate(plan, processes=1)


@pytest.mark.slow
def test_every_arm_and_claim_is_on_the_page(miniature):
    plan, claims = miniature
    page = (plan.out / "verigate.md").read_text()
    assert [task for task, _ in claims] == ["chain", "word_sort"]
    for setting, (_, found) in zip(SMALL, claims, strict=True):
        assert f"## {setting.task}" in page
        for arm in setting.arms:
            assert page.count(f"| {arm} |") == sum(arm in s.arms for s in SMALL)
        assert all(claim.text in page for claim in found)
    assert set(SETTINGS[0].arms) >= GATED
    assert (plan.out / "verigate.png").stat().st_size > 10_000


@pytest.mark.slow
def test_each_arm_was_trained_with_what_it_says(miniature):
    plan, _ = miniature
    for arm in SMALL[0].arms:
        chosen = ARMS[arm]
        record = json.loads((plan.out / "trainings" / f"chain_{slug(arm)}_0" / "training.json").read_text())
        assert record["config"]["gate"] == chosen.changes["gate"]
        assert ("weighted" in json.dumps(record["verifier"])) == chosen.as_outcome
        assert (record["prm"] is None) == (not chosen.prm)
        assert ("pav(" in json.dumps(record["prm"])) == chosen.pav


@pytest.mark.slow
def test_what_is_done_is_not_done_again(miniature, monkeypatch, work_again):
    plan, claims = miniature
    monkeypatch.setattr(verigate_work, "grpo_train", work_again)
    again = reproduce_verigate(plan, processes=1)
    assert [repr(claim) for claim in again] == [repr(claim) for claim in claims]
    with pytest.raises(BadInput, match="holds a run with steps = "):
        reproduce_verigate(replace(plan, steps=3), processes=1)


def test_arms_differ_in_nothing_but_what_they_are_about(tmp_path):
    plan, setting = VeriGatePlan(tmp_path), SETTINGS[0]
    plain = config_of(plan, setting, "outcome", 0)
    for arm, chosen in ARMS.items():
        steps = plan.steps * (3 if arm == LONGER else 1)
        assert replace(config_of(plan, setting, arm, 0), gate="never", credit=plain.credit, scale=plain.scale,
                       resample=0, prm_coef=1.0) == replace(plain, steps=steps)  # fmt: skip
        assert {"gate"} <= set(chosen.changes)
    trained_on = {p.prompt for p in load_task("chain", count=50, seed=plan.data_seed, split="train").problems}
    assert not trained_on & {p.prompt for p in held_out(plan, setting)}


def test_the_policy_of_a_setting_is_the_same_every_time():
    shipped, weak, again = (policy(replace(SETTINGS[0], noise=noise)).model for noise in (0.0, 0.2, 0.2))
    for a, b, c in zip(shipped.parameters(), weak.parameters(), again.parameters(), strict=True):
        assert torch.equal(b, c)
        if a.ndim == 2:
            assert float((b - a).detach().std() / a.detach().std()) == pytest.approx(0.2, rel=0.1)
        else:
            assert torch.equal(a, b)


def test_options_that_are_for_another_claim(capsys):
    assert main(["reproduce", "verigate", "--base=x"]) == 2
    assert "--base: it is not for 'verigate'" in capsys.readouterr().err
    assert main(["reproduce", "pav", "--seeds=2"]) == 2
    assert "--seeds: it is not for 'pav'" in capsys.readouterr().err
