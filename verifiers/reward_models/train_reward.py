"""What the trainings of ORM and PRM share: from labelled rows to a reward model's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from policies.models.chat import check_template
from policies.models.token_rows import TokenRow, token_rows
from policies.training.base import add_lora, load_base, longest
from policies.training.batch_plan import Group
from policies.training.config import TrainConfig
from policies.training.examples import Example, example, fit, reward_loss
from policies.training.folder import finish_folder, training_folder
from policies.training.hooks import OnMetrics
from policies.training.skipped import warn_of_skipped
from verifiers.interface.arguments import path_argument
from verifiers.interface.errors import BadInput
from verifiers.interface.solution import Solution
from verifiers.reward_models.labelled import Labelled

_CHUNK = 1024


def train_reward_model(
    auto_class: Any,
    base: str | PathLike[str],
    rows: Sequence[Labelled],
    *,
    entry: Mapping[str, object],
    out: str | PathLike[str],
    config: TrainConfig,
    on_metrics: OnMetrics | None = None,
) -> None:
    """Train a model with a head of one output on the rows' labels (an ORM: outcomes), and write its folder."""
    outcome_only = entry["kind"] == "orm"
    folder = path_argument("out", out)
    with training_folder(folder, config, entry, base=base, rows=rows) as finished:
        if finished:
            return
        model, tokenizer = load_base(auto_class, base, config, fresh=("score.weight", "score.bias"), labels=1)
        check_template(tokenizer)
        if getattr(model, "score", None) is None:
            raise BadInput(f"{type(model).__name__} has no `score` head: use a base of another architecture")
        examples = reward_examples(tokenizer, rows, limit=longest(model, config), outcome_only=outcome_only)
        if outcome_only:
            right = [i for i, e in enumerate(examples) if e.targets[0] >= 0.5]
            groups = balanced_groups(right, len(examples), config)
        else:
            groups = [Group(tuple(range(len(examples))), config.batch_size)]
            examples = balanced_labels(examples) if config.balance else examples
        updates = add_lora(model, config)
        fit(model, examples, groups, reward_loss, config=config, out=folder, on_metrics=on_metrics)
        finish_folder(folder, model, updates, tokenizer, entry, config)


def reward_examples(
    tokenizer: Any, rows: Sequence[Labelled], *, limit: int | None, outcome_only: bool
) -> list[Example]:
    """The ids of each row, and its labels at exactly the positions where a reward model reads its scores.

    A label that is NaN is not among them; the root's is read at the prompt's last token. Rows without a
    label or over `limit` tokens are left out with a `SkippedRowsWarning`; ValueError where that is all.
    """
    examples: list[Example] = []
    skipped: dict[str, list[str]] = {}
    for begin in range(0, len(rows), _CHUNK):
        chunk = rows[begin : begin + _CHUNK]
        problems = [row.problem for row in chunk]
        whole = token_rows(tokenizer, problems, [row.solution for row in chunk], limit=limit)
        prompts = token_rows(tokenizer, problems, [Solution()] * len(chunk), limit=None)
        for row, tokens, prompt in zip(chunk, whole, prompts, strict=True):
            root = len(prompt.ids) - 1 if isinstance(prompt, TokenRow) else -1
            reads = _reads(row, tokens, root, outcome_only=outcome_only, limit=limit)
            if isinstance(reads, str):
                skipped.setdefault(reads, []).append(row.problem.id)
            else:
                examples.append(reads)
    warn_of_skipped(skipped, len(rows))
    return examples


def _reads(row: Labelled, tokens: TokenRow | str, root: int, *, outcome_only: bool, limit: int | None) -> Example | str:
    if isinstance(tokens, str):
        reasons = {"is empty": "have a step without text", "over the": f"are over {limit} tokens"}
        refused = "have a prompt that the chat template refuses"
        return next((reason for words, reason in reasons.items() if words in tokens), refused)
    labels = [row.outcome] if outcome_only else list(row.labels)
    at = list(tokens.ends[-1:] if outcome_only else tokens.ends)
    if not outcome_only and row.root is not None:
        labels.insert(0, row.root)
        at.insert(0, root)
    if at and at[0] < 0:
        return "have a root value, but no prompt to read it at"
    reads = [(position, label) for position, label in zip(at, labels, strict=True) if label == label] if at else []
    if not reads:
        return "have no outcome" if outcome_only else "have no label"
    return example(tokens.ids, [p for p, _ in reads], [label for _, label in reads])


def balanced_groups(right: Sequence[int], total: int, config: TrainConfig) -> list[Group]:
    """Half of each batch from the right examples and half from the others, where `config.balance` asks for it.

    Raises ValueError where that cannot be.
    """
    if not config.balance:
        return [Group(tuple(range(total)), config.batch_size)]
    wrong = tuple(sorted(set(range(total)) - set(right)))
    if not right or not wrong:
        raise ValueError(f"all {total} examples are {'right' if right else 'wrong'}: balance=True needs both kinds")
    if config.batch_size % 2:
        raise ValueError(f"batch_size is {config.batch_size}: balance=True needs an even one")
    return [Group(tuple(right), config.batch_size // 2), Group(wrong, config.batch_size // 2)]


def balanced_labels(examples: Sequence[Example]) -> list[Example]:
    """The same with weights that give the labels below 0.5 and the others the same total.

    A solution's labels come together, so here it is weights that balance, and not the choice of rows.
    Raises ValueError where all labels are on one side.
    """
    labels = np.concatenate([e.targets for e in examples])
    high = float((labels >= 0.5).mean())
    if high in (0.0, 1.0):
        raise ValueError(f"all {len(labels)} labels are on one side of 0.5: balance=True needs both")
    return [replace(e, weights=np.where(e.targets >= 0.5, 0.5 / high, 0.5 / (1 - high))) for e in examples]
