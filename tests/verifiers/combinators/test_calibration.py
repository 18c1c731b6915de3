"""Calibration: against exact fits, on what it must not change, and on what it must refuse."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from bench.diagnostics.reliability import expected_calibration_error
from bench.tiny import load_task, weights_folder
from prms.prm import PRM
from verifiers import Labelled, Scores, check_scorer, from_function, with_outcome
from verifiers.combinators.calibration import Calibrated, Isotonic, Platt, calibrated, labelled_scores
from verifiers.interface.solution import Problem, Solution, Step, Stop, split_steps

PROBLEM = Problem("p", "?")
NUMBER = from_function(lambda problem, solution: float(solution.text))
METHODS = ["isotonic", "platt"]


class EveryStep:
    """The number that each step's text is; says nothing of "?"."""

    reason = None

    def score(self, problems, solutions):
        rows = tuple(np.array([np.nan if s.text == "?" else float(s.text) for s in x.steps]) for x in solutions)
        return Scores(rows, reasons=(self.reason,) * len(rows))

    def root_values(self, problems):
        return Scores((np.array([0.5]),) * len(problems))


def ended(*numbers) -> Solution:
    return Solution(tuple(Step(str(n)) for n in numbers), Stop.EOS)


def rows_from(scores, labels):
    return [Labelled(PROBLEM, ended(score), (float(label),)) for score, label in zip(scores, labels, strict=True)]


