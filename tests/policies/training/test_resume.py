"""A training whose checkpoint or log is no longer what was written says so, and changes nothing."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from policies import GRPOConfig, Sampling, Transformers, grpo_train
from policies.models.tiny_example import tiny_model
from policies.training.config import TrainConfig
from policies.training.export import export_checkpoint
from tests.stand_ins import InterruptedOnce, vowels
from verifiers import Labelled, Problem, Solution, Step, Stop
from verifiers.interface.errors import BadInput
from verifiers.reward_models import train_reward
from verifiers.reward_models.train_orm import train_orm

CONFIG = GRPOConfig(
    steps=2, groups=2, group_size=2, sampling=Sampling(max_tokens=6), learning_rate=1e-2, schedule="constant"
)
PROBLEMS = [Problem(f"p{i}", f"{i}+1=") for i in range(3)]


def train(out: Path, config: GRPOConfig = CONFIG) -> None:
    grpo_train(Transformers(*tiny_model()), PROBLEMS, vowels, out=out, config=config)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "out"
    train(out)
    return out


@pytest.fixture
def out(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "out")


def train_scorer(out: Path) -> None:
    solution = Solution((Step("=2"),), Stop.EOS)
    rows = [Labelled(Problem(f"p{k}", f"C {k}+1\n"), solution, (float(k % 2),)) for k in range(4)]
    train_orm("tiny:policy", rows, out=out, config=TrainConfig(max_steps=3, batch_size=2, save_every=1))


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scorer's training that was stopped after its first step."""
    monkeypatch.setattr(train_reward, "reward_loss", InterruptedOnce(train_reward.reward_loss, 2))
    with pytest.raises(KeyboardInterrupt):
        train_scorer(tmp_path)
    return tmp_path


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def swap(path: Path) -> None:
    path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(True))))


DAMAGED: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "NULs": lambda path: path.write_bytes(b"\0" * 64),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "a list": lambda path: path.write_bytes(b"[]"),
    "another object": lambda path: path.write_bytes(b'{"a": 1}\n'),
    "a folder": replaced_by(Path.mkdir),
    "a pipe": replaced_by(os.mkfifo),
    "a link that leads nowhere": replaced_by(lambda path: path.symlink_to("nowhere")),
}
FILES = ("state.json", "weights.safetensors", "optimizer.safetensors", "randomness.safetensors")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_checkpoint_is_named(out: Path, what: str, name: str) -> None:
    DAMAGED[what](out / "checkpoints" / "step-2" / name)
    before = (out / "metrics.jsonl").read_bytes()
    with pytest.raises(BadInput, match=f"step-2/{name}: "):
        train(out)
    assert (out / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("what", ["empty", "NULs", "deep", "a list", "another object"])
def test_a_state_that_cannot_be_read_is_told_what_to_do(out: Path, what: str) -> None:
    DAMAGED[what](out / "checkpoints" / "step-2" / "state.json")
    with pytest.raises(BadInput, match=r"step-2/state.json: .*; copy the checkpoint again, or remove it"):
        train(out)


@pytest.mark.parametrize("name", FILES[1:])
def test_a_checkpoint_with_a_changed_byte_is_named(half: Path, name: str) -> None:
    path = half / "checkpoints" / "step-1" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # of the last tensor, so that all of them can be read
    path.write_bytes(data)
    with pytest.raises(BadInput, match=rf"step-1/{name}: not as it was written; copy the checkpoint again"):
        train_scorer(half)
    if name == "weights.safetensors":
        with pytest.raises(BadInput, match=rf"step-1/{name}: not as it was written; copy the checkpoint again"):
            export_checkpoint(path.parent, "tiny:policy", half / "made")


def test_moments_under_other_names_are_not_taken(half: Path) -> None:
    path = half / "checkpoints" / "step-1" / "optimizer.safetensors"
    path.write_bytes(path.read_bytes().replace(b"exp_avg_sq", b"exp_avg_sp"))
    with pytest.raises(BadInput, match=r"step-1/optimizer.safetensors: not as it was written"):
        train_scorer(half)


@pytest.mark.parametrize(("key", "value"), [("cursor", 3), ("cursor", None), ("logs", 3), ("logs", [])])
def test_a_checkpoints_state_is_as_it_was_written(out: Path, key: str, value: object) -> None:
    state = out / "checkpoints" / "step-2" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {key: value}) + "\n")
    with pytest.raises(BadInput, match=r"step-2/state.json: not as it was written; copy the checkpoint again"):
        train(out, replace(CONFIG, steps=3))


