"""Training an ORM: what reaches the loss, and that an interruption changes nothing."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from bench.tiny import weights_folder
from policies.models.attention import attention_for
from policies.training.base import load_base
from policies.training.batch_plan import Group, plan_batches
from policies.training.config import TrainConfig
from policies.training.examples import reward_loss
from policies.training.folder import base_digest, finish_folder
from policies.training.planned import step_count
from policies.training.skipped import SkippedRowsWarning
from tests.stand_ins import InterruptedOnce
from tests.tiny_models import batch_of
from verifiers import ORM, Labelled, Problem, Solution, Step, Stop, check_scorer, split_steps
from verifiers.interface.files import held
from verifiers.reward_models import train_reward as shared
from verifiers.reward_models.train_orm import train_orm
from verifiers.reward_models.train_reward import balanced_groups, reward_examples

POLICY = weights_folder("policy")
FAST = TrainConfig(max_steps=6, batch_size=4, learning_rate=1e-3, save_every=2, log_every=1)


def row(k: int, text: str, label: float) -> Labelled:
    solution = Solution(split_steps(text), Stop.EOS)
    labels = (math.nan,) * (len(solution.steps) - 1) + (label,)
    return Labelled(Problem(f"p{k}", f"C {k}+1\n"), solution, labels)


# Right where the solution ends in an even digit.
ROWS = [row(k, f"{k}+1={d}\n={d}", float(d % 2 == 0)) for k in range(4) for d in range(10)]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_a_soft_label_reaches_loss_and_gradient_as_it_is():
    orm = ORM.load(weights_folder("orm"), device="cpu")
    model, tokenizer = orm.model, orm.tokenizer
    rows = [row(7, "7-9=8\n8*3=4\n=4", 0.7), row(7, "7-9=2\n=2", 0.2)]
    examples = reward_examples(tokenizer, rows, limit=256, outcome_only=True)
    loss = reward_loss(model, batch_of(examples, [0, 1]))
    loss.backward()
    expected, gradient = 0.0, torch.zeros(128)
    for r in rows:
        ids = [*tokenizer(r.problem.prompt + r.solution.text).input_ids, tokenizer.eos_token_id]
        with torch.no_grad():
            h = model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1]
            p = float(torch.sigmoid(model.score(h)))
        expected -= (r.outcome * math.log(p) + (1 - r.outcome) * math.log(1 - p)) / 2
        gradient += (p - r.outcome) * h / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(model.score.weight.grad[0], gradient, rtol=1e-4, atol=1e-5)


def test_on_a_cpu_short_rows_get_the_attention_whose_gradient_is_quick():
    with attention_for(1024, "cpu"):
        assert not torch.backends.cuda.flash_sdp_enabled()
    with attention_for(1025, "cpu"):  # T x T scores would be too much memory
        assert torch.backends.cuda.flash_sdp_enabled()


def test_it_learns_and_its_folder_is_an_ordinary_orm(tmp_path):
    config = TrainConfig(max_steps=40, batch_size=16, learning_rate=2e-3, balance=True, log_every=5)
    before = torch.get_rng_state()
    orm = train_orm(POLICY, ROWS, out=tmp_path / "orm", config=config)
    assert torch.equal(before, torch.get_rng_state())
    again = ORM.load(tmp_path / "orm")
    cases = [(r.problem, r.solution) for r in ROWS]
    values = again.score(*zip(*cases, strict=True)).values()
    right = np.array([r.outcome for r in ROWS])
    assert values[right == 1].min() > values[right == 0].max()
    np.testing.assert_array_equal(values, orm.score(*zip(*cases, strict=True)).values())
    check_scorer(again, cases[:6])
    config_json = json.loads((tmp_path / "orm" / "config.json").read_text())
    assert config_json["stepbeam"] == {"kind": "orm"}
    assert config_json["use_cache"] is True
    record = json.loads((tmp_path / "orm" / "training.json").read_text())
    assert record["config"]["balance"] is True
    log = [json.loads(line) for line in (tmp_path / "orm" / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in log] == list(range(5, 41, 5))
    assert log[-1]["loss"] < 0.2 < log[0]["loss"]
    assert not (tmp_path / "orm" / "checkpoints").exists()


def test_an_untrained_head_says_a_half():
    model, _ = load_base(AutoModelForSequenceClassification, POLICY, TrainConfig(), fresh=("score.weight",), labels=1)
    assert not model.score.weight.any()
    orm, _ = load_base(AutoModelForSequenceClassification, weights_folder("prm"), TrainConfig(), labels=1)
    trained = load_file(weights_folder("prm") / "model.safetensors")["score.weight"].float()
    assert torch.equal(orm.score.weight, trained)


@pytest.mark.parametrize("accumulate", [2, 4])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(tmp_path, accumulate):
    rows = [row(k, "9" * (3 * k + 1), k / 7) for k in range(8)]
    states = []
    for parts in (1, accumulate):
        config = TrainConfig(max_steps=2, batch_size=8, accumulate=parts, learning_rate=1e-3, warmup=0)
        train_orm(weights_folder("orm"), rows, out=tmp_path / str(parts), config=config)
        states.append(load_file(tmp_path / str(parts) / "model.safetensors"))
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=0, atol=2e-5, msg=name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "orm"
    train_orm(POLICY, ROWS, out=out, config=FAST)
    return weights(out)


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_bytes(tmp_path, uninterrupted):
    code = f"""
        import os, signal, sys, torch
        torch.set_num_threads({torch.get_num_threads()})
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_train_orm as t
        real, calls = t.reward_loss, []
        def loss(model, batch):
            calls.append(1)
            if len(calls) == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(model, batch)
        t.shared.reward_loss = loss
        t.train_orm(t.POLICY, t.ROWS, out={str(tmp_path / "orm")!r}, config=t.FAST)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [p.name for p in (tmp_path / "orm" / "checkpoints").glob("step-*")] == ["step-4"]
    assert not (tmp_path / "orm" / "model.safetensors").exists()
    train_orm(POLICY, ROWS, out=tmp_path / "orm", config=FAST)
    assert weights(tmp_path / "orm") == uninterrupted
    log = [json.loads(line)["step"] for line in (tmp_path / "orm" / "log.jsonl").read_text().splitlines()]
    assert log == [1, 2, 3, 4, 5, 6]


