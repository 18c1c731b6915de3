"""Commands that take about a second of a fork (`tests.processes`), and the files that each promises."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from policies import Transformers
from policies.models.embedded import weights_folder
from tests.tiny_models import random_llama

_PARTS = """
import random
import policies, verifiers

@policies.Scripted
def drawn(problem, prefix, seed):
    rng = random.Random(f"{problem.id} {seed}")
    text = f"{rng.randint(0, 3)}+\\n{rng.randint(0, 9)}\\n={rng.randint(0, 3)}"
    return text[len(prefix.text):]

@verifiers.from_steps
def judge(problem, solution):
    return [len(set(step.text)) / 40 for step in solution.steps]
"""


@dataclass(frozen=True)
class SmallCommand:
    """A command but for its `--out`, and the files in it that end with the same bytes."""

    arguments: tuple[str, ...]
    files: tuple[str, ...]


_ROWS = ("config.toml", "problems.jsonl", "samples.jsonl", "scores.jsonl", "results.jsonl", "notes.txt")
_MODEL = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")

COMMANDS = {
    "run": SmallCommand(
        (
            "run", "--task=chain", "--policy=own.parts:drawn", "--scorer=own.parts:judge", "--n=4", "--limit=30",
            "--strategies=best_of_n,beam_search", "--chunk=3",
        ),
        (*_ROWS, "trees.jsonl"),
    ),
    "rerank": SmallCommand(
        ("rerank", "pool.jsonl", "--scorer=own.parts:judge", "--scorer=b=own.parts:judge", "--n=2", "--answers=exact"),
        _ROWS,
    ),
    "train orm": SmallCommand(
        ("train", "orm", "rows.jsonl", "--base=./small", "--steps=9", "--batch-size=2", "--save-every=1"),
        (*_MODEL, "log.jsonl"),
    ),
    "train grpo": SmallCommand(
        (
            "train", "grpo", "chain", "--policy=transformers:./small", "--steps=5", "--groups=2", "--group-size=2",
            "--save-every=1", "--attribute-every=1", "--limit=4", "--eval-limit=2", "--eval-samples=1",
            "--max-tokens=12",
        ),
        ("attributions.jsonl", *(f"model/{name}" for name in _MODEL)),
    ),
}  # fmt: skip


def write_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy and the scorer, into a folder that is the current one now, and where imports look first."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in ("own", "own.parts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    Path("own").mkdir()
    Path("own/__init__.py").write_text("")
    Path("own/parts.py").write_text(_PARTS)


def write_inputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands read, into a folder, as `write_parts`."""
    write_parts(folder, monkeypatch)
    pool = [{"prompt": f"{i}?", "answer": str(i), "solutions": [str(j) for j in range(64)]} for i in range(14)]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pool))
    rows = [{"prompt": f"C 1+{i}\n", "solution": "2", "correct": i % 2 == 0} for i in range(6)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer = Transformers.load(weights_folder("policy")).tokenizer
    random_llama(len(tokenizer), max_position_embeddings=64).save_pretrained("small")
    tokenizer.save_pretrained("small")


def promised(command: SmallCommand, folder: str) -> dict[str, bytes]:
    """The bytes of the promised files; all must be there."""
    return {name: Path(folder, name).read_bytes() for name in command.files}
