"""The GenRM reproduction: its numbers on cases whose answers are known, and a run in miniature."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.reproduce.genrm import curves, parts
from bench.reproduce.genrm.arms import ARMS, SUITES, GenRMPlan, pretrained_plan
from bench.reproduce.genrm.claims import _ABOVE, _difference, at_equal_votes, slope
from bench.reproduce.genrm.curves import ComputeCurve, VoteCurve, compute_note
from bench.reproduce.genrm.measures import Measured, is_close, right_verdicts
from bench.reproduce.genrm.parts import judge_in_parts
from bench.reproduce.genrm.rehearsal import compared_lists, rehearsal
from bench.reproduce.genrm.report import TaskReport, _plot_compute, _plot_votes, _shown
from bench.reproduce.genrm.reproduce import reproduce_genrm
from bench.reproduce.genrm.rows import WRITTEN, for_writer
from bench.reproduce.genrm.votes import best_of, by_votes, majority, mean_of_votes
from bench.reproduce.genrm.work import _shares_of_yes, scores
from bench.stats.intervals import Estimate
from bench.tiny import weights_folder
from bench.tiny.making.examples.rationales import FORMAT, rationales
from policies.backends.transformers import Transformers
from search.strategies.sample import sample
from tests.tiny_models import byte_pairs, random_llama
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.judge import Judgement
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Problem, Solution, Stop, split_steps


def test_best_of_picks_the_highest_mean_vote_and_never_a_silent_one():
    votes = [[0.2, 0.4], [0.9, None], [None, None]]
    values = mean_of_votes(votes)
    np.testing.assert_allclose(values, [0.3, 0.9, np.nan])
    assert best_of([0, 1, 0], values, 3) == 1.0
    assert best_of([1, 0, 0], [np.nan] * 3, 3) == pytest.approx(1 / 3)


def test_fewer_votes_are_the_mean_over_groups_of_votes():
    # With the first vote sample 0 wins, with the second sample 1, with both it is a tie.
    votes = [[1.0, 0.0], [0.0, 1.0]]
    assert by_votes([1, 0], votes, 1) == 0.5
    assert by_votes([1, 0], votes, 2) == 0.5
    assert by_votes([1, 0], [[1.0, 0.4], [0.0, 0.5]], 1) == 0.5
    assert by_votes([1, 0], [[1.0, 0.4], [0.0, 0.5]], 2) == 1.0
    with pytest.raises(ValueError, match="k=3 of 2 votes"):
        by_votes([1, 0], votes, 3)


def test_majority_counts_classes():
    assert majority([1, 1, 0], [0, 0, 1], 3) == 1.0


def test_compute_to_a_goal():
    def curves(flops, accuracy):
        best = [Estimate(0.3, 0.3, 0.3)]
        cot = [Estimate(value, value, value) for value in accuracy]
        return {"self-consistency": ComputeCurve([5.0], best), "GenRM-CoT, K = 1": ComputeCurve(flops, cot)}

    reached = compute_note(curves([1.0, 10.0, 100.0], [0.1, 0.2, 0.4]))
    assert reached.endswith(f"(0.300) at {10**1.5 / 5:.2f} times its compute")
    assert compute_note(curves([5.0, 10.0], [0.5, 0.6])).endswith("at 1.00 times its compute")
    never = compute_note(curves([5.0, 10.0], [0.1, 0.2]))
    assert never.endswith("never")


def test_every_arm_that_a_claim_names_is_one_and_is_measured_where_its_rival_is():
    for _, one, other, _ in _ABOVE:
        assert {one, other} <= set(ARMS)
    assert {"genrm_cot", "orm", "genrm"} <= {name for name, arm in ARMS.items() if arm.group == "main"}


def test_what_is_rehearsed_has_no_verdict_and_whole_rationales_are_those_that_a_program_writes():
    for kind in ("parts", "whole"):
        texts = rehearsal(kind, count=300, seed=1)
        assert texts == rehearsal(kind, count=300, seed=1)
        assert not any(FORMAT.verdict in given + learnt for given, learnt in texts)
        longest = max(len(given.partition("\n")[0].split()) - 1 for given, _ in texts)
        assert longest == 6
    seen = 0
    for given, learnt in rehearsal("whole", count=200, seed=2):
        prompt, _, text = given.removesuffix("\n#").partition("\n")
        if not given.endswith("\n#"):
            continue
        task = "last_letter" if prompt.startswith("L") else "word_sort"
        written = rationales(task, f"{prompt}\n", text, count=2)
        seen += any(why.startswith(f"{learnt}?") for why in written)
    assert seen > 50  # where the rule and the rationale disagree there is none


def test_lists_to_compare_are_labelled_by_whether_they_are_alike():
    rows = compared_lists(200, seed=0)
    for row in rows:
        given = str(row.problem.prompt).partition("\n")[2].strip()
        assert row.outcome == float(given == row.solution.text)
    assert 20 < sum(row.outcome for row in rows) < 180


def test_a_vote_costs_what_it_alone_needed_and_nothing_where_nothing_was_read():
    yes, no = np.array([0.5, np.nan]), np.array([0.5, np.nan])
    judged = Judgement(yes, no, ("", ""), Spend(scorer_calls=1, scorer_flops=10.0), read_flops=4.0)
    assert _shares_of_yes(judged, "raw") == ([0.5, None], [4.0, 3.0])
    silent = Judgement(yes[1:], no[1:], ("",), Spend(scorer_calls=1), "the row is over the context")
    assert _shares_of_yes(silent, "normalised") == ([None], [0.0, 0.0])


def test_a_judge_in_parts_pays_the_tokens_that_are_run(monkeypatch):
    base = Transformers.load(weights_folder("drilled"), dtype="float32", device="cpu")
    drawn = []

    def recorded(*arguments, **options):
        for result in sample(*arguments, **options):
            drawn.append(result)
            yield result

    monkeypatch.setattr(parts, "sample", recorded)
    solution = Solution(split_steps("cat t\ndog g\n=tg"), Stop.EOS)
    [(_, (read, vote))] = judge_in_parts(base, [Problem("p", "L cat dog\n")], [solution], votes=1)
    prompts = [len(base.encode(str(result.problem.prompt))) for result in drawn]
    ends = [begin + result.pool[0].token_count - 1 for begin, result in zip(prompts, drawn, strict=True)]
    assert read == base.price.flops((0, prompts[0]))
    assert vote == base.price.flops((prompts[0], ends[0]), (0, ends[1]))  # the last token of each is never run


def test_claims_about_rationales_compare_as_many_of_both_arms():
    plan = GenRMPlan(Path("unused"))

    def arm(name, best, few):
        votes = plan.asked(name, SUITES[0])[1] if ARMS[name].rational else 0
        none = np.full((1, 1), np.nan)
        return Measured(votes, None, {32: np.full((8, 3), best)}, np.full((8, 3), few), *[none] * 6)

    both = {(a, b) for _, a, b, _ in _ABOVE if ARMS[a].rational and ARMS[b].rational}
    assert ("genrm_cot", "genrm_cot, lambda 0") in both
    for one, other in both:
        votes = [plan.asked(name, SUITES[0])[1] for name in (one, other)]
        used = at_equal_votes(arm(one, votes[0], 2), arm(other, votes[1], 2))
        assert used[0].mean() == used[1].mean() == min(votes)  # here each arm's accuracy is its number of votes
    orm, cot = at_equal_votes(arm("orm", 0.5, 0.1), arm("genrm_cot", 0.7, 0.2))
    assert (orm.mean(), cot.mean()) == (0.5, pytest.approx(0.7))
    assert len({text for text, *_ in _ABOVE}) == len(_ABOVE)


def test_samples_are_counted_to_the_discriminative_verifiers_best(monkeypatch):
    plan = GenRMPlan(Path("unused"), seeds=(0, 1), n=4)
    right = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    monkeypatch.setattr(curves, "pool", lambda *_: {"right": right})

    def saved(cot, orm):
        votes = {"genrm_cot": [[[v] for v in row] for row in cot], "orm": [[[v] for v in row] for row in orm]}
        monkeypatch.setattr(curves, "scores", lambda plan, name, seed, suite: {"votes": votes[name]})
        return curves.samples_to_the_rivals_best(plan, SUITES[0])

    tied = [[0.9, 0.9, 0.1, 0.2], [0.9, 0.1, 0.9, 0.2]]  # with a wrong one: with 2 samples 0.417, with 3 and 4 0.5
    same = [[0.5] * 4] * 2
    assert saved(right, tied) == (Estimate(1.5, 1.5, 1.5), pytest.approx(0.495))  # 3 samples in the place of 2
    assert saved(right, right) == (Estimate(1.0, 1.0, 1.0), pytest.approx(0.995))
    assert saved(same, right)[0] == Estimate(0.0, 0.0, 0.0)  # chance never comes there
    nothing, goal = saved(right, same)
    assert math.isnan(nothing.value)
    assert goal == pytest.approx(0.245)  # which one sample has


def test_single_verdicts_are_counted_vote_by_vote():
    # The mean of these four votes is right, three of them are wrong.
    assert right_verdicts([1.0], [[1.0, 1.0, 0.4, 0.4]]) == 0.5
    assert right_verdicts([0.0, 1.0], [[0.9, 0.1, None, None], [None, None, None, None]]) == 0.5
    assert right_verdicts([1.0], [[0.49, 0.49, 0.49, 0.99]]) == 0.25


def test_a_nearly_right_solution_has_one_slip_at_most():
    clean = "cat t\ndog g\nant t\n=tgt"
    assert is_close("L cat dog ant\n", clean.replace("dog g", "dog o"))
    assert is_close("L cat dog ant\n", clean.replace("g", "o", 2))
    assert not is_close("L cat dog ant\n", clean.replace("cat t", "cat a").replace("=tgt", "=agt").replace("g", "o"))
    assert not is_close("L cat dog ant\n", "cat t")


def test_a_problem_without_a_figure_counts_in_no_difference():
    one, other = np.array([[0.5, np.nan, 0.9], [0.7, 0.1, np.nan]]), np.array([[0.1, 0.0, 0.0]])
    assert _difference(one, other).value == pytest.approx(0.5)
    assert _difference(one[:, :2], other).value == pytest.approx(0.5)  # an arm may have fewer problems


def test_a_slope_and_its_interval():
    rng = np.random.default_rng(0)
    missed = []
    for _ in range(100):
        by = rng.uniform(size=(8, 30))
        of = 0.2 + 0.3 * by + 0.2 * rng.standard_normal((8, 1)) + 0.2 * rng.standard_normal((8, 30))
        found = slope(of, by)
        missed.append(not found.low < 0.3 < found.high)
    assert np.mean(missed) < 0.09
    assert math.isnan(slope(of, np.full((8, 30), 0.3)).value)
    assert math.isnan(slope(of, np.full((8, 30), np.nan)).value)


def test_a_figure_without_an_interval_stands_alone():
    assert _shown(np.array([[0.25]])) == "0.250"
    assert _shown(np.array([[np.nan]])) == ""


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_tasks_is_drawn(count, tmp_path):
    curve = ComputeCurve([1e6, 2e6], [Estimate(0.1, 0.0, 0.2), Estimate(0.2, math.nan, math.nan)])
    reports = [TaskReport(f"task {i}", {}, {}, [], None, {"one": curve}, []) for i in range(count)]
    _plot_compute(reports, tmp_path / "compute.png")
    table = np.full((1, 2), 0.5)
    _plot_votes([(r.task, VoteCurve(2, {1: table}, {"rival": table})) for r in reports], tmp_path / "votes.png")
    assert {p.name for p in tmp_path.iterdir()} == {"compute.png", "votes.png"}


def test_a_model_that_writes_rationales_has_not_learnt_the_solution():
    rows = [Critiqued(Problem(f"p{k // 3}", "x"), Solution(split_steps("y"), Stop.EOS), True) for k in range(48)]
    learnt = for_writer(rows)
    assert learnt
    assert not {r.problem.id for r in learnt} & {r.problem.id for r in rows[WRITTEN]}


@pytest.mark.slow
def test_the_base_asked_in_two_parts_comes_to_verdicts_that_tell_right_from_wrong():
    base = Transformers.load(weights_folder("drilled"), dtype="float32", device="cpu")
    cases = [("W dog cat\n", "cat\ndog"), ("W dog cat\n", "dog\ncat"), ("L cat dog\n", "cat t\ndog g\n=tg")]
    cases.append(("L cat dog\n", "cat t\ndog o\n=to"))
    problems = [Problem(f"p{k}", prompt) for k, (prompt, _) in enumerate(cases)]
    solutions = [Solution(split_steps(text), Stop.EOS) for _, text in cases]
    judged = judge_in_parts(base, problems, solutions, votes=4)
    means = [np.mean([v for v in votes if v is not None]) for votes, _ in judged]
    assert all(read > 0 and vote > 0 for _, (read, vote) in judged)
    assert min(means[0], means[2]) > max(means[1], means[3])


@pytest.fixture(scope="module")
def miniature(quick):
    plan = GenRMPlan.quick(quick("genrm"))
    return plan, reproduce_genrm(plan, processes=1)


@pytest.mark.slow
def test_a_miniature_run_reports_every_rival_and_claim(miniature):
    plan, reports = miniature
    assert [r.task for r in reports] == [s.name for s in SUITES]
    for report, suite in zip(reports, SUITES, strict=True):
        assert set(report.arms) == {n for n, arm in ARMS.items() if not (suite.longer and arm.group == "variant")}
        assert all(0 <= arm.best.min() <= arm.best.max() <= 1 for arm in report.arms.values())
        assert not np.isnan(report.arms["genrm_cot"].solves).any()
        named = {claim.text for claim in report.claims}
        assert ("lambda 1/4 is better than 0" in named) == (not suite.longer)
        assert "with LoRA and whole rationales it does so" in named
        assert {"GenRM-CoT beats direct GenRM", "genrm_cot is better with 3 samples than with 2"} <= named
        assert any("with fewer samples" in text for text in named)
        assert (list(report.votes.by_k) == [1, 2, 4]) if report.votes else suite.longer
        assert all(len(c.flops) == len(c.accuracy) for c in report.curves.values())
        assert all(np.diff(c.flops).min() > 0 for c in report.curves.values())
    page = (plan.out / "genrm.md").read_text(encoding="utf-8")
    assert all(name in page for name in (*ARMS, "self-consistency"))
    assert (plan.out / "genrm_votes.png").stat().st_size > 10_000
    assert (plan.out / "genrm_compute.png").stat().st_size > 10_000


@pytest.mark.slow
def test_equal_texts_have_equal_scores_and_every_vote_its_cost(miniature):
    plan, _ = miniature
    found = scores(plan, "genrm_cot", 0, SUITES[1])
    texts = json.loads((plan.out / "pool" / "word_sort_4_words.json").read_text(encoding="utf-8"))["texts"]
    for row, votes, flops in zip(texts, found["votes"], found["flops"], strict=True):
        by_text = {}
        for text, vote, cost in zip(row, votes, flops, strict=False):
            assert by_text.setdefault(text, (vote, cost)) == (vote, cost)
            assert text is None or (cost[0] > 0 and cost[1] > 0)
    assert [len(v[0]) for v in found["votes"]] == [2, 2]


@pytest.fixture
def pretrained(tmp_path):
    """The folder of a random LM whose tokenizer, as a pretrained one's, has " Yes" and " No" as tokens."""
    tokenizer = byte_pairs([" Yes No Yes No"] * 9, 300)
    random_llama(len(tokenizer), max_position_embeddings=400).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.slow
def test_verifiers_can_start_from_a_pretrained_model(tmp_path, pretrained):
    plan = replace(
        pretrained_plan(tmp_path / "run", str(pretrained)),
        longer=2, n=2, pool=4, rows=16, steps=1, batch_size=4, votes=1, seeds=(0,),
    )  # fmt: skip
    reports = reproduce_genrm(plan, processes=1)
    assert [r.task for r in reports] == [s.name for s in SUITES if s.longer]
    for report in reports:
        assert set(report.arms) == {"orm", "genrm", "genrm_cot", "judge"}
        assert all(c.flops[0] > 0 for c in report.curves.values())
    page = (plan.out / "genrm.md").read_text(encoding="utf-8")
    assert str(pretrained) in page
    assert "drilled" not in page
    [model] = (plan.out / "models").glob("genrm_cot_0")
    kept = json.loads((model / "config.json").read_text())["stepbeam"]["format"]
    assert kept["verdict"] == "Is the answer correct (Yes/No)?"


@pytest.mark.slow
def test_a_folder_of_other_settings_is_refused(miniature):
    plan, _ = miniature
    with pytest.raises(BadInput, match=r"holds a run with problems = \d+, and 4 was asked for"):
        reproduce_genrm(replace(plan, problems=4), processes=1)
