"""What stands in the wrong place of a call is told what to write instead, by every function in the same words."""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import policies
import prms
import search
import verifiers
from policies import GRPOConfig, Sampling, Scripted, Transformers
from policies.models.tiny_example import tiny_model
from search import Budget
from search.selection import pessimistic, soft, weighted
from verifiers import AnswerVerifier, Message, Problem, Scores, Solution, Step, Stop
from verifiers.interface.errors import BadArgument, BadInput, ScoresShapeError

P = Problem("p1", "1+1?", "2")
POLICY = Scripted(lambda problem, prefix, seed: f"The answer is {seed % 3}.")
SCORER = verifiers.from_steps(lambda problem, solution: [1.0] * len(solution.steps))
DONE = Solution((Step("The answer is 2."),), Stop.EOS)
SAMPLERS: list[Callable[..., object]] = [
    lambda problems, policy=POLICY, **options: search.sample(problems, policy, n=2, **options),
    lambda problems, policy=POLICY, **options: search.self_consistency(problems, policy, n=2, **options),
    lambda problems, policy=POLICY, scorer=SCORER, **options: search.best_of_n(
        problems, policy, scorer, n=2, **options
    ),
    lambda problems, policy=POLICY, scorer=SCORER, **options: search.weighted_majority(
        problems, policy, scorer, n=2, **options
    ),
    lambda problems, policy=POLICY, scorer=SCORER, **options: search.beam_search(
        problems, policy, scorer, width=1, expand=2, max_steps=2, **options
    ),
]
WITH_SCORER = SAMPLERS[2:]


def says(function: Callable[..., object], *values: object, **options: object) -> str:
    with pytest.raises(BadArgument) as caught:
        function(*values, **options)
    return str(caught.value)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_problems_are_a_list_of_problems(sampler: Callable[..., object]) -> None:
    assert says(sampler, P) == "problems Problem('p1'): it is one problem; give a list, [problem]"
    assert says(sampler, "1+1?").startswith("problems '1+1?': give a list of verifiers.Problem(")
    assert says(sampler, [P, "2+2?"]).startswith("problems[1] '2+2?': give a verifiers.Problem(")
    assert says(sampler, None).startswith("problems None: give a list")
    with pytest.raises(ValueError, match="'p1' occurs twice"):
        sampler([P, P])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_policy_is_told_from_what_it_is_made_of(sampler: Callable[..., object]) -> None:
    said = says(sampler, [P], policy="tiny:policy")
    assert said == "policy 'tiny:policy': it is a text; load what it names by policies.load('tiny:policy')"
    assert "it is a scorer; give the policy here" in says(sampler, [P], policy=SCORER)
    assert "make a policy of it by policies.Scripted(function)" in says(sampler, [P], policy=lambda *_: "2")
    assert "policies.Transformers(model, tokenizer)" in says(sampler, [P], policy=tiny_model()[0])
    assert "policy 7: a policy has a method extend" in says(sampler, [P], policy=7)
    assert says(sampler, [P], policy=Scripted) == "policy Scripted: it is a class; give an object of it, Scripted(...)"


@pytest.mark.parametrize("sampler", WITH_SCORER)
def test_a_scorer_is_told_from_what_it_is_made_of(sampler: Callable[..., object]) -> None:
    said = says(sampler, [P], scorer="tiny:prm")
    assert said == "scorer 'tiny:prm': it is a text; load what it names by prms.load('tiny:prm')"
    assert "scorer <lambda>: it is a function; make a scorer" in says(sampler, [P], scorer=lambda p, s: 1.0)
    assert "these are several; give one" in says(sampler, [P], scorer=[SCORER, SCORER])
    assert "it is a policy; give a scorer here" in says(sampler, [P], scorer=POLICY)
    assert "scorer None: a scorer has a method score" in says(sampler, [P], scorer=None)
    assert "it is a class; give an object of it, AnswerVerifier(...)" in says(sampler, [P], scorer=AnswerVerifier)
    assert says(sampler, [P], answers="exact").startswith("answers 'exact': give verifiers.MATH")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampling_and_budget_are_objects(sampler: Callable[..., object]) -> None:
    assert says(sampler, [P], sampling={"temperature": 0.5}).endswith("write policies.Sampling(temperature=...)")
    assert says(sampler, [P], budget=10).startswith("budget 10: write search.Budget(samples=...)")