@pytest.mark.parametrize("name", ["metrics.jsonl", "attributions.jsonl"])
@pytest.mark.parametrize("what", [*DAMAGED, "swapped", "doubled"])
def test_a_log_that_is_not_as_it_was_at_the_checkpoint_is_named(out: Path, what: str, name: str) -> None:
    more = {"swapped": swap, "doubled": lambda path: path.write_bytes(2 * path.read_bytes())}
    (DAMAGED | more)[what](out / name)
    is_file, model = (out / name).is_file(), (out / "model" / "model.safetensors").read_bytes()
    before = (out / name).read_bytes() if is_file else b""
    with pytest.raises(BadInput, match=name):
        train(out, replace(CONFIG, steps=3))
    assert ((out / name).read_bytes() if (out / name).is_file() else b"") == before
    assert (out / "model" / "model.safetensors").read_bytes() == model


def test_a_checkpoint_of_an_earlier_version_says_nothing_of_logs(out: Path) -> None:
    state = out / "checkpoints" / "step-2" / "state.json"
    newer = ("logs", "files", "crc")
    state.write_text(json.dumps({k: v for k, v in json.loads(state.read_text()).items() if k not in newer}))
    train(out, replace(CONFIG, steps=3))
    rows = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize("what", ["NULs", "empty"])
def test_a_damaged_checkpoint_is_not_exported(out: Path, tmp_path: Path, what: str) -> None:
    base = tmp_path / "base"
    model, tokenizer = tiny_model()
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    DAMAGED[what](out / "checkpoints" / "step-2" / "weights.safetensors")
    with pytest.raises(BadInput, match=r"step-2/weights.safetensors: not whole safetensors"):
        export_checkpoint(out / "checkpoints" / "step-2", base, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("known", [{"lora_alpha": 64}, {"learning_rate": 0.5}])
def test_a_record_that_was_changed_since_its_checkpoint_is_not_exported(
    out: Path, tmp_path: Path, known: dict[str, object]
) -> None:
    record = json.loads((out / "training.json").read_text())
    (out / "training.json").write_text(json.dumps(record | {"config": record["config"] | known}))
    with pytest.raises(BadInput, match=r"training.json: changed since .*step-2 was written; put a whole copy"):
        export_checkpoint(out / "checkpoints" / "step-2", "tiny:policy", tmp_path / "made")
    with pytest.raises(BadInput, match=r"training.json: changed since .*step-2 was written; put a whole copy"):
        train(out, replace(CONFIG, steps=3, **known))  # type: ignore[arg-type]


@pytest.mark.parametrize(("option", "value"), [("save_every", 0.5), ("seed", False), ("device", None)])
def test_a_record_that_is_refused_is_left_as_it_is(half: Path, option: str, value: object) -> None:
    path = half / "training.json"
    record = json.loads(path.read_text())
    text = json.dumps(record | {"config": record["config"] | {option: value}})
    path.write_text(text)
    with pytest.raises(BadInput, match=r"training.json: changed since .*step-1 was written; put a whole copy"):
        train_scorer(half)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("config", None),
        ("config", []),
        ("config", {"lora_rank": "x"}),
        ("config", {"lora_targets": None}),
        ("kind", []),
        ("kind", None),
    ],
)
def test_a_record_that_is_damaged_is_not_exported(out: Path, tmp_path: Path, key: str, value: object) -> None:
    record = json.loads((out / "training.json").read_text())
    (out / "training.json").write_text(json.dumps(record | {key: value}))
    with pytest.raises(BadInput, match=r"training.json: damaged .*; put a whole copy in its place"):
        export_checkpoint(out / "checkpoints" / "step-2", "tiny:policy", tmp_path / "made")