def test_a_half_written_checkpoint_is_not_used(tmp_path, uninterrupted, monkeypatch):
    saved, real = [], os.replace

    def torn(source, target):
        saved.append(target)
        if len(saved) == 4:
            (Path(source) / "weights.safetensors").write_bytes(b"half")
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", torn)
    # The record is moved into place first, then again with the planned steps, then step 2; this was that of step 4.
    with pytest.raises(KeyboardInterrupt):
        train_orm(POLICY, ROWS, out=tmp_path / "orm", config=FAST)
    monkeypatch.undo()
    assert (tmp_path / "orm" / "checkpoints" / "step-2").is_dir()
    assert (tmp_path / "orm" / "checkpoints" / ".step-4.draft" / "weights.safetensors").read_bytes() == b"half"
    train_orm(POLICY, ROWS, out=tmp_path / "orm", config=FAST)
    assert weights(tmp_path / "orm") == uninterrupted


def test_a_finished_training_is_only_loaded_and_another_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "orm"
    config = TrainConfig(max_steps=2, batch_size=4)
    train_orm(POLICY, ROWS, out=out, config=config)
    before = weights(out)
    monkeypatch.setattr(shared, "load_base", None)
    again = TrainConfig(max_steps=2, batch_size=4, save_every=7)
    assert isinstance(train_orm(POLICY, ROWS, out=out, config=again), ORM)
    assert weights(out) == before
    other = TrainConfig(max_steps=2, batch_size=4, learning_rate=1.0)
    with pytest.raises(ValueError, match=r"a training with learning_rate = 2e-05, and 1\.0 was asked for; choose an"):
        train_orm(POLICY, ROWS, out=out, config=other)
    with pytest.raises(ValueError, match="a training with rows"):
        train_orm(POLICY, ROWS[1:], out=out, config=config)
    with pytest.raises(ValueError, match="a training with base"):
        train_orm(weights_folder("orm"), ROWS, out=out, config=config)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files and no training\.json"):
        train_orm(POLICY, ROWS, out=tmp_path / "full", config=config)


def test_what_cannot_be_read_is_left_out_with_a_count(tmp_path):
    open_row = Labelled(Problem("open", "C 1\n"), Solution((Step("1"),)), (1.0,))
    rows = [row(1, "=1", 1.0), row(2, "7" * 300, 0.0), row(3, "=2", math.nan), open_row]
    message = r"3 of 4 rows are not trained on: 1 are over 256 tokens \(problem 'p2'\); 2 have no outcome"
    with pytest.warns(SkippedRowsWarning, match=message) as caught:
        train_orm(POLICY, rows, out=tmp_path / "a", config=TrainConfig(max_steps=1, batch_size=1))
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="none of the 1 rows can be trained on: 1 are over 256 tokens"):
        train_orm(POLICY, rows[1:2], out=tmp_path / "b", config=TrainConfig(max_steps=1))
    # What has saved nothing may still change its mind.
    train_orm(POLICY, rows[:1], out=tmp_path / "b", config=TrainConfig(max_steps=1, batch_size=1))
    with pytest.raises(ValueError, match="none of the 0 rows"):
        train_orm(POLICY, [], out=tmp_path / "c")


