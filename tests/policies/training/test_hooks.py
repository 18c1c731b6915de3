"""Who is told of a training, what is kept of it, and that neither changes it."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from policies import GRPOConfig, Sampling, Transformers, grpo_train
from policies.grpo.metrics import best_steps
from policies.models.tiny_example import tiny_model
from policies.training.config import TrainConfig
from policies.training.export import export_checkpoint
from policies.training.hooks import MetricsNotToldWarning, reporting
from policies.training.resume import drop_checkpoints
from prms import PRM, train_prm
from tests.stand_ins import vowels
from verifiers import Labelled, Problem, Solution, Step, Stop
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.format import GenRMFormat
from verifiers.genrm.train import train_genrm
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.files import whole_rows
from verifiers.reward_models.train_dpo import Preference, train_dpo
from verifiers.reward_models.train_orm import train_orm

CONFIG = TrainConfig(max_steps=4, batch_size=2, learning_rate=1e-3, save_every=1, log_every=1, warmup=0.0)
ROWS = [
    Labelled(Problem(f"p{k}", f"C {k}+1\n"), Solution((Step(f"={k}"),), Stop.EOS), (float(k % 2),)) for k in range(6)
]
GRPO = GRPOConfig(
    steps=3, groups=2, group_size=2, sampling=Sampling(max_tokens=6), learning_rate=1e-2, save_every=1,
    attribute_every=0,
)  # fmt: skip


def trained(out: Path, config: TrainConfig = CONFIG, **more: Any) -> bytes:
    train_orm("tiny:policy", ROWS, out=out, config=config, **more)
    return (out / "model.safetensors").read_bytes()


def grpo(out: Path, config: GRPOConfig = GRPO, **more: Any) -> Any:
    problems = [Problem(f"p{i}", f"{i}+1=") for i in range(3)]
    return grpo_train(Transformers(*tiny_model()), problems, vowels, out=out, config=config, **more)


def test_each_row_of_the_log_is_told_as_it_is_written(tmp_path: Path) -> None:
    rows: list[Mapping[str, Any]] = []

    def note(row: Mapping[str, Any]) -> None:
        torch.rand(5)  # a tracker of somebody else's may draw what it likes
        rows.append(dict(row))
        assert whole_rows(tmp_path / "told" / "log.jsonl")[-1] == row

    assert trained(tmp_path / "told", replace(CONFIG, lora_rank=2, lora_dropout=0.5), on_metrics=note) == trained(
        tmp_path / "untold", replace(CONFIG, lora_rank=2, lora_dropout=0.5)
    )
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all(row["tokens"] > 10 and math.isfinite(row["loss"]) for row in rows)


def test_what_is_told_is_ones_own(tmp_path: Path) -> None:
    def take(row: Any) -> None:
        row.pop("reward")
        row["seconds"].clear()

    made = grpo(tmp_path / "out", on_metrics=take)
    assert all("reward" in row and row["seconds"] for row in made.metrics)


def test_who_cannot_be_told_loses_no_training(tmp_path: Path) -> None:
    asked = []

    def fails(row: Mapping[str, Any]) -> None:
        asked.append(row["step"])
        raise OSError("no route\nto the server")

    with pytest.warns(MetricsNotToldWarning, match=r"failed at step 1 \(OSError: no route\); the training goes on"):
        told = trained(tmp_path / "told", on_metrics=fails)
    assert asked == [1]
    assert told == trained(tmp_path / "untold")


def test_a_generative_verifier_and_an_implicit_reward_tell_theirs(tmp_path: Path) -> None:
    rows: list[Any] = []
    problem, config = Problem("p1", "C 7-9\n"), replace(CONFIG, max_steps=2, batch_size=1)
    right, wrong = (Solution((Step(text),), Stop.EOS) for text in ("=8", "=7"))
    short = GenRMFormat(direct="{problem}{solution}?", cot="", solver="{problem}", verdict="?", yes="Y", no="N")
    judged = [Critiqued(problem, right, True)]
    train_genrm(
        "tiny:policy", judged, mode="direct", out=tmp_path / "g", format=short, config=config, on_metrics=rows.append
    )
    train_dpo(
        "tiny:policy", [Preference(problem, right, wrong)], out=tmp_path / "d", config=config, on_metrics=rows.append
    )
    assert [row["step"] for row in rows] == [1, 2, 1, 2]
    assert all(row["tokens"] > 10 for row in rows)
    assert "rewards/margins" in rows[-1]


def test_grpo_tells_its_metrics(tmp_path: Path) -> None:
    rows: list[Any] = []
    result = grpo(tmp_path / "out", on_metrics=rows.append)
    assert [row["reward"] for row in rows] == [row["reward"] for row in result.metrics]


def test_an_unknown_tracker_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    for name, match in (("mlflow", "use tensorboard, wandb, trackio"), ("wandb", "pip install wandb")):
        if name == "wandb" and __import__("importlib.util").util.find_spec(name):
            continue
        with pytest.raises(BadArgument, match=match), reporting(name, tmp_path, name="x", config={}):  # type: ignore[arg-type]
            raise AssertionError("it was let in")


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_tensorboard_has_every_step(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with reporting("tensorboard", tmp_path / "out", name="grpo", config={}) as tell:
        result = grpo(tmp_path / "out", on_metrics=tell)
    read = events.EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("reward")] == [
        (row["step"], pytest.approx(row["reward"])) for row in result.metrics
    ]
    assert "seconds/rollout" in read.Tags()["scalars"]


@pytest.mark.filterwarnings("ignore")  # of trackio's own
def test_trackio_has_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    with reporting("trackio", tmp_path / "out", name="stepbeam-test", config={"steps": 4, "nothing": None}) as tell:
        trained(tmp_path / "out", on_metrics=tell)
    from trackio.sqlite_storage import SQLiteStorage

    [run] = trackio.Api().runs("stepbeam-test")
    assert run.config["steps"] == 4
    logs = SQLiteStorage.get_logs("stepbeam-test", run.name)
    rows = whole_rows(tmp_path / "out" / "log.jsonl")
    assert [(log["step"], log["loss"]) for log in logs] == [(row["step"], row["loss"]) for row in rows]


def test_the_latest_checkpoints_are_kept(tmp_path: Path) -> None:
    trained(tmp_path / "out", replace(CONFIG, keep_last=2))
    assert sorted(p.name for p in (tmp_path / "out" / "checkpoints").iterdir()) == ["step-2", "step-3"]
    for name in ("step-5", "step-40", ".step-41.draft"):
        (tmp_path / "out" / "checkpoints" / name).mkdir()
    drop_checkpoints(tmp_path / "out" / "checkpoints", keep_last=1, keep=[3])
    assert sorted(p.name for p in (tmp_path / "out" / "checkpoints").iterdir()) == ["step-3", "step-40"]


def test_the_best_by_evaluation_is_kept(tmp_path: Path) -> None:
    scores = iter([0.1, 0.5, 0.9, 0.2])

    def evaluate(policy: object) -> dict[str, float]:
        return {"accuracy": next(scores)}

    config = replace(GRPO, evaluate_every=1, keep_best="accuracy", save_every=0)
    grpo(tmp_path / "out", config, evaluate=evaluate)
    assert sorted(p.name for p in (tmp_path / "out" / "checkpoints").iterdir()) == ["step-2", "step-3"]
    for given, match in (
        (config, "evaluate is not given"),
        (replace(config, keep_best="maj"), "the evaluation of step 0 has acc"),
    ):
        scores = iter([0.1] * 4)
        more = {"evaluate": evaluate} if given is not config else {}
        with pytest.raises(ValueError, match=match):
            grpo(tmp_path / "other", given, **more)
    with pytest.raises(ValueError, match="nothing would be evaluated"):
        replace(config, evaluate_every=0)


def test_the_best_is_a_finite_number() -> None:
    rows = [
        {"step": step, "evaluation": {"accuracy": a}} for step, a in ((0, 0.9), (5, math.nan), (10, 0.6), (15, 0.7))
    ]
    assert best_steps(rows, "accuracy") == [15]
    assert best_steps(rows[:2], "accuracy") == []
    with pytest.raises(ValueError, match="step 5 has accuracy None: give a number"):
        best_steps([{"step": 5, "evaluation": {"accuracy": None}}], "accuracy")


@pytest.mark.parametrize("rank", [0, 2])
def test_a_checkpoint_becomes_the_model_that_the_end_wrote(tmp_path: Path, rank: int) -> None:
    model, tokenizer = tiny_model()
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    grpo(tmp_path / "out", replace(GRPO, lora_rank=rank))
    checkpoint = tmp_path / "out" / "checkpoints" / "step-3"
    made = load_file(export_checkpoint(checkpoint, tmp_path / "base", tmp_path / "made") / "model.safetensors")
    ended = load_file(tmp_path / "out" / "model" / "model.safetensors")
    assert made.keys() == ended.keys()
    assert all(torch.equal(made[name], ended[name]) for name in made)
    assert (tmp_path / "made" / "adapter").exists() == bool(rank)


def test_a_checkpoint_of_a_scorer_is_a_scorer(tmp_path: Path) -> None:
    config = replace(CONFIG, keep_last=9, schedule="constant")
    train_prm("tiny:policy", ROWS, target="value", out=tmp_path / "out", config=config)
    made = export_checkpoint(tmp_path / "out" / "checkpoints" / "step-2", "tiny:policy", tmp_path / "made")
    prm = PRM.load(made)
    assert prm.target == "value"
    saved = load_file(tmp_path / "out" / "checkpoints" / "step-2" / "weights.safetensors")
    assert torch.equal(prm.model.score.weight, saved["score.weight"])
    with pytest.raises(BadInput, match="did not begin from"):
        export_checkpoint(tmp_path / "out" / "checkpoints" / "step-2", "tiny:orm", tmp_path / "other")
    with pytest.raises(BadInput, match="not a checkpoint"):
        export_checkpoint(tmp_path / "out", "tiny:policy", tmp_path / "other")
    said = json.loads((tmp_path / "out" / "config.json").read_text())
    (tmp_path / "out" / "config.json").write_text(json.dumps(said | {"stepbeam": said["stepbeam"] | {"target": "x"}}))
    checkpoint = tmp_path / "out" / "checkpoints" / "step-2"
    assert PRM.load(export_checkpoint(checkpoint, "tiny:policy", tmp_path / "again")).target == "value"
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    (tmp_path / "out" / "training.json").write_text(json.dumps(record | {"target": "advantage"}))
    with pytest.raises(BadInput, match="changed since"):
        export_checkpoint(tmp_path / "out" / "checkpoints" / "step-2", "tiny:policy", tmp_path / "other")


def test_a_checkpoint_says_what_the_model_at_the_end_says_of_itself(tmp_path: Path) -> None:
    config = replace(CONFIG, batch_size=1, keep_last=9, max_steps=2)
    right, wrong = (Solution((Step(text),), Stop.EOS) for text in ("=8", "=7"))
    problem = Problem("p1", "C 7-9\n")
    train_dpo("tiny:policy", [Preference(problem, right, wrong)], out=tmp_path / "dpo", config=config)
    words = GenRMFormat(direct="", cot="{problem}{solution}?", solver="{problem}", verdict="?", yes="Y", no="N")
    judged = [Critiqued(problem, right, True, ("so?Y",))]
    more: Any = {"rehearsal": [("C 7-9", "=8")], "solution_weight": 0}
    train_genrm("tiny:policy", judged, mode="cot", out=tmp_path / "cot", format=words, config=config, **more)
    for kind in ("dpo", "cot"):
        said = json.loads((tmp_path / kind / "config.json").read_text())["stepbeam"]
        (tmp_path / kind / "config.json").unlink()  # as before the training's end
        made = export_checkpoint(tmp_path / kind / "checkpoints" / "step-1", "tiny:policy", tmp_path / f"made-{kind}")
        assert json.loads((made / "config.json").read_text())["stepbeam"] == said


def test_low_rank_updates_are_exported_on_their_own_base_alone_and_in_its_dtype(tmp_path: Path) -> None:
    model, tokenizer = tiny_model()
    for name, shift in (("base", 0.0), ("other", 1.0)):
        with torch.no_grad():
            model.get_input_embeddings().weight.add_(shift)
        model.to(torch.bfloat16).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    problems = [Problem(f"p{i}", f"{i}+1=") for i in range(3)]
    policy = Transformers.load(tmp_path / "base", device="cpu", dtype="auto")
    grpo_train(policy, problems, vowels, out=tmp_path / "out", config=replace(GRPO, lora_rank=2))
    checkpoint = tmp_path / "out" / "checkpoints" / "step-3"
    made = load_file(export_checkpoint(checkpoint, tmp_path / "base", tmp_path / "made") / "model.safetensors")
    ended = load_file(tmp_path / "out" / "model" / "model.safetensors")
    assert {p.dtype for p in made.values()} == {torch.bfloat16}
    assert all(torch.equal(made[name], ended[name]) for name in ended)
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    refused = {"did not begin from": record, "changed since": {k: v for k, v in record.items() if k != "base"}}
    for words, known in refused.items():
        (tmp_path / "out" / "training.json").write_text(json.dumps(known))
        with pytest.raises(BadInput, match=words):
            export_checkpoint(checkpoint, tmp_path / "other", tmp_path / "wrong")


def test_low_rank_updates_stand_beside_the_merged_model(tmp_path: Path) -> None:
    from peft import PeftModel

    grpo(tmp_path / "out", replace(GRPO, lora_rank=2))
    folder = tmp_path / "out" / "model"
    assert sorted(p.name for p in (folder / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    base, _ = tiny_model()
    added = PeftModel.from_pretrained(base, folder / "adapter").merge_and_unload()
    ids = torch.arange(3, 30)[None]
    merged = Transformers.load(folder, device="cpu").model
    torch.testing.assert_close(added(ids).logits, merged(ids).logits, rtol=1e-5, atol=1e-6)


def test_the_head_that_was_trained_beside_the_updates_is_kept_with_them(tmp_path: Path) -> None:
    trained(tmp_path / "out", replace(CONFIG, lora_rank=2))
    head = load_file(tmp_path / "out" / "adapter" / "score.safetensors")
    model = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(head["score.weight"], model["score.weight"])
    assert json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())["r"] == 2
