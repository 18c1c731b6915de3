"""Training a PRM: labels reach the loss as they are, and are read where the scores will be."""

import json
import math

import numpy as np
import pytest
import torch

from bench.tiny import load_task, weights_folder
from policies import GRPOConfig, Sampling, Transformers, grpo_train
from policies.models.token_rows import token_rows
from policies.training.config import TrainConfig
from policies.training.examples import reward_loss
from prms import PRM
from prms.training import train_prm
from tests.tiny_models import batch_of
from verifiers import Labelled, Problem, Solution, Step, Stop, check_scorer, from_function
from verifiers.reward_models.train_reward import balanced_labels, reward_examples

POLICY = weights_folder("policy")


def labelled(texts, labels, *, stop=Stop.OPEN, root=None, prompt="C 7-9*3\n"):
    return Labelled(Problem("p", prompt), Solution(tuple(map(Step, texts)), stop), tuple(labels), root)


@pytest.fixture(scope="module")
def prm():
    return PRM.load(weights_folder("prm"), device="cpu")


def test_labels_are_read_exactly_where_the_scores_are(prm):
    rows = [
        labelled(["7-9=8\n", "8*3=4\n", "=4"], [0.7, math.nan, 0.25], stop=Stop.EOS, root=0.6),
        labelled(["7-9=2\n", ""], [math.nan, 0.0], stop=Stop.EOS),
        labelled(["7-9=2\n"], [1.0]),
    ]
    examples = reward_examples(prm.tokenizer, rows, limit=256, outcome_only=False)
    tokens = token_rows(prm.tokenizer, [r.problem for r in rows], [r.solution for r in rows], limit=256)
    prompt = len("C 7-9*3\n")
    assert [e.at.tolist() for e in examples] == [
        [prompt - 1, tokens[0].ends[0], tokens[0].ends[2]],
        [tokens[1].ends[1]],
        [tokens[2].ends[0]],
    ]
    assert [e.targets.tolist() for e in examples] == [[0.6, 0.7, 0.25], [0.0], [1.0]]
    assert [tuple(e.ids.tolist()) for e in examples] == [t.ids for t in tokens]


def test_the_loss_is_the_cross_entropy_to_the_soft_labels(prm):
    rows = [
        labelled(["7-9=8\n", "8*3=4\n", "=4"], [0.7, math.nan, 0.25], stop=Stop.EOS, root=0.6),
        labelled(["7-9=2\n"], [0.3]),
    ]
    examples = reward_examples(prm.tokenizer, rows, limit=256, outcome_only=False)
    loss = reward_loss(prm.model, batch_of(examples, [0, 1])).item()
    scored = prm.score([r.problem for r in rows], [r.solution for r in rows]).steps
    # The root has no score of its own yet: the plain forward of the prompt.
    with torch.inference_mode():
        hidden = prm.model.model(input_ids=torch.tensor([prm.tokenizer("C 7-9*3\n").input_ids])).last_hidden_state
        root = float(torch.sigmoid(prm.model.score(hidden[0, -1])))
    pairs = [(0.6, root), (0.7, scored[0][0]), (0.25, scored[0][2]), (0.3, scored[1][0])]
    expected = np.mean([-y * math.log(p) - (1 - y) * math.log(1 - p) for y, p in pairs])
    assert loss == pytest.approx(expected, rel=1e-4)


def test_reading_at_the_right_position_is_needed_and_learnt(tmp_path):
    # A step is good if its last digit is a 1; nothing before its last two tokens tells.
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(64):
        digits = rng.integers(0, 2, 4)
        rows.append(labelled([f"5+5={d}\n" for d in digits], digits.astype(float), prompt="C 5+5\n"))
    config = TrainConfig(max_steps=40, batch_size=8, learning_rate=3e-3)
    prm = train_prm(POLICY, rows, target="error", out=tmp_path / "prm", config=config)
    scores = prm.score([r.problem for r in rows[:16]], [r.solution for r in rows[:16]]).steps
    for row, steps in zip(rows, scores, strict=False):
        assert ((steps > 0.5) == np.array(row.labels, bool)).all()


def test_it_learns_values_and_the_root_and_says_so(tmp_path):
    row = labelled(["7-9=8\n", "8*3=1\n"], [0.7, 0.2], root=0.45)
    config = TrainConfig(max_steps=100, batch_size=1, learning_rate=1e-3)
    prm = train_prm(POLICY, [row], target="value", out=tmp_path / "prm", config=config)
    np.testing.assert_allclose(prm.score([row.problem], [row.solution]).steps[0], [0.7, 0.2], atol=0.03)
    assert prm.target == "value"
    entry = json.loads((tmp_path / "prm" / "config.json").read_text())["stepbeam"]
    assert entry == {"kind": "prm", "target": "value", "separator": "\n", "root": True}
    with torch.inference_mode():
        ids = torch.tensor([prm.tokenizer("C 7-9*3\n").input_ids], device=prm.model.device)
        hidden = prm.model.model(input_ids=ids).last_hidden_state
        assert float(torch.sigmoid(prm.model.score(hidden[0, -1]))) == pytest.approx(0.45, abs=0.03)
    check_scorer(prm, [(row.problem, row.solution), (row.problem, Solution(row.solution.steps[:1]))], causal=True)


