"""What a training is refused for before it begins, and what it warns of."""

import json
import math
import shutil
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import policies
import prms
from policies import GRPOConfig, Sampling, Transformers, grpo_train
from policies.grpo.identity import claim_training
from policies.models.sources import source_of
from policies.models.tiny_example import tiny_model
from policies.training.folder import digest_of_models
from policies.training.skipped import NothingLearntWarning
from tests.stand_ins import steps, vowels
from verifiers import EXACT, GSM8K, Answers, AnswerVerifier, Problem, TrainConfig, from_function, from_steps
from verifiers.grading.answers import with_thinking
from verifiers.interface.errors import BadInput

PROBLEMS = [Problem(f"p{i}", f"{i}+1=") for i in range(3)]
CONFIG = GRPOConfig(steps=1, groups=2, group_size=2, sampling=Sampling(max_tokens=8), learning_rate=1e-3)


def train(out, config=CONFIG, verifier=vowels, prm=None, *, policy=None, **more):
    policy = Transformers(*tiny_model()) if policy is None else policy
    return grpo_train(policy, PROBLEMS, verifier, prm, out=out, config=config, **more)


@pytest.mark.parametrize(
    ("kind", "option", "words"),
    [
        (GRPOConfig, {"gate": "all-wrong"}, "gate is 'all-wrong': use one of 'degenerate', 'all_wrong', 'always'"),
        (GRPOConfig, {"credit": "gain"}, "credit is 'gain': use one of"),
        (GRPOConfig, {"loss": "bnpo"}, "loss is 'bnpo': use one of 'grpo', 'dr_grpo', 'dapo'"),
        (GRPOConfig, {"scale": True}, "scale is True: use one of 'std', 'none'"),
        (TrainConfig, {"save_dtype": "float16"}, "save_dtype is 'float16': use one of 'float32', 'bfloat16'"),
    ],
)
def test_a_word_that_an_option_does_not_know_is_refused_with_those_that_it_does(kind, option, words):
    with pytest.raises(ValueError, match=words):
        kind(**option)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"policy": "tiny:policy"}, r"it is a text; load what it names by policies.load\('tiny:policy'\)"),
        ({"config": {"steps": 2}}, r"config \{'steps': 2\}: give a GRPOConfig\(...\)"),
        ({"config": replace(CONFIG, gate="all_wrong")}, "gate all_wrong: it lets a PRM speak, and none is given"),
        ({"config": replace(CONFIG, gate="always")}, "gate always: it lets a PRM speak, and none is given"),
        ({"evaluate": lambda policy: {}}, "evaluate is given and config.evaluate_every is not: give both, or none"),
        ({"config": replace(CONFIG, evaluate_every=1)}, "config.evaluate_every is given and evaluate is not"),
        (
            {"config": replace(CONFIG, evaluate_every=1), "evaluate": lambda policy: 0.5},
            r"evaluate\(policy\) 0.5: give named numbers, such as \{\"accuracy\": 0.5\}",
        ),
    ],
    ids=range(7),
)
def test_what_would_never_be_done_is_refused(tmp_path, given, words):
    with pytest.raises(ValueError, match=words):
        train(tmp_path / "out", **given)


def test_a_reward_without_end_is_named(tmp_path):
    endless = from_function(lambda problem, solution: math.inf)
    with pytest.raises(ValueError, match=r"problem 'p\d', from_function.*: the reward is inf; give a finite number"):
        train(tmp_path / "out", verifier=endless)


def test_fewer_steps_than_were_made_are_refused(tmp_path):
    train(tmp_path / "out", replace(CONFIG, steps=2))
    with pytest.raises(BadInput, match="step-2: the training in this folder is beyond the 1 steps"):
        train(tmp_path / "out", CONFIG)


def test_other_problems_are_told_by_the_first_that_differs(tmp_path):
    problems = [Problem(f"p{i}", f"{i}+1=") for i in range(40)]
    for rows, words in (
        (problems, None),
        (problems[:30], r"problems = 40 of them \(number 31 is 'p30'\), and 30 of them"),
    ):
        policy = Transformers(*tiny_model())
        if words is None:
            grpo_train(policy, rows, vowels, out=tmp_path / "out", config=CONFIG)
            continue
        with pytest.raises(BadInput, match=words):
            grpo_train(policy, rows, vowels, out=tmp_path / "out", config=CONFIG)


def test_a_training_without_anything_to_learn_says_so(tmp_path):
    silent = from_function(lambda problem, solution: math.nan)
    room, policy = replace(CONFIG, sampling=Sampling(max_tokens=64)), policies.load("tiny:policy")
    told = r"step 1 taught nothing: the verifier had no opinion of any group \(4 solutions\)"
    with pytest.warns(NothingLearntWarning, match=told):
        grpo_train(policy, [Problem("p", "C 1+1\n")], silent, out=tmp_path / "silent", config=room)
    equal = from_steps(lambda problem, solution: [1.0] * len(solution.steps))
    told = "steps 1 to 10 taught nothing: all their groups were dead"
    with pytest.warns(NothingLearntWarning, match=told) as warned:
        train(tmp_path / "equal", replace(CONFIG, steps=12), equal)
    assert len(warned) == 1  # not for each step after it


