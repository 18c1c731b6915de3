"""Values of other types, and what functions of one's own return: refused where they are given."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import policies  # whose configs of trainings bring torch
import prms
import search
import verifiers
from policies import GRPOConfig, Sampling
from search import Budget
from search.selection import soft
from tests.verifiers.interface.test_arguments import DONE, POLICY, SCORER, P, says
from verifiers import Problem, Scores, Solution, Step, Stop
from verifiers.interface.errors import BadInput, ScoresShapeError


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Step(3), "a step's text is 3; give a text"),
        (lambda: Step("a", [1, 2]), "a step's tokens or logprobs are [1, 2]; give a tuple, or None"),
        (lambda: Solution("a"), "a solution's steps are 'a'; give a tuple of verifiers.Step"),
        (lambda: Solution(("a",)), "a solution's steps are"),
        (lambda: Solution((Step("a"),), "soon"), "a solution's stop is 'soon'; give one of verifiers.Stop"),
        (lambda: Solution((Step("a"),), "eos"), "a solution's stop is 'eos'"),
        (lambda: Problem("a", "b", fields=[1]), "problem 'a': its fields are"),
        (lambda: Sampling(logprobs="x"), "logprobs is 'x': it must be True or False"),
        (lambda: Sampling(max_tokens=10**400), "max_tokens is about 1e400: out of range"),
        (lambda: Budget(seconds=10**400), "it must be a finite number"),
        (lambda: verifiers.TrainConfig(batch_size="x"), "batch_size is 'x': it must be a whole number"),
        (lambda: verifiers.TrainConfig(max_steps=10**5000), "max_steps is about 1e5000: out of range"),
        (lambda: verifiers.TrainConfig(balance=3), "balance is 3: it must be True or False"),
        (lambda: verifiers.TrainConfig(learning_rate="fast"), "learning_rate is 'fast': it must be a number"),
        (lambda: GRPOConfig(sampling={}), "sampling is {}: it must be a Sampling"),
        (lambda: policies.EngineOptions(max_rows=2.5), "max_rows is 2.5: it must be a whole number"),
        (lambda: policies.Replicas("2"), "count is '2': it must be a whole number"),
        (lambda: policies.Replicas(10**6, ray=None), "replicas 1000000: one machine takes at most 256"),
        (lambda: policies.Replay([DONE]), "give the solutions of each problem by its id"),
        (lambda: policies.Replay({"a": DONE}), "give a list of verifiers.Solution"),
        (lambda: soft("x"), "soft(temperature='x'): it must be a finite number"),
        (lambda: soft(seed="x"), "seed is 'x': it must be a whole number"),
        (lambda: soft(0), "it must be positive"),
        (lambda: search.pessimistic(-1), "pessimistic(alpha=-1): it must be 0 or more"),
        (lambda: Scores(([1.0],), spend=3), "spend 3: give a verifiers.Spend a row"),
        (lambda: Scores(([1.0],), reasons="x"), "reasons 'x': give a text or None a row"),
        (lambda: policies.Extended("x"), "solutions 'x': give a verifiers.Solution for each prefix"),
        (lambda: policies.Extended([None]), "solutions[0] None"),
        (lambda: Scores(None), "the scores are None; give an array"),
        (lambda: Scores(([10**400],)), "scores are numbers"),
        (lambda: Scores(([1.0],), reduce=["last"]), "unknown reducer ['last']"),
    ],
)
def test_a_value_of_another_type_is_refused_where_it_is_given(make: Callable[[], object], told: str) -> None:
    with pytest.raises((BadInput, ScoresShapeError, ValueError)) as caught:
        make()
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_list_of_steps_is_a_tuple_of_them() -> None:
    assert Solution([Step("a")], Stop.EOS) == Solution((Step("a"),), Stop.EOS)


@pytest.mark.parametrize(
    ("select", "told"),
    [
        (lambda: 1, "select <lambda>: too many positional arguments"),
        (lambda pool: "x", "the selector returned 'x'; return the place of a row, or None"),
        (lambda pool: True, "the selector returned True"),
        (lambda pool: 99, "the selector returned 99, of 2 rows"),
        (lambda pool: -1, "the selector returned -1, of 2 rows"),
        ([], "unknown select []"),
    ],
)
def test_a_selector_returns_the_place_of_a_row(select: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        search.best_of_n([P], POLICY, SCORER, n=2, select=select)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_of", "told"),
    [
        (lambda: search.Extend((Solution(),), 1, "soon"), "until is 'soon'; use 'step' or 'end'"),
        (lambda: search.Extend((), 1, "end"), "no prefix was asked to be extended"),
        (lambda: search.Extend(Solution(), 1, "end"), "give a tuple of Solution"),
        (lambda: search.Extend((Solution(),), 10**400, "end"), "samples were asked for"),
        (lambda: search.Score((3,)), "give a tuple of Solution"),
    ],
)
def test_a_request_that_nobody_can_answer_ends_its_search(request_of: Callable[[], object], told: str) -> None:
    def strategy():
        yield request_of()

    with pytest.raises((ValueError, TypeError), match=told):
        search.drive([(P, strategy())], POLICY, {"search": SCORER})


def test_what_drive_takes() -> None:
    assert "give a generator" in says(search.drive, [(P, [1])], POLICY, {"search": SCORER})
    assert 'as {"search": scorer}' in says(search.drive, [], POLICY, [SCORER])


@pytest.mark.parametrize("searches", [None, 3, "x", [3], [(P,)]])
def test_searches_are_pairs(searches: object) -> None:
    told = "give a list of pairs, (problem, strategy)"
    assert told in says(search.drive, searches, POLICY, {"search": SCORER})
    assert "give a list of pairs" in says(verifiers.check_scorer, SCORER, searches)
    assert "give a list of pairs" in says(policies.check_policy, POLICY, searches)


def test_limits_of_no_searches() -> None:
    assert "sampling 3" in says(search.drive, [], POLICY, {}, sampling=3)
    assert "budget 3" in says(search.drive, [], POLICY, {}, budget=3)


def answers_of(
    extract: object = "2", verdict: object = True, form: object = "2", verdicts: object = None
) -> verifiers.Answers:
    """Answers whose functions return these."""
    return verifiers.Answers(
        lambda text: extract,  # type: ignore[arg-type, return-value]
        lambda pairs: verdicts if verdicts is not None else [verdict] * len(pairs),  # type: ignore[arg-type, return-value]
        lambda answer: form,  # type: ignore[arg-type, return-value]
    )


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (answers_of(extract=3), "extract <lambda>: it returned 3; return a text, or None"),
        (answers_of(verdicts=7), "equal <lambda>: it returned 7 for 1 pairs; return a list with True, False or None"),
        (answers_of(verdicts=[]), "equal <lambda>: it returned [] for 1 pairs"),
        (answers_of(verdict=math.nan), "equal <lambda>: it returned [nan] for 1 pairs"),
        (answers_of(verdict="no"), "equal <lambda>: it returned ['no'] for 1 pairs"),
    ],
)
def test_what_functions_of_answers_return_is_told_at_first_use(answers: verifiers.Answers, told: str) -> None:
    with pytest.raises(BadInput, match=re.escape(told)):
        verifiers.AnswerVerifier(answers).score([P], [DONE])


def test_what_canonical_returns_is_told_at_first_use() -> None:
    with pytest.raises(BadInput, match="canonical <lambda>: it returned 3; return a text"):
        answers_of(form=3).classes(["1"])


def test_verdicts_may_be_numpys_or_0_and_1() -> None:
    for verdict, value in ((np.bool_(True), 1.0), (1, 1.0), (0, 0.0)):
        scores = verifiers.AnswerVerifier(answers_of(verdict=verdict)).score([P], [DONE])
        assert scores.values().tolist() == [value]


def test_what_is_right_may_be_told_in_any_form() -> None:
    for right in (True, 1, 1.0, np.bool_(True), np.array(True), torch.tensor(True)):
        assert verifiers.with_outcome(P, DONE, right).labels == (1.0,)  # type: ignore[arg-type]


@pytest.mark.parametrize("reply", [None, 3, [DONE]])
def test_a_policy_returns_what_it_extended(reply: object) -> None:
    class Mine:
        def extend(self, problems, prefixes, *, until, sampling, seeds):
            return reply

    with pytest.raises(BadInput, match=r"its extend returned .*; return policies\.Extended"):
        search.sample([P], Mine(), n=1)  # type: ignore[arg-type]


TRAININGS: dict[str, Callable[..., object]] = {
    "orm": lambda base="tiny:policy", **options: verifiers.train_orm(base, [ROW], config=SHORT, **options),
    "prm": lambda base="tiny:policy", **options: prms.train_prm(base, [ROW], target="error", config=SHORT, **options),
    "dpo": lambda base="tiny:policy", **options: verifiers.train_dpo(base, [PAIR], config=SHORT, **options),
    "genrm": lambda base="tiny:policy", **options: verifiers.train_genrm(
        base, [verifiers.Critiqued(P, DONE, True)], mode="direct", config=SHORT, **options
    ),
}


@pytest.mark.parametrize("kind", TRAININGS)
def test_where_a_training_goes_and_comes_from(kind: str, tmp_path: Path) -> None:
    for out in (None, 3, []):
        assert says(TRAININGS[kind], out=out) == f"out {out}: give a folder's path"
    for base in (None, 3, []):
        told = f"{base}: give a folder's path, tiny:NAME or a hub's name"
        assert told in says(TRAININGS[kind], base, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_replicas_are_replicas(tmp_path: Path) -> None:
    said = says(prms.collect_values, POLICY, [P], SCORER, coverage=1, rollouts=1, out=tmp_path / "out", replicas="2")
    assert said == "replicas '2': write policies.Replicas(2)"


def test_who_is_told_metrics_is_a_function(tmp_path: Path) -> None:
    for wrong in (3, "x", lambda: None):
        assert "on_metrics" in says(TRAININGS["orm"], out=tmp_path / "out", on_metrics=wrong)


@pytest.mark.parametrize("load", [policies.Transformers.load, verifiers.ORM.load, prms.PRM.load, verifiers.GenRM.load])
def test_what_is_loaded_has_a_name(load: Callable[..., object]) -> None:
    for name in (None, 3, []):
        assert "give a folder's path, tiny:NAME or a hub's name" in says(load, name)


ROW = verifiers.Labelled(P, DONE, (1.0,))
PAIR = verifiers.Preference(P, DONE, Solution((Step("3"),), Stop.EOS))
SHORT = verifiers.TrainConfig(max_steps=1, batch_size=1, save_every=0)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: verifiers.Labelled("x", DONE, (1.0,)), "problem 'x': give a verifiers.Problem"),
        (lambda: verifiers.Labelled(P, "x", (1.0,)), "solution 'x': give a verifiers.Solution"),
        (lambda: verifiers.Labelled(P, DONE, 1.0), "labels 1.0: give a tuple of numbers"),
        (lambda: verifiers.Labelled(P, DONE, ("x",)), "label 'x' is not in [0, 1]"),
        (lambda: verifiers.preference_pairs(ROW), "give a list of verifiers.Labelled"),
        (lambda: verifiers.preference_pairs([ROW], per_problem=1.5), "per_problem is 1.5: it must be a whole number"),
        (lambda: verifiers.calibrated(SCORER, ["x"]), "fitted_on[0] 'x': give a list of verifiers.Labelled"),
        (lambda: verifiers.weighted(None), "parts None: give scorers and weights"),
        (lambda: verifiers.split_steps(3), "give two texts"),
        (lambda: verifiers.load(3), "spec 3: give a text"),
        (lambda: policies.load(None), "spec None: give a text"),
        (lambda: verifiers.cached(SCORER, None, name="v"), "path None: give a file's path"),
        (lambda: verifiers.Answers(str.strip, lambda pairs: [True] * len(pairs), 3), "canonical 3: it is no function"),
        (lambda: search.Session(POLICY, answers="math"), "answers 'math': give verifiers.MATH"),
        (lambda: search.Session(POLICY, sampling=[]), "sampling []: write policies.Sampling"),
        (lambda: search.Session(POLICY, budget=3), "budget 3: write search.Budget"),
        (lambda: prms.collect_values(POLICY, [P], SCORER, coverage=1, rollouts=1, out="o", seed="x"), "seed='x'"),
        (lambda: prms.collect_values(POLICY, [P], SCORER, coverage=1, rollouts=1, out="o", sampling=3), "sampling 3"),
        (lambda: policies.gated_advantages([math.inf, 0.0], None, [[1], [1]]), "they must be finite, or NaN"),
        (lambda: verifiers.Critiqued(None, DONE, True), "problem None: give a verifiers.Problem"),
        (lambda: verifiers.Critiqued(P, None, True), "solution None: give a verifiers.Solution"),
        (lambda: verifiers.Critiqued(P, DONE, "x"), "right 'x': give True or False"),
        (lambda: verifiers.Critiqued(P, DONE, True, "because"), "rationales 'because': give a tuple of texts"),
        (lambda: verifiers.Preference(P, DONE, None), "rejected is None"),
        (lambda: verifiers.with_outcome(P, None, True), "solution None: give a verifiers.Solution"),
        (lambda: verifiers.with_outcome(P, DONE, None), "right None: give True or False"),
        (lambda: verifiers.preference_pairs([ROW], seed=-1), "seed is -1: it must be 0 or more"),
        (lambda: verifiers.GenRM(None), "policy None: a policy has a method extend"),
        (lambda: verifiers.GenRM("tiny:genrm"), "load what it names by policies.load"),
        (lambda: verifiers.LLMJudge(POLICY, format="x"), "format 'x': give a verifiers.GenRMFormat"),
        (lambda: verifiers.ImplicitReward(POLICY, None, 0.1), "reference None: a policy has a method extend"),
        (lambda: verifiers.ImplicitReward(POLICY, POLICY, "x"), "beta='x'): it must be a finite number"),
        (lambda: verifiers.GenRMFormat(3, "", "", "?", "Y", "N"), "direct is 3: it must be a text"),
        (lambda: policies.Transformers("tiny:policy", None), "policies.Transformers.load(name)"),
        (lambda: policies.gated_advantages([0.0], None, [[1]], prm_coef="x"), "prm_coef is 'x'"),
        (lambda: policies.gated_advantages([0.0], None, None), "step_ends None"),
        (lambda: prms.best_of_k_value([math.nan], [4], 1), "successes must lie between"),
        (lambda: GRPOConfig(right_above=math.nan), "right_above is nan: out of range"),
        (lambda: GRPOConfig(beta=math.inf), "beta is inf: out of range"),
        (lambda: policies.EngineOptions(max_rows=-1), "max_rows=-1: it must be 1 or more"),
    ],
)
def test_what_would_become_a_result_in_silence_is_refused(call: Callable[[], object], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        call()


def test_scores_are_kept_in_no_file_of_others(tmp_path: Path) -> None:
    for text in ("x", "mine\n" * 1000):
        (tmp_path / "notes").write_text(text)
        with pytest.raises(ValueError, match="not a file of cached scores"):
            verifiers.cached(SCORER, tmp_path / "notes", name="v")
        assert (tmp_path / "notes").read_text() == text


def test_steps_of_ones_own_are_steps() -> None:
    class Timed(Step):
        pass

    assert Solution((Timed("a"), Step("b"))).text == "ab"


def test_labels_of_other_kinds_that_are_numbers() -> None:
    assert verifiers.Labelled(P, DONE, [1.0]) == ROW  # type: ignore[arg-type]
    assert verifiers.Labelled(P, DONE, tuple(np.array([0.9]) > 0.5)).outcome == 1.0
