"""What a step of a training takes, measured by one that leaves nothing behind."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias

from policies.models.pretrained import load_config, load_tokenizer
from policies.models.sources import source_of
from policies.training.base import longest
from policies.training.batch_plan import Group
from policies.training.config import TrainConfig
from policies.training.hooks import OnMetrics
from policies.training.planned import step_count
from policies.training.skipped import SkippedRowsWarning
from verifiers.genrm.format import GenRMFormat

Examples: TypeAlias = Callable[[Any], Sequence[Any]]  # of a row
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
    sampled = row.get("sampled_tokens")  # of GRPO, whose "tokens" are a solution's
    tokens = int(row["tokens"] if sampled is None else sampled)
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    of = "of the GPU" if on_gpu else "of the whole process, which trains on the CPU"
    lines = [
        f"- {tokens:,} tokens in the step" + ("" if sampled is None else ", sampled"),
        f"- {peak / 2**30:.2f} GiB at most, {of}",
        f"- {seconds:.1f} s, loading and saving included",
    ]
    if isinstance(took := row.get("seconds"), dict):
        lines.append("- of these, " + ", ".join(f"{name} {spent:.1f} s" for name, spent in took.items()))
    return lines


def heaviest(rows: Sequence[Any], config: TrainConfig, examples: Examples) -> tuple[list[Any], int]:
    """The rows of the longest examples, as many as a step has, and the steps that a training of all rows has.

    `examples` are what the training learns from a row. Where it learns from none, it says why itself.
    """
    lengths = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkippedRowsWarning)
        for row in rows:
            try:
                lengths.append([len(example.ids) for example in examples(row)])
            except ValueError:  # it is left out
                lengths.append([])
    fit = sorted((i for i in range(len(rows)) if lengths[i]), key=lambda i: max(lengths[i]), reverse=True)
    if not fit:
        return list(rows[: config.batch_size]), 1
    count = sum(map(len, lengths))
    steps = step_count([Group(tuple(range(count)), config.batch_size)], [0] * count, config)
    return [rows[i] for i in fit[: config.batch_size]], steps


def examples_of_rewards(base: str, config: TrainConfig, *, outcome_only: bool) -> Examples:
    """What an ORM or a PRM learns from a row."""
    from verifiers.reward_models.train_reward import reward_examples

    tokenizer, limit = _reader(base, config)
    return lambda row: reward_examples(tokenizer, [row], limit=limit, outcome_only=outcome_only)


def examples_of_verdicts(
    base: str, config: TrainConfig, *, mode: Literal["direct", "cot"], words: GenRMFormat, rationales: int | None
) -> Examples:
    """What a generative verifier learns from a row."""
    from verifiers.genrm.train import verify_examples

    tokenizer, limit = _reader(base, config)
    return lambda row: verify_examples(tokenizer, [row], mode, words, limit=limit, rationales=rationales)[0]


def _reader(base: str, config: TrainConfig) -> tuple[Any, int | None]:
    """A base's tokenizer, and how many tokens an example may have."""
    source = source_of(base)
    return load_tokenizer(source), longest(SimpleNamespace(config=load_config(source)), config)