def test_a_kl_that_nobody_measures_is_none_and_not_0(tmp_path):
    free = train(tmp_path / "free", prm=steps, config=replace(CONFIG, gate="always"))
    held = train(tmp_path / "held", prm=steps, config=replace(CONFIG, gate="always", beta=0.1))
    assert free.metrics[-1]["kl"] is None
    assert held.metrics[-1]["kl"] == 0.0  # the first update begins where the reference is


def test_an_error_in_a_function_of_ones_own_names_the_problem(tmp_path):
    @from_function
    def broken(problem, solution):
        raise RuntimeError("grader down")

    with pytest.raises(RuntimeError, match="grader down") as raised:
        train(tmp_path / "out", verifier=broken)
    assert "was asked about a solution of problem 'p" in raised.value.__notes__[0]


def test_another_prm_of_the_same_name_is_refused(tmp_path):
    for place, name in (("a", "tiny:prm"), ("b", "tiny:prm_error")):
        shutil.copytree(source_of(name), tmp_path / place / "prm")
    policy, sampling = policies.load("tiny:policy"), Sampling(max_tokens=8)
    config = replace(CONFIG, gate="always", sampling=sampling)
    train(tmp_path / "out", config, prm=prms.load(str(tmp_path / "a" / "prm")), policy=policy)
    with pytest.raises(BadInput, match="this folder holds a training with prm_weights = "):
        train(tmp_path / "out", config, prm=prms.load(str(tmp_path / "b" / "prm")), policy=policies.load("tiny:policy"))


def claimed(out, problems=PROBLEMS, verifier=vowels, prm=None):
    """A folder's claim, as of a training with a checkpoint."""
    out.mkdir(exist_ok=True)
    scorers = {"verifier": verifier, "prm": prm, "held_out": None}
    claim_training(out, Transformers(*tiny_model()), problems, scorers, CONFIG)
    (out / "checkpoints" / "step-1").mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": "1+2="}, "with prompts = "),
        ({"prompt": [{"role": "system", "content": "You add."}, {"role": "user", "content": "1+1="}]}, "with prompts"),
        ({"answer": "3"}, "with right_answers = "),
    ],
)
def test_problems_of_the_same_ids_that_are_asked_or_graded_otherwise_are_others(tmp_path, change, words):
    plain = [Problem("p", "1+1=", "2")]
    claimed(tmp_path, plain)
    claimed(tmp_path, [Problem("p", "1+1=", "2", fields={"level": 1})])
    with pytest.raises(BadInput, match=words):
        claimed(tmp_path, [replace(plain[0], **change)])


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (EXACT, GSM8K, "with answers = 'exact', and 'gsm8k' was asked for"),
        (EXACT, with_thinking(EXACT, ["<cot>,</cot>"]), "with answers = 'exact', and .*<cot>"),
        (Answers(str.strip, EXACT.equal), Answers(str.lower, EXACT.equal), "with answers = "),
    ],
    ids=["by name", "behind other thoughts", "of one's own"],
)
def test_answers_that_are_read_in_another_way_are_others(tmp_path, one, other, words):
    claimed(tmp_path, verifier=AnswerVerifier(one))
    claimed(tmp_path, verifier=AnswerVerifier(replace(one)))
    assert " at 0x" not in (tmp_path / "training.json").read_text()
    with pytest.raises(BadInput, match=words):
        claimed(tmp_path, verifier=AnswerVerifier(other))


def test_a_folder_of_an_earlier_version_goes_on(tmp_path):
    claimed(tmp_path, verifier=AnswerVerifier(EXACT))
    record = json.loads((tmp_path / "training.json").read_text())
    for name in ("prompts", "right_answers", "answers"):
        del record[name]
    (tmp_path / "training.json").write_text(json.dumps(record))
    claimed(tmp_path, verifier=AnswerVerifier(GSM8K))


@dataclass
class Late:
    """A scorer that refers to itself and loads its model when it is first asked."""

    name: str = "late"
    inner: Any = field(init=False)
    parts: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts.append(self)


def test_a_model_that_is_loaded_late_is_no_other(tmp_path):
    scorer, loaded = Late(), Late()
    loaded.inner = prms.load("tiny:prm")
    assert digest_of_models(scorer) == ""
    assert digest_of_models(loaded) == digest_of_models(loaded.inner) != ""
    for first, then in ((scorer, loaded), (loaded, scorer)):
        claimed(tmp_path / str(first is loaded), prm=first)
        claimed(tmp_path / str(first is loaded), prm=then)
    other = Late()
    other.inner = prms.load("tiny:prm_error")
    with pytest.raises(BadInput, match="with prm_weights = "):
        claimed(tmp_path / "True", prm=other)