def test_scores_are_of_their_own_kind() -> None:
    class Listed:
        def score(self, problems, solutions):
            return [1.0] * len(solutions)

    with pytest.raises(ScoresShapeError, match="Listed gave a list; give verifiers"):
        search.score([(P, [DONE])], Listed())


@pytest.mark.parametrize("choose", [search.score, search.rerank])
def test_pools_are_pairs(choose: Callable[..., object]) -> None:
    assert (
        says(choose, (P, [DONE]), SCORER)
        == "pools[0] Problem('p1'): it is one pool; give a list, [(problem, solutions)]"
    )
    assert "give its items(), pairs" in says(choose, {"p1": [DONE]}, SCORER)
    assert "give a list of verifiers.Solution" in says(choose, [(P, DONE)], SCORER)
    assert "it is no solution; make one of a text" in says(choose, [(P, ["The answer is 2."])], SCORER)
    assert "pools Problem('p1'): give a list of pairs" in says(choose, P, SCORER)
    assert "scorer 'tiny:prm': it is a text" in says(choose, [(P, [DONE])], "tiny:prm")


def test_so_do_the_scorers_that_are_made_of_others(tmp_path: Path) -> None:
    function = lambda problem, solution: 1.0  # noqa: E731
    for made in (
        lambda: verifiers.weighted({function: 1.0}),
        lambda: verifiers.cached(function, tmp_path / "a.sqlite", name="a"),
        lambda: verifiers.calibrated(function, []),
        lambda: prms.BestOfK(function, 2),
        lambda: verifiers.check_scorer(function, [(P, DONE)] * 2),
    ):
        assert "scorer <lambda>: it is a function" in says(made)
    assert "base <lambda>: it is a function" in says(lambda: prms.PAV(function, SCORER))
    assert "prover 'tiny:prover': it is a text" in says(lambda: prms.PAV(SCORER, "tiny:prover"))
    assert "policy 'tiny:policy': it is a text" in says(lambda: prms.RolloutValue(SCORER, "tiny:policy", k=2))
    assert "policy 'tiny:policy': it is a text" in says(lambda: policies.check_policy("tiny:policy", []))
    with pytest.raises(ValueError, match="pairs of a scorer and its weight"):
        verifiers.weighted([SCORER])


def test_so_does_a_training(tmp_path: Path) -> None:
    policy, config = Transformers(*tiny_model()), GRPOConfig(steps=1)
    assert "problems Problem('p1'): it is one problem" in says(
        lambda: policies.grpo_train(policy, P, SCORER, out=tmp_path / "out", config=config)
    )
    assert "verifier <lambda>: it is a function" in says(
        lambda: policies.grpo_train(policy, [P], lambda p, s: 1.0, out=tmp_path / "out", config=config)
    )
    assert "prm 'tiny:prm': it is a text" in says(
        lambda: policies.grpo_train(policy, [P], SCORER, "tiny:prm", out=tmp_path / "out", config=config)
    )
    assert not (tmp_path / "out").exists()


