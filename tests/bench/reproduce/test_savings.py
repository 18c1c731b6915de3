"""The numbers behind the PAV claims, on curves whose answers are known."""

import numpy as np
import pytest

from bench.reproduce.claim import Claim
from bench.reproduce.savings import (
    SeededCurve,
    _as_far_up_as_down,
    accuracy_at,
    estimate,
    margins,
    replicate,
    samples_saved,
    savings,
    times_less,
)
from bench.stats.compute_to_reach import costs_to_reach
from bench.stats.intervals import Estimate


def flat(accuracies, flops, problems=50, seeds=2):
    """A curve on which every problem has the same chance and cost."""
    shape = (seeds, problems, len(flops))
    return SeededCurve(
        np.broadcast_to(np.array(accuracies, float), shape), np.broadcast_to(np.array(flops, float), shape)
    )


def test_without_spread_every_replicate_is_the_mean():
    rows = replicate({"a": flat([0.2, 0.4], [1, 10])}, replicates=20)
    np.testing.assert_allclose(rows["a"][0], np.tile([0.2, 0.4], (21, 1)), rtol=1e-12)
    np.testing.assert_allclose(rows["a"][1], np.tile([1.0, 10.0], (21, 1)), rtol=1e-12)


def test_of_one_seed_and_one_problem_nothing_is_known():
    rows = replicate({"a": flat([0.2, 0.4], [1, 10], 1, 1), "b": flat([0.1, 0.3], [1, 10], 1, 1)}, replicates=20)
    for found in (
        estimate(rows["a"][0][:, 0]),
        savings(rows["a"], rows["b"])[0],
        times_less(rows["a"], np.full(21, 0.4), needed=np.full(21, 100.0)),
        samples_saved(*(r[0] for r in rows.values()))[0],
    ):
        assert not np.isnan(found.value)
        assert np.isnan([found.low, found.high]).all()
    assert Claim("it is faster", Estimate(0.0, 0.0, 0.0), 1.0, unit="times").measured == "never"


def test_replicates_are_paired():
    """Two curves that differ by a constant on every problem differ by it in every replicate."""
    rng = np.random.default_rng(0)
    base = rng.random((3, 40, 1)) / 2
    ones = np.ones_like(base)
    rows = replicate({"a": SeededCurve(base, ones), "b": SeededCurve(base + 0.25, ones)}, replicates=200)
    np.testing.assert_allclose(rows["b"][0] - rows["a"][0], 0.25, rtol=1e-9)
    assert rows["a"][0][1:].std() > 0.01


def test_the_interval_is_that_of_a_mean_over_problems():
    rng = np.random.default_rng(1)
    right = (rng.random((1, 400, 1)) < 0.3).astype(float)
    found = estimate(replicate({"a": SeededCurve(right, np.ones_like(right))})["a"][0][:, 0])
    p = right.mean()
    half = 1.96 * np.sqrt(p * (1 - p) / 400)
    assert found.value == pytest.approx(p, rel=1e-12)
    assert found.low == pytest.approx(p - half, abs=0.01)
    assert found.high == pytest.approx(p + half, abs=0.01)


def test_training_seeds_are_drawn_too():
    """Seeds that disagree widen the interval even where problems do not, as far as a t-interval over them."""
    values = np.stack([np.full((30, 1), 0.2), np.full((30, 1), 0.6)] * 4)
    found = estimate(replicate({"a": SeededCurve(values, np.ones_like(values))})["a"][0][:, 0])
    reach = 2.365 * np.array([0.2, 0.6] * 4).std(ddof=1) / np.sqrt(8)
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.4 - reach, 0.4 + reach), abs=0.02)


def test_curves_of_different_problems_are_refused():
    with pytest.raises(ValueError, match="different problems"):
        replicate({"a": flat([0.1], [1]), "b": flat([0.1], [1], problems=49)})
    with pytest.raises(ValueError, match=r"must be \(S, P, K\)"):
        SeededCurve(np.zeros((2, 3)), np.zeros((2, 3)))


