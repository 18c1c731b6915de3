"""`stepbeam reproduce pav-rl` in miniature, and its claims on curves whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from bench.commands.cli import main
from bench.reproduce.pav import rl as pav_rl
from bench.reproduce.pav.measured import CANDIDATES, NS, claims_of, claims_of_start, claims_over, looks_table
from bench.reproduce.pav.rl import (
    ARMS,
    GATED,
    OUTCOME,
    PAV,
    SWEPT,
    TUNED,
    WORDS,
    PAVRLPlan,
    arms_of,
    reproduce_pav_rl,
)
from bench.reproduce.savings import SeededCurve
from verifiers.interface.errors import BadInput


@pytest.fixture(scope="module")
def miniature(quick):
    plan = PAVRLPlan.quick(quick("pav-rl"))
    return plan, reproduce_pav_rl(plan, processes=1)


@pytest.mark.slow
def test_every_arm_and_claim_is_on_the_page(miniature):
    plan, claims = miniature
    page = (plan.out / "pav_rl.md").read_text()
    for arm in ARMS:
        assert f"| {arm} |" in page
    assert len(claims) == len(WORDS)
    for _, found in claims:
        assert all(claim.text in page for claim in found)
    assert (plan.out / "pav_rl.png").stat().st_size > 10_000


@pytest.mark.slow
def test_what_is_done_is_not_done_again(miniature, monkeypatch, work_again):
    plan, claims = miniature
    monkeypatch.setattr(pav_rl, "grpo_train", work_again)
    assert repr(reproduce_pav_rl(plan, processes=1)) == repr(claims)
    with pytest.raises(BadInput, match="holds a run with steps = 4, and 3 was asked for"):
        reproduce_pav_rl(replace(plan, steps=3), processes=1)


def curves(**rights):
    """Eight seeds alike; ten points of 100 rollouts each."""
    spent = np.broadcast_to(np.arange(1, 11) * 100.0, (8, 1, 10))
    found = {
        arm: SeededCurve(np.broadcast_to(np.asarray(right, dtype=float), spent.shape).copy(), spent.copy())
        for arm, right in rights.items()
    }
    names = {"outcome": OUTCOME, "pav": PAV, "weak": "PAV-RL, gamma 5", "strong": "PAV-RL, gamma 100"}
    return {names[arm]: curve for arm, curve in found.items()}


def test_claims_say_what_curves_show():
    slow = [0, 0, 0, 0, 0, 0, 0, 0, 0.5, 1.0]
    end, there, half, most, saved = pav_rl._claims(curves(outcome=slow, pav=[0, *[1.0] * 9]))
    assert (end.measured, end.verdict) == ("+0.0 points", "open")  # that eight agree does not show that all would
    assert (there.measured, there.verdict) == ("+100.0 points", "holds")
    assert "after 300 rollouts" in there.text
    assert [(c.measured, c.verdict) for c in (half, most, saved)] == [
        ("6.36 times", "holds"),  # 900 rollouts for 100 * 2**0.5
        ("5.25 times", "holds not"),
        ("5.01 times", "holds not"),
    ]
    end, there, *times = pav_rl._claims(curves(outcome=slow, pav=[0] * 10))
    assert (end.verdict, there.verdict, {claim.verdict for claim in times}) == ("holds not", "open", {"holds not"})


def test_outcome_only_rl_that_never_comes_there_is_charged_all_its_rollouts():
    end, there, half, most = pav_rl._claims(curves(outcome=[0] * 10, pav=[0, *[1.0] * 9]))
    assert [(c.measured, c.verdict) for c in (end, there)] == [("+100.0 points", "holds")] * 2
    # 1,000 for 100 * 2**0.5, and more if it ever does: 6 times or more is not ruled out by 5.36.
    assert (half.measured, half.interval, half.verdict) == ("7.07 times", "7.07 or more", "holds")
    assert (most.measured, most.interval, most.verdict) == ("5.36 times", "5.36 or more", "open")
    assert "never does" in half.text
    times = pav_rl._claims(curves(outcome=[0] * 10, pav=[0] * 10))[2:]
    assert {(c.measured, c.verdict) for c in times} == {("never", "open")}  # neither does


def test_where_some_seeds_of_outcome_only_rl_never_come_there_the_saving_has_no_end_above():
    found = curves(outcome=[0] * 10, pav=[0, *[1.0] * 9])
    found[OUTCOME].correct[:5, :, 8:] = 1.0
    _, _, half, most, _ = pav_rl._claims(found)
    assert half.estimate.low < half.estimate.value < half.estimate.high == np.inf
    assert "never does" not in half.text
    assert "never does" in most.text


def test_provers_are_judged_by_the_rollouts_to_an_accuracy():
    pav = [0, *[1.0] * 9]
    found = pav_rl._prover_claims(curves(pav=pav, weak=pav, strong=[0, 0, 0, 1.0, *[0.6] * 6]))
    assert [(c.measured, c.verdict) for c in found[:2]] == [("1.00 times", "open")] * 2
    assert ["weak" in c.text for c in found] == [True, True, False, False]
    assert [c.measured for c in found[2:]] == ["2.45 times", "2.08 times"]  # 300 * (4 / 3)**goal for 100 * 2**goal
    assert [c.verdict for c in found[2:]] == ["holds"] * 2


def looks(first, last, *, found=0.0, beam=0.0, entropy=2.0):
    """Eight trainings alike: their shares right at the start and at the end; Pass@N is that of independent samples."""
    return [
        [
            {
                **{f"pass@{n}": 1 - (1 - share) ** n for n in NS},
                "entropy": entropy,
                "found": found,
                **{f"beam {n}": beam * (share == last) for n in CANDIDATES},
            }
            for share in (first, last)
        ]
    ] * 8


def test_claims_about_policies_say_what_was_measured():
    when = {"at the end": -1}
    pav, outcome = looks(0.0, 0.02, beam=1.0, entropy=1.5), looks(0.0, 0.0, entropy=1.0)
    one, some, most, grown, entropy, *searched = claims_of(pav, outcome, when)
    assert [c.measured for c in (one, some, most)] == ["+2.0 points", "+27.6 points", "+92.5 points"]
    assert (most.verdict, grown.verdict) == ("holds", "holds")
    assert (entropy.measured, entropy.verdict) == ("+0.500", "holds")
    assert [claim.measured for claim in searched] == ["+100.0 points"] * 4
    assert "(8 of 8 starts)" in searched[0].text
    assert {c.verdict for c in claims_of(outcome, pav, when)[2:5]} == {"holds not"}
    unknown = claims_of(looks(0.0, 0.5, found=1.0, beam=1.0), outcome, when)[5:]
    assert {c.verdict for c in unknown} == {"open"}
    assert "(0 of 8 starts)" in unknown[0].text
    better, worse = (claims_of_start(looks(*shares)) for shares in ((0.1, 0.9), (0.9, 0.1)))
    assert [(c.measured, c.verdict) for c in better] == [("+80.0 points", "holds")] * 2
    assert [(c.measured, c.verdict) for c in worse] == [("-80.0 points", "holds not")] * 2
    [over] = claims_over(looks(0.1, 0.9), looks(0.1, 0.1), when)
    assert (over.measured, over.verdict) == ("+80.0 points", "holds")
    table = looks_table({"PAV-RL": pav}, when)
    assert "| PAV-RL | at the end | 0.020 (" in table
    assert "| 1.500 (1.500 to 1.500) |" in table


def test_arms():
    assert arms_of(SWEPT) == tuple(ARMS)
    assert arms_of("kebdi") == (OUTCOME, PAV, GATED, *TUNED.values())
    assert [arm for arm in ARMS if ARMS[arm].tuned] == list(TUNED.values())
    assert ARMS[PAV].changes["credit"] == "advantage"


def test_options_that_are_for_another_claim(capsys):
    assert main(["reproduce", "pav-rl", "--problems=3"]) == 2
    assert "--problems: it is not for 'pav-rl'" in capsys.readouterr().err


def test_quick_sizes_are_not_changed(capsys):
    assert main(["reproduce", "pav-rl", "--quick", "--steps=3"]) == 2
    assert "--steps beside --quick, whose sizes are what they are" in capsys.readouterr().err