def test_balance_takes_half_of_each_kind():
    config = TrainConfig(balance=True, batch_size=6)
    assert balanced_groups([1, 4], 5, config) == [Group((1, 4), 3), Group((0, 2, 3), 3)]
    with pytest.raises(ValueError, match="all 2 examples are right"):
        balanced_groups([0, 1], 2, config)
    with pytest.raises(ValueError, match="needs an even one"):
        balanced_groups([0], 2, TrainConfig(balance=True, batch_size=3))


def test_lora_is_merged_into_an_ordinary_folder(tmp_path):
    pytest.importorskip("peft")
    config = TrainConfig(max_steps=3, batch_size=4, learning_rate=1e-2, lora_rank=4, lora_targets=("q_proj", "up_proj"))
    train_orm(POLICY, ROWS, out=tmp_path / "orm", config=config)
    base = load_file(POLICY / "model.safetensors")
    new = load_file(tmp_path / "orm" / "model.safetensors")
    assert set(new) == {*base, "score.weight"}
    changed = {name for name, value in base.items() if not torch.equal(value.float(), new[name])}
    assert changed == {n for n in base if "q_proj" in n or "up_proj" in n}
    ranks = {int(torch.linalg.matrix_rank(new[n] - base[n].float(), atol=1e-5)) for n in changed}
    assert max(ranks) <= 4
    assert new["score.weight"].any()


@pytest.mark.slow
def test_lora_resumes_to_the_same_bytes_with_dropout_and_bfloat16(tmp_path, monkeypatch):
    pytest.importorskip("peft")
    config = TrainConfig(
        max_steps=5, batch_size=4, lora_rank=2, lora_dropout=0.2, bf16=True, save_every=2, gradient_checkpointing=True,
        learning_rate=1e-2, save_dtype="bfloat16",
    )  # fmt: skip
    train_orm(POLICY, ROWS, out=tmp_path / "whole", config=config)
    interrupted = InterruptedOnce(reward_loss, 4)
    monkeypatch.setattr(shared, "reward_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_orm(POLICY, ROWS, out=tmp_path / "parts", config=config)
    train_orm(POLICY, ROWS, out=tmp_path / "parts", config=config)
    assert interrupted.calls == 4 + 3
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert load_file(tmp_path / "parts" / "model.safetensors")["score.weight"].dtype is torch.bfloat16


def test_a_loss_that_is_no_number_stops_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "reward_loss", lambda model, batch: reward_loss(model, batch) * math.nan)
    with pytest.raises(FloatingPointError, match="the loss is nan at step 1: lower the learning rate"):
        train_orm(POLICY, ROWS, out=tmp_path / "orm", config=FAST)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 6, "accumulate": 4}, "the parts of a batch must be equal"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: out of range"),
        ({"schedule": "step"}, "schedule is 'step'"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"device": "cuda:1"}, "device is 'cuda:1': use 'auto', 'cuda' or 'cpu', and choose a GPU with CUDA_VISIBLE"),
        ({"device": "gpu"}, "device is 'gpu': use 'auto', 'cuda' or 'cpu'"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="device is 'cuda', and there is none: use 'cpu' or 'auto'"):
        train_orm(POLICY, ROWS, out=tmp_path / "orm", config=TrainConfig(max_steps=1, device="cuda"))


def test_a_base_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model at .*nothing.*there is no such folder"):
        train_orm(tmp_path / "nothing", ROWS, out=tmp_path / "out")


def test_the_longest_example_is_never_longer_than_the_context(tmp_path):
    rows = [row(1, "=1", 1.0), row(2, "7" * 40, 0.0), row(3, "7" * 300, 0.0)]
    for limit, left in ((20, "are over 20 tokens"), (1000, "are over 256 tokens")):
        config = TrainConfig(max_steps=1, batch_size=1, max_length=limit)
        with pytest.warns(SkippedRowsWarning, match=left):
            train_orm(POLICY, rows, out=tmp_path / str(limit), config=config)


def test_an_epoch_goes_through_the_rows_once():
    groups = [Group(tuple(range(10)), 3), Group((10, 11), 3), Group((12,), 2)]
    terms = [0] * 12 + [1]
    assert step_count(groups, terms, TrainConfig(epochs=2)) == 4
    assert step_count(groups, terms, TrainConfig(epochs=0.01)) == 1
    assert step_count(groups, terms, TrainConfig(epochs=2, max_steps=9)) == 9