def test_accuracy_at_equal_compute_is_read_off_between_sizes():
    accuracy, flops = np.array([[0.2, 0.4, 0.5]]), np.array([[1.0, 100.0, 200.0]])
    at = [accuracy_at(accuracy, flops, np.array([x]))[0] for x in (0.5, 1.0, 10.0, 100.0, 1e6)]
    np.testing.assert_allclose(at, [0.2, 0.2, 0.3, 0.4, 0.5])


def test_the_compute_to_an_accuracy_is_the_least():
    flops = np.array([[1.0, 10.0, 100.0]])
    rising_and_falling = np.array([[0.2, 0.6, 0.4]])
    assert costs_to_reach(rising_and_falling, flops, np.array([0.1]))[0] == 1.0
    assert costs_to_reach(rising_and_falling, flops, np.array([0.4]))[0] == pytest.approx(10**0.5)
    assert np.isinf(costs_to_reach(rising_and_falling, flops, np.array([0.7]))[0])


def test_margins_compare_at_the_beams_own_compute():
    rows = replicate({"beam": flat([0.5, 0.9], [10, 100]), "orm": flat([0.2, 0.4, 0.8], [1, 10, 1000])}, replicates=5)
    first, second = margins(rows["beam"], rows["orm"])
    assert first.value == pytest.approx(0.1)
    assert second.value == pytest.approx(0.9 - 0.6)


def test_savings_take_the_cheapest_of_the_rivals_best():
    """The rival's plateau at 0.8 begins at 100: it is charged 100 (a little less, for the margin), not 10000."""
    rows = replicate({"beam": flat([0.5, 0.9], [1, 10]), "orm": flat([0.4, 0.8, 0.8], [1, 100, 10000])}, replicates=5)
    found, goal = savings(rows["beam"], rows["orm"])
    assert goal == pytest.approx(0.795)
    orm = 100 ** ((0.795 - 0.4) / 0.4)
    beam = 10 ** ((0.795 - 0.5) / 0.4)
    assert found.value == pytest.approx(orm / beam)


def test_a_beam_that_never_gets_there_saves_nothing():
    rows = replicate({"beam": flat([0.5], [1]), "orm": flat([0.4, 0.8], [1, 100])}, replicates=5)
    found, _ = savings(rows["beam"], rows["orm"])
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_curve_that_does_not_come_to_a_goal_in_some_replicates_saves_nothing_there():
    ours = np.array([[0.2, 0.8], [0.2, 0.8], [0.2, 0.4]]), np.full((3, 2), [1.0, 10.0])
    found = times_less(ours, np.full(3, 0.8), needed=np.full(3, 40.0))
    assert (found.value, found.low, found.high) == pytest.approx((4.0, 0.1, 160.0))


@pytest.mark.parametrize(
    ("percentiles", "widened"),
    [
        ((4.0, 2.0, 6.0), (4.0, 2.0, 8.0)),
        ((4.0, 3.0, 8.0), (4.0, 2.0, 8.0)),
        ((4.0, 1.0, 3.9), (4.0, 1.0, 16.0)),
        ((4.0, 5.0, 8.0), (4.0, 2.0, 8.0)),
        ((4.0, 0.0, 3.9), (4.0, 0.0, 4.0)),
        ((4.0, 0.0, 6.0), (4.0, 0.0, 6.0)),
        ((0.0, 1.0, 3.0), (0.0, 0.0, 3.0)),
    ],
    ids=["below", "above", "beyond its end", "before its begin", "from never", "from 0", "never"],
)
def test_an_interval_contains_its_ratio_and_reaches_as_far_up_as_down(percentiles, widened):
    found = _as_far_up_as_down(Estimate(*percentiles))
    assert (found.value, found.low, found.high) == pytest.approx(widened)


