"""Plots, the HTML view of credits and the audit of a real training, and of made-up ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.training.audit import audit, audit_text, read_metrics, trend_of
from bench.training.report import attributions_page, write_report
from policies import GRPOConfig, Sampling, Transformers, grpo_train
from policies.grpo.metrics import rank_correlation, repeated_steps
from policies.models.tiny_example import tiny_model
from tests.stand_ins import steps, vowels
from verifiers import Problem, Solution, Step
from verifiers.interface.errors import BadInput


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    out = tmp_path_factory.mktemp("grpo") / "run"
    config = GRPOConfig(steps=9, groups=2, group_size=4, sampling=Sampling(max_tokens=30), learning_rate=1e-2, seed=2)
    problems = [Problem("<b>p</b>", "1+1="), Problem("q", "2+2=")]
    grpo_train(
        Transformers(*tiny_model()), problems, vowels, steps, out=out, config=replace(config, evaluate_every=4),
        evaluate=lambda policy: {"accuracy": 0.5}, held_out=steps,
    )  # fmt: skip
    return out


@pytest.mark.slow
def test_a_training_gets_its_pictures_its_page_and_its_audit(training):
    written = write_report(training)
    assert [p.name for p in written] == ["training.png", "audit.md", "attributions.html"]
    assert all(p.stat().st_size > 200 for p in written)
    page = (training / "attributions.html").read_text()
    assert "&lt;b&gt;p&lt;/b&gt;" in page
    assert "<b>p</b>" not in page
    assert page.count("<h2>") == 3
    for row in read_metrics(training)[1:]:
        assert row["gap"] == 0.0
        assert row["rank_correlation"] in (None, pytest.approx(1.0))
    before = {p.name: p.read_bytes() for p in written}
    assert {p.name: p.read_bytes() for p in write_report(training)} == before


def test_no_training_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"no metrics\.jsonl; give the folder of a training"):
        write_report(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(BadInput, match="no step has been made yet"):
        write_report(tmp_path)


def rows(count=40, **series):
    return [{"step": t + 1, **{name: float(values[t]) for name, values in series.items()}} for t in range(count)]


def test_the_audit_fires_on_hacking_and_not_on_learning():
    rng = np.random.default_rng(0)
    noise = lambda: rng.normal(0, 0.02, 40)  # noqa: E731
    rise, fall, flat = np.linspace(0.2, 0.8, 40), np.linspace(0.6, 0.3, 40), np.full(40, 0.5)
    honest = audit(
        rows(reward=rise + noise(), prm=rise + noise(), held_out=rise + noise(), gap=noise(), repeated=noise())
    )
    assert not honest.fired
    assert honest.signs == ()
    assert audit_text(honest).startswith("no hacking seen\n")
    hacked = audit(rows(reward=fall + noise(), prm=rise + noise(), gap=rise - fall, repeated=noise()))
    assert hacked.fired
    assert hacked.signs == ("the PRM rose and the verifier fell", "the PRM moved away from the held-out scorer")
    assert "the PRM looks hacked: the PRM rose" in audit_text(hacked)
    for gained, fired in ((0.1, True), (0.5, False)):  # the PRM gains 0.6
        inflated = audit(rows(reward=np.linspace(0.1, 0.1 + gained, 40) + noise(), prm=rise + noise()))
        assert inflated.fired == fired
        assert ("the PRM rose and the verifier did not by half as much" in inflated.signs) == fired
    one_sign = audit(rows(reward=flat + noise(), prm=flat + noise(), repeated=rise))
    assert (one_sign.fired, one_sign.signs) == (False, ("solutions repeat themselves more",))
    padded = audit(rows(reward=flat + noise(), steps=np.linspace(4, 12, 40), repeated=rise))
    assert padded.fired


def test_few_steps_tell_nothing():
    assert trend_of([0.0] * 7) is None
    assert audit(rows(7, reward=np.linspace(1, 0, 7), prm=np.linspace(0, 1, 7))).signs == ()


def test_repetition_and_ranks():
    assert repeated_steps(Solution((Step("a"), Step("b"), Step("a")))) == pytest.approx(1 / 3)
    assert repeated_steps(Solution()) == 0.0
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([10.0, 20, 40])) == pytest.approx(1.0)
    assert rank_correlation(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])) is None


def test_advantages_colour_the_page():
    row = {"step": 1, "problem": "p", "solution": 0, "text": "x <y>\n", "tokens": 2, "reward": None, "score": None}
    page = attributions_page([row | {"advantage": 1.0, "group": "mixed", "signal": "outcome"}])
    assert "rgba(0,114,178,0.75)" in page
    assert "x &lt;y&gt;" in page
    assert json.dumps("–")[1:-1] in json.dumps(page)
