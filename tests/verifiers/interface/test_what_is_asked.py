"""What a scorer or a policy is asked about is checked in one way, before anything looks into it."""

import math
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

import policies
import prms
import search
import verifiers
from policies import Sampling, Scripted, Transformers
from policies.models.tiny_example import tiny_model
from tests.verifiers.interface.test_arguments import DONE, POLICY, SCORER, P
from verifiers import MATH, Problem, Scores, Solution, Spend, Stop, failed, outcome_scores
from verifiers.interface.errors import BadInput

TINY = Transformers(*tiny_model())
PROCESS = prms.load("tiny:prm")
VERDICT = verifiers.GenRMFormat(direct="{problem}{solution}?", cot="", solver="{problem}", verdict="?", yes="Y", no="N")
RISING = [verifiers.Labelled(P, Solution(verifiers.split_steps("x" * n), Stop.EOS), (n > 6,)) for n in range(1, 13)]
LENGTH = verifiers.from_function(lambda problem, solution: float(len(solution.text)))
OPEN = Solution()
END: dict[str, Any] = {"until": "end", "sampling": Sampling(max_tokens=2)}
NONSENSE = (None, 3, "x", math.nan, {}, {"p1": P}, lambda: 1, object(), [3], ["x"], [None], [[]], [P, DONE], iter([P]))

# Of each what it is asked, by the names of its arguments.
ROWS: dict[str, list[object]] = {"problems": [P], "solutions": [DONE]}
ASKED: dict[str, tuple[Callable[..., object], dict[str, list[object]]]] = {
    "from_steps": (SCORER.score, ROWS),
    "from_function": (LENGTH.score, ROWS),
    "AnswerVerifier": (verifiers.AnswerVerifier(MATH).score, ROWS),
    "ORM": (verifiers.load("tiny:orm").score, ROWS),
    "GenRM": (verifiers.GenRM(TINY, format=VERDICT).score, ROWS),
    "ImplicitReward": (verifiers.ImplicitReward(TINY, TINY, 0.1).score, ROWS),
    "PRM": (PROCESS.score, ROWS),
    "PRM with a memory": (verifiers.remembering(PROCESS).score, ROWS),
    "RolloutValue": (prms.RolloutValue(LENGTH, POLICY, k=2).score, ROWS),
    "its roots": (prms.RolloutValue(LENGTH, POLICY, k=2).root_values, {"problems": [P]}),
    "PAV": (prms.PAV(PROCESS, prms.RolloutValue(LENGTH, POLICY, k=2)).score, ROWS),
    "BestOfK": (prms.BestOfK(PROCESS, 2).score, ROWS),
    "Hazards": (prms.Hazards(SCORER).score, ROWS),
    "weighted": (verifiers.weighted({SCORER: 1.0}).score, ROWS),
    "calibrated": (verifiers.calibrated(LENGTH, RISING).score, ROWS),
    "outcome_scores": (lambda solutions: outcome_scores(solutions, [1.0]), {"solutions": [DONE]}),
    "Transformers.logprobs": (TINY.logprobs, ROWS),
    "Transformers.next_token_probs": (
        TINY.next_token_probs,
        {"problems": [P], "prefixes": [OPEN], "tokens": [1]},
    ),
    **{
        f"{type(policy).__name__}.extend": (
            lambda policy=policy, **rows: policy.extend(**rows, **END),
            {"problems": [P], "prefixes": [OPEN], "seeds": [0]},
        )
        for policy in (TINY, POLICY, policies.Replay({"p1": [DONE]}))
    },
}
TABLE = torch.ones(2, 2)  # of which Python shows several lines
CALLS = [(name, argument) for name, (_, rows) in ASKED.items() for argument in rows]


