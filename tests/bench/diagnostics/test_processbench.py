"""ProcessBench against brute force, and on its real rows."""

import gzip
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.commands.processbench import processbench
from bench.diagnostics.processbench import Case, evaluate, first_error, fit_threshold, read_cases, score_cases
from bench.stats.intervals import sums_interval
from tests.shared_data import DATA, needs_data
from verifiers import Problem, Scores, Stop, check_scorer, from_steps
from verifiers.interface.errors import BadInput

GSM8K = DATA / "processbench_gsm8k.json.gz"
needs_gsm8k = needs_data(GSM8K.name)


class Written:
    """Reads its score off the step: "0.3 and so on" scores 0.3; its steps end with a bar."""

    separator = "|"

    def score(self, problems, solutions):
        assert all(step.text.endswith("|") for s in solutions for step in s.steps[:-1])
        return Scores(tuple(np.array([float(step.text.split()[0]) for step in s.steps]) for s in solutions))


def constant(value):
    return from_steps(lambda problem, solution: [value] * len(solution.steps))


ALL_RIGHT, WRITTEN, SILENT = constant(1.0), Written(), constant(math.nan)
END = from_steps(lambda problem, solution: [math.nan] * (len(solution.steps) - 1) + [0.7])


def case(name: str, scores: list[float], label: int, prompt: str | None = None) -> Case:
    return Case(Problem(name, prompt or f"what is {name}?"), tuple(f"{s} and so on" for s in scores), label)


@st.composite
def scored_cases(draw):
    score = st.sampled_from([0.0, 0.1, 0.25, 0.4999999, 0.5, 0.75, 1.0, math.nan])
    rows = draw(st.lists(st.lists(score, min_size=1, max_size=5), min_size=1, max_size=12))
    labels = [draw(st.integers(-1, len(row) - 1)) for row in rows]
    prompts = [draw(st.sampled_from("abcd")) for _ in rows]
    cases = [case(str(i), row, label, p) for i, (row, label, p) in enumerate(zip(rows, labels, prompts, strict=True))]
    return cases, Scores(tuple(np.array(row) for row in rows))


def brute_prediction(row: list[float], threshold: float) -> int | None:
    low = [k for k in range(len(row)) if not math.isnan(row[k]) and row[k] < threshold]
    nans = [k for k in range(len(row)) if math.isnan(row[k])]
    if low and (not nans or low[0] < nans[0]):
        return low[0]
    return None if nans else -1


def brute_figures(cases, scores, threshold) -> tuple[float, float, float]:
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for c, row in zip(cases, scores.steps, strict=True):
        hits[c.label == -1].append(brute_prediction(row.tolist(), threshold) == c.label)
    wrong, right = (sum(h) / len(h) if h else math.nan for h in (hits[False], hits[True]))
    return wrong, right, 0.0 if wrong + right == 0 else 2 * wrong * right / (wrong + right)


@given(scored_cases(), st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.1]))
@settings(max_examples=60, deadline=None)
def test_the_figures_are_those_of_brute_force(drawn, threshold):
    cases, scores = drawn
    report = evaluate(cases, scores, threshold=threshold)
    expected = brute_figures(cases, scores, threshold)
    figures = (report.on_erroneous, report.on_correct, report.f1)
    for (value, low, high), brute in zip(figures, expected, strict=True):
        assert value == pytest.approx(brute, nan_ok=True)
        assert math.isnan(value) or low <= value <= high
    assert report.predictions == tuple(brute_prediction(row.tolist(), threshold) for row in scores.steps)


@given(scored_cases())
@settings(max_examples=60, deadline=None)
def test_a_fitted_threshold_is_as_good_as_any(drawn):
    cases, scores = drawn
    rows = [row.tolist() for row in scores.steps]
    kinds = {c.label == -1 for c in cases}
    if len(kinds) < 2 or all(math.isnan(row[0]) for row in rows):
        with pytest.raises(BadInput, match="a threshold cannot be fitted"):
            fit_threshold(cases, scores)
        return
    best = max(brute_figures(cases, scores, t)[2] for t in np.arange(-0.005, 1.02, 0.005))
    assert brute_figures(cases, scores, fit_threshold(cases, scores))[2] == pytest.approx(best)


def test_trap_10_f1_is_the_harmonic_mean_of_two_accuracies_and_not_of_precision_and_recall():
    # 3 erroneous rows, 2 hit exactly (the third is flagged, but a step late); 2 correct ones, 1 kept.
    cases = [case("a", [0.9, 0.1], 1), case("b", [0.1], 0), case("c", [0.9, 0.2], 0)]
    cases += [case("d", [0.9], -1), case("e", [0.9, 0.3], -1)]
    report = evaluate(cases, WRITTEN.score(None, [c.solution("|") for c in cases]))
    assert report.on_erroneous[0] == pytest.approx(2 / 3)
    assert report.on_correct[0] == 0.5
    assert report.f1[0] == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))