def covered(draw, truth, studies):
    """The share of so many studies of 8 seeds whose interval of the saving contains the true one."""
    hits = 0
    for _ in range(studies):
        rows = replicate({"ours": draw("ours"), "rival": draw("rival")}, replicates=400)
        found, _ = savings(rows["ours"], rows["rival"])
        hits += found.low <= truth <= found.high
    return hits / studies


def whole(right, costs):
    """A curve of infinitely many, as `savings` takes it: replicates that are all the same."""
    return np.tile(right, (2, 1)), np.tile(costs, (2, 1))


SPENT = np.arange(1, 41) * 2560.0


def learning(times, width):
    """The chance of a right rollout by rollouts spent, of seeds that know the word after these times; (S, K)."""
    return 0.999 / (1 + np.exp((np.log(times)[:, None] - np.log(SPENT)) / width))


@pytest.mark.parametrize(
    ("times", "low", "high"),
    [
        (lambda rng, seeds: rng.uniform(35_000, 80_000, seeds), 0.95, 1.0),
        (lambda rng, seeds: rng.uniform(8_000, 12_000, seeds), 0.95, 1.0),
        (lambda rng, seeds: np.exp(rng.normal(np.log(50_000), 0.25, seeds)), 0.75, 0.85),
    ],
    ids=["later", "sooner", "some much later"],
)
def test_a_saving_covers_over_seeds_that_learn_sooner_or_later(times, low, high):
    """As in the didactic environment. Of times with a long tail 8 seeds seldom show one that is far out: 80%."""
    kinds = {"ours": (lambda rng, seeds: rng.uniform(6_000, 7_000, seeds), 0.2), "rival": (times, 0.06)}
    rng = np.random.default_rng(0)
    means = (whole(learning(time(rng, 50_000), width).mean(axis=0), SPENT) for time, width in kinds.values())
    truth = savings(*means)[0].value

    def draw(kind):
        time, width = kinds[kind]
        right = rng.binomial(640, learning(time(rng, 8), width))[:, None] / 640
        return SeededCurve(right, np.broadcast_to(SPENT, right.shape))

    assert low <= covered(draw, truth, 200) <= high


def test_a_saving_covers_over_problems_and_seeds():
    """As of searches: 100 problems, on which seeds agree but for a little."""
    scale = {"ours": (np.array([0.0, 1.2, 2.4]), np.array([2.0, 4.0, 8.0])),
             "rival": (np.array([-1.5, -0.5, 0.5, 1.2, 1.3]), np.array([1.0, 3.0, 9.0, 27.0, 81.0]))}  # fmt: skip
    rng = np.random.default_rng(0)

    def right(kind, problems, seeds):
        return 1 / (1 + np.exp(-(scale[kind][0] + problems[:, None] + seeds[:, None, None])))

    many = 1.5 * rng.standard_normal(2_000), 0.1 * rng.standard_normal(50)
    means = (whole(right(kind, *many).mean(axis=(0, 1)), scale[kind][1]) for kind in ("ours", "rival"))
    truth = savings(*means)[0].value
    problems = np.empty(100)

    def draw(kind):
        if kind == "ours":
            problems[:] = 1.5 * rng.standard_normal(100)
        values = rng.binomial(4, right(kind, problems, 0.1 * rng.standard_normal(8))) / 4
        return SeededCurve(values, np.broadcast_to(scale[kind][1], values.shape))

    assert covered(draw, truth, 150) >= 0.95


def test_a_savings_interval_reaches_as_far_up_as_down():
    """Where one seed of the rival is late, no replicate has a later one."""
    times = np.array([40_000.0] * 7 + [80_000.0])
    curves = {"ours": np.full(8, 6_500.0), "rival": times}
    rows = replicate(
        {
            name: SeededCurve(learning(of, 0.1)[:, None], np.broadcast_to(SPENT, (8, 1, 40)))
            for name, of in curves.items()
        }
    )
    found, _ = savings(rows["ours"], rows["rival"])
    assert found.high / found.value == pytest.approx(found.value / found.low, rel=1e-4)
    assert found.high > 1.5 * found.value