def told(call: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(("name", "argument"), CALLS)
def test_rows_are_lists_of_what_they_are_called(name: str, argument: str) -> None:
    call, rows = ASKED[name]
    for wrong in NONSENSE:
        if wrong == [3] and argument in ("seeds", "tokens"):
            continue
        said = told(lambda wrong=wrong: call(**{**rows, argument: wrong}))
        assert said.startswith(argument), said
        assert ": give a list of " in said, said


@pytest.mark.parametrize("name", [name for name, (_, rows) in ASKED.items() if len(rows) > 1])
def test_there_are_as_many_of_one_as_of_the_others(name: str) -> None:
    call, rows = ASKED[name]
    said = told(lambda: call(**{**rows, "problems": [P, P]}))
    assert said.startswith("2 problems")
    assert said.endswith("give one a row")


def test_the_kept_and_the_replicated_are_asked_alike(tmp_path: Path) -> None:
    kept = verifiers.cached(SCORER, tmp_path / "a.sqlite", name="v")
    with verifiers.replicated({"v": verifiers.AnswerVerifier}, None) as scorers:
        for scorer in (kept, scorers["v"]):
            assert told(lambda scorer=scorer: scorer.score("x", [DONE])).startswith("problems 'x': give a list of")


def test_rows_may_stand_in_arrays_and_in_objects_of_ones_own() -> None:
    class Mine(Problem):
        pass

    problems, solutions = np.empty(1, dtype=object), (DONE,)
    problems[0] = Mine("p2", "?", "2")
    assert SCORER.score(problems, solutions).values().tolist() == [1.0]
    said = POLICY.extend(problems, [OPEN], seeds=np.arange(1), **END)
    assert said.solutions[0].steps
    assert SCORER.score([], []).steps == ()


@pytest.mark.parametrize("policy", [TINY, POLICY, policies.Replay({"p1": [DONE]})])
def test_how_a_policy_is_asked(policy: policies.Policy) -> None:
    def extend(**options: object) -> object:
        return policy.extend([P], [OPEN], **{**END, "seeds": [0], **options})  # type: ignore[arg-type]

    for wrong in (None, 3, "x", {}):
        assert told(lambda wrong=wrong: extend(sampling=wrong)).endswith("write policies.Sampling(temperature=...)")
        with pytest.raises(ValueError, match=r"until is .*: use 'step' or 'end'"):
            extend(until=wrong)
    assert "seeds[0] True: give a list of whole numbers" in told(lambda: extend(seeds=[True]))


def test_whole_numbers_of_other_libraries_are_seeds_and_tokens() -> None:
    for policy in (TINY, POLICY, policies.Replay({"p1": [DONE]})):
        expected = policy.extend([P], [OPEN], seeds=[1], **END).solutions
        for seeds in (np.arange(1, 2), torch.arange(1, 2), [np.uint8(1)]):
            assert policy.extend([P], [OPEN], seeds=seeds, **END).solutions == expected
        assert "seeds[0]" in told(lambda policy=policy: policy.extend([P], [OPEN], seeds=torch.ones(1), **END))
    expected = TINY.next_token_probs([P], [OPEN], tokens=[1, 2]).probs
    for tokens in (torch.tensor([1, 2]), np.array([1, 2])):
        assert np.array_equal(TINY.next_token_probs([P], [OPEN], tokens=tokens).probs, expected)
    assert [type(seed) for seed in policies.checks.Call([P], [OPEN], "end", Sampling(), np.arange(1)).seeds] == [int]


def test_what_stands_for_a_row_or_a_flag_is_one() -> None:
    told_by = Mock(spec=Problem)
    told_by.id, told_by.prompt, told_by.answer = "p1", "1+1?", "2"
    assert SCORER.score([told_by], [DONE]).values().tolist() == [1.0]
    assert len(search.sample([P], POLICY, n=1, progress=np.False_)) == 1
    assert failed("no route", iter(DONE.steps)).steps == failed("no route", list(DONE.steps)).steps == DONE.steps


@pytest.mark.parametrize("address", ["local", "auto", "10.0.0.1:6379", "ray://head:10001", "anyscale://c1"])
def test_addresses_of_ray(address: str) -> None:
    assert policies.Replicas(2, ray=address).ray == address


def test_a_call_does_not_change_with_the_lists_that_it_was_given() -> None:
    policy, problems = Scripted(lambda problem, prefix, seed: "4"), [P]
    policy.extend(problems, [OPEN], seeds=[0], **END)
    problems.append(P)
    assert policy.calls[0].problems == (P,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: TINY.encode(["1"]), "text ['1']: give a text"),
        (lambda: TINY.prompt_ids("1+1?"), "problem '1+1?': give a verifiers.Problem"),
        (lambda: TINY.next_token_probs([P], [OPEN], tokens=[-1]), "the lowest of tokens is -1: it must be 0 or more"),
        (lambda: Transformers(*tiny_model(), batch_bytes="x"), "batch_bytes is 'x': it must be a whole number"),
        (lambda: Transformers(*tiny_model(), batch_bytes=0), "batch_bytes is 0: it must be 1 or more"),
        (lambda: Transformers(*tiny_model(), cache_bytes=math.inf), "cache_bytes is inf: it must be a whole number"),
        (lambda: Transformers.load("tiny:policy", device=3), "device 3: give auto, cpu, cuda"),
        (lambda: prms.PRM.load("tiny:prm", device=None), "device None: give auto, cpu, cuda"),
        (lambda: type(PROCESS)(PROCESS.model, PROCESS.tokenizer, 1.5), "(batch_tokens=1.5): it must be a whole"),
        (lambda: policies.OpenAI(3), "model 3: give the name that the server has"),
        (lambda: policies.OpenAI("m", base_url=[3]), "base_url[0] 3: give an address"),
        (lambda: policies.OpenAI("m", key_env=3), "key_env 3: give the name of the environment's variable"),
        (lambda: policies.OpenAI("m", base_url="http://h/v1", seconds="x"), "seconds='x'): it must be a finite number"),
        (lambda: policies.OpenAI("m", tokenizer=3), "tokenizer 3: give True, False"),
        (lambda: MATH.extract(3), "text 3: give the text of a solution"),
        (lambda: verifiers.EXACT.extract(None), "text None: give the text of a solution"),
        (lambda: MATH.equal("x"), "pairs 'x': give a list of pairs of texts"),
        (lambda: verifiers.GSM8K.equal([("1", "1"), ("1", 1)]), "pairs[1] ('1', 1): give a list of pairs of texts"),
        (lambda: MATH.equal([("1", None)]), "pairs[0] ('1', None): give a list of pairs of texts"),
        (lambda: verifiers.EXACT.equal([None]), "pairs[0] None: give a list of pairs of texts"),
        (lambda: MATH.classes("2"), "answers '2': give a list of texts"),
        (lambda: MATH.classes(["2", 2]), "answers[1] 2: give a list of texts"),
        (lambda: outcome_scores([DONE], [None, 1.0]), "1 solutions and values of shape (2,): give one a solution"),
        (lambda: outcome_scores([DONE], iter(["1"])), "give a list with a number for each solution"),
        (lambda: outcome_scores([DONE], {1.0}), "values {1.0}: give a list with a number for each solution"),
        (lambda: outcome_scores([DONE], ["1"]), "values ['1']: give a list with a number for each solution"),
        (lambda: outcome_scores([DONE] * 2, bytearray(b"ab")), "give a list with a number for each solution"),
        (lambda: outcome_scores([DONE] * 2, memoryview(b"ab")), "give a list with a number for each solution"),
        (lambda: outcome_scores([DONE], [bytearray(b"a")]), "give a list with a number for each solution"),
        (lambda: outcome_scores([DONE], iter([b"1"])), "give a list with a number for each solution"),
        (lambda: outcome_scores([DONE], iter([memoryview(b"1")])), "give a list with a number for each solution"),
        (lambda: outcome_scores([DONE], [1.0], spend=3), "spend 3: give a verifiers.Spend a row"),
        (lambda: outcome_scores([DONE], [1.0], reasons="x"), "reasons 'x': give a text or None a row"),
        (lambda: Scores(([1.0],), reasons=[3]), "reasons[0] 3: give a text or None a row"),
        (lambda: failed("x", 3), "a solution's steps are 3"),
        (lambda: failed("x", "abc"), "a solution's steps are 'abc'"),
        (lambda: failed(3), "a solution's reason is 3; give a text, or None"),
        (lambda: verifiers.Message(3, "x"), "Message(3, 'x'): give two texts"),
        (lambda: verifiers.Message("user", None), "Message('user', None): give two texts"),
        (lambda: Spend.total(3), "spends 3: give a list of verifiers.Spend"),
        (lambda: Spend.total(["x"]), "spends[0] 'x': give a list of verifiers.Spend"),
        (lambda: Spend() + 3, "spends[1] 3"),
        (lambda: Spend(policy_calls="x"), "policy_calls 'x': give a number of 0 or more"),
        (lambda: Spend(sampled_tokens=-1), "sampled_tokens -1: give a number of 0 or more"),
        (lambda: Spend(prompt_tokens=None), "prompt_tokens None: give a number of 0 or more"),
        (lambda: Spend(scorer_seconds=True), "scorer_seconds True: give a number of 0 or more"),
        (lambda: verifiers.Isotonic(None, (0.0,)), "scores None: give numbers"),
        (lambda: verifiers.Isotonic((), ()), "scores (): give as many finite scores as values, and one or more"),
        (lambda: verifiers.Isotonic((0.0, 1.0), (0.0,)), "give as many finite scores as values"),
        (lambda: verifiers.Isotonic((0.0, math.nan), (0.0, 1.0)), "give as many finite scores as values"),
        (lambda: verifiers.Isotonic((1.0, 0.0), (0.0, 1.0)), "they and their values must rise"),
        (lambda: verifiers.Isotonic((0.0,), (1.0,))("x"), "scores 'x': give numbers"),
        (lambda: verifiers.Isotonic(0.0, 1.0), "scores 0.0: give as many finite scores as values"),
        (lambda: verifiers.Platt(None, 0.0), "slope is None: it must be a finite number"),
        (lambda: verifiers.Platt(1.0, math.inf), "intercept is inf: it must be a finite number"),
        (lambda: verifiers.Platt(1.0, 0.0)(None), "scores None: give numbers"),
        (lambda: prms.labelled(None), "rows None: give the rows that prms.collect_values returned"),
        (lambda: prms.labelled({}), "rows {}: give the rows that prms.collect_values returned"),
        (lambda: prms.best_of_k_value({}, 4, 1), "successes {}: give numbers"),
        (lambda: prms.best_of_k_value(1, [[4], [4, 4]], 1), "rollouts [[4], [4, 4]]: give numbers"),
        (lambda: policies.gated_advantages({}, None, [[1]]), "rewards {}: give a number for each solution"),
        (lambda: policies.gated_advantages([0.0], None, ["x"]), "step_ends[0] 'x': give the positions"),
        (lambda: policies.gated_advantages([0.0], None, [[2.7, 4.2]]), "step_ends[0] [2.7, 4.2]: give the positions"),
        (lambda: policies.gated_advantages([0.0], None, [[2, math.nan]]), "step_ends[0] [2.0, nan]: give the"),
        (lambda: policies.gated_advantages([0.0], None, [[2, math.inf]]), "step_ends[0] [2.0, inf]: give the"),
        (lambda: policies.gated_advantages([0.0], None, [[1]], roots="x"), "roots 'x': give numbers"),
        (lambda: search.sample([P], POLICY, n=1, progress="no"), "progress is 'no': it must be True or False"),
        (lambda: verifiers.cached(SCORER, "a", name="v", causal="no"), "causal is 'no': it must be True or False"),
        (lambda: policies.GRPOConfig(beta=-1), "beta is -1: out of range"),
        (lambda: policies.GRPOConfig(weight_decay=-0.1), "weight_decay is -0.1: out of range"),
        (lambda: policies.Replicas(2, ray="x"), "ray x: it is no address; use local, auto or HOST:PORT"),
        (lambda: prms.load(3), "name 3: give a folder's path, a hub's name or a spec"),
        (lambda: MATH.classes([TABLE]), "answers[0] tensor([[1., 1.], [1., 1.]]): give a list of texts"),
        (lambda: policies.GRPOConfig(beta=TABLE), "beta is tensor([[1., 1.], [1., 1.]]): it must be a number"),
        (lambda: POLICY.extend([P], [OPEN], seeds=[TABLE], **END), "seeds[0] tensor([[1., 1.], [1., 1.]]): give a"),
        (lambda: Problem("p1", "?", TABLE), "its answer tensor([[1., 1.], [1., 1.]]) is no text"),
        (lambda: Solution(TABLE), "a solution's steps are tensor([[1., 1.], [1., 1.]])"),
    ],
)
def test_what_else_is_of_another_kind_is_refused_where_it_is_given(call: Callable[[], object], words: str) -> None:
    assert words in told(call)