def test_parts_of_unlike_size_give_the_gradient_of_the_whole(tmp_path):
    # One row has seven labels and the others one: a mean of the parts' means would be another loss.
    rows = [labelled([f"{k}\n" for k in range(7)], [k / 7 for k in range(7)])]
    rows += [labelled([f"{k}{k}\n"], [1.0]) for k in range(3)]
    states, norms = [], []
    for parts in (1, 4):
        config = TrainConfig(max_steps=1, batch_size=4, accumulate=parts, learning_rate=1e-3, warmup=0)
        out = tmp_path / str(parts)
        prm = train_prm(weights_folder("prm"), rows, target="value", out=out, config=config)
        states.append(prm.model.state_dict())
        [logged] = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        norms.append((logged["loss"], logged["grad_norm"]))
    # Adam's first step is lr * sign(gradient), so float noise may turn the few weights whose gradient is nearly 0.
    off = [(value - states[1][name]).abs().flatten() > 2e-5 for name, value in states[0].items()]
    assert torch.cat(off).float().mean() < 1e-4
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)  # Adam would hide a gradient of another size


def test_balance_gives_both_sides_the_same_weight(prm, tmp_path):
    rows = [labelled(["1\n", "2\n", "3\n"], [0.9, 0.5, 0.7], root=0.2)]
    examples = reward_examples(prm.tokenizer, rows, limit=256, outcome_only=False)
    [balanced] = balanced_labels(examples)
    assert balanced.weights.tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    plain, even = (reward_loss(prm.model, batch_of(e, [0])).item() for e in (examples, [balanced]))
    scored = prm.score([r.problem for r in rows], [r.solution for r in rows]).steps[0]
    losses = [-y * math.log(p) - (1 - y) * math.log(1 - p) for y, p in zip([0.9, 0.5, 0.7], scored, strict=True)]
    root = 4 * plain - sum(losses)
    assert even == pytest.approx((2 * root + 2 / 3 * sum(losses)) / 4, rel=1e-4)
    config = TrainConfig(balance=True)
    with pytest.raises(ValueError, match="all 1 labels are on one side"):
        train_prm(POLICY, [labelled(["1\n"], [0.9])], target="value", out=tmp_path / "x", config=config)


def test_it_goes_on_from_another_reward_model(tmp_path, prm):
    row = labelled(["7-9=8\n", "8*3=1\n"], [1.0, 0.0])
    config = TrainConfig(max_steps=1, batch_size=1, learning_rate=1e-9)
    for name in ("prm", "orm"):
        again = train_prm(weights_folder(name), [row], target="error", out=tmp_path / name, config=config)
        trained = PRM.load(weights_folder("prm")).model if name == "prm" else again.model
        torch.testing.assert_close(again.model.score.weight, trained.score.weight, rtol=0, atol=1e-6)
    scores = [p.score([row.problem], [row.solution]).steps[0] for p in (prm, PRM.load(tmp_path / "prm"))]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_a_step_ends_with_some_text(tmp_path):
    with pytest.raises(ValueError, match="separator is empty: name the text that ends a step"):
        train_prm(POLICY, [labelled(["1\n"], [1.0])], target="error", separator="", out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_soft_label_is_no_error_label(tmp_path):
    with pytest.raises(ValueError, match=r"problem 'p': the label 0\.7 of step 2 is soft; target='error'"):
        train_prm(POLICY, [labelled(["1\n", "2\n"], [1.0, 0.7])], target="error", out=tmp_path / "a")
    with pytest.raises(ValueError, match=r"the label 0\.5 of the root is soft"):
        train_prm(POLICY, [labelled(["1\n"], [1.0], root=0.5)], target="error", out=tmp_path / "a")
    with pytest.raises(ValueError, match="target is 'outcome'"):
        train_prm(POLICY, [], target="outcome", out=tmp_path / "a")


def test_rows_without_a_label_are_counted(tmp_path):
    rows = [labelled(["1\n"], [math.nan]), labelled(["1\n", ""], [1.0, 1.0]), labelled([], [])]
    with pytest.raises(ValueError, match=r"none of the 3 rows can be trained on: 2 have no label .*; 1 have a step"):
        train_prm(POLICY, rows, target="value", out=tmp_path / "a")


def test_one_without_roots_guides_a_training_by_the_fallback(tmp_path):
    config = TrainConfig(max_steps=2, batch_size=2)
    rows = [labelled(["7-9=8\n", "8*3=4\n"], [0.7, 0.5]), labelled(["7-9=2\n"], [0.1])]
    prm = train_prm(POLICY, rows, target="value", out=tmp_path / "prm", config=config)
    assert prm.root_values is None

    class Plain:
        def score(self, problems, solutions):
            return prm.score(problems, solutions)

    def trained(guide, out):
        policy = Transformers.load(POLICY, dtype="float32", device="cpu")
        short = GRPOConfig(steps=2, groups=2, group_size=3, sampling=Sampling(max_tokens=24), learning_rate=1e-3)
        problems = load_task("chain", count=2).problems
        # No solution is right, so that every group is the PRM's, by the credit that a config has by default.
        return grpo_train(policy, problems, from_function(lambda p, s: 0.0), guide, out=tmp_path / out, config=short)

    guided, plain = trained(prm, "guided"), trained(Plain(), "plain")
    start = Transformers.load(POLICY, dtype="float32", device="cpu").model.state_dict()
    weights = guided.policy.model.state_dict()
    assert any(not torch.equal(weights[name], start[name]) for name in start)
    assert all(torch.equal(weights[name], other) for name, other in plain.policy.model.state_dict().items())
