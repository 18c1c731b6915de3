"""`stepbeam reproduce verigate` in miniature: every arm for two steps, and claims beside their measurements."""

from dataclasses import replace

import pytest

from bench.cli import main
from bench.errors import BadInput
from bench.reproduce import verigate_work
from bench.reproduce.verigate import reproduce_verigate
from bench.reproduce.verigate_work import ARMS, Work, config_of, held_out
from bench.tiny import load_task
from policies.advantages import CREDITS


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    work = Work(
        tmp_path_factory.mktemp("verigate"), seeds=(0,), problems=6, held_out=3, samples=1, final_samples=2, steps=2,
        groups=2, evaluations=1,
    )  # fmt: skip
    return work, reproduce_verigate(work, processes=1)


def test_every_arm_and_claim_is_on_the_page(miniature):
    work, claims = miniature
    page = (work.out / "verigate.md").read_text()
    for arm in ARMS:
        assert f"| {arm} |" in page
    for claim in claims:
        assert claim.text in page
    gated = [claim for claim in claims if claim.text.startswith("gated (")]
    assert len(gated) == 2 * len(CREDITS)
    assert (work.out / "verigate.png").stat().st_size > 10_000


def test_what_is_done_is_not_done_again(miniature, monkeypatch):
    work, claims = miniature

    def work_again(*_, **__):
        raise AssertionError("this was done before")

    monkeypatch.setattr(verigate_work, "grpo_train", work_again)
    again = reproduce_verigate(work, processes=1)
    assert [repr(claim) for claim in again] == [repr(claim) for claim in claims]
    with pytest.raises(BadInput, match="holds a run with other steps"):
        reproduce_verigate(replace(work, steps=3), processes=1)


def test_arms_differ_in_nothing_but_what_they_are_about(tmp_path):
    work = Work(tmp_path)
    plain = config_of(work, "outcome", 0)
    for arm, chosen in ARMS.items():
        assert replace(config_of(work, arm, 0), gate="never", credit=plain.credit, scale=plain.scale, resample=0,
                       prm_coef=1.0) == plain  # fmt: skip
        assert {"gate"} <= set(chosen.changes)
    trained_on = {
        p.prompt for p in load_task(verigate_work.TASK, count=50, seed=work.data_seed, split="train").problems
    }
    assert not trained_on & {p.prompt for p in held_out(work)}


def test_options_that_are_for_another_claim(capsys):
    assert main(["reproduce", "verigate", "--base=x"]) == 2
    assert "--base: it is not for 'verigate'" in capsys.readouterr().err
    assert main(["reproduce", "pav", "--seeds=2"]) == 2
    assert "--seeds: it is not for 'pav'" in capsys.readouterr().err
