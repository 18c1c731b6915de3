"""`stepbeam reproduce verigate` in miniature: every arm for two steps, and claims beside their measurements."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from bench.commands.cli import main
from bench.diagnostics.label_quality import auc
from bench.reproduce.folder import slug
from bench.reproduce.verigate import training as verigate_training
from bench.reproduce.verigate.arms import ARMS, LONGER, OUTCOME, SETTINGS, SMALLER, VeriGatePlan
from bench.reproduce.verigate.claims import _ABOVE, _tax, share_by_right_steps, size_claims
from bench.reproduce.verigate.flops import Prices
from bench.reproduce.verigate.reproduce import _healed, _mean_of_known, reproduce_verigate
from bench.reproduce.verigate.scorers import Noised, auc_over, learned_kinds, scorer_of
from bench.reproduce.verigate.start import start_policy
from bench.reproduce.verigate.training import accuracy, config_of
from bench.tiny import load_task
from bench.tiny.worlds.exact import ExactSteps
from policies.models.parameters import FlopPrice
from tests.worked import worked
from verifiers.interface.errors import BadInput


@pytest.fixture(scope="module")
def miniature(quick):
    plan = VeriGatePlan.quick(quick("verigate"))
    return plan, reproduce_verigate(plan, processes=1)


@pytest.mark.slow
def test_every_arm_and_claim_is_on_the_page(miniature):
    plan, claims = miniature
    page = (plan.out / "verigate.md").read_text()
    assert [task for task, _ in claims] == ["chain", "word_sort", SMALLER.name]
    settings = (*plan.settings, SMALLER)
    for setting, (_, found) in zip(settings, claims, strict=True):
        assert f"## {setting.name}\n" in page
        for arm in setting.arms:
            assert page.count(f"\n| {arm} |") == 2 * sum(
                arm in s.arms for s in settings
            )  # what it is like, what it costs
        assert all(claim.text in page for claim in found)
    assert (plan.out / "verigate.png").stat().st_size > 10_000


@pytest.mark.slow
def test_each_arm_was_trained_with_what_it_says(miniature):
    plan, _ = miniature
    for arm in plan.settings[0].arms:
        chosen = ARMS[arm]
        record = json.loads((plan.out / "trainings" / f"chain_{slug(arm)}_0" / "training.json").read_text())
        assert record["config"]["gate"] == chosen.changes["gate"]
        assert ("mean(" in json.dumps(record["verifier"])) == chosen.as_outcome
        assert ("Working" not in json.dumps(record["verifier"])) == chosen.by_answer
        assert (record["prm"] is None) == (not chosen.prm)
        assert ("cut(" in json.dumps(record["prm"])) == (chosen.prm == "sharp")
        assert (record["config"]["refresh_every"] == 1) == chosen.refresh


@pytest.mark.slow
def test_what_is_done_is_not_done_again(miniature, monkeypatch, work_again):
    plan, claims = miniature
    monkeypatch.setattr(verigate_training, "grpo_train", work_again)
    again = reproduce_verigate(plan, processes=1)
    assert [repr(claim) for claim in again] == [repr(claim) for claim in claims]
    with pytest.raises(BadInput, match="holds a run with steps = "):
        reproduce_verigate(replace(plan, steps=3), processes=1)


def test_arms_differ_in_nothing_but_what_they_are_about(tmp_path):
    plan, setting = VeriGatePlan(tmp_path), SETTINGS[0]
    plain = config_of(plan, setting, OUTCOME, 0)
    for arm, chosen in ARMS.items():
        steps = plan.steps * (3 if arm == LONGER else 1)
        same = {"gate": "never", "credit": plain.credit, "scale": plain.scale, "resample": 0, "refresh_every": 0,
                "prm_coef": 1.0, "baseline": "none"}  # fmt: skip
        assert replace(config_of(plan, setting, arm, 0), **same) == replace(plain, steps=steps)
        assert {"gate"} <= set(chosen.changes)
    assert config_of(plan, setting, "refreshed, all_wrong, future_sum", 0).refresh_every == 8
    trained_on = {p.prompt for p in load_task("chain", count=50, seed=plan.data_seed, split="train").problems}
    assert not trained_on & {p.prompt for p in accuracy(plan, setting).problems}
    assert learned_kinds(setting) == ["held_out", "padded", "soft", "value"]


def test_a_smaller_policy_is_no_part_of_a_plans_sizes(tmp_path):
    """So that a folder that was begun without it is gone on with."""
    assert all(set(of) == {"task", "arms", "noise", "difficulty"} for of in asdict(VeriGatePlan(tmp_path))["settings"])
    plan = VeriGatePlan.quick(tmp_path)
    smaller, again = (start_policy(plan, SMALLER).model for _ in range(2))
    whole = start_policy(plan, SETTINGS[0]).model
    assert (smaller.config.num_hidden_layers, whole.config.num_hidden_layers) == (2, 4)
    assert all(torch.equal(a, b) for a, b in zip(smaller.parameters(), again.parameters(), strict=True))
    assert set(SMALLER.arms) <= set(SETTINGS[0].arms)
    assert SMALLER.name == f"chain, 2 layers, healing {SMALLER.healing}"  # what is kept is of this policy alone
    assert "first 2 layers, trained for 1 steps" in _healed(plan, SMALLER)


def test_what_is_compared_is_trained():
    assert {arm for pair in _ABOVE for arm in pair} <= ARMS.keys()


def test_a_gain_is_compared_between_policies_of_two_sizes():
    arm = "sharp, all_wrong, future_sum"
    small, large = (
        {OUTCOME: [{"right": [0.25] * 100}] * 8, arm: [{"right": [share] * 100}] * 8} for share in (0.75, 0.5)
    )
    [claim] = size_claims(small, large)
    assert (claim.measured, claim.verdict) == ("+25.0 points", "holds")
    assert size_claims(large, small)[0].verdict == "holds not"


def test_flops_are_those_of_sampling_updates_and_the_prm_where_it_is_needed(tmp_path):
    """With 1 FLOP a policy's token and 10 a PRM's: problems of 2 tokens, 4 groups of 3 solutions of 5 tokens."""
    plan = replace(VeriGatePlan(tmp_path), group_size=3, steps=2, refreshes=1, labelled=7, prm_steps=6, prm_batch=8)
    prices = Prices(FlopPrice(0.5), FlopPrice(5.0), prompt=2, plan=plan)
    row = {"step": 1, "sampled_groups": 4, "tokens": 5.0, "all_wrong": 0.5, "all_right": 0.25, "dead": 0.25}
    unit = {"metrics": [{"step": 0}, row, row]}
    sampled, learnt, asked = 4 * 2 + 12 * 5, 0.75 * 3 * 12 * 7, 10 * 12 * 7
    for arm, needed, audited in (
        (OUTCOME, 0, 1), ("sharp, all_wrong, future_sum", 0.5, 2), ("sharp, degenerate, future_sum", 0.75, 2),
        ("exact, all_wrong, future_sum", 0, 1), ("soft as outcome", 1, 2), ("soft, ungated, future_sum", 1, 2),
    ):  # fmt: skip
        expected = (sampled + learnt, needed * asked, audited * asked)
        assert prices.of_training(unit, arm).tolist() == [list(expected)] * 2
    assert prices.of_prm(5.0) == 7 * (2 + 4 * 5) + 3 * 6 * 8 * 10 * 7
    first, second = (unit["metrics"][i] | {"step": i} for i in (1, 2))
    # A third of the problems and half as many again to fit the cut; a third of the steps.
    learning = (2 + 1) * (2 + 4 * 5) + 3 * 2 * 8 * 10 * 7
    refreshed = prices.of_training({"metrics": [first, second]}, "refreshed, all_wrong, future_sum")
    plain = [sampled + learnt, 0.5 * asked, 2 * asked]
    assert refreshed.tolist() == [plain, [plain[0], plain[1] + learning, plain[2] + learning]]


def test_a_gated_training_is_compared_at_equal_flops_too(tmp_path):
    """It costs twice as much a step, so that its accuracy half-way is what outcome-only GRPO's whole training costs."""

    def units(reached, tokens):
        steps = [
            {"step": step, "sampled_groups": 1, "tokens": tokens, "all_wrong": 0.0, "all_right": 0.0, "dead": 1.0}
            for step in (1, 2)
        ]
        rows = [{"step": 0}, *steps]
        return [{"metrics": [row | {"evaluation": {"accuracy": a}} for row, a in zip(rows, reached, strict=True)]}] * 8

    arm = "sharp, all_wrong, future_sum"
    trainings = {OUTCOME: units((0.1, 0.2, 0.3), 10.0), arm: units((0.1, 0.6, 0.9), 20.0)}
    dearer, better = _tax(
        trainings, arm, Prices(FlopPrice(1.0), FlopPrice(1.0), 0, replace(VeriGatePlan(tmp_path), group_size=2))
    )
    assert (dearer.measured, dearer.verdict) == ("+100.0%", "holds")
    assert better.measured == "+30.0 points"