def test_a_session_looks_at_answers_that_are_empty() -> None:
    with search.Session(POLICY, SCORER) as session:
        for wrong in ([], {}, "math"):
            assert "give verifiers.MATH" in told(lambda wrong=wrong: session.best_of_n(P, n=1, answers=wrong))
            assert "give verifiers.MATH" in told(lambda wrong=wrong: session.rerank(P, [DONE], answers=wrong))


def test_what_is_not_known_of_a_spend_is_nan() -> None:
    known = Spend(policy_calls=np.int64(2), sampled_tokens=np.float32(1.5))
    assert known + Spend(policy_calls=1) == Spend(policy_calls=3, sampled_tokens=1.5)
    assert math.isnan((known + Spend(prompt_tokens=math.nan)).prompt_tokens)


class Named:
    """A path as other libraries have them, which is no `pathlib.Path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, Named])
def test_a_path_is_a_text_or_whatever_python_takes_for_one(
    kind: Callable[[Path], str | PathLike[str]], tmp_path: Path
) -> None:
    policy = Transformers(*tiny_model())
    policy.model.save_pretrained(tmp_path / "base")
    policy.tokenizer.save_pretrained(tmp_path / "base")
    base, config = kind(tmp_path / "base"), verifiers.TrainConfig(max_steps=1, batch_size=1, save_every=0)
    assert Transformers.load(base).name == "base"

    verifiers.cached(SCORER, kind(tmp_path / "kept.sqlite"), name="v").score([P], [DONE])
    assert (tmp_path / "kept.sqlite").is_file()

    row = verifiers.Labelled(P, DONE, (1.0,))
    verifiers.train_orm(base, [row], out=kind(tmp_path / "orm"), config=config)
    assert verifiers.ORM.load(kind(tmp_path / "orm")).name == "orm(orm)"
    prms.train_prm(base, [row], target="error", out=kind(tmp_path / "prm"), config=config)
    assert prms.load(kind(tmp_path / "prm")).name == "prm(prm)"
    verifiers.train_genrm(
        base,
        [verifiers.Critiqued(P, DONE, True)],
        mode="direct",
        out=kind(tmp_path / "genrm"),
        config=config,
        format=VERDICT,
    )
    assert verifiers.GenRM.load(kind(tmp_path / "genrm")).name.startswith("genrm(genrm")
    other = verifiers.Preference(P, DONE, Solution(verifiers.split_steps("3"), Stop.EOS))
    verifiers.train_dpo(base, [other], out=kind(tmp_path / "dpo"), config=config)
    assert verifiers.ImplicitReward.load(kind(tmp_path / "dpo"), base, beta=0.1).name == "implicit(dpo, base, beta=0.1)"
    prms.collect_values(POLICY, [P], SCORER, coverage=1, rollouts=1, out=kind(tmp_path / "values"))
    assert (tmp_path / "values" / "summary.json").is_file()
    short = policies.GRPOConfig(steps=1, groups=1, group_size=2, sampling=Sampling(max_tokens=3))
    policies.grpo_train(policy, [P], SCORER, out=kind(tmp_path / "grpo"), config=short)
    assert (tmp_path / "grpo" / "metrics.jsonl").is_file()


@pytest.mark.parametrize("load", [Transformers.load, verifiers.ORM.load, prms.load])
def test_a_path_that_is_not_there_is_no_hubs_name(load: Callable[..., object], tmp_path: Path) -> None:
    for kind in (Path, Named):
        with pytest.raises(FileNotFoundError, match="there is no such folder"):
            load(kind(tmp_path / "none"))
