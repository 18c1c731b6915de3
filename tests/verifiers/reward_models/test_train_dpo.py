"""The DPO baseline: the pairs, the ids, and the reward that comes of it."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from bench.tiny import weights_folder
from policies.training.config import TrainConfig
from policies.training.skipped import SkippedRowsWarning
from tests.stand_ins import InterruptedOnce
from verifiers import ImplicitReward, Labelled, Problem, Solution, Step, Stop, split_steps, with_outcome
from verifiers.reward_models import train_dpo as module
from verifiers.reward_models.train_dpo import Preference, dpo_values, pair_ids, preference_pairs, train_dpo

POLICY = weights_folder("policy")


def solution(text):
    return Solution(split_steps(text), Stop.EOS)


PAIRS = [
    Preference(Problem(f"p{k}", f"C {k}+1\n"), solution(f"{k}+1={k + 1}\n={k + 1}"), solution(f"{k}+1=0\n=0"))
    for k in range(6)
]


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 40), st.integers(0, 3))
def test_pairs_are_different_and_use_as_many_solutions_as_they_can(rights, wrongs, limit, seed):
    problem = Problem("p", "2+2")
    rows = [with_outcome(problem, solution(f"right {i}"), True) for i in range(rights)] * 2
    rows += [with_outcome(problem, solution(f"wrong {i}"), False) for i in range(wrongs)]
    pairs = preference_pairs(rows, per_problem=limit, seed=seed)
    assert len(pairs) == min(limit, rights * wrongs) == len(set(pairs))
    for side, count in ((lambda p: p.chosen.text, rights), (lambda p: p.rejected.text, wrongs)):
        assert len({side(p) for p in pairs}) == min(count, len(pairs))
    assert all(p.chosen.text.startswith("right") and p.rejected.text.startswith("wrong") for p in pairs)
    assert pairs == preference_pairs(rows, per_problem=limit, seed=seed)
    assert len(preference_pairs(rows)) == rights * wrongs


def test_pairs_stay_within_a_problem_and_need_an_outcome():
    rows = [with_outcome(Problem("a", "1"), solution("x"), True), with_outcome(Problem("b", "2"), solution("y"), False)]
    rows.append(Labelled(Problem("a", "1"), Solution((Step("z"),)), (0.0,)))
    assert preference_pairs(rows) == []
    with pytest.raises(ValueError, match="per_problem is 0"):
        preference_pairs(rows, per_problem=0)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    out = tmp_path_factory.mktemp("dpo") / "dpo"
    config = TrainConfig(max_steps=8, batch_size=4, accumulate=2, learning_rate=1e-4, save_every=3, log_every=1)
    assert train_dpo(POLICY, PAIRS, out=out, beta=0.5, config=config) == out
    return out, config


def test_it_starts_at_ln_2_and_the_margin_grows(tuned):
    out, _ = tuned
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert log[-1]["loss"] < 0.5
    base, policy = (policies.load(f"transformers:{folder}", dtype="float32") for folder in (POLICY, out))
    reward = ImplicitReward(policy, base, 0.5)
    problems = [p.problem for p in PAIRS]
    chosen = reward.score(problems, [p.chosen for p in PAIRS]).values()
    rejected = reward.score(problems, [p.rejected for p in PAIRS]).values()
    assert (chosen > rejected).all()
    entry = json.loads((out / "config.json").read_text())["stepbeam"]
    assert entry == {"kind": "dpo", "beta": 0.5, "chat": True}


def test_the_first_margin_after_a_step_is_that_of_our_own_scorer(tmp_path):
    # Two steps on one pair: the second step's report is of the model after the first.
    config = TrainConfig(max_steps=2, batch_size=1, learning_rate=1e-4, warmup=0, schedule="constant", log_every=1)
    train_dpo(POLICY, PAIRS[:1], out=tmp_path / "two", beta=0.5, config=config)
    log = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    once = TrainConfig(max_steps=1, batch_size=1, learning_rate=1e-4, warmup=0, schedule="constant")
    train_dpo(POLICY, PAIRS[:1], out=tmp_path / "one", beta=0.5, config=once)
    base, policy = (policies.load(f"transformers:{f}", dtype="float32") for f in (POLICY, tmp_path / "one"))
    reward = ImplicitReward(policy, base, 0.5)
    values = reward.score([PAIRS[0].problem] * 2, [PAIRS[0].chosen, PAIRS[0].rejected]).values()
    assert values[0] == pytest.approx(log[1]["rewards/chosen"], abs=1e-4)
    assert values[1] == pytest.approx(log[1]["rewards/rejected"], abs=1e-4)


def test_an_interruption_changes_no_byte(tuned, tmp_path, monkeypatch):
    out, config = tuned
    interrupted = InterruptedOnce(dpo_values, 10)
    monkeypatch.setattr(module, "dpo_values", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_dpo(POLICY, PAIRS, out=tmp_path / "dpo", beta=0.5, config=config)
    train_dpo(POLICY, PAIRS, out=tmp_path / "dpo", beta=0.5, config=config)
    assert interrupted.calls == 10 + 2 * 5
    assert (tmp_path / "dpo" / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


def test_the_ids_are_those_that_a_policy_reads(monkeypatch):
    policy = policies.load(f"transformers:{POLICY}", dtype="float32")
    given_tokens = Solution((Step("1+1=2\n", tuple(policy.encode("1+1=2\n"))), Step("=2", (34, 23, 2))), Stop.EOS)
    pair = Preference(Problem("p", "C 1+1\n"), given_tokens, solution("1+1=3\n=3"))
    [ids] = pair_ids(policy.tokenizer, [pair], model=policy.model, limit=256)
    read = []
    monkeypatch.setattr(
        "policies.backends.transformers.step_logprobs", lambda r, rows, p, b: read.extend(rows) or [[0.0]] * 2
    )
    policy.logprobs([pair.problem] * 2, [pair.chosen, pair.rejected])
    assert [list(row.ids) for row in read] == [ids["prompt_ids"] + ids[k] for k in ("chosen_ids", "rejected_ids")]


def test_low_rank_updates_are_merged(tmp_path):
    config = TrainConfig(max_steps=3, batch_size=2, learning_rate=1e-2, lora_rank=2, bf16=True, log_every=1)
    out = train_dpo(POLICY, PAIRS, out=tmp_path / "dpo", config=config)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)
    assert log[-1]["loss"] < log[0]["loss"]
    policy = policies.load(f"transformers:{out}")
    assert not [name for name, _ in policy.model.named_parameters() if "lora" in name]


def test_what_cannot_be_trained_on_is_named(tmp_path):
    long = Preference(Problem("long", "C 1+1\n"), solution("7" * 300), solution("=3"))
    with pytest.warns(SkippedRowsWarning, match=r"1 of 2 pairs .* are over 256 tokens \(problem 'long'\)") as caught:
        train_dpo(POLICY, [long, PAIRS[0]], out=tmp_path / "a", config=TrainConfig(max_steps=1, batch_size=1))
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="none of the 0 pairs"):
        train_dpo(POLICY, [], out=tmp_path / "b")
    with pytest.raises(ValueError, match="balance=True has no meaning"):
        train_dpo(POLICY, PAIRS, out=tmp_path / "b", config=TrainConfig(balance=True))
