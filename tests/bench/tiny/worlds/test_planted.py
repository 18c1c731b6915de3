"""The planted subsequence: values against counting, and policies, scorers and searches that agree with them."""

import itertools

import numpy as np
import pytest

from bench.tiny.worlds import planted
from bench.tiny.worlds.planted import ROOM, CountedValue, ExactValue, Planted, Writer, chance, planted_task
from prms import PAV, BestOfK, RolloutValue
from search import beam_search
from verifiers import Problem, Solution, Stop, check_scorer, split_steps

PROBLEM = Problem("p", "planted", "kebdi")


def word(letters: str, stop: Stop = Stop.EOS) -> Solution:
    return Solution(split_steps("".join(f"{letter}\n" for letter in letters)), stop)


def test_chances_are_what_counting_all_words_gives(monkeypatch):
    monkeypatch.setattr(planted, "LETTERS", "abc")
    planted._expected.cache_clear()
    gamma, hidden, room = 3.0, "ab", 4
    total = 0.0
    for drawn in itertools.product("abc.", repeat=room):  # "." is the end; what follows it is never drawn
        letters = "".join(drawn).partition(".")[0]
        shown = drawn[: len(letters) + 1]
        if any(x != "." for x in drawn[len(shown) :]):
            continue
        likely, at = 1.0, 0
        for letter in shown:
            wanted = at < len(hidden)
            mass = 4.0 + (gamma - 1.0) * wanted
            hit = wanted and letter == hidden[at]
            likely *= (gamma if hit else 1.0) / mass
            at += hit
        total += likely * (at == len(hidden))
    assert chance(gamma, len(hidden), room) == pytest.approx(total, rel=1e-12)
    planted._expected.cache_clear()


def test_the_prover_is_a_lawful_scorer_whose_steps_add_up():
    prover = ExactValue(10.0)
    cases = [(PROBLEM, word(w)) for w in ("kebdi", "kxe", "aaaaaaaaaa", "k")] + [(PROBLEM, word("ke", Stop.OPEN))]
    check_scorer(prover, cases, causal=True)
    [row] = prover.score([PROBLEM], [word("kebdi")]).steps
    assert row[-1] == 1.0
    assert (np.diff(row) > 0).all()
    assert prover.score([PROBLEM], [word("kxe")]).steps[0][-1] == 0.0  # it has ended without the rest
    assert prover.root_values([PROBLEM]).values()[0] < row[0]


@pytest.mark.parametrize("gamma", [3.0, 20.0])
def test_the_policy_is_right_as_often_as_its_value_says(gamma):
    task = planted_task(1, letters=3)
    solutions = (
        Writer(gamma)
        .extend(task.problems * 3000, [Solution()] * 3000, until="end", sampling=task.sampling, seeds=range(3000))
        .solutions
    )
    grades = task.verifier.score(task.problems * 3000, solutions).values()
    share = float(np.nan_to_num(grades).mean())  # a word of no letters has no grade
    value = float(ExactValue(gamma).root_values(task.problems).values()[0])
    assert share == pytest.approx(value, abs=4 * np.sqrt(value * (1 - value) / 3000))
    assert all(s.finished and len(s.steps) <= ROOM for s in solutions)


def test_a_step_is_a_letter_or_the_end():
    task = planted_task(1)
    rows = Writer(3.0).extend(task.problems * 200, [word("ab", Stop.OPEN)] * 200, until="step", sampling=task.sampling,
                              seeds=range(200)).solutions  # fmt: skip
    assert {(len(s.steps), s.stop) for s in rows} == {(3, Stop.OPEN), (2, Stop.EOS)}
    ended = np.mean([s.stop is Stop.EOS for s in rows])
    assert ended == pytest.approx(1 / 17, abs=0.05)


def test_counted_values_are_those_of_rollouts():
    """In mean and spread over seeds as `prms.RolloutValue` counts them, and unbiased."""
    prefix, exact = word("ke", Stop.OPEN), chance(3.0, 3, 8)
    seeds = range(300)
    counted = [CountedValue(3.0, 8, seed).score([PROBLEM], [prefix]).steps[0][-1] for seed in seeds]
    rolled = [
        RolloutValue(Planted(), Writer(3.0), 8, sampling=planted_task(1).sampling, seed=seed)
        .score([PROBLEM], [prefix])
        .steps[0][-1]
        for seed in seeds
    ]
    spread = np.sqrt(exact * (1 - exact) / 8)
    for values in (counted, rolled):
        assert np.mean(values) == pytest.approx(exact, abs=4 * spread / np.sqrt(300))
        assert np.std(values) == pytest.approx(spread, rel=0.2)


def test_counts_are_remembered_and_paid_once():
    scorer = CountedValue(3.0, 16).remembering()
    check_scorer(CountedValue(3.0, 16), [(PROBLEM, word("kex")), (PROBLEM, word("kebdi"))], causal=True)
    first = scorer.counts([PROBLEM], [word("ke", Stop.OPEN)])
    again = scorer.counts([PROBLEM], [word("ke", Stop.OPEN)])
    assert first.scores.spend[0].judged_tokens > 0
    assert again.scores.spend[0].judged_tokens == 0
    assert [c.tolist() for c in first.successes] == [c.tolist() for c in again.successes]
    assert scorer.counts([PROBLEM], [word("ke")]).successes[0][-1] == 0  # it has ended
    assert scorer.root_counts([PROBLEM]).rollouts[0].tolist() == [16]


def test_a_prover_that_is_another_policy_helps_a_counted_q():
    task = planted_task(40, letters=5)
    q = CountedValue(3.0, 8)
    pav = PAV(q, ExactValue(20.0), 0.5)

    def share(scorer, final=None):
        results = beam_search(task.problems, Writer(3.0), scorer, width=4, expand=3, max_steps=11, final=final,
                              answers=task.answers, sampling=task.sampling)  # fmt: skip
        return sum(
            r.solution is not None and task.answers.equal([(r.answer or "", r.problem.answer)])[0] for r in results
        )

    assert share(pav, q) > share(q) + 8
    assert share(PAV(q, BestOfK(q, 4), 0.5), q) < share(pav, q)
