"""The folder of a training: who it belongs to, and a model that appears in it whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from policies.training.base import quiet
from policies.training.config import TrainConfig
from policies.training.resume import latest_checkpoint

_RECORD = "training.json"
# What stands beside a model that was trained here, and is no part of it.
_BESIDE = (_RECORD, "evaluation.json")
# Options that change no weight, so a resumed training may have others.
_FREE = ("save_every", "log_every", "device")


def claim_folder(out: Path, config: TrainConfig, task: Mapping[str, object]) -> bool:
    """Write what is trained here into `training.json`, or compare it; True where the training has finished.

    Raises ValueError where the folder belongs to another training, or holds something else.
    """
    wanted = json.loads(json.dumps({**task, "config": asdict(config)}))
    path = out / _RECORD
    if not path.exists() and out.is_dir() and any(not p.name.startswith(".") for p in out.iterdir()):
        raise ValueError(f"{out}: not empty, and not a training's folder; choose another out")
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        # What has saved nothing yet may still change its mind.
        if found["finished"] or latest_checkpoint(out / "checkpoints") is not None:
            _compare(out, found, wanted)
            return bool(found["finished"])
    out.mkdir(parents=True, exist_ok=True)
    _write(path, {**wanted, "finished": False})
    return False


def finish_folder(out: Path, model: Any, tokenizer: Any, entry: Mapping[str, object], config: TrainConfig) -> None:
    """Save model and tokenizer beside `training.json`, then mark the training finished and drop its checkpoints."""
    draft = out / ".model"
    shutil.rmtree(draft, ignore_errors=True)
    model.config.stepbeam = dict(entry)
    with quiet():
        model.to(getattr(torch, config.save_dtype)).save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    mode = 0o666 & ~_umask()
    for file in [path for path in draft.rglob("*") if path.is_file()]:  # chat templates may have a folder
        place = out / file.relative_to(draft)
        place.parent.mkdir(exist_ok=True)
        file.chmod(mode)  # safetensors writes files that others may not read
        os.replace(file, place)
    shutil.rmtree(draft)
    record = json.loads((out / _RECORD).read_text(encoding="utf-8"))
    _write(out / _RECORD, {**record, "finished": True})
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


def base_digest(base: str | Path) -> str:
    """What tells one base model from another: the digest of a folder's files, or a hub's name."""
    folder = Path(base)
    if not folder.is_dir():
        return str(base)
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        if path.name not in _BESIDE:
            with open(path, "rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _compare(out: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    old, new = _flat(found), _flat(wanted)
    for name in sorted((old.keys() | new.keys()) - {"finished", *_FREE}):
        if old.get(name) != new.get(name):
            raise ValueError(
                f"{out}: this folder holds a training with {name} = {old.get(name)!r}, and {new.get(name)!r} was "
                "asked for; choose another out, or remove the folder"
            )


def _flat(record: Mapping[str, Any]) -> dict[str, object]:
    return {**{k: v for k, v in record.items() if k != "config"}, **record.get("config", {})}


def _write(path: Path, record: Mapping[str, object]) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
