"""The DPO baseline: a policy tuned to prefer right solutions, whose implicit reward then verifies."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM

from policies.models.chat import TemplateError, check_template, encode_prompt
from policies.models.engine_options import Chat
from policies.models.steps import StepCutter, eos_ids
from policies.models.token_rows import unknown_id
from policies.training.base import add_lora, before_training, load_base, longest
from policies.training.batch_plan import Group, plan_batches
from policies.training.config import TrainConfig
from policies.training.examples import Example, collated, continuation, next_token_losses
from policies.training.folder import finish_folder, training_folder
from policies.training.hooks import OnMetrics
from policies.training.loop import device_of
from policies.training.planned import step_count, train_planned
from policies.training.skipped import warn_of_skipped
from verifiers.interface.arguments import check_config, check_kind, check_rows, path_argument
from verifiers.interface.errors import check_finite, check_kinds, check_least
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.labelled import Labelled

_ROWS = "give a list of verifiers.Preference; verifiers.preference_pairs makes them of labelled rows"


@dataclass(frozen=True, slots=True)
class Preference:
    """Two finished solutions of one problem, the better one first."""

    problem: Problem
    chosen: Solution
    rejected: Solution

    def __post_init__(self) -> None:
        check_kinds(self)


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
    check_least(0, {"seed": seed})
    if per_problem is not None:
        check_least(1, {"per_problem": per_problem})
    rows = check_rows(rows, Labelled, "give a list of verifiers.Labelled")
    pools: dict[Problem, tuple[dict[str, Solution], dict[str, Solution]]] = {}
    for row in rows:
        if not math.isnan(row.outcome):
            pool = pools.setdefault(row.problem, ({}, {}))
            pool[row.outcome < 0.5].setdefault(row.solution.text, row.solution)
    rng = np.random.default_rng(seed)
    pairs: list[Preference] = []
    for problem, (right, wrong) in pools.items():
        chosen, rejected = ([list(pool.values())[i] for i in rng.permutation(len(pool))] for pool in (right, wrong))
        spread = [Preference(problem, chosen[i], rejected[j]) for i, j in _spread(len(chosen), len(rejected))]
        pairs += spread[:per_problem]
    return pairs


def train_dpo(
    base: str | PathLike[str],
    pairs: Sequence[Preference],
    *,
    out: str | PathLike[str],
    beta: float = 0.1,
    chat: Chat = True,
    config: TrainConfig | None = None,
    on_metrics: OnMetrics | None = None,
) -> Path:
    """Tune a causal LM by DPO (Rafailov et al. 2023, equation 7); the reference is the base.

    The ids are those that `policies.Transformers(..., chat=chat).logprobs` reads, so that
    `ImplicitReward(tuned, base, beta)` scores what was trained. A batch has `config.batch_size` pairs;
    pairs over the context are left out with a warning. Trained again into the same `out`, it goes on
    where it was interrupted and ends with the same weights. Its log has the mean rewards of chosen and rejected
    solutions, the margin between them, and how often it is positive. Returns the folder.

    >>> train_dpo("tiny:policy", [], out="nowhere", beta=0.0)
    Traceback (most recent call last):
    ValueError: beta is 0.0: it must be positive

    Raises ValueError where no pair can be trained on, where `config.balance` is asked for, or where `out`
    belongs to another training.
    """
    config = TrainConfig() if config is None else config
    check_config(config, TrainConfig)
    pairs = check_rows(pairs, Preference, _ROWS, name="pairs")
    folder = path_argument("out", out)
    check_finite({"beta": beta})
    check_kind("chat", chat, bool | Mapping, "give True, False or the arguments of the chat template")
    if not beta > 0:
        raise ValueError(f"beta is {beta}: it must be positive")
    if config.balance:
        raise ValueError("balance=True has no meaning for pairs: each has one of either kind")
    entry = {"kind": "dpo", "beta": beta, "chat": chat if isinstance(chat, bool) else dict(chat)}
    with training_folder(folder, config, entry, base=base, rows=pairs) as finished:
        if finished:
            return folder
        model, tokenizer = load_base(AutoModelForCausalLM, base, config)
        check_template(tokenizer, chat)
        rows = pair_ids(tokenizer, pairs, model=model, limit=longest(model, config), chat=chat)
        examples = [
            (_after(r["prompt_ids"], r["chosen_ids"]), _after(r["prompt_ids"], r["rejected_ids"])) for r in rows
        ]
        group = Group(tuple(range(len(examples))), config.batch_size)
        steps = step_count([group], [0] * len(examples), config)
        lengths = [max(len(r["chosen_ids"]), len(r["rejected_ids"])) + len(r["prompt_ids"]) for r in rows]
        plan = plan_batches([group], lengths, steps=steps, accumulate=config.accumulate, seed=config.seed)
        updates = add_lora(model, config)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # of the two models that are compared, the reference has none
        reference = before_training(model.to(device_of(config)), updates)

        def loss(picks: Sequence[int]) -> Mapping[str, torch.Tensor]:
            return dpo_values(model, reference, [examples[i] for i in picks], beta=beta, pairs=config.batch_size)

        longest_pair = max(lengths)
        train_planned(model, plan, loss, config=config, out=folder, longest=longest_pair, on_metrics=on_metrics)
        finish_folder(folder, model, updates, tokenizer, entry, config)
    return folder


def dpo_values(
    model: Any,
    reference: Callable[[], AbstractContextManager[Any]],
    examples: Sequence[tuple[Example, Example]],
    *,
    beta: float,
    pairs: int,
) -> dict[str, torch.Tensor]:
    """The share that some (chosen, rejected) have in the loss of a batch of so many pairs, and in its mean rewards."""
    with torch.no_grad(), reference() as base:
        before = _logps(base, examples)
    chosen, rejected = beta * (_logps(model, examples) - before)
    margins = chosen - rejected
    values = {
        "loss": -logsigmoid(margins),
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": margins,
        "rewards/accuracies": (margins > 0).float(),
    }
    tokens = sum(len(example.ids) for pair in examples for example in pair)
    return {name: value.sum() / pairs for name, value in values.items()} | {"tokens": torch.tensor(tokens)}


def pair_ids(
    tokenizer: Any, pairs: Sequence[Preference], *, model: Any, limit: int | None, chat: Chat = True
) -> list[dict[str, list[int]]]:
    """Prompt, chosen and rejected ids of each pair; what is over `limit` is left out."""
    cutter = StepCutter(tokenizer, model.config.get_text_config().vocab_size)
    ends = eos_ids(getattr(model, "generation_config", None), model.config.get_text_config(), tokenizer)
    examples: list[dict[str, list[int]]] = []
    skipped: dict[str, list[str]] = {}
    for pair in pairs:
        try:
            prompt = encode_prompt(tokenizer, pair.problem.prompt, chat=chat)
        except TemplateError:
            skipped.setdefault("have a prompt that the chat template refuses", []).append(pair.problem.id)
            continue
        chosen, rejected = (
            [i for ids in cutter.solution_ids(s, ends) for i in ids] for s in (pair.chosen, pair.rejected)
        )
        if unknown_id((*prompt, *chosen, *rejected), cutter.vocabulary):
            skipped.setdefault("hold tokens that the model does not have", []).append(pair.problem.id)
        elif limit is not None and len(prompt) + max(len(chosen), len(rejected)) > limit:
            skipped.setdefault(f"are over {limit} tokens", []).append(pair.problem.id)
        else:
            examples.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    warn_of_skipped(skipped, len(pairs), what="pairs", stacklevel=4)
    return examples


def _after(prompt: Sequence[int], solution: Sequence[int]) -> Example:
    begin = max(1, len(prompt))  # the first token of all has no probability
    ids = [*prompt, *solution]
    return continuation(ids[:begin], ids[begin:])


def _logps(model: Any, examples: Sequence[tuple[Example, Example]]) -> torch.Tensor:
    """The log-probabilities of all chosen and of all rejected solutions, in nats; shape (2, pairs)."""
    rows = [pair[side] for side in (0, 1) for pair in examples]
    batch = {name: tensor.to(model.device) for name, tensor in collated(rows, [1.0] * len(rows)).items()}
    by_row = next_token_losses(model, batch).split([len(row.at) for row in rows])
    return -torch.stack([losses.sum() for losses in by_row]).view(2, -1)


def _spread(rights: int, wrongs: int) -> Iterator[tuple[int, int]]:
    """All pairs of indices; the first of them use every right and every wrong one."""
    longer = max(rights, wrongs)
    for shift in range(min(rights, wrongs)):
        for k in range(longer):
            yield (k, (k + shift) % wrongs) if rights >= wrongs else ((k + shift) % rights, k)