def test_a_seed_without_a_right_answer_has_no_share_by_right_steps():
    units = [{"right": [0.5, 0.0], "answer": [1.0, 0.0]}, {"right": [0.0], "answer": [0.0]}]
    assert _mean_of_known(share_by_right_steps(units)) == "0.500"
    assert _mean_of_known(share_by_right_steps(units[1:])) == "-"


def test_an_auc_of_several_problems():
    rng = np.random.default_rng(0)
    labels, problems = rng.integers(0, 2, 400).astype(float), np.arange(400) // 8
    scores = np.round(labels + rng.standard_normal(400), 1)
    e = auc_over(scores, labels, problems)
    assert e.value == pytest.approx(auc(scores, labels))
    assert e.value - 0.06 < e.low < e.value - 0.02  # its standard error is about 0.02
    assert e.value + 0.02 < e.high < e.value + 0.06
    scores[:40] = np.nan
    assert auc_over(scores, labels, problems) == auc_over(np.nan_to_num(scores, nan=-99.0), labels, problems)


def test_the_policy_of_a_setting_is_the_same_every_time(tmp_path):
    plan = VeriGatePlan(tmp_path)
    shipped, weak, again = (start_policy(plan, replace(SETTINGS[0], noise=noise)).model for noise in (0.0, 0.2, 0.2))
    for a, b, c in zip(shipped.parameters(), weak.parameters(), again.parameters(), strict=True):
        assert torch.equal(b, c)
        if a.ndim == 2:
            assert float((b - a).detach().std() / a.detach().std()) == pytest.approx(0.2, rel=0.1)
        else:
            assert torch.equal(a, b)


def test_noise_replaces_its_share_of_labels_and_always_the_same(tmp_path):
    problems, solutions = zip(*worked("chain", 60), strict=True)
    exact = np.concatenate(ExactSteps("chain").score(problems, solutions).steps)
    for share in (0.0, 0.3, 1.0):
        scorer = Noised(ExactSteps("chain"), share)
        one, again = (np.concatenate(scorer.score(problems, solutions).steps) for _ in range(2))
        assert np.array_equal(one, again)
        assert np.mean(one != exact) == pytest.approx(share, abs=0.08)
    assert scorer_of(VeriGatePlan(tmp_path), SETTINGS[0], "noise 0.3") == Noised(ExactSteps("chain"), 0.3)


def test_options_that_are_for_another_claim(capsys):
    assert main(["reproduce", "verigate", "--base=x"]) == 2
    assert "--base: it is not for 'verigate'" in capsys.readouterr().err
    assert main(["reproduce", "pav", "--seeds=2"]) == 2
    assert "--seeds: it is not for 'pav'" in capsys.readouterr().err
