"""The training script: its stages, and its training loops on a few steps."""

import json
import random
from collections import Counter

import numpy as np
import pytest
import torch

from bench.diagnostics.label_quality import auc
from bench.tiny.making import train
from bench.tiny.making.lm import IGNORED, lm_batch, train_lm
from bench.tiny.making.models import new_policy, new_reward_model, save
from bench.tiny.making.reward import Rollout, make_chain, read_rollouts, train_reward_model, write_rollouts
from bench.tiny.worlds.tokenizer import EOS, build_tokenizer, encode
from bench.tiny.worlds.worlds import WORLDS, held_out
from prms import PRM
from verifiers import Problem, Solution, Step, Stop


@pytest.fixture
def stages(monkeypatch):
    ran = []

    def first(out, log):
        """The first."""
        ran.append("first")
        log({"stage": "first", "loss": 1.0})

    def second(out, log):
        """The second."""
        ran.append("second")
        if len(ran) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "STAGES", {"first": first, "second": second})
    threads = torch.get_num_threads()
    yield ran
    torch.set_num_threads(threads)


def test_a_stage_that_finished_is_not_done_again(stages, tmp_path):
    arguments = ["--out", str(tmp_path), "--threads", "1"]
    with pytest.raises(KeyboardInterrupt):
        train.main(arguments)
    assert train.main(arguments) == 0
    assert train.main(arguments) == 0
    assert stages == ["first", "second", "second"]
    rows = [json.loads(line) for line in (tmp_path / "log_first.jsonl").read_text().splitlines()]
    assert rows[0] == {"stage": "first", "loss": 1.0}
    assert set(rows[1]) == {"stage", "seconds", "threads"}


def test_only_names_stages(stages, tmp_path, capsys):
    assert train.main(["--out", str(tmp_path), "--only", "first", "--threads", "1"]) == 0
    assert stages == ["first"]
    with pytest.raises(SystemExit) as caught:
        train.main(["--out", str(tmp_path), "--only", "third"])
    assert caught.value.code == 2
    assert "third" in capsys.readouterr().err


def test_the_loss_covers_the_solution_and_its_end_alone():
    ids, targets = lm_batch([("C 1+1\n", "1+1=2\n=2"), ("C 1\n", "=1")])
    assert ids.shape == targets.shape == (2, 16)
    assert targets[0].tolist() == [IGNORED] * 5 + encode("1+1=2\n=2") + [EOS] + [IGNORED] * 2
    assert ids[1, :6].tolist() == encode("C 1\n=1")


@pytest.mark.slow
def test_language_models_learn_and_repeat(monkeypatch):
    monkeypatch.setattr("bench.tiny.making.lm.PROMPTS", dict.fromkeys(WORLDS, 20))
    monkeypatch.setattr("bench.tiny.making.lm.FEWER_PROMPTS", {})
    monkeypatch.setattr("bench.tiny.making.lm.ROWS", dict.fromkeys(WORLDS, 4))

    def clean(world, prompt, rng):
        return world.demonstrate(prompt, rng, slips=False)

    losses = []
    for _ in range(2):
        log: list[dict[str, object]] = []
        model = new_policy(seed=0)
        train_lm(model, clean, steps=3, learning_rate=3e-3, seed=0, log=log.append, title="test")
        with torch.inference_mode():
            ids, targets = lm_batch([("C 1+1\n", "1+1=2\n=2")])
            logits = model(input_ids=ids).logits
        losses.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item())
    assert losses[0] == losses[1] < np.log(100)
    assert [row["step"] for row in log] == [3]


@pytest.mark.slow
def test_reward_models_learn_where_the_error_is():
    """Wrong digits are 7s here: a few steps are enough to tell."""
    rollouts = [
        Rollout("chain", "C 1+1\n", (f"1+1={a}\n", f"={a}"), (int(a != 7), int(a != 7)), int(a != 7)) for a in range(10)
    ] * 4
    model = new_reward_model("prm", None, seed=0)
    log: list[dict[str, object]] = []
    options = {"target": "error", "steps": 15, "rows": 16, "learning_rate": 3e-3, "seed": 0, "title": "test"}
    train_reward_model(model, rollouts, log=log.append, **options)
    problems = [Problem("p", r.prompt) for r in rollouts]
    solutions = [Solution(tuple(Step(text) for text in r.steps), Stop.EOS) for r in rollouts]
    scores = np.array(PRM(model.eval(), build_tokenizer()).score(problems, solutions).steps)
    labels = np.array([r.labels for r in rollouts])
    assert auc(scores.ravel(), labels.ravel()) > 0.95
    assert log[-1]["step"] == 15


def test_made_up_solutions_hold_every_wrong_digit_and_no_held_out_problem():
    rng = random.Random(0)
    made = [make_chain(rng) for _ in range(2000)]
    assert not any(held_out(r.prompt) for r in made)
    assert all(r.labels == tuple(WORLDS["chain"].labels(r.prompt, r.steps, finished=True)) for r in made)
    additions = [step for r in made for step in r.steps if step[1] == "+"]
    offsets = Counter((int(s[4]) - int(s[0]) - int(s[2])) % 10 for s in additions)
    assert set(offsets) == set(range(10))
    assert min(offsets.values()) > 0.005 * len(additions)
    assert 0.1 < np.mean([r.right for r in made]) < 0.5


def test_rollouts_are_read_as_written(tmp_path):
    rows = [Rollout("chain", "C 1+1\n", ("1+1=2\n", "=2"), (1, 1), 1), Rollout("chain", "C 2\n", ("=3",), (0,), 0)]
    write_rollouts(rows, tmp_path / "rows.jsonl.gz")
    assert read_rollouts(tmp_path / "rows.jsonl.gz") == rows


def test_a_saved_reward_model_loads_as_a_prm_and_keeps_its_weights(tmp_path):
    model = new_reward_model("prm", None, seed=0)
    torch.nn.init.normal_(model.score.weight)
    save(model, tmp_path / "prm", {"kind": "prm", "target": "error", "separator": "\n"}, dtype=torch.float32)
    prm = PRM.load(tmp_path / "prm", device="cpu")
    assert prm.target == "error"
    for a, b in zip(model.parameters(), prm.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert model.dtype == torch.float32


def test_auc_counts_ties_half():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 5, 60) / 5, rng.integers(0, 2, 60)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
    assert auc(scores, labels) == pytest.approx(np.mean(pairs))