def test_the_threshold_itself_is_not_below_it():
    assert [first_error([0.5, 0.4], t) for t in (0.3, 0.4, 0.5, 0.6)] == [-1, -1, 1, 0]


def test_rows_without_a_score_stay_in_the_denominator_as_wrong():
    cases = [case("a", [0.9, 0.1], 1), case("b", [0.1], 0), case("c", [0.9], -1), case("d", [0.9], -1)]
    scores = Scores(tuple(np.array(row) for row in ([0.9, 0.1], [np.nan], [0.9], [np.nan])))
    report = evaluate(cases, scores)
    assert (report.on_erroneous[0], report.on_correct[0], report.f1[0]) == (0.5, 0.5, 0.5)
    assert report.predictions == (1, None, -1, None)


def test_the_interval_draws_whole_problems():
    """40 rows of one problem say no more than one: the interval is wide, though the rows agree."""
    rng = np.random.default_rng(0)
    right = rng.random(20) < 0.5
    together = [case(f"{p}-{i}", [0.1 if right[p] else 0.9], 0, f"p{p}") for p in range(20) for i in range(40)]
    alone = [Case(Problem(c.problem.id, c.problem.id), c.steps, c.label) for c in together]
    widths = []
    for cases in (together, alone):
        scores = WRITTEN.score(None, [c.solution("|") for c in cases])
        _, low, high = evaluate(cases, scores).on_erroneous
        widths.append(high - low)
    assert widths[0] == pytest.approx(widths[1] * math.sqrt(40), rel=0.15)


def test_sums_interval_is_the_bootstrap_written_out():
    rows = np.random.default_rng(1).integers([0, 1], [4, 5], size=(30, 2))
    point, low, high = sums_interval(rows, lambda sums: sums[:, 0] / sums[:, 1], replicates=4000)
    rng, drawn = np.random.default_rng(7), []
    for _ in range(4000):
        a, b = rows[rng.integers(0, 30, 30)].sum(axis=0)
        drawn.append(a / b)
    assert point == rows[:, 0].sum() / rows[:, 1].sum()
    np.testing.assert_allclose([low, high], np.quantile(drawn, [0.025, 0.975]), atol=0.02)
    with pytest.raises(ValueError, match="no problems"):
        sums_interval(np.zeros((0, 2)), lambda sums: sums[:, 0])


def test_steps_end_as_the_scorer_knows_them():
    cases = [case("a", [0.9, 0.1], 1), case("b", [0.2], 0)]
    assert [row.tolist() for row in score_cases(cases, WRITTEN, batch=1, progress=False).steps] == [
        pytest.approx([0.9, 0.1]),
        pytest.approx([0.2]),
    ]
    solution = cases[0].solution("\n\n")
    assert [s.text for s in solution.steps] == ["0.9 and so on\n\n", "0.1 and so on"]
    assert solution.stop is Stop.EOS
    check_scorer(WRITTEN, [(c.problem, c.solution("|")) for c in cases], causal=True)


ROWS = [
    {"id": "a", "problem": "1+1?", "steps": ["0.9 x", "0.1 y"], "label": 1},
    {"id": "b", "problem": "2+2?", "steps": ["0.8 x", "0.7 y"], "label": -1},
]


@pytest.mark.parametrize("name", ["rows.json", "rows.json.gz", "rows.jsonl", "rows.jsonl.gz"])
def test_files_of_every_kind_are_read(tmp_path, name):
    text = "".join(json.dumps(r) + "\n" for r in ROWS) if "jsonl" in name else json.dumps(ROWS, indent=2)
    opened = gzip.open if name.endswith(".gz") else open
    with opened(tmp_path / name, "wt") as file:
        file.write(text)
    cases = read_cases(str(tmp_path / name))
    assert [(c.problem.id, c.problem.prompt, c.steps, c.label) for c in cases] == [
        ("a", "1+1?", ("0.9 x", "0.1 y"), 1),
        ("b", "2+2?", ("0.8 x", "0.7 y"), -1),
    ]
    assert len(read_cases(str(tmp_path / name), limit=1)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": []}, r"rows.json\[1\]: 'steps' must be a list of texts, one at least; got \[\]"),
        ({"steps": "one"}, "'steps' must be a list of texts"),
        ({"steps": ["a", 2]}, "'steps' must be a list of texts"),
        ({"label": 2}, "'label' must be a whole number from -1 to 1; got 2"),
        ({"label": -2}, "'label' must be a whole number"),
        ({"label": True}, "'label' must be a whole number"),
        ({"label": None}, "'label' must be a whole number"),
        ({"problem": 3}, "'problem' is a int; text was expected"),
        ({"id": "a"}, "id 'a' was used by"),
    ],
)
def test_a_bad_row_is_named(tmp_path, change, message):
    (tmp_path / "rows.json").write_text(json.dumps([ROWS[0], ROWS[1] | change]))
    with pytest.raises(BadInput, match=message):
        read_cases(str(tmp_path / "rows.json"))


