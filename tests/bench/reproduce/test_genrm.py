"""The GenRM reproduction: its numbers on cases whose answers are known, and a run in miniature."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.reproduce.genrm.claims import best_of, by_votes, majority, mean_of_votes
from bench.reproduce.genrm.report import ComputeCurve
from bench.reproduce.genrm.reproduce import _compute_note, reproduce_genrm
from bench.reproduce.genrm.work import RIVALS, SUITES, GenRMPlan, pretrained_plan, scores
from bench.stats.intervals import Estimate
from tests.tiny_models import byte_pairs, random_llama
from verifiers.interface.errors import BadInput


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

    reached = _compute_note(curves([1.0, 10.0, 100.0], [0.1, 0.2, 0.4]))
    assert reached.endswith(f"(0.300) at {10**1.5 / 5:.2f} times its compute")
    assert _compute_note(curves([5.0, 10.0], [0.5, 0.6])).endswith("at 1.00 times its compute")
    never = _compute_note(curves([5.0, 10.0], [0.1, 0.2]))
    assert never.endswith("never")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    plan = GenRMPlan.quick(tmp_path_factory.mktemp("genrm"))
    return plan, reproduce_genrm(plan, processes=1)


@pytest.mark.slow
def test_a_miniature_run_reports_every_rival_and_claim(miniature):
    plan, reports = miniature
    assert [r.task for r in reports] == [s.name for s in SUITES]
    for report, suite in zip(reports, SUITES, strict=True):
        rivals = {n for n, r in RIVALS.items() if not r.variant}
        variants = set() if suite.longer else {f"{n} (first 2 problems)" for n in set(RIVALS) - rivals}
        assert rivals | variants <= set(report.table)
        assert len(report.claims) == (4 if suite.longer else 8)
        assert list(report.votes) == ([1] if suite.longer else [1, 2, 4])
        assert all(len(c.flops) == len(c.accuracy) for c in report.curves.values())
        assert all(np.diff(c.flops).min() > 0 for c in report.curves.values())
    page = (plan.out / "genrm.md").read_text(encoding="utf-8")
    assert all(name in page for name in (*RIVALS, "self-consistency"))
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
    assert [len(v[0]) for v in found["votes"]] == [4, 4, 2]


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped_and_ends_with_the_same_page(miniature):
    plan, _ = miniature
    page, kept = plan.out / "genrm.md", plan.out / "scores" / "genrm_cot_0_word_sort_4_words.json"
    before, stamp = page.read_bytes(), kept.stat().st_mtime_ns
    lost = plan.out / "scores" / "orm_0_last_letter_5-6_words.json"
    lost.unlink()
    page.unlink()
    reproduce_genrm(plan, processes=1)
    assert page.read_bytes() == before
    assert kept.stat().st_mtime_ns == stamp
    assert lost.exists()


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
        longer=2, n=2, pool=4, rows=16, steps=1, batch_size=4, longer_votes=1,
    )  # fmt: skip
    reports = reproduce_genrm(plan, processes=1)
    assert [r.task for r in reports] == [s.name for s in SUITES if s.longer]
    for report in reports:
        assert set(report.per_seed) == {"orm", "genrm", "genrm_cot", "judge"}
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
