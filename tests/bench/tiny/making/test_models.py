"""The shipped models: what they weigh, that they load anywhere, and that they still clear the bars."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bench.diagnostics.label_quality import auc
from bench.stats.estimators import best_at_k, weighted_at_k
from bench.tiny import load_task, weights_folder
from bench.tiny.making.examples.rollouts import sample
from bench.tiny.making.figures import load_scorer, pool_values
from bench.tiny.making.lm import IGNORED, lm_batch
from bench.tiny.making.reward import Rollout, encode_rollouts
from bench.tiny.worlds import countdown
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from prms import PRM
from verifiers import Problem, Solution, Step, Stop, split_steps

NAMES = ("base", "orm", "orm_overfit", "policy", "prm", "prm_error", "prover")
WEIGHTS = weights_folder("policy").parent


@pytest.fixture(scope="module")
def policy():
    return AutoModelForCausalLM.from_pretrained(weights_folder("policy"), dtype=torch.float32)


@pytest.fixture(scope="module")
def pools(policy):
    """24 held-out problems of chain, 16 solutions each."""
    return drawn(policy, 16)


def drawn(policy, n):
    prompts = draw_prompts(WORLDS["chain"], 24, 11, "test")
    return prompts, sample(policy, prompts, n, seed=11, max_tokens=80)


def test_the_weights_are_small_and_safe():
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.parent.name in NAMES) < 13_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".jsonl"}
    assert {path.parent.name for path in WEIGHTS.glob("*/model.safetensors")} >= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_an_ordinary_small_llama(name):
    config = AutoConfig.from_pretrained(weights_folder(name))
    assert config.model_type == "llama"
    assert config.max_position_embeddings >= 256
    entry = json.loads((weights_folder(name) / "config.json").read_text()).get("stepbeam")
    expected = {
        "base": None,
        "policy": None,
        "prm": {"kind": "prm", "target": "value", "separator": "\n", "root": True},
        "prm_error": {"kind": "prm", "target": "error", "separator": "\n"},
        "prover": {"kind": "prm", "target": "value", "separator": "\n", "root": True},
        "orm": {"kind": "orm"},
        "orm_overfit": {"kind": "orm", "target": "outcome", "separator": "\n"},
    }
    assert entry == expected[name]


def test_the_policy_has_under_a_million_parameters(policy):
    assert sum(p.numel() for p in policy.parameters()) < 1_000_000


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match=r"no tiny model named 'genie': there are base, .*orm_overfit, policy, prm"):
        weights_folder("genie")


@pytest.mark.slow
def test_sampling_follows_the_models_own_distribution(policy):
    """Rows leave the batch as they end; each token must still come from its own row's past."""
    prompts = draw_prompts(WORLDS["chain"], 8, 12, "test")
    surprise, entropy = [], []
    for prompt, pool in zip(prompts, sample(policy, prompts, 32, seed=12, max_tokens=80), strict=True):
        ids, targets = lm_batch([(prompt, text) for text in pool if text is not None])
        with torch.inference_mode():
            logs = policy(input_ids=ids).logits.log_softmax(-1)
        own = targets != IGNORED
        surprise += (-logs.gather(2, targets.clamp(min=0)[..., None])[..., 0] * own).sum(1).tolist()
        entropy += (-(logs.exp() * logs).sum(-1) * own).sum(1).tolist()
    gap = np.array(surprise) - np.array(entropy)
    # A martingale: its mean is 0 within its standard error. A token from another row costs several nats.
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))
    assert gap.std() / np.sqrt(len(gap)) < 0.2


def test_sampling_repeats(policy):
    prompts = draw_prompts(WORLDS["countdown"], 4, 12, "test")
    assert sample(policy, prompts, 3, seed=1, max_tokens=48) == sample(policy, prompts, 3, seed=1, max_tokens=48)
    assert sample(policy, prompts, 3, seed=1, max_tokens=48) != sample(policy, prompts, 3, seed=2, max_tokens=48)
    assert sample(policy, prompts[:1], 1, seed=1, max_tokens=2) == [[None]]


