"""The one equation, the reducers against plain arithmetic, and the sums of `Spend`."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers import Reduce, Scores, Solution, Spend, Step, Stop, outcome_scores

REDUCERS = ("last", "min", "prod", "mean")
SCORES = st.floats(-100, 100, width=32)
ROWS = st.lists(st.lists(SCORES | st.just(math.nan), max_size=6), max_size=6)
SOLUTIONS = st.builds(
    lambda n, stop: Solution(tuple(Step(f"{i}\n") for i in range(n)), stop),
    st.integers(0, 5),
    st.sampled_from([Stop.EOS, Stop.OPEN, Stop.LENGTH]),
)
SPENDS = st.builds(
    Spend, **{f.name: st.integers(0, 10**9).map(float if f.type == "float" else int) for f in fields(Spend)}
)


@given(st.lists(st.tuples(SOLUTIONS, SCORES), max_size=6))
def test_all_reducers_agree_on_an_outcome_scorer(rows) -> None:
    scores = outcome_scores([s for s, _ in rows], [v for _, v in rows])
    expected = [v if s.finished and s.steps else math.nan for s, v in rows]
    for reduce in REDUCERS:
        np.testing.assert_array_equal(scores.with_reduce(reduce).values(), np.float32(expected))


@given(ROWS)
def test_reducers_skip_silence_and_match_plain_arithmetic(rows: list[list[float]]) -> None:
    scores = Scores(tuple(np.array(row) for row in rows))
    by_hand = {"last": lambda s: s[-1], "min": min, "prod": math.prod, "mean": lambda s: math.fsum(s) / len(s)}
    for name, function in by_hand.items():
        got = scores.with_reduce(name).values()
        assert got.dtype == np.float32
        assert got.shape == (len(rows),)
        for value, row in zip(got, rows, strict=True):
            spoken = [score for score in row if not math.isnan(score)]
            size = max(map(abs, spoken), default=0.0)
            expected = pytest.approx(function(spoken), rel=1e-5, abs=1e-5 * size) if spoken else None
            assert math.isnan(value) if expected is None else value == expected


@given(ROWS)
def test_a_function_reduces_what_was_judged(rows: list[list[float]]) -> None:
    scores = Scores(tuple(np.array(row) for row in rows), reduce=lambda spoken: float(len(spoken)))
    counts = [sum(not math.isnan(score) for score in row) for row in rows]
    np.testing.assert_array_equal(scores.values(), [count or np.nan for count in counts])


def test_products_and_minima_punish_length_where_the_default_does_not() -> None:
    rng = np.random.default_rng(0)
    short, long = (Scores(tuple(rng.uniform(0.7, 1.0, size=(400, steps)))) for steps in (3, 12))

    def mean(scores: Scores, reduce: Reduce) -> float:
        return float(scores.with_reduce(reduce).values().mean())

    for reduce in ("prod", "min"):
        assert mean(short, reduce) > mean(long, reduce) + 0.05
    for reduce in ("last", "mean"):
        assert mean(short, reduce) == pytest.approx(mean(long, reduce), abs=0.02)
    assert Scores(()).reduce == "last"


def test_the_mean_rewards_padding_with_safe_steps() -> None:
    steps = np.array([0.9, 0.2])
    bare, padded = Scores((steps,)), Scores((np.concatenate([steps, np.full(8, 0.99)]),))
    gain = {how: float(padded.with_reduce(how).values()[0] - bare.with_reduce(how).values()[0]) for how in REDUCERS}
    assert gain["mean"] > 0.2
    assert gain["prod"] <= 0
    assert gain["min"] == 0


def test_reducing_changes_nothing_else() -> None:
    scores = Scores((np.array([0.5, 0.25]),), (Spend(scorer_calls=1),), ("why",))
    changed = scores.with_reduce("prod")
    assert changed.values().tolist() == [0.125]
    assert (changed.spend, changed.reasons, scores.reduce, len(changed)) == (scores.spend, scores.reasons, "last", 1)


def test_scores_are_float32_rows_and_fields_may_be_left_out() -> None:
    scores = Scores(([1, 2], []))  # type: ignore[arg-type]
    assert [row.dtype for row in scores.steps] == [np.float32] * 2
    assert scores.spend == (Spend(), Spend())
    assert scores.reasons == (None, None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scores((np.zeros((2, 1)),)), r"row 0 have shape \(2, 1\)"),
        (lambda: Scores((np.zeros(1),), (Spend(), Spend())), "1 rows of scores, 2 of spend"),
        (lambda: Scores((np.zeros(1),), (), ("a", "b")), "2 of reasons"),
        (lambda: Scores((), reduce="max"), "unknown reducer 'max': use one of last, min, prod, mean"),  # type: ignore[arg-type]
        (lambda: outcome_scores([Solution()], []), "1 solutions and values of shape"),
    ],
)
def test_what_does_not_fit_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@given(SPENDS, SPENDS, SPENDS)
def test_spend_adds_up_field_by_field_in_any_order(a: Spend, b: Spend, c: Spend) -> None:
    total = Spend.total([a, b, c])
    assert total == a + b + c == c + (b + a)
    assert a + Spend() == a
    for field in fields(Spend):
        assert getattr(total, field.name) == sum(getattr(spend, field.name) for spend in (a, b, c))
    assert total.flops == total.policy_flops + total.scorer_flops
    assert total.seconds == total.policy_seconds + total.scorer_seconds


def test_spend_shows_what_is_not_zero() -> None:
    assert repr(Spend(sampled_tokens=3)) == "Spend(sampled_tokens=3)"
    assert repr(Spend.total([])) == "Spend()"
