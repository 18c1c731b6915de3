"""What a step of a training takes, measured by one that leaves nothing behind."""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from policies.training.config import TrainConfig
from policies.training.hooks import OnMetrics
from verifiers.genrm.critiqued import Critiqued
from verifiers.reward_models.labelled import Labelled

_UNIT = 1024 if sys.platform != "darwin" else 1  # of ru_maxrss, in bytes


def dry_run(train: Callable[[Path, OnMetrics], object]) -> list[str]:
    """Have a training of one step made in a folder that is then removed; what it took, in lines to be printed."""
    import torch

    rows: list[dict[str, Any]] = []
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder) / "training", lambda row: rows.append(dict(row)))
    seconds = time.perf_counter() - start
    row = rows[-1]
    tokens = int(row["tokens"] if "tokens" in row else row["sampled_tokens"])
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    of = "of the GPU" if on_gpu else "of the whole process, which trains on the CPU"
    lines = [
        f"- {tokens:,} tokens in the step" + ("" if "tokens" in row else ", sampled"),
        f"- {peak / 2**30:.2f} GiB at most, {of}",
        f"- {seconds:.1f} s, loading and saving included",
    ]
    if isinstance(took := row.get("seconds"), dict):
        lines.append("- of these, " + ", ".join(f"{name} {spent:.1f} s" for name, spent in took.items()))
    return lines


def heaviest(rows: Sequence[Any], count: int) -> list[Any]:
    """The longest rows, by their texts."""
    return sorted(rows, key=_length, reverse=True)[:count]


def steps_of(config: TrainConfig, rows: int) -> int:
    """The steps that a training of so many rows has."""
    return config.max_steps or max(1, math.ceil(config.epochs * rows / config.batch_size))


def _length(row: Labelled | Critiqued) -> int:
    thoughts = max(map(len, row.rationales), default=0) if isinstance(row, Critiqued) else 0
    return len(str(row.problem.prompt)) + len(row.solution.text) + thoughts
