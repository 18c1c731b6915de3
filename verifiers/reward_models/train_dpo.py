"""The DPO baseline: a policy tuned to prefer right solutions, whose implicit reward then verifies."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from policies.models.attention import attention_for
from policies.models.chat import encode_prompt
from policies.models.steps import StepCutter, eos_ids
from policies.training.base import load_base, longest, lora_config, merged
from policies.training.batch_plan import Group, plan_batches
from policies.training.config import TrainConfig
from policies.training.examples import step_count
from policies.training.folder import base_digest, finish_folder, training_folder
from policies.training.loop import Planned, arguments_for, device_of, on_one_device, own_randomness, run
from policies.training.skipped import warn_of_skipped
from verifiers.interface.files import digest_of
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.labelled import Labelled


@dataclass(frozen=True, slots=True)
class Preference:
    """Two finished solutions of one problem, the better one first."""

    problem: Problem
    chosen: Solution
    rejected: Solution


def preference_pairs(rows: Sequence[Labelled], *, per_problem: int | None = None, seed: int = 0) -> list[Preference]:
    """A right and a wrong solution of the same problem, at most `per_problem` times (None: all pairs).

    Solutions of equal text count once, and the pairs of a problem use as many different ones as they
    can. A row is right from an outcome of 0.5 on; a problem without both kinds has no pair.

    >>> from verifiers import Problem, Solution, Step, Stop, with_outcome
    >>> texts = {"=4": True, "=5": False, "=6": False}
    >>> rows = [with_outcome(Problem("p1", "2+2"), Solution((Step(t),), Stop.EOS), right) for t, right in texts.items()]
    >>> [(p.chosen.text, p.rejected.text) for p in preference_pairs(rows, per_problem=5)]
    [('=4', '=5'), ('=4', '=6')]

    Raises ValueError for `per_problem` below 1.
    """
    if per_problem is not None and per_problem < 1:
        raise ValueError(f"per_problem is {per_problem}: it must be 1 or more, or None for all pairs")
    pools: dict[Problem, tuple[dict[str, Solution], dict[str, Solution]]] = {}
    for row in rows:
        if not math.isnan(row.outcome):
            pool = pools.setdefault(row.problem, ({}, {}))
            pool[row.outcome < 0.5].setdefault(row.solution.text, row.solution)
    rng = np.random.default_rng(seed)
    pairs: list[Preference] = []
    for problem, (right, wrong) in pools.items():
        chosen, rejected = ([list(pool.values())[i] for i in rng.permutation(len(pool))] for pool in (right, wrong))
        found = [Preference(problem, chosen[i], rejected[j]) for i, j in _spread(len(chosen), len(rejected))]
        pairs += found[:per_problem]
    return pairs


def train_dpo(
    base: str | Path,
    pairs: Sequence[Preference],
    *,
    out: str | Path,
    beta: float = 0.1,
    chat: bool = True,
    config: TrainConfig | None = None,
) -> Path:
    """Tune a causal LM by DPO (Rafailov et al. 2023, equation 7), through trl; the reference is the base.

    The ids are those that `policies.Transformers(..., chat=chat).logprobs` reads, so that
    `ImplicitReward(tuned, base, beta)` scores what was trained. A batch has `config.batch_size` pairs;
    pairs over the context are left out with a warning. Trained again into the same `out`, it goes on
    where it was interrupted and ends with the same weights. Returns the folder.

    >>> from bench.tiny import weights_folder
    >>> train_dpo(weights_folder("policy"), [], out="nowhere", beta=0.0)
    Traceback (most recent call last):
    ValueError: beta is 0.0: it must be positive

    Raises ImportError where trl is not installed, ValueError where no pair can be trained on, where
    `config.balance` is asked for, or where `out` belongs to another training.
    """
    config = config or TrainConfig()
    folder = Path(out)
    if not beta > 0:
        raise ValueError(f"beta is {beta}: it must be positive")
    if config.balance:
        raise ValueError("balance=True has no meaning for pairs: each has one of either kind")
    trl = _trl()
    entry = {"kind": "dpo", "beta": beta, "chat": chat}
    identity = {**entry, "base": base_digest(base), "rows": digest_of(pairs)}
    with training_folder(folder, config, identity) as finished, own_randomness(config.seed):
        if finished:
            return folder
        model, tokenizer = load_base(AutoModelForCausalLM, base, config)
        limit = longest(model, config)
        examples = pair_ids(tokenizer, pairs, model=model, limit=limit, chat=chat)
        group = Group(tuple(range(len(examples))), config.batch_size)
        steps = step_count([group], [0] * len(examples), config)
        lengths = [max(len(e["chosen_ids"]), len(e["rejected_ids"])) + len(e["prompt_ids"]) for e in examples]
        plan = plan_batches([group], lengths, steps=steps, accumulate=config.accumulate, seed=config.seed)
        # With low-rank updates the reference is the model without them.
        reference = None if config.lora_rank else load_base(AutoModelForCausalLM, base, config)[0]
        options = arguments_for(model, config, folder, steps)
        options |= {"beta": beta, "max_length": None, "bf16": False, "loss_type": ["sigmoid"]}
        trainer = _trainer(trl, config.bf16)(
            model=model,
            ref_model=reference,
            args=on_one_device(trl.DPOConfig(**options)),
            train_dataset=_dataset(examples),
            processing_class=copy.deepcopy(tokenizer),  # trl gives it a padding token
            peft_config=lora_config(config) if config.lora_rank else None,
        )
        with attention_for(max(lengths), device_of(config)):
            run(trainer, [part for step in plan for part in step], config, folder)
        tuned = merged(trainer.model, config) if config.lora_rank else model
        finish_folder(folder, tuned, tokenizer, entry, config)
    return folder


def pair_ids(
    tokenizer: Any, pairs: Sequence[Preference], *, model: Any, limit: int | None, chat: bool = True
) -> list[dict[str, list[int]]]:
    """Prompt, chosen and rejected ids of each pair, as trl names them; what is over `limit` is left out."""
    cutter = StepCutter(tokenizer, model.config.get_text_config().vocab_size)
    ends = eos_ids(getattr(model, "generation_config", None), model.config.get_text_config(), tokenizer)
    examples: list[dict[str, list[int]]] = []
    skipped: dict[str, list[str]] = {}
    for pair in pairs:
        prompt = encode_prompt(tokenizer, pair.problem.prompt, chat=chat)
        chosen, rejected = (
            [i for ids in cutter.solution_ids(s, ends) for i in ids] for s in (pair.chosen, pair.rejected)
        )
        if limit is not None and len(prompt) + max(len(chosen), len(rejected)) > limit:
            skipped.setdefault(f"are over {limit} tokens", []).append(pair.problem.id)
        else:
            examples.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    warn_of_skipped(skipped, len(pairs), what="pairs", stacklevel=4)
    return examples


def _spread(rights: int, wrongs: int) -> Iterator[tuple[int, int]]:
    """All pairs of indices; the first of them use every right and every wrong one."""
    longer = max(rights, wrongs)
    for shift in range(min(rights, wrongs)):
        for k in range(longer):
            yield (k, (k + shift) % wrongs) if rights >= wrongs else ((k + shift) % rights, k)


def _trl() -> Any:
    try:
        import trl
    except ImportError as error:
        raise ImportError("the DPO baseline needs the package trl: pip install 'stepbeam[train]'") from error
    return trl


def _dataset(examples: Sequence[dict[str, list[int]]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(list(examples))


def _trainer(trl: Any, bf16: bool) -> Any:
    class PairTrainer(Planned, trl.DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset  # the ids are ours already

        def _send_telemetry(self) -> None:
            pass  # a library does not report on its user

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            with torch.autocast(self.args.device.type, torch.bfloat16, enabled=bf16):
                return super().compute_loss(*args, **kwargs)

    return PairTrainer
