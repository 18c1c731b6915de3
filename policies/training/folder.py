"""The folder of a training: who it belongs to, and a model that appears in it whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, fields, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from policies.models.pretrained import quiet
from policies.models.sources import source_of
from policies.training.config import TrainConfig
from policies.training.loop import device_of, seeded
from policies.training.resume import latest_checkpoint
from verifiers.interface.digests import digest_of
from verifiers.interface.files import claim, held, read_record, replace_text, room_for

_RECORD = "training.json"
# What stands beside a model that was trained here, and is no part of it.
_BESIDE = (_RECORD, "evaluation.json")
# Options that change no weight, so a resumed training may have others.
_FREE = ("save_every", "keep_last", "log_every", "device", "finished", "max_tokens", "planned_steps")


@contextmanager
def training_folder(
    out: Path, config: TrainConfig, task: Mapping[str, object], *, base: str | PathLike[str], rows: Iterable[object]
) -> Iterator[bool]:
    """Hold the folder and write what is trained there into `training.json`, or compare; True where it has finished.

    Inside, random generators are seeded. A finished training is only read, so that several may load it at once.
    Raises BlockingIOError where another process trains there, ValueError where the folder belongs to another
    training, or holds something else.
    """
    path = out / _RECORD
    content = {"base": base_digest(base), "rows": digest_of(rows)}
    identity = {**task, **content, "config": asdict(config), "finished": False}
    if not is_finished(out):
        device_of(config)  # refused before the lock: so each of several processes says why
    with nullcontext() if is_finished(out) else held(out, owner=_RECORD):
        finished = is_finished(out)
        begun = finished or latest_checkpoint(out / "checkpoints") is not None
        claim(path, identity, kind="a training", begun=begun, free=_FREE)
        with seeded(config.seed):
            yield finished


def is_finished(out: Path) -> bool:
    """Whether the training of a folder has ended, and its model is whole."""
    path = out / _RECORD
    return path.exists() and read_record(path).get("finished") is True


def record(out: Path, **known: object) -> None:
    """Add to `training.json` what was not known when it was begun; one that has it all stays as it is."""
    written = read_record(out / _RECORD)
    before, now = (json.dumps(content, indent=2) + "\n" for content in (written, written | known))
    if now != before:
        replace_text(out / _RECORD, now)


def finish_folder(
    out: Path, model: Any, updates: Any, tokenizer: Any, entry: Mapping[str, object], config: TrainConfig
) -> None:
    """Save model and tokenizer beside `training.json`, then mark the training finished and drop its checkpoints.

    Low-rank `updates` of the model, where there are some, are merged into it, and stand beside it in `adapter/`.
    Checkpoints stay where more than one is kept.
    """
    draft = out / ".model"
    shutil.rmtree(draft, ignore_errors=True)
    if updates is not None and config.save_dtype == "float32":
        updates.float()  # or the sum would be rounded to the frozen weights' dtype
    with room_for(out):
        files = save_merged(model, updates, tokenizer, draft, entry=entry, dtype=getattr(torch, config.save_dtype))
    for file in files:
        place = out / file.relative_to(draft)
        place.parent.mkdir(exist_ok=True)
        os.replace(file, place)
    shutil.rmtree(draft)
    record(out, finished=True)
    if config.keep_last == 1:
        shutil.rmtree(out / "checkpoints", ignore_errors=True)


def save_merged(
    model: Any,
    updates: Any,
    tokenizer: Any,
    folder: Path | None,
    *,
    entry: Mapping[str, object] | None = None,
    dtype: torch.dtype | None = None,
) -> list[Path]:
    """Merge low-rank `updates`, if any, and save model and tokenizer in a new folder (None: nowhere); its files.

    The updates stand beside the model, in `adapter/`.
    """
    if updates is not None:
        if folder is not None:
            save_adapter(updates, folder / "adapter")
        model = updates.merge_and_unload()
    if entry is not None:
        model.config.stepbeam = dict(entry)
    if dtype is not None:
        model.to(dtype)
    return [] if folder is None else save_model(model, tokenizer, folder)


def save_adapter(updates: Any, folder: Path) -> None:
    """Save low-rank updates as peft has them, and the head that was trained beside them as `score.safetensors`."""
    with quiet():
        updates.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # a form to be filled in
    head = getattr(updates.base_model.model, "score", None)
    if head is not None:
        save_file(
            {f"score.{name}": p.detach().contiguous() for name, p in head.named_parameters()},
            folder / "score.safetensors",
        )


def save_model(model: Any, tokenizer: Any, folder: Path) -> list[Path]:
    """Save model and tokenizer in a new folder; its files, which others may read where they may read the folder."""
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]  # chat templates may have a folder
    for file in files:
        file.chmod(folder.stat().st_mode & 0o666)  # safetensors lets nobody else read what it writes
    return files


def digest_of_base(model: Any) -> str:
    """The `base_digest` of where a model was loaded from; nothing where it was made in memory, or has an adapter."""
    place = getattr(model, "name_or_path", None)
    return base_digest(place) if place and not getattr(model, "_hf_peft_config_loaded", False) else ""


def digest_of_models(scorer: object, *, within: frozenset[int] = frozenset()) -> str:
    """What tells the models of a scorer and its parts from others of the same names; nothing where it has none.

    `within` has the ids of what it is a part of, for a part may refer to the whole.
    """
    if isinstance(scorer, torch.nn.Module):
        return digest_of_base(scorer)
    if isinstance(told := getattr(scorer, "models_digest", None), str):
        return told  # by the replicas that have them
    parts: Iterable[object] = ()
    if id(scorer) in within:
        return ""
    if is_dataclass(scorer) and not isinstance(scorer, type):
        parts = [getattr(scorer, field.name, None) for field in fields(scorer)]  # some may be set later
    elif isinstance(scorer, Mapping):
        parts = [part for pair in scorer.items() for part in pair]
    elif isinstance(scorer, list | tuple):
        parts = scorer
    return " ".join(filter(None, (digest_of_models(part, within=within | {id(scorer)}) for part in parts)))


def base_digest(base: str | PathLike[str]) -> str:
    """What tells one base model from another: the digest of a folder's files, or a hub's name."""
    folder = Path(source_of(base))
    if not folder.is_dir():
        return str(base)
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        if path.name not in _BESIDE and path.is_file():  # a pipe would wait
            with open(path, "rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]