def noisy(n=400, seed=0):
    """Scores whose chance of a right label is their cube."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0, 1, n)
    return scores, (rng.uniform(0, 1, n) < scores**3).astype(float)


def brute_isotonic(y, weights):
    """Pool adjacent violators from its definition: max over starts of the min over ends of the mean."""
    n = len(y)
    mean = lambda i, j: np.average(y[i : j + 1], weights=weights[i : j + 1])  # noqa: E731
    return [max(min(mean(i, j) for j in range(k, n)) for i in range(k + 1)) for k in range(n)]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.25, 1.0])), min_size=10, max_size=25))
@settings(max_examples=60, deadline=None)
def test_isotonic_is_the_best_rising_fit(pairs):
    scores, labels = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    x = np.unique(scores)
    means = np.array([labels[scores == s].mean() for s in x])
    expected = brute_isotonic(means, np.array([(scores == s).sum() for s in x], dtype=float))
    if expected[0] == expected[-1]:
        with pytest.raises(ValueError, match=r"do not rise|nothing to fit"):
            calibrated(NUMBER, rows_from(scores, labels))
        return
    found = calibrated(NUMBER, rows_from(scores, labels)).curve
    np.testing.assert_allclose(found(x), expected, atol=1e-9)
    assert isinstance(found, Isotonic)
    assert list(found.values) == sorted(found.values)


def test_platt_is_the_minimum_of_the_smoothed_loss():
    scores, labels = noisy()
    scores = scores * 40 - 300  # a scale far from a probability's
    curve = calibrated(NUMBER, rows_from(scores, labels), method="platt").curve
    assert isinstance(curve, Platt)
    scores = scores.astype(np.float32).astype(float)
    n1 = labels.sum()
    targets = np.where(labels == 1, (n1 + 1) / (n1 + 2), 1 / (len(labels) - n1 + 2))
    z = (scores - scores.mean()) / scores.std()

    def loss(w):
        return np.sum(np.logaddexp(0, w[0] * z + w[1]) - targets * (w[0] * z + w[1]))

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})
    slope = best.x[0] / scores.std()
    assert curve.slope == pytest.approx(slope, rel=1e-4)
    assert curve.intercept == pytest.approx(best.x[1] - slope * scores.mean(), rel=1e-4)


def test_platt_stays_finite_where_the_classes_can_be_separated():
    curve = calibrated(NUMBER, rows_from(range(20), [0] * 10 + [1] * 10), method="platt").curve
    ends = curve(np.array([0.0, 19.0]))
    # Platt's targets are 1/12 and 11/12, so the curve does not run off to 0 and 1 at once.
    assert 0 < ends[0] < 0.02
    assert 0.98 < ends[1] < 1
    assert np.isfinite([curve.slope, curve.intercept]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_distorted_scorer_becomes_a_calibrated_one(method):
    fitted = calibrated(NUMBER, rows_from(*noisy(3000)), method=method)
    scores, labels = noisy(3000, seed=1)
    before = expected_calibration_error(scores, labels)
    after = expected_calibration_error(fitted.curve(scores), labels)
    assert before > 0.2
    assert after < 0.06


@pytest.mark.parametrize("method", METHODS)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=20))
@settings(max_examples=40, deadline=None)
def test_it_never_turns_an_order_round(method, scores):
    curve = CURVES[method]
    values = curve(np.sort(scores))
    assert (np.diff(values) >= 0).all()
    assert ((values >= 0) & (values <= 1)).all()
    if method == "platt":
        apart = np.diff(np.sort(scores)) > 1e-6
        assert (np.diff(values)[apart] > 0).all()


CURVES = {method: calibrated(NUMBER, rows_from(*noisy()), method=method).curve for method in METHODS}


def test_beyond_what_it_saw_isotonic_is_level_and_platt_goes_on():
    isotonic, platt = CURVES["isotonic"], CURVES["platt"]
    assert isotonic(np.array([-9.0]))[0] == isotonic.values[0]
    assert isotonic(np.array([9.0]))[0] == isotonic.values[-1]
    assert platt(np.array([1.5]))[0] > platt(np.array([1.0]))[0]


@pytest.mark.parametrize("curve", CURVES.values(), ids=METHODS)
def test_silence_stays_silence(curve):
    assert np.isnan(curve(np.array([np.nan]))).all()
    silent = EveryStep()
    silent.reason = "no time"
    scores = Calibrated(silent, curve).score([PROBLEM], [ended("?", 0.5)])
    assert np.isnan(scores.steps[0]).tolist() == [True, False]
    assert scores.reasons == ("no time",)


def test_only_steps_with_a_score_and_a_label_count():
    rows = [Labelled(PROBLEM, ended("?", 0.25, 0.5), (1.0, float("nan"), 0.5)), Labelled(PROBLEM, ended(), ())]
    scores, labels = labelled_scores(EveryStep(), rows)
    assert (scores.tolist(), labels.tolist()) == ([0.5], [0.5])
    outcome = [with_outcome(PROBLEM, ended(1, 2, 3), True)]
    assert labelled_scores(from_function(lambda p, s: 7.0), outcome)[0].tolist() == [7.0]


def test_soft_labels_are_fitted_as_they_are():
    scores = np.linspace(0, 1, 2000)
    curve = calibrated(NUMBER, rows_from(scores, 0.2 + 0.5 * scores)).curve
    np.testing.assert_allclose(curve(scores), 0.2 + 0.5 * scores, atol=1e-6)
    logistic = 1 / (1 + np.exp(1 - 3 * scores))
    curve = calibrated(NUMBER, rows_from(scores, logistic), method="platt").curve
    # Platt's targets are off by at most 1 / (smaller class + 2), about 1 / 900.
    np.testing.assert_allclose(curve(scores), logistic, atol=0.0015)


@pytest.mark.parametrize(
    ("scores", "labels", "said"),
    [
        (range(9), [0, 1] * 4 + [0], r"has 9 labelled scores in 9 rows: calibration needs 10"),
        (range(12), [1] * 12, r"all 12 labels of from_function\(<lambda>\) are 1"),
        ([0.5] * 12, [0, 1] * 6, r"all 12 scores of from_function\(<lambda>\) are 0.5"),
        (range(12), [1] * 6 + [0] * 6, "labels do not rise with the scores"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_fitted_is_refused(method, scores, labels, said):
    with pytest.raises(ValueError, match=said):
        calibrated(NUMBER, rows_from(scores, labels), method=method)


def test_an_unknown_method_and_endless_scores_are_named():
    with pytest.raises(ValueError, match="unknown method 'beta': use 'isotonic' or 'platt'"):
        calibrated(NUMBER, [], method="beta")
    with pytest.raises(ValueError, match="not all finite"):
        calibrated(NUMBER, rows_from([*range(11), "inf"], [0, 1] * 6))


def test_a_fit_can_be_kept_as_plain_numbers():
    for method, curve in CURVES.items():
        kept = json.loads(json.dumps(asdict(curve)))
        again = Isotonic(tuple(kept["scores"]), tuple(kept["values"])) if method == "isotonic" else Platt(**kept)
        assert again == curve
        assert Calibrated(NUMBER, again).score([PROBLEM], [ended(0.5)]).values()[0] == pytest.approx(curve(0.5))


def test_the_root_goes_through_the_same_curve_where_the_scorer_knows_it():
    rows = [Labelled(PROBLEM, ended(x), (float(y),)) for x, y in zip(*noisy(), strict=True)]
    values = calibrated(EveryStep(), rows)
    assert values.root_values([PROBLEM]).values()[0] == pytest.approx(values.curve(0.5), abs=1e-6)
    assert calibrated(NUMBER, rows).root_values is None
    assert (values.separator, values.target) == (None, None)


def test_laws_and_memory_with_the_tiny_prm():
    import random

    from bench.tiny.worlds.worlds import WORLDS

    prm, rng = PRM.load(weights_folder("prm")), random.Random(0)
    rows = []
    for problem in load_task("chain", count=12).problems:
        text = WORLDS["chain"].demonstrate(str(problem.prompt), rng, slips=True)
        solution = Solution(split_steps(text), Stop.EOS)
        right = text.rsplit("=", 1)[-1] == problem.answer
        rows.append(with_outcome(problem, solution, right))
    for method in METHODS:
        fitted = calibrated(prm, rows, method=method)
        cases = [(row.problem, row.solution) for row in rows[:3]]
        check_scorer(fitted, [*cases, (cases[0][0], Solution(cases[0][1].steps[:2]))], causal=True)
        assert fitted.name == f"calibrated(prm(prm), {method})"
        assert (fitted.separator, fitted.target) == ("\n", "value")
        problem, solution = cases[0]
        memory = fitted.remembering()
        np.testing.assert_allclose(
            memory.score([problem], [solution]).steps[0], fitted.score([problem], [solution]).steps[0], atol=1e-4
        )
