"""Scores cut at the first error, and hazards: what they are, and what they leave alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prms
from prms import FirstErrorCut, Hazards
from verifiers import Problem, Scores, Solution, Spend, Step, Stop, from_steps
from verifiers.interface.capabilities import remembering, root_values_of, separator_of

PROBLEM = Problem("p", "?")
chances = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8)


def scored(make, row):
    solution = Solution(tuple(Step(f"{i}\n") for i in range(len(row))), Stop.EOS)
    return make(from_steps(lambda problem, solution: row)).score([PROBLEM], [solution])


@given(chances, st.floats(0, 1))
def test_a_cut_is_one_up_to_the_first_low_score_and_zero_from_there_on(row, below):
    cut = scored(lambda scorer: FirstErrorCut(scorer, below), row).steps[0].tolist()
    first = next((k for k, score in enumerate(row) if score < below), len(row))
    assert cut == [1.0] * first + [0.0] * (len(row) - first)


@given(st.lists(st.floats(1 / 64, 1, width=32), min_size=1, max_size=8))
def test_hazards_of_falling_chances_multiply_to_the_last(row):
    falling = np.minimum.accumulate(np.array(row, dtype=np.float32)).tolist()
    scores = scored(Hazards, falling)
    assert scores.values()[0] == pytest.approx(falling[-1], rel=1e-5)
    assert all(0 <= hazard <= 1 for hazard in scores.steps[0])


def test_nothing_follows_a_chance_of_nothing():
    assert scored(Hazards, [0.5, 0.0, 0.0, 0.4]).steps[0].tolist() == [0.5, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("make", [FirstErrorCut, Hazards])
def test_silence_spend_and_reasons_are_the_scorers(make):
    class Half:
        separator = "\n"

        def score(self, problems, solutions):
            return Scores((np.array([0.9, np.nan, 0.9]),), (Spend(scored_tokens=3),), ("too long",))

        def remembering(self):
            return from_steps(lambda problem, solution: [0.25])

    solution = Solution((Step("a"), Step("b"), Step("c")), Stop.EOS)
    scores = make(Half()).score([PROBLEM], [solution])
    assert np.isnan(scores.steps[0]).tolist() == [False, True, True]
    assert (scores.spend, scores.reasons) == ((Spend(scored_tokens=3),), ("too long",))
    assert separator_of(make(Half())) == "\n"
    with_memory = remembering(make(Half())).score([PROBLEM], [Solution((Step("a"),))]).steps[0].tolist()
    assert with_memory == [0.0 if make is FirstErrorCut else 0.25]
    roots = root_values_of(make(Half()))
    assert (None if roots is None else roots([PROBLEM]).values().tolist()) == ([1.0] if make is FirstErrorCut else None)


def test_a_threshold_that_is_no_number():
    with pytest.raises(ValueError, match=r"below is nan: it must be a finite number"):
        prms.FirstErrorCut(from_steps(lambda problem, solution: [1.0]), float("nan"))