def test_a_bad_file_is_named(tmp_path):
    path = tmp_path / "rows.json"
    with pytest.raises(BadInput, match="no such file"):
        read_cases(str(path))
    for text, message in [
        ("[]", "no rows in it"),
        ("{}", "a list of objects"),
        ("[1]", "a list of objects"),
        ("[", "JSON"),
    ]:
        path.write_text(text)
        with pytest.raises(BadInput, match=message):
            read_cases(str(path))


@pytest.fixture
def scorers(monkeypatch):
    """This file as a module, for specs of the command line."""
    import sys
    import types

    package, module = types.ModuleType("mine"), types.ModuleType("mine.scorers")
    module.__dict__.update(all_right=ALL_RIGHT, written=WRITTEN, silent=SILENT, end=END)
    monkeypatch.setitem(sys.modules, "mine", package)
    monkeypatch.setitem(sys.modules, "mine.scorers", module)


def test_the_command_prints_a_table_and_keeps_the_rows(tmp_path, capsys, scorers):
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    report = processbench(str(tmp_path / "rows.json"), "mine.scorers:written", out=tmp_path / "out", progress=False)
    assert report.f1[0] == 1.0
    printed = capsys.readouterr().out
    assert "with an error                1    100.0%" in printed
    assert "threshold: fixed at 0.5; predicted is the first step that scores below it" in printed
    rows = [json.loads(line) for line in (tmp_path / "out" / "processbench.jsonl").read_text().splitlines()]
    assert [(r["id"], r["label"], r["prediction"]) for r in rows] == [("a", 1, 1), ("b", -1, -1)]
    assert rows[0]["scores"] == pytest.approx([0.9, 0.1])


def test_a_threshold_is_fitted_on_other_problems_only(tmp_path, capsys, scorers):
    test, other = tmp_path / "rows.json", tmp_path / "other.json"
    test.write_text(json.dumps(ROWS))
    other.write_text(
        json.dumps(
            [
                ROWS[0] | {"problem": "3?", "steps": ["0.85 x", "0.75 y"]},
                ROWS[1] | {"problem": "4?", "steps": ["0.81 x"]},
            ]
        )
    )
    report = processbench(str(test), "mine.scorers:written", fit_on=str(other), progress=False)
    assert report.threshold == pytest.approx((0.75 + 0.81) / 2)
    assert report.f1[0] == 0.0  # 0.7 of the right solution is below it
    assert "the best on the 2 rows of" in capsys.readouterr().out
    with pytest.raises(BadInput, match=r"--fit-on .*: 2 of its problems are also in"):
        processbench(str(test), "mine.scorers:written", fit_on=str(test), progress=False)


def test_a_scorer_that_judges_no_step_is_refused(tmp_path, scorers):
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    for spec in ("mine.scorers:silent", "mine.scorers:end"):
        with pytest.raises(BadInput, match=f"--scorer {spec}: it judges no first step"):
            processbench(str(tmp_path / "rows.json"), spec, progress=False)
    for wrong in (math.nan, math.inf):
        with pytest.raises(BadInput, match=f"--threshold {wrong}: it must be a finite number"):
            processbench(str(tmp_path / "rows.json"), "mine.scorers:written", threshold=wrong, progress=False)


@needs_gsm8k
def test_the_real_rows_with_a_scorer_that_finds_nothing_wrong():
    cases = read_cases(str(GSM8K))
    assert (len(cases), sum(c.label == -1 for c in cases)) == (400, 193)  # as the benchmark's own code expects
    report = evaluate(cases, score_cases(cases, ALL_RIGHT, progress=False))
    assert (report.on_erroneous[0], report.on_correct[0], report.f1[0]) == (0.0, 1.0, 0.0)
    assert 0 < report.on_erroneous[2] < 0.03
    assert set(report.predictions) == {-1}


@needs_gsm8k
def test_the_real_rows_with_an_oracle_and_with_a_scorer_that_always_doubts():
    cases = read_cases(str(GSM8K))
    oracle = Scores(tuple(np.array([0.0 if k == c.label else 1.0 for k in range(len(c.steps))]) for c in cases))
    assert [figure[0] for figure in (evaluate(cases, oracle).on_erroneous, evaluate(cases, oracle).f1)] == [1.0, 1.0]
    doubts = evaluate(cases, score_cases(cases, constant(0.0), progress=False))
    assert doubts.on_correct[0] == doubts.f1[0] == 0.0
    assert doubts.on_erroneous[0] == sum(c.label == 0 for c in cases) / 207
