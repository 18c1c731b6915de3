"""Loading a reward model's folder, and one batched forward that reads it out at given positions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch

from policies.models.attention import any_length
from policies.models.batches import greedy_batches
from policies.models.engine_options import DType, EngineChoice, vllm_options
from policies.models.locks import running
from policies.models.parameters import flop_parameters
from policies.models.pretrained import (
    check_kind,
    checked_source,
    load_config,
    load_pretrained,
    load_tokenizer,
)
from policies.models.tensors import read_tensors, tensor_names
from policies.models.token_rows import TokenRow, token_rows
from verifiers.interface.scoring import FloatArray, Reduce, Scores, Spend, silent_row
from verifiers.interface.solution import Problem, Solution

# Hidden states (n, d) at the ends of steps, to P(good), shape (n,).
Judge: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


@runtime_checkable
class HiddenStates(Protocol):
    """A backbone that computes elsewhere, as vLLM's engine does; any other is a torch module."""

    flop_parameters: int

    def hidden_at(self, rows: Sequence[TokenRow]) -> list[torch.Tensor]:
        """The last layer's hidden states at the ends of each row, shape (T_i, d) a row."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class EngineRewardModel:
    """A reward model whose body is in an engine and whose head is here; it stands where a transformers model does."""

    base_model: Any
    score: torch.nn.Module
    config: Any
    name_or_path: str

    def close(self) -> None:
        """Stop the engine."""
        self.base_model.close()


def load_reward_model(
    auto_class: Any, name: str | Path, kind: str, *, dtype: DType, device: str, engine: EngineChoice
) -> tuple[Any, Any]:
    """Model and tokenizer of a `save_pretrained` folder or a hub name, safetensors only.

    Raises FileNotFoundError where there is no such model or no weights, ValueError where it is of
    another kind, has no trained head of one output, or `dtype` or `engine` is unknown.
    """
    options = vllm_options(engine)
    source = checked_source(name, kind)
    check_kind(source, load_config(source, kind), kind)
    if options is None:
        return load_pretrained(source, auto_class=auto_class, kind=kind, dtype=dtype, device=device)
    from verifiers.reward_models.vllm_backbone import VLLMBackbone

    parts = [key for key in ("score.weight", "score.bias") if key in tensor_names(source)]
    if "score.weight" not in parts:
        raise ValueError(f"{source!r} holds no trained {kind}: its weights lack score.weight")
    weights = {key.removeprefix("score."): tensor.float() for key, tensor in read_tensors(source, parts).items()}
    outputs, width = weights["weight"].shape
    head = torch.nn.Linear(width, outputs, bias="bias" in weights)
    head.load_state_dict(weights)
    tokenizer = load_tokenizer(source, kind)
    body = VLLMBackbone(source, replace(options, dtype=dtype))
    model = EngineRewardModel(body, head.eval(), body.config, source)
    try:
        check_head(model, tokenizer, kind)
    except ValueError:
        model.close()
        raise
    return model, tokenizer


def check_head(model: Any, tokenizer: Any, kind: str) -> None:
    """Raise ValueError unless the model has one output and the tokenizer an end of sequence."""
    if getattr(model, "score", None) is None or model.config.num_labels != 1:
        raise ValueError(
            f"the {kind}'s model {type(model).__name__} has {model.config.num_labels} labels: "
            "it needs a `score` head with one output (num_labels=1)"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError(f"the {kind}'s tokenizer has no eos_token: the end of a solution could not be shown to it")


def entry_of(model: Any) -> dict[str, Any]:
    """The `stepbeam` entry of a model's config: its kind, target and separator; empty for others' models."""
    return dict(getattr(model.config, "stepbeam", None) or {})


def rows_for(
    model: Any, tokenizer: Any, problems: Sequence[Problem], solutions: Sequence[Solution]
) -> list[TokenRow | str]:
    """`token_rows` within the model's context."""
    return token_rows(tokenizer, problems, solutions, limit=context_of(model))


def context_of(model: Any) -> int | None:
    """The tokens that a model can read, None where its config does not say."""
    limit: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return limit