def test_conversations_may_be_dicts() -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    assert Problem("p", turns).prompt == (Message("system", "Be brief."), Message("user", "1+1?"))
    assert Problem("p", (Message("user", "1+1?"),)) == Problem("p", [{"role": "user", "content": "1+1?"}])
    for bad in ([], [{"role": "user"}], [{"content": "1+1?"}], [{"role": "user", "content": None}], None, 3, ["1+1?"]):
        with pytest.raises(BadInput, match=r"problem 'p': its prompt is .*; give a text, or messages with texts"):
            Problem("p", bad)
    with pytest.raises(BadInput, match="problem 7: its id is no text; write '7'"):
        Problem(7, "1+1?")
    with pytest.raises(BadInput, match="problem 'p': its answer 2 is no text; write answer='2'"):
        Problem("p", "1+1?", 2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_seeds_are_whole_numbers(sampler: Callable[..., object]) -> None:
    for seed in ("x", 1.5, True, None):
        with pytest.raises(ValueError, match=r"seed is .*: it must be a whole number"):
            sampler([P], seed=seed)
    sampler([P], seed=np.int64(3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Budget(samples=2.5),
        lambda: Budget(tokens="many"),
        lambda: Budget(samples=True),
        lambda: Budget(samples=0),
        lambda: Budget(seconds=math.nan),
        lambda: Budget(seconds="x"),
        lambda: Sampling(temperature=math.inf),
        lambda: Sampling(temperature=math.nan),
        lambda: Sampling(temperature="hot"),
        lambda: Sampling(top_k=2.5),
        lambda: Sampling(max_tokens=math.inf),
        lambda: Sampling(top_p=True),
        lambda: Sampling(separator=None),
        lambda: pessimistic(math.nan),
        lambda: prms.PAV(SCORER, SCORER, alpha=math.nan),
        lambda: verifiers.weighted({SCORER: math.inf}),
        lambda: verifiers.weighted({SCORER: "1"}),
        lambda: search.sample([P], POLICY, n=2.5),
        lambda: search.beam_search([P], POLICY, SCORER, width=1.0, expand=2, max_steps=2),
        lambda: prms.RolloutValue(SCORER, POLICY, k=1.5),
    ],
)
def test_numbers_that_are_none_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must be|empty|ask for 1 or more"):
        make()


@pytest.mark.parametrize(("option", "value"), [("top_p", 0.9), ("top_k", 20)])
def test_a_training_samples_what_its_log_probabilities_know(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"sampling.{option} is {value}: a training's log-probabilities are those of"):
        GRPOConfig(sampling=Sampling(**{option: value}))


@pytest.mark.parametrize("row", [["0.5"], [0.5 + 1j], [b"1"], np.array(["1"]), np.array([1j]), [0.5, "1"], [None, "a"]])
def test_texts_and_complex_numbers_are_no_scores(row: object) -> None:
    with pytest.raises(ScoresShapeError, match=r"scores are numbers, and .* holds something else"):
        Scores((row,))
    with pytest.raises(ScoresShapeError, match="scores are numbers"):
        search.score([(P, [DONE])], verifiers.from_steps(lambda problem, solution: row))


@pytest.mark.parametrize(
    "row", [[1, 0.5], [True, False], np.array([1, 2]), [np.float64(1), 2], [None, 0.5], [1e999, 0]]
)
def test_numbers_are_scores(row: object) -> None:
    assert Scores((row,)).steps[0].dtype == np.float32


@pytest.mark.parametrize("value", [None, [0.5, 0.5], "0.5", 1j])
def test_a_function_gives_one_number(value: object) -> None:
    with pytest.raises(ScoresShapeError):
        search.score([(P, [DONE])], verifiers.from_function(lambda problem, solution: value))


def test_infinite_votes_are_added_up() -> None:
    def pool(*values: float, classes: list[int]) -> search.Pool:
        return search.Pool(P, np.array(values, dtype=np.float32), lambda: classes)

    up, down = math.inf, -math.inf
    assert weighted(pool(up, down, 0.5, 0.2, classes=[0, 0, 0, 1])) == 0  # they cancel, and 0.5 is left
    assert weighted(pool(up, down, 0.2, 0.5, classes=[0, 0, 0, 1])) == 3
    assert weighted(pool(up, 0.5, 0.5, classes=[0, 1, 1])) == 0
    assert pessimistic(0.0)(pool(up, down, 0.2, 0.5, classes=[0, 0, 0, 1])) == 3
    assert soft(0.1)(pool(up, 0.5, down, classes=[0, 1, 2])) == 0
    assert soft(0.1)(pool(down, down, classes=[0, 1])) in (0, 1)


def test_infinities_of_both_signs_have_no_mean_and_say_so() -> None:
    up, down = (verifiers.from_function(lambda problem, solution, v=v: v) for v in (math.inf, -math.inf))
    [result] = search.score([(P, [DONE])], verifiers.weighted([(up, 0.5), (down, 0.5)]))
    assert math.isnan(result.scores.values()[0])
    assert result.scores.reasons == ("infinite scores of both signs have no mean",)


def test_a_function_that_stands_for_another_is_asked_as_itself() -> None:
    def length(text: str) -> float:
        return len(text)

    @functools.wraps(length)
    def of_solution(problem: Problem, solution: Solution) -> float:
        return length(solution.text)

    assert verifiers.from_function(of_solution) is not None