@pytest.mark.parametrize(
    ("rows", "epochs", "steps"), [(47, 1.0, 2), (33, 1.0, 2), (32, 1.0, 1), (96, 0.1, 1), (320, 0.3, 3)]
)
def test_an_epoch_leaves_no_row_out(rows, epochs, steps):
    groups = [Group(tuple(range(rows)), 32)]
    assert step_count(groups, [0] * rows, TrainConfig(epochs=epochs)) == steps
    plan = plan_batches(groups, [1] * rows, steps=steps)
    assert len({i for step in plan for part in step for i in part}) == min(rows, 32 * steps)


def test_a_base_is_the_same_after_it_was_evaluated_again(tmp_path):
    train_orm(POLICY, ROWS[:4], out=tmp_path / "orm", config=TrainConfig(max_steps=1, batch_size=2))
    before = base_digest(tmp_path / "orm")
    for accuracy in (0.5, 0.75):
        (tmp_path / "orm" / "evaluation.json").write_text(json.dumps({"accuracy": accuracy}))
        assert base_digest(tmp_path / "orm") == before
    config = tmp_path / "orm" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert base_digest(tmp_path / "orm") != before


def test_a_tokenizer_with_several_chat_templates_is_saved_whole(tmp_path):
    model, tokenizer = load_base(AutoModelForSequenceClassification, weights_folder("orm"), TrainConfig(), labels=1)
    tokenizer.chat_template = {"default": "{{ messages }}", "tool_use": "{{ tools }}"}
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "older.jinja").write_text("kept")
    (tmp_path / "training.json").write_text("{}")
    finish_folder(tmp_path, model, None, tokenizer, {"kind": "orm"}, TrainConfig())
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.chat_template["default"] == "{{ messages }}"
    assert again.chat_template["tool_use"] == "{{ tools }}"
    assert not (tmp_path / ".model").exists()
    assert (tmp_path / "additional_chat_templates").stat().st_mode & 0o111


@pytest.mark.parametrize("bad", [3, 6])
def test_a_loss_that_is_no_number_is_never_learnt_from(tmp_path, monkeypatch, bad):
    calls = []

    def loss(model, batch):
        calls.append(1)
        return reward_loss(model, batch) * (math.nan if len(calls) == bad else 1.0)

    monkeypatch.setattr(shared, "reward_loss", loss)
    config = TrainConfig(max_steps=6, batch_size=4, save_every=2, log_every=100)
    with pytest.raises(FloatingPointError, match=f"the loss is nan at step {bad}: lower the learning rate"):
        train_orm(POLICY, ROWS, out=tmp_path / "orm", config=config)
    [kept] = (tmp_path / "orm" / "checkpoints").glob("step-*")
    assert kept.name == ("step-2" if bad == 3 else "step-4")
    assert all(value.isfinite().all() for value in load_file(kept / "weights.safetensors").values())
    assert not (tmp_path / "orm" / "model.safetensors").exists()


def test_weights_that_are_no_numbers_are_never_kept(tmp_path):
    config = TrainConfig(max_steps=1, batch_size=4, learning_rate=1e39, warmup=0.0)  # beyond float32 at once
    with pytest.raises(FloatingPointError, match="the weights are not finite after step 1: lower the learning rate"):
        train_orm(POLICY, ROWS, out=tmp_path / "orm", config=config)
    assert not list((tmp_path / "orm").glob("**/*.safetensors"))


def test_a_finished_training_is_loaded_by_several_and_from_where_nothing_can_be_written(tmp_path):
    config = TrainConfig(max_steps=1, batch_size=4)
    first = train_orm(POLICY, ROWS, out=tmp_path / "orm", config=config)
    with held(tmp_path / "orm"):  # as another process that has just finished
        again = train_orm(POLICY, ROWS, out=tmp_path / "orm", config=config)
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True))


@pytest.mark.parametrize("balance", [True, False])
def test_balance_reaches_the_batches(tmp_path, monkeypatch, balance):
    seen = {}

    def fit(model, examples, groups, loss, **_):
        seen.update(targets=[float(e.targets[0]) for e in examples], groups=groups)

    monkeypatch.setattr(shared, "fit", fit)
    rows = [row(k, "=1", label) for k, label in enumerate((1.0, 0.5, 0.49, 0.0, 0.0))]
    train_orm(POLICY, rows, out=tmp_path / "orm", config=TrainConfig(balance=balance, batch_size=4))
    assert seen["targets"] == [1.0, 0.5, 0.49, 0.0, 0.0]
    halves = [Group((0, 1), 2), Group((2, 3, 4), 2)]  # a soft outcome of a half counts as right
    assert seen["groups"] == (halves if balance else [Group((0, 1, 2, 3, 4), 4)])