def read_rows(
    backbone: Any,
    head: Any,
    judge: Judge,
    problems: Sequence[Problem],
    rows: Sequence[TokenRow | str],
    lengths: Sequence[int],
    *,
    batch_tokens: int,
    reduce: Reduce = "last",
) -> Scores:
    """What `judge` says at the ends of each row, NaN over the row's length with the reason where there is no row."""
    readable = {i: row for i, row in enumerate(rows) if isinstance(row, TokenRow) and row.ends}
    read = read_ends(
        backbone, judge, [problems[i] for i in readable], list(readable.values()), batch_tokens=batch_tokens
    )
    values = dict(zip(readable, read, strict=True))
    steps = tuple(values.get(i, silent_row(length)) for i, length in enumerate(lengths))
    spend = spend_of(backbone, head, problems, [readable.get(i) for i in range(len(rows))])
    return Scores(steps, tuple(spend), tuple(row if isinstance(row, str) else None for row in rows), reduce)


def no_error_yet(problems: Sequence[Problem]) -> Scores:
    """The root values of a model that was taught errors: 1, and nothing is computed."""
    return Scores((np.ones(1, dtype=np.float32),) * len(problems), (Spend(scorer_calls=1),) * len(problems))


def judge_of(model: Any) -> Judge:
    """The sigmoid of the model's head, over hidden states (n, d)."""
    return lambda hidden: torch.sigmoid(model.score(hidden)[:, 0].float())


def read_ends(
    backbone: Any, judge: Judge, problems: Sequence[Problem], rows: Sequence[TokenRow], *, batch_tokens: int
) -> list[FloatArray]:
    """What `judge` says of the backbone's hidden states at the ends of each row: one array of shape (T_i,) a row.

    Equal rows of one problem are computed once; rows of like length share a batch of at most
    `batch_tokens` tokens with padding (one row at the least).
    """
    keys = list(zip(problems, rows, strict=True))
    # Within a problem only, so that what its rows cost does not depend on the problems beside it.
    unique = sorted(dict.fromkeys(keys), key=lambda key: (len(key[1].ids), key[1].ids))
    read: list[FloatArray] = []
    if isinstance(backbone, HiddenStates):
        with torch.inference_mode():
            hidden = backbone.hidden_at([row for _, row in unique])
            read = [judge(states.float()).numpy().astype(np.float32) for states in hidden]
    else:

        def fits(batch: list[TokenRow]) -> bool:
            return len(batch) * len(batch[-1].ids) <= batch_tokens

        for batch in greedy_batches([row for _, row in unique], fits):
            read += _forward(backbone, judge, batch)
    values = dict(zip(unique, read, strict=True))
    return [values[key] for key in keys]


def spend_of(backbone: Any, head: Any, problems: Sequence[Problem], rows: Sequence[TokenRow | None]) -> list[Spend]:
    """What each row costs in `read_ends`; the first of equal ones is charged, to the others it is cached.

    It does not depend on other problems' rows. None: nothing was computed.
    """
    body = backbone.flop_parameters if isinstance(backbone, HiddenStates) else flop_parameters(backbone)
    judge = head_parameters(head)
    spend: list[Spend] = []
    seen: set[tuple[Problem, TokenRow]] = set()
    for problem, row in zip(problems, rows, strict=True):
        if row is None:
            spend.append(Spend(scorer_calls=1))
        elif (problem, row) in seen:
            spend.append(Spend(scorer_calls=1, cached_scored_tokens=len(row.ids)))
        else:
            seen.add((problem, row))
            flops = 2.0 * (body * len(row.ids) + judge * len(row.ends))
            spend.append(Spend(scorer_calls=1, scored_tokens=len(row.ids), scorer_flops=flops))
    return spend


def head_parameters(head: Any) -> int:
    """A head's parameters; it runs where a score is read, not at every token."""
    return sum(p.numel() for p in head.parameters())


@torch.inference_mode()
def _forward(backbone: Any, judge: Judge, batch: Sequence[TokenRow]) -> list[FloatArray]:
    device = backbone.device
    width = len(batch[-1].ids)
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for i, row in enumerate(batch):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
    counts = [len(row.ends) for row in batch]
    at_row = torch.repeat_interleave(torch.arange(len(batch)), torch.tensor(counts)).to(device)
    at = torch.tensor([end for row in batch for end in row.ends], device=device)
    with running(backbone), any_length():
        hidden = backbone(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
    values = judge(hidden.last_hidden_state[at_row, at]).cpu().numpy().astype(np.float32)
    return [part.copy() for part in np.split(values, np.cumsum(counts)[:-1])]
