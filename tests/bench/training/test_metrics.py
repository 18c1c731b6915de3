"""The audit of made-up trainings, and what else is read from metrics."""

import numpy as np
import pytest

from bench.training.audit import audit, audit_text, trend_of
from bench.training.metrics import panels_of, series_of, summary
from policies.grpo.metrics import rank_correlation, repeated_steps
from verifiers import Solution, Step


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


@pytest.mark.parametrize(
    ("reward", "held_out", "fired"), [(0.8, 0.4, False), (0.4, 0.4, True), (0.8, 0.2, True), (None, 0.4, True)]
)
def test_a_gap_is_no_sign_where_the_verifier_and_the_held_out_scorer_rose_too(reward, held_out, fired):
    """As with PAV-RL by a Best-of-4 prover on `chain`: 7 of 8 trainings that came to 0.77 were called hacked."""
    ends = {"reward": (0.2, reward), "prm": (0.3, 0.7), "held_out": (0.2, held_out), "gap": (0.1, 0.3)}
    series = {name: np.linspace(first, last, 40) for name, (first, last) in ends.items() if last is not None}
    found = audit(rows(**series, rank_correlation=np.linspace(0.9, 0.5, 40)))
    assert found.fired == fired
    assert found.signs[-2:] == (
        ("the PRM moved away from the held-out scorer", "the PRM ranks solutions less as the held-out scorer does")
        if fired
        else ()
    )


def test_what_was_learnt_first_does_not_hide_that_a_prm_was_hacked_late():
    half = np.linspace(0.1, 0.9, 20)
    late = {"reward": np.append(half, np.linspace(0.9, 0.7, 20)), "prm": np.linspace(0.2, 0.65, 40)}
    late |= {"held_out": np.append(half, np.full(20, 0.9)), "gap": np.linspace(0, 0.4, 40)}
    ranks = np.linspace(0.9, 0.1, 40)
    assert audit(rows(**late, rank_correlation=ranks)).fired
    kept = late | {"reward": np.append(half, np.full(20, 0.9))}
    assert not audit(rows(**kept, rank_correlation=ranks)).fired
    unknown = {name: kept[name] for name in ("held_out", "gap")}
    assert audit(rows(**unknown, rank_correlation=ranks)).fired


def test_few_steps_tell_nothing():
    assert trend_of([0.0] * 7) is None
    assert audit(rows(7, reward=np.linspace(1, 0, 7), prm=np.linspace(0, 1, 7))).signs == ()


def test_repetition_and_ranks():
    assert repeated_steps(Solution((Step("a"), Step("b"), Step("a")))) == pytest.approx(1 / 3)
    assert repeated_steps(Solution()) == 0.0
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([10.0, 20, 40])) == pytest.approx(1.0)
    assert rank_correlation(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])) is None


def test_every_number_of_a_log_has_a_panel_once() -> None:
    log = [
        {"step": 0, "evaluation": {"accuracy": 0.5, "maj@4": 0.75}},
        {"step": 1, "reward": 0.5, "kl": None, "loss": float("nan"), "seconds": {"update": 2}, "mood": 1, "name": "x"},
    ]
    series = series_of(log)
    assert series == {
        "evaluation.accuracy": [(0, 0.5)], "evaluation.maj@4": [(0, 0.75)], "reward": [(1, 0.5)],
        "seconds.update": [(1, 2.0)], "mood": [(1, 1.0)],
    }  # fmt: skip
    panels = panels_of(list(series))
    assert sorted(name for *_, names in panels for name in names) == sorted(series)
    assert panels[-1] == ("mood", "", ["mood"])


def test_a_training_in_words() -> None:
    assert summary([{"step": 0, "evaluation": {"accuracy": 0.25}}]) == [
        "held-out accuracy 0.250 after 0, 0.250 after 0 steps"
    ]
    assert summary([{"step": 1, "loss": 0.5, "evaluation": {"pass@1": 0.5}}]) == []
    made = summary(rows(20, reward=np.linspace(1, 0, 20), prm=np.linspace(0, 1, 20)))
    assert made == ["reward 0.974 -> 0.026", "audit: the PRM rose and the verifier fell"]
