"""PAV by hand, the Best-of-k prover against exact expectations, and both in search."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
import search
from bench.tiny import load_task, weights_folder
from prms.best_of_k import BestOfK, best_of_k_value
from prms.pav import PAV
from prms.prm import PRM
from prms.rollout_value import RolloutValue
from verifiers import ORM, Scores, Spend, check_scorer, from_function, from_steps, remembering
from verifiers.combinators.cached import cached
from verifiers.combinators.calibration import Calibrated, Platt
from verifiers.combinators.weighted import weighted
from verifiers.interface.solution import Problem, Solution, Step, Stop, split_steps

PROBLEM = Problem("p", "2+2?", "4")


class Table:
    """A value scorer that says what a table says of a text, and counts how often it is asked."""

    def __init__(self, values, *, cost=0, reasons=None, name="table"):
        self.values, self.cost, self.reasons, self.name = values, cost, reasons or {}, name
        self.asked, self.asked_roots = 0, 0

    def score(self, problems, solutions):
        self.asked += 1
        rows = [
            np.array([self.values["".join(s.text for s in x.steps[: k + 1])] for k in range(len(x.steps))])
            for x in solutions
        ]
        spend = [Spend(scorer_calls=1, scored_tokens=self.cost)] * len(rows)
        return Scores(tuple(rows), tuple(spend), tuple(self.reasons.get(s.text) for s in solutions))

    def root_values(self, problems):
        self.asked_roots += 1
        value, spend = np.array([self.values[""]]), Spend(scorer_calls=1, scored_tokens=self.cost)
        return Scores((value,) * len(problems), (spend,) * len(problems), (self.reasons.get(""),) * len(problems))


def steps(*texts: str) -> Solution:
    return Solution(tuple(map(Step, texts)))


ABC = steps("a", "b", "c")
BASE = Table({"": 0.5, "a": 0.5, "ab": 0.25, "abc": 0.75}, cost=10)
PROVER = Table({"": 0.25, "a": 0.5, "ab": 0.5, "abc": 1.0}, cost=100)


def test_the_score_is_q_plus_alpha_times_the_provers_progress():
    row = PAV(BASE, PROVER, 0.5).score([PROBLEM], [ABC]).steps[0]
    # Progress: 0.5 - 0.25 (the root), 0.5 - 0.5, 1.0 - 0.5.
    np.testing.assert_allclose(row, [0.5 + 0.125, 0.25 + 0.0, 0.75 + 0.25])


def test_the_first_step_is_measured_from_the_root_and_not_from_zero():
    high, low = (Table({"": root, "a": 0.5}) for root in (0.75, 0.25))
    scores = [PAV(BASE, prover, 1.0).score([PROBLEM], [steps("a")]).steps[0].tolist() for prover in (high, low)]
    assert scores == [[0.25], [0.75]]


def test_alpha_zero_is_the_base_and_asks_the_prover_nothing():
    asked = PROVER.asked, PROVER.asked_roots
    scores = PAV(BASE, PROVER, 0.0).score([PROBLEM], [ABC])
    assert scores.steps[0].tolist() == BASE.score([PROBLEM], [ABC]).steps[0].tolist()
    assert (PROVER.asked, PROVER.asked_roots) == asked
    assert scores.spend[0].scored_tokens == 10


def test_the_papers_alpha_is_the_default():
    assert PAV(BASE, PROVER).alpha == 0.5
    assert PAV.best_of_k(BASE).prover.k == 4


unit = st.floats(0, 1, width=32)


@given(st.lists(unit, min_size=2, max_size=8))
def test_advantages_add_up_to_the_last_value_less_the_root(values):
    texts = ["abcdefgh"[:i] for i in range(len(values))]
    prover = Table(dict(zip(texts, values, strict=True)))
    solution = steps(*"abcdefgh"[: len(values) - 1])
    advantages = PAV(BASE, prover).advantages([PROBLEM], [solution]).steps[0]
    assert advantages.sum(dtype=np.float64) == pytest.approx(values[-1] - values[0], abs=1e-6)


def test_reducers_of_the_parts_do_not_count():
    class Least(Table):
        def score(self, problems, solutions):
            return super().score(problems, solutions).with_reduce("min")

    base = Least({"": 0.5, "a": 0.1, "ab": 0.9})
    assert PAV(base, base, 1.0).score([PROBLEM], [steps("a", "b")]).values()[0] == pytest.approx(0.9 + 0.8)


def test_spend_counts_both_parts_and_a_root_once_a_problem():
    other = Problem("q", "?")
    scores = PAV(BASE, PROVER).score([PROBLEM, PROBLEM, other], [ABC, ABC, ABC])
    assert [s.scored_tokens for s in scores.spend] == [210, 110, 210]
    assert scores.spend[1].scorer_calls == 2


def test_one_scorer_in_both_parts_is_read_and_paid_once():
    both = Table({"": 0.5, "a": 0.75}, cost=10)
    scores = PAV(both, both, 1.0).score([PROBLEM], [steps("a")])
    assert scores.values().tolist() == [1.0]
    assert (both.asked, both.asked_roots, scores.spend[0].scored_tokens) == (1, 1, 20)


def test_best_of_k_lifts_the_base_and_reads_it_once():
    base = Table({"": 0.25, "a": 0.5, "ab": 0.0}, cost=10)
    pav = PAV.best_of_k(base, k=2, alpha=1.0)
    scores = pav.score([PROBLEM], [steps("a", "b")])
    lifted = [1 - 0.75**2, 1 - 0.5**2, 0.0]
    np.testing.assert_allclose(scores.steps[0], [0.5 + lifted[1] - lifted[0], 0.0 + lifted[2] - lifted[1]])
    assert (base.asked, base.asked_roots, scores.spend[0].scored_tokens) == (1, 1, 20)
    assert pav.base is base


def test_best_of_one_is_the_base_itself():
    plain, lifted = PAV(BASE, BASE, 0.3), PAV.best_of_k(BASE, k=1, alpha=0.3)
    np.testing.assert_allclose(
        plain.score([PROBLEM], [ABC]).steps[0], lifted.score([PROBLEM], [ABC]).steps[0], atol=1e-7
    )


@pytest.mark.parametrize("q", [0.05, 0.3, 0.9])
@pytest.mark.parametrize(("n", "k"), [(4, 4), (8, 4), (20, 4), (8, 8), (5, 1)])
def test_the_value_from_counts_is_unbiased_and_the_plugged_in_one_is_too_low(q, n, k):
    chances = np.array([comb(n, c) * q**c * (1 - q) ** (n - c) for c in range(n + 1)])
    true = 1 - (1 - q) ** k
    counts = np.arange(n + 1)
    assert chances @ best_of_k_value(counts, n, k) == pytest.approx(true, abs=1e-12)
    plugged_in = chances @ (1 - (1 - counts / n) ** k)
    if k > 1:
        assert plugged_in < true - 1e-6
    else:
        assert plugged_in == pytest.approx(true)


def test_the_value_from_counts_is_the_share_of_subsets_with_a_right_one():
    n = 9
    for k in range(1, n + 1):
        exact = [1 - comb(n - c, k) / comb(n, k) for c in range(n + 1)]
        np.testing.assert_allclose(best_of_k_value(np.arange(n + 1), n, k), exact, atol=1e-12)


@pytest.mark.parametrize(
    ("c", "n", "k", "said"),
    [
        (1, 3, 4, "3 rollouts cannot tell the best of 4: take 4 or more"),
        (1, 3, 0, "k is 0"),
        (5, 4, 2, "successes must lie between"),
        (-1, 4, 2, "successes must lie between"),
    ],
)
def test_counts_that_cannot_be_are_named(c, n, k, said):
    with pytest.raises(ValueError, match=said):
        best_of_k_value(c, n, k)


RIGHT = from_function(lambda problem, solution: float(solution.text.endswith(f"={problem.answer}")))


def coin(p):
    return policies.Scripted(lambda problem, prefix, seed: "=4" if seed / 2**63 < p else "=5")


@pytest.mark.parametrize("wrap", ["cached", "calibrated", "weighted", "nested"])
def test_a_wrapper_that_hides_counts_is_refused(wrap, tmp_path):
    value = RolloutValue(RIGHT, coin(0.3), 8)
    wrapped = {
        "cached": lambda: cached(value, tmp_path / "s.sqlite", name="v"),
        "calibrated": lambda: Calibrated(value, Platt(1.0, 0.0)),
        "weighted": lambda: weighted([(value, 0.5), (BASE, 0.5)]),
        "nested": lambda: weighted([(BASE, 0.5), (cached(value, tmp_path / "s.sqlite", name="v"), 0.5)]),
    }[wrap]()
    with pytest.raises(ValueError, match=r"hides the counts of rollout_value\(.*cached\(.*verifier.* or .*PAV"):
        PAV.best_of_k(wrapped, k=4)
    assert BestOfK(cached(BASE, tmp_path / "s.sqlite", name="b"), 4).k == 4  # nothing is hidden there
    # What the message says to do does work.
    pav = cached(PAV.best_of_k(value, k=4), tmp_path / "s.sqlite", name="pav")
    assert len(pav.score([PROBLEM], [ABC]).steps[0]) == 3
    again = RolloutValue(cached(RIGHT, tmp_path / "s.sqlite", name="right"), coin(0.3), 8)
    same = (PAV.best_of_k(v, k=4).score([PROBLEM], [ABC]).steps[0].tolist() for v in (value, again))
    assert next(same) == next(same)


def test_where_the_prover_has_counts_the_unbiased_value_is_used():
    value = RolloutValue(RIGHT, coin(0.3), 8)
    counted, root = value.counts([PROBLEM], [ABC]), value.root_counts([PROBLEM])
    lifted = BestOfK(value, 4).score([PROBLEM], [ABC]).steps[0]
    np.testing.assert_allclose(lifted, best_of_k_value(counted.successes[0], 8, 4), atol=1e-7)
    q = counted.scores.steps[0]
    assert not np.allclose(lifted, 1 - (1 - q) ** 4, atol=1e-3)
    scores = PAV.best_of_k(value, k=4, alpha=1.0).score([PROBLEM], [ABC])
    path = np.concatenate([best_of_k_value(root.successes[0], 8, 4), lifted])
    np.testing.assert_allclose(scores.steps[0], q + np.diff(path), atol=1e-6)


def test_over_many_problems_the_prover_from_few_rollouts_has_the_true_mean():
    problems = [Problem(f"p{i}", "?", "4") for i in range(3000)]
    value = RolloutValue(RIGHT, coin(0.2), 4)
    mean = BestOfK(value, 4).score(problems, [steps("a")] * 3000).values().mean()
    true = 1 - 0.8**4
    assert abs(mean - true) < 4 * (true * (1 - true) / 3000) ** 0.5
    naive = (1 - (1 - value.score(problems, [steps("a")] * 3000).values()) ** 4).mean()
    assert naive < true - 0.05


def test_rollouts_too_few_for_k_are_refused_before_they_are_spent():
    with pytest.raises(ValueError, match="3 rollouts cannot tell the best of 4"):
        PAV.best_of_k(RolloutValue(RIGHT, coin(0.3), 3), k=4)


def test_rollouts_of_unknown_grade_can_leave_too_few():
    unsure = from_function(lambda problem, solution: float("nan") if solution.text.endswith("=5") else 1.0)
    scores = PAV.best_of_k(RolloutValue(unsure, coin(0.5), 4), k=4).score([PROBLEM], [steps("a")])
    assert np.isnan(scores.values()[0])
    assert "rollouts have a known outcome" in str(scores.reasons[0])


@pytest.mark.parametrize("where", ["base", "prover", "root"])
def test_a_part_that_cannot_judge_makes_the_step_unknown_and_says_why(where):
    values = {"": 0.25, "a": 0.5, "ab": 0.5}
    broken = Table(
        values | ({"": np.nan} if where == "root" else {"a": np.nan}), reasons={"ab": "too long", "": "gone"}
    )
    good = Table(values)
    base, prover = (broken, good) if where == "base" else (good, broken)
    scores = PAV(base, prover).score([PROBLEM], [steps("a", "b")])
    # Of the prover's values two advantages depend on the one at "a".
    expected = {"base": [True, False], "prover": [True, True], "root": [True, False]}[where]
    assert np.isnan(scores.steps[0]).tolist() == expected
    assert scores.reasons[0] in ("too long", "gone")


def test_a_prover_without_root_values_is_refused_by_name():
    ones = from_steps(lambda problem, solution: [1.0] * len(solution.steps))
    with pytest.raises(TypeError, match=r"the prover from_steps\(.*\) has no root_values: .*RolloutValue"):
        PAV(BASE, ones)
    with pytest.raises(TypeError, match=r"the prover best_of_4\(from_steps\(.*\)\) has no root_values"):
        PAV.best_of_k(ones)
    with pytest.raises(ValueError, match=r"prover 'prm': it is a text; load what it names by prms.load"):
        PAV(BASE, "prm")
    orm = ORM.load(weights_folder("orm"))
    with pytest.raises(TypeError, match=r"the prover orm\(orm\) has no root_values"):
        PAV(BASE, orm)


def test_values_that_are_no_chances_cannot_be_lifted():
    with pytest.raises(ValueError, match=r"table gave 1\.5: a Best-of-4 value needs a Q in \[0, 1\]"):
        PAV.best_of_k(Table({"": 0.5, "a": 1.5})).score([PROBLEM], [steps("a")])


@pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
def test_an_alpha_that_is_no_number_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha is"):
        PAV(BASE, PROVER, alpha)


def test_its_name_has_both_parts_and_alpha():
    assert PAV(BASE, PROVER, 0.2).name == "pav(base=table, prover=table, alpha=0.2)"
    assert PAV.best_of_k(BASE, k=4).name == "pav(base=table, prover=best_of_4(table), alpha=0.5)"
    assert getattr(remembering(PAV.best_of_k(BASE)), "name") == PAV.best_of_k(BASE).name  # noqa: B009


def test_no_rows_and_no_steps_are_no_error():
    assert len(PAV(BASE, PROVER).score([], [])) == 0
    asked = PROVER.asked_roots
    assert PAV(BASE, PROVER).score([PROBLEM], [Solution()]).steps[0].shape == (0,)
    assert PROVER.asked_roots == asked


TASK = load_task("chain", count=16, seed=5)


@pytest.fixture(scope="module")
def prm():
    return PRM.load(weights_folder("prm"))


@pytest.fixture(scope="module")
def tiny_policy():
    return policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")


def real_cases():
    texts = ["7-9=8\n8*3=4\n=4", "7-9=2\n2*3=6\n=6"]
    problem, other = Problem("p1", "C 7-9*3\n", "4"), Problem("p2", "C 7-9*4\n", "2")
    cases = [(problem, Solution(split_steps(text), Stop.EOS)) for text in texts]
    return [*cases, (other, Solution(split_steps("7-9=8\n"))), (problem, Solution(cases[0][1].steps[:2], Stop.LENGTH))]


def test_laws_with_the_tiny_prm(prm):
    check_scorer(PAV(prm, prm, 0.5), real_cases(), causal=True)
    check_scorer(PAV.best_of_k(prm), real_cases(), causal=True)
    check_scorer(BestOfK(prm, 4), real_cases(), causal=True)


@pytest.mark.slow
def test_laws_with_rollouts_as_the_prover(prm, tiny_policy):
    rollouts = RolloutValue(TASK.verifier, tiny_policy, 2, sampling=TASK.sampling)
    check_scorer(PAV(prm, rollouts), real_cases()[:3], causal=True)


@pytest.mark.parametrize("kind", ["same", "best_of_k", "two"])
def test_a_memory_changes_no_score_and_asks_for_a_root_once(prm, kind):
    table = Table({"": 0.5, "7-9=8\n": 0.75, "7-9=8\n8*3=4\n": 0.5, "7-9=8\n8*3=4\n=4": 1.0})
    pav = {"same": PAV(prm, prm), "best_of_k": PAV.best_of_k(prm), "two": PAV(prm, table)}[kind]
    memory = remembering(pav)
    problem, solution = real_cases()[0]
    for length in (1, 2, 3):
        prefix = Solution(solution.steps[:length])
        plain, kept = pav.score([problem], [prefix]), memory.score([problem], [prefix])
        np.testing.assert_allclose(plain.steps[0], kept.steps[0], atol=1e-5)
    if kind == "same":  # where a memory has lost the root values, those of the prover as given count
        plain_roots = PAV(table, table)

        class Memoryless:
            def score(self, problems, solutions):
                return table.score(problems, solutions)

        table.remembering = Memoryless
        lost = remembering(plain_roots).score([problem], [solution])
        np.testing.assert_array_equal(lost.steps[0], plain_roots.score([problem], [solution]).steps[0])
    if kind == "two":
        assert table.asked_roots == 3 + 1
    else:
        assert kept.spend[0].scored_tokens < plain.spend[0].scored_tokens / 2


@given(st.integers(1, 3), st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_a_memory_over_rollouts_changes_nothing(k, alpha):
    value = RolloutValue(RIGHT, coin(0.5), 3)
    pav = PAV.best_of_k(value, k=k, alpha=alpha)
    memory = remembering(pav)
    for length in (1, 2, 3):
        prefix = Solution(ABC.steps[:length])
        np.testing.assert_array_equal(
            pav.score([PROBLEM], [prefix]).steps[0], memory.score([PROBLEM], [prefix]).steps[0]
        )


def test_it_searches_and_the_final_pick_is_by_the_base(prm, tiny_policy):
    pav = PAV.best_of_k(prm)
    options = {"width": 3, "expand": 3, "max_steps": 12, "answers": TASK.answers, "sampling": TASK.sampling}
    results = search.beam_search(TASK.problems, tiny_policy, pav, final=pav.base, **options)
    one = search.self_consistency(TASK.problems, tiny_policy, n=8, answers=TASK.answers, sampling=TASK.sampling)
    sampled = np.mean([[TASK.answers.extract(s.text) == r.problem.answer for s in r.pool] for r in one])
    assert np.mean([r.answer == r.problem.answer for r in results]) > sampled + 0.2
    for result in results:
        expected = prm.score([result.problem] * len(result.pool), result.pool).values()
        np.testing.assert_allclose(result.scores.values(), expected, atol=1e-4)