def test_training_reads_a_model_out_where_the_library_does():
    prm = PRM.load(weights_folder("prm"), device="cpu")
    prompt, steps = "C 7-9*3\n", ("7-9=8\n", "8*3=4\n", "=4")
    rollout = Rollout("chain", prompt, steps, (1, 1, 1), 1)
    [expected] = prm.score([Problem("p", prompt)], [Solution(split_steps("".join(steps)), Stop.EOS)]).steps
    ids, row, at, _ = encode_rollouts([rollout], "error")
    with torch.inference_mode():
        hidden = prm.model.model(input_ids=ids).last_hidden_state
        read = torch.sigmoid(prm.model.score(hidden[row, at])[:, 0])
    np.testing.assert_allclose(read.numpy(), expected, atol=1e-5)


def test_the_targets_are_what_their_names_say():
    rollout = Rollout("chain", "C 7-9*3\n", ("7-9=8\n", "8*3=1\n", "=1"), (1, 0, 0), 0)
    _, _, at, error = encode_rollouts([rollout], "error")
    assert (at.tolist(), error.tolist()) == ([13, 19, 22], [1.0, 0.0, 0.0])
    _, _, at, outcome = encode_rollouts([rollout], "outcome")
    assert (at.tolist(), outcome.tolist()) == ([22], [0.0])


@pytest.mark.slow
def test_chain_clears_its_bars(policy):
    """The bars of the tiny world, on fewer problems than docs/tiny.md reports."""
    prompts, texts = drawn(policy, 64)
    right = [
        [t is not None and WORLDS["chain"].is_right(p, t) for t in pool] for p, pool in zip(prompts, texts, strict=True)
    ]
    answers = load_task("chain", count=1).answers
    classes = [answers.classes([WORLDS["chain"].extract(t) if t else None for t in pool]) for pool in texts]
    assert 0.15 < np.mean(right) < 0.5
    assert np.mean(np.any(right, axis=1)) > 0.9
    vote = np.mean([weighted_at_k(r, np.ones(64), c, 64)[0] for r, c in zip(right, classes, strict=True)])
    for name in ("orm", "prm"):
        values = pool_values(load_scorer(WEIGHTS, name), prompts, texts)
        best = np.mean([best_at_k(r, v, 64) for r, v in zip(right, values, strict=True)])
        assert best > vote + 0.05


@pytest.mark.parametrize("name", ["prm_error", "prm", "prover"])
def test_the_prms_tell_right_steps_of_chain_from_wrong_ones(pools, name):
    prompts, texts = pools
    prm = PRM.load(weights_folder(name))
    scores, labels = [], []
    for prompt, pool in zip(prompts, texts, strict=True):
        solutions = [Solution(split_steps(text), Stop.EOS) for text in pool[:8] if text]
        rows = prm.score([Problem("p", prompt)] * len(solutions), solutions).steps
        for row, solution in zip(rows, solutions, strict=True):
            scores += row.tolist()
            labels += WORLDS["chain"].labels(prompt, [s.text for s in solution.steps], finished=True)
    assert auc(np.array(scores), np.array(labels)) >= 0.9


def test_the_prm_knows_the_policys_chances(pools):
    """Its root values are right on average (of single problems they know little), the prover's are another policy's."""
    prompts, texts = pools
    right = np.array(
        [[bool(t) and WORLDS["chain"].is_right(p, t) for t in pool] for p, pool in zip(prompts, texts, strict=True)]
    )
    problems = [Problem(str(i), p) for i, p in enumerate(prompts)]
    roots = {
        name: np.array([row[0] for row in PRM.load(weights_folder(name)).root_values(problems).steps])
        for name in ("prm", "prover")
    }
    assert abs(roots["prm"].mean() - right.mean()) < 0.1
    assert roots["prover"].mean() > roots["prm"].mean() + 0.2


def test_countdowns_prm_looks_ahead():
    """Of the first lines that a problem allows, it likes those that keep the target in reach."""
    scores, labels = [], []
    prm = PRM.load(weights_folder("prm_error"))
    for prompt in draw_prompts(WORLDS["countdown"], 30, 13, "test"):
        numbers, target = countdown.parse(prompt)
        moves = list(countdown.moves(numbers))
        solutions = [Solution((Step(f"{a}{sign}{b}={result}\n"),)) for a, sign, b, result in moves]
        scores += [row[0] for row in prm.score([Problem("p", prompt)] * len(moves), solutions).steps]
        labels += [countdown.solvable(countdown.after(numbers, move), target) for move in moves]
    assert auc(np.array(scores), np.array(labels)) > 0.75
