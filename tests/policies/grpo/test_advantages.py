"""Gated advantages: who gets credit, by which rule, and what no rule may pay for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.grpo.advantages import CREDITS, gated_advantages

NULL_SAFE = [credit for credit in CREDITS if credit != "future_sum"]
chains = st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6), min_size=1, max_size=5)


def steps(*lengths):
    """One token a step."""
    return [list(range(n)) for n in lengths]


def by_prm(scores, credit, **options):
    rows, _ = gated_advantages([0.0] * len(scores), scores, steps(*map(len, scores)), credit=credit, **options)
    return rows


def test_the_faithful_rule_pays_position_and_length_even_for_a_constant_prm():
    [first, *_] = by_prm([[0.6] * 5] * 4, "future_sum")
    np.testing.assert_allclose(first, [1.4142, 0.7071, 0, -0.7071, -1.4142], atol=1e-4)
    means = [row.mean() for row in by_prm([[0.6] * 3, [0.6] * 5, [0.6] * 10], "future_sum")]
    np.testing.assert_allclose(means, [-0.82, -0.45, 0.47], atol=5e-3)
    late = by_prm([[0.9, 0.9, 0.1], [0.1, 0.9, 0.9]], "future_sum")[1][-1]
    assert late == pytest.approx(-0.55, abs=5e-3)  # the last good step is punished
    assert by_prm([[0.9, 0.9, 0.1], [0.1, 0.9, 0.9]], "zscore_sum")[1][-1] == pytest.approx(0.71, abs=5e-3)


def test_progress_pays_for_ground_gained_where_cumulated_scores_pay_for_length():
    long, short = [0.5, *[0.9] * 5, 0.6], [0.5, 0.6, 0.7]
    np.testing.assert_allclose([r.mean() for r in by_prm([short, long], "zscore_sum")], [-1.27, 1.68], atol=5e-3)
    np.testing.assert_allclose([r.mean() for r in by_prm([short, long], "progress")], [1.11, -0.47], atol=5e-3)


@pytest.mark.parametrize("credit", NULL_SAFE)
@given(value=st.floats(0, 1, width=32), lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_constant_prm_moves_nothing(credit, value, lengths):
    rows = by_prm([np.full(n, value, np.float32) for n in lengths], credit)
    assert all((row == 0).all() for row in rows)


def test_a_good_step_of_a_lost_solution_is_paid_by_its_own_gain_alone():
    """What PAV-RL is for: summed up from the step on, its gain is lost in what came after it."""
    scores, roots = [[0.9, 0.0], [0.2, 0.0]], [0.3, 0.3]
    good, bad = by_prm(scores, "advantage", roots=roots)
    assert good[0] > 0 > bad[0]
    assert good[1] < bad[1] < 0  # losing 0.9 is worse than losing 0.2
    good, bad = by_prm(scores, "progress", roots=roots)
    assert good[0] == bad[0]
    assert good[1] < 0


def test_a_step_that_changes_nothing_has_no_advantage_of_its_own():
    [row, _] = by_prm([[0.5, 0.5, 0.5, 0.1], [0.5, 0.2]], "advantage", roots=[0.4, 0.4])
    assert row[1] == row[2] == 0.0
    assert row[0] > 0 > row[3]


@pytest.mark.parametrize("credit", ["advantage", "progress", "min"])
def test_repeating_a_median_step_does_not_pay(credit):
    base, others = [0.4, 0.6, 0.8], [[0.4, 0.5, 0.9], [0.2, 0.6, 0.7]]
    padded = [0.4, *[0.6] * 6, 0.8]
    before = by_prm([base, *others], credit)[0].mean()
    assert by_prm([padded, *others], credit)[0].mean() <= before + 1e-9


@pytest.mark.parametrize("credit", ["future_sum", "zscore_sum"])
def test_it_does_pay_where_scores_are_summed(credit):
    base, others = [0.4, 0.6, 0.8], [[0.4, 0.5, 0.9], [0.2, 0.6, 0.7]]
    before = by_prm([base, *others], credit)[0].mean()
    assert by_prm([[0.4, *[0.6] * 6, 0.8], *others], credit)[0].mean() > before + 0.2


def brute_force(scores, credit, scale):
    """Step by step from the definitions."""
    flat = [q for row in scores for q in row]
    mean, std = np.mean(flat), np.std(flat)

    def normalised(rows):
        values = [c for row in rows for c in row]
        m, s = np.mean(values), np.std(values) if scale == "std" else 1.0
        return [[(c - m) / s if np.ptp(values) > 1e-8 else 0.0 for c in row] for row in rows]

    if credit == "future_sum":
        return normalised([[sum(row[j:]) for j in range(len(row))] for row in scores])
    if credit == "zscore_sum":
        s = std if scale == "std" else 1.0
        if np.ptp(flat) <= 1e-8:
            return [[0.0] * len(row) for row in scores]
        return [[sum((q - mean) / s for q in row[j:]) for j in range(len(row))] for row in scores]
    if credit == "min":
        return normalised([[min(row[j:]) for j in range(len(row))] for row in scores])
    if credit == "advantage":
        start = np.mean([row[0] for row in scores])
        gains = [[q - b for q, b in zip(row, [start, *row], strict=False)] for row in scores]
        flat = np.concatenate(gains)
        if np.abs(flat).max() <= 1e-8:
            return [[0.0] * len(row) for row in scores]
        s = math.sqrt(np.mean(flat**2)) if scale == "std" else 1.0
        return [[g / s for g in row] for row in gains]
    if credit == "progress":
        start = np.mean([row[0] for row in scores])
        return normalised([[row[-1] - ([start, *row][j]) for j in range(len(row))] for row in scores])
    good = [[float(all(q >= 0.5 for q in row[: j + 1])) for j in range(len(row))] for row in scores]
    return [[g - np.mean([np.mean(row) for row in good]) for g in row] for row in good]


@pytest.mark.parametrize("scale", ["std", "none"])
@pytest.mark.parametrize("credit", CREDITS)
@given(scores=st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=5), min_size=1))
@settings(max_examples=60, deadline=None)
def test_every_rule_is_its_definition(credit, scale, scores):
    for row, expected in zip(by_prm(scores, credit, scale=scale), brute_force(scores, credit, scale), strict=True):
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_gains_start_at_the_root_where_there_is_one():
    rows = by_prm([[0.5, 0.7], [0.6, 0.4]], "advantage", roots=[0.2, 0.2], scale="none")
    np.testing.assert_allclose(np.concatenate(rows), [0.3, 0.2, 0.4, -0.2], atol=1e-12)
    rows = by_prm([[0.5, 0.7], [0.6, 0.4]], "progress", roots=[0.2, 0.2], scale="none")
    raw = np.array([0.5, 0.2, 0.2, -0.2])
    np.testing.assert_allclose(np.concatenate(rows), raw - raw.mean(), atol=1e-12)


KINDS = {
    "mixed": [1.0, 0.0, 0.0],
    "all_right": [1.0, 1.0, 1.0],
    "all_wrong": [0.0, 0.0, 0.0],
    "ungraded": [math.nan] * 3,
}
SIGNALS = {
    ("degenerate", "mixed"): "outcome", ("degenerate", "all_right"): "prm", ("degenerate", "all_wrong"): "prm",
    ("degenerate", "ungraded"): "none", ("all_wrong", "mixed"): "outcome", ("all_wrong", "all_right"): "none",
    ("all_wrong", "all_wrong"): "prm", ("all_wrong", "ungraded"): "none", ("always", "mixed"): "both",
    ("always", "all_right"): "prm", ("always", "all_wrong"): "prm", ("always", "ungraded"): "prm",
    ("never", "mixed"): "outcome", ("never", "all_right"): "none", ("never", "all_wrong"): "none",
    ("never", "ungraded"): "none",
}  # fmt: skip


@pytest.mark.parametrize(("gate", "kind"), SIGNALS)
def test_the_gate(gate, kind):
    scores = [[0.1, 0.9], [0.5, 0.5], [0.9, 0.3]]
    rows, info = gated_advantages(KINDS[kind], scores, steps(2, 2, 2), gate=gate)
    assert (info.kind, info.signal) == (kind, SIGNALS[gate, kind])
    assert any(row.any() for row in rows) == (info.signal != "none")
    assert info.prm_share == {"outcome": 0.0, "prm": 1.0, "none": 0.0}.get(info.signal, info.prm_share)
    assert 0 < info.prm_share < 1 if info.signal == "both" else True


@pytest.mark.parametrize("gate", ["degenerate", "all_wrong", "always", "never"])
def test_float_noise_makes_no_group_mixed(gate):
    rewards = np.full(7, 0.95, np.float32)
    assert rewards.std() > 0  # the trap
    _, info = gated_advantages(rewards, [[0.5]] * 7, steps(*[1] * 7), gate=gate)
    assert info.kind == "all_right"
    _, info = gated_advantages([0.0, 1e-9], [[0.5]] * 2, steps(1, 1), gate=gate)
    assert info.kind == "all_wrong"


def test_one_solution_has_no_outcome_signal_and_no_nan():
    for rewards in ([1.0], [0.0]):
        rows, info = gated_advantages(rewards, None, steps(3), gate="never")
        assert not rows[0].any()
        assert info.signal == "none"
    [row], info = gated_advantages([0.0], [[0.2, 0.8, 0.5]], steps(3), credit="progress")
    assert np.isfinite(row).all()
    assert info.signal == "prm"


@given(
    rewards=st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=8).filter(lambda r: len(set(r)) == 2),
    scale=st.sampled_from(["std", "none"]),
)
def test_outcome_advantages_of_a_mixed_group_sum_to_nothing_over_solutions(rewards, scale):
    rows, _ = gated_advantages(rewards, None, steps(*[1] * len(rewards)), gate="never", scale=scale)
    assert sum(float(row[0]) for row in rows) == pytest.approx(0, abs=1e-9)
    if scale == "std":
        assert np.std([row[0] for row in rows]) == pytest.approx(1)


@given(scores=chains, data=st.data(), credit=st.sampled_from(CREDITS))
@settings(deadline=None)
def test_the_order_of_the_group_changes_nothing(scores, data, credit):
    order = data.draw(st.permutations(range(len(scores))))
    plain = by_prm(scores, credit)
    shuffled = by_prm([scores[i] for i in order], credit)
    for i, row in zip(order, shuffled, strict=True):
        np.testing.assert_allclose(row, plain[i], atol=1e-6)


@given(scores=chains, credit=st.sampled_from(CREDITS), data=st.data())
@settings(deadline=None)
def test_with_steps_as_units_more_tokens_a_step_change_no_advantage(scores, credit, data):
    widths = [data.draw(st.lists(st.integers(1, 4), min_size=len(row), max_size=len(row))) for row in scores]
    ends = [(np.cumsum(w) - 1).tolist() for w in widths]
    rows, _ = gated_advantages([0.0] * len(scores), scores, ends, credit=credit)
    for row, plain, width in zip(rows, by_prm(scores, credit), widths, strict=True):
        np.testing.assert_allclose(row, np.repeat(plain, width), atol=1e-12)


def test_with_tokens_as_units_a_long_step_counts_more():
    ends, scores = [[3, 4], [0, 1]], [[0.2, 0.4], [0.6, 0.8]]
    rows, _ = gated_advantages([0.0, 0.0], scores, ends, credit="min", weight="token", scale="none")
    assert np.concatenate(rows).sum() == pytest.approx(0)
    by_step, _ = gated_advantages([0.0, 0.0], scores, ends, credit="min", scale="none")
    assert np.concatenate(by_step).sum() != pytest.approx(0)


def test_what_failed_has_no_advantage_and_no_say():
    rows, info = gated_advantages([1.0, math.nan, 0.0], None, steps(1, 1, 1), gate="never")
    assert [float(row[0]) for row in rows] == [1.0, 0.0, -1.0]
    assert info.ungraded == 1
    scores = [[0.2, 0.8], [math.nan, math.nan], [0.6, 0.4]]
    rows, info = gated_advantages([0.0] * 3, scores, steps(2, 2, 2), credit="progress")
    without = by_prm([scores[0], scores[2]], "progress")
    assert info.unscored == 1
    assert not rows[1].any()
    np.testing.assert_array_equal(np.concatenate([rows[0], rows[2]]), np.concatenate(without))
    rows, _ = gated_advantages([0.0, 0.0], [[], [0.5, 0.7]], [[], [0, 1]], credit="progress")
    assert len(rows[0]) == 0


def test_a_root_that_is_not_known_leaves_its_solution_unscored():
    scores, ends = [[0.1, 0.2], [0.3], [0.5, 0.4]], [[2.0, 4.0], [3.0], [0, 1]]
    rows, info = gated_advantages([0.0] * 3, scores, ends, credit="advantage", roots=[0.1, math.nan, 0.2])
    known, _ = gated_advantages([0.0] * 2, scores[::2], ends[::2], credit="advantage", roots=[0.1, 0.2])
    assert (info.unscored, info.signal) == (1, "prm")
    assert rows[1].tolist() == [0.0] * 4
    np.testing.assert_array_equal(np.concatenate(rows[::2]), np.concatenate(known))
    rows, info = gated_advantages([0.0] * 3, scores, ends, credit="min", roots=[0.1, math.nan, 0.2])
    plain, _ = gated_advantages([0.0] * 3, scores, ends, credit="min")  # which looks at no root
    assert info.unscored == 0
    np.testing.assert_array_equal(np.concatenate(rows), np.concatenate(plain))


def test_an_outcome_verifier_is_no_prm():
    with pytest.raises(ValueError, match="solution 1: its scorer speaks at the last step alone"):
        gated_advantages([0.0, 0.0], [[0.5, 0.5], [math.nan, 0.0]], steps(2, 2))
    with pytest.raises(ValueError, match="is silent at step 1"):
        gated_advantages([0.0], [[0.5, math.nan, 0.0]], steps(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate": "open"}, "gate='open'"),
        ({"credit": "sum"}, "credit='sum'"),
        ({"scale": "batch"}, "scale='batch'"),
        ({"weight": "chain"}, "weight='chain'"),
        ({"rewards": [0.0]}, "rewards of shape"),
        ({"step_scores": None}, "needs step_scores"),
        ({"step_scores": [[0.5], [0.5]]}, "1 steps|for 2 steps"),
        ({"step_ends": [[1, 1], [0, 1]]}, "must rise"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    arguments = {"rewards": [0.0, 0.0], "step_scores": [[0.5, 0.6]] * 2, "step_ends": steps(2, 2), **options}
    with pytest.raises(ValueError, match=message):
        gated_advantages(
            arguments.pop("rewards"), arguments.pop("step_scores"), arguments.pop("step_ends"), **arguments
        )


def test_less_the_mean_of_each_place_a_common_gain_is_no_merit():
    scores, ends = [[0.2, 0.6, 0.6], [0.4, 0.8]], [[0, 1, 2], [1, 2]]
    options = {"credit": "advantage", "scale": "none", "gate": "always", "roots": [0.0, 0.0]}
    plain, _ = gated_advantages([0.0, 0.0], scores, ends, **options)
    less, info = gated_advantages([0.0, 0.0], scores, ends, baseline="step", **options)
    assert plain[0].tolist() == pytest.approx([0.2, 0.4, 0.0])
    assert less[0].tolist() == pytest.approx([-0.1, 0.0, 0.0])
    assert less[1].tolist() == pytest.approx([0.1, 0.1, 0.0])
    assert info.signal == "prm"
    with pytest.raises(ValueError, match="baseline='mean': use one of none, step"):
        gated_advantages([0.0, 0.0], scores, ends, baseline="mean")
