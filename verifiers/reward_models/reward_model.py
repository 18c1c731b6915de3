"""A reward model of ours from its folder, and one batched forward that reads it out at given positions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import torch

from policies.models.attention import any_length
from policies.models.batches import greedy_batches
from policies.models.chat import check_template
from policies.models.engine_options import DType, EngineChoice, EngineOptions, vllm_options
from policies.models.locks import running
from policies.models.parameters import FlopPrice, flop_price
from policies.models.pretrained import (
    LM_HEADS,
    check_kind,
    checked_source,
    load_config,
    load_pretrained,
    load_tokenizer,
)
from policies.models.tensors import read_tensors, tensor_names
from policies.models.token_rows import TokenRow, token_rows
from verifiers.interface.errors import BadInput, check_least
from verifiers.interface.naming import model_name
from verifiers.interface.scoring import FloatArray, Reduce, Scores, Spend, silent_row
from verifiers.interface.solution import Problem, Solution

# Hidden states (n, d) at the ends of steps, to P(good), shape (n,).
Judge: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


@runtime_checkable
class HiddenStates(Protocol):
    """A backbone that computes elsewhere, as vLLM's engine does; any other is a torch module."""

    price: FlopPrice

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


@dataclass(frozen=True, slots=True)
class Readout:
    """A backbone with what is read of its hidden states: `judge` gives the scores, `head` is what that costs.

    `batch_tokens` bounds a batch with its padding.
    """

    backbone: Any
    head: Any
    judge: Judge
    batch_tokens: int
    reduce: Reduce = "last"


def check_sizes(model: object) -> None:
    """Raise BadInput where a reward model's `batch_tokens` or `memory_bytes` is no whole number, or too small."""
    for name, least in (("batch_tokens", 1), ("memory_bytes", 0)):
        if (size := getattr(model, name, None)) is not None:
            check_least(least, {name: size}, who=type(model).__name__)


@dataclass(frozen=True, slots=True, eq=False)
class RewardModel:
    """What an ORM and a PRM of ours are: a model with a `score` head of one output, and its tokenizer."""

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    batch_tokens: int | None = None
    _kind: ClassVar[str]
    _auto_class: ClassVar[Any]

    def __post_init__(self) -> None:
        check_sizes(self)
        if getattr(self.model, "score", None) is None or self.model.config.num_labels != 1:
            raise BadInput(
                f"the {self._kind}'s model {type(self.model).__name__} has {self.model.config.num_labels} labels: "
                "it needs a `score` head with one output (num_labels=1)"
            )
        if self.tokenizer.eos_token_id is None:
            raise BadInput(
                f"the {self._kind}'s tokenizer has no eos_token: the end of a solution could not be shown to it "
                f"({getattr(self.tokenizer, 'name_or_path', '')!r}: name one in its tokenizer_config.json)"
            )
        check_template(self.tokenizer)

    @classmethod
    def load(
        cls,
        name: str | PathLike[str],
        *,
        dtype: DType = "float32",
        device: str = "auto",
        engine: EngineChoice = "transformers",
    ) -> Self:
        """The model in a `save_pretrained` folder or of a hub name, safetensors only.

        `engine="vllm"`, or `policies.EngineOptions` (its dtype is this call's), computes the body on vLLM's pooling
        runner, to be stopped with `.model.close()`; where it runs is then vLLM's to say.

        Raises FileNotFoundError, which names what is missing, where there is no such model or no weights, ValueError
        where it is of another kind, has no trained head of one output, or `dtype` or `engine` is unknown.
        """
        options = vllm_options(engine)
        source = checked_source(name, cls._kind)
        check_kind(source, load_config(source, cls._kind), cls._kind)
        if options is None:
            return cls(
                *load_pretrained(
                    source,
                    auto_class=cls._auto_class,
                    kind=cls._kind,
                    dtype=dtype,
                    device=device,
                    unread=LM_HEADS,
                )
            )
        model, tokenizer = _on_vllm(source, cls._kind, replace(options, dtype=dtype))
        try:
            return cls(model, tokenizer)
        except ValueError:
            model.close()
            raise

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"{self._kind}({model_name(self.model)})"

    @property
    def _readout(self) -> Readout:
        """The sigmoid of the head."""
        model = self.model

        def judge(hidden: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(model.score(hidden)[:, 0].float())

        tokens = self.batch_tokens or batch_tokens_on(model.base_model)
        return Readout(model.base_model, model.score, judge, tokens)

    def _rows(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> list[TokenRow | str]:
        limit, vocabulary = context_of(self.model), vocabulary_of(self.model)
        return token_rows(self.tokenizer, problems, solutions, limit=limit, vocabulary=vocabulary)


def _on_vllm(source: str, kind: str, options: EngineOptions) -> tuple[EngineRewardModel, Any]:
    from verifiers.reward_models.vllm_backbone import VLLMBackbone

    parts = [key for key in ("score.weight", "score.bias") if key in tensor_names(source)]
    if "score.weight" not in parts:
        raise BadInput(f"{source!r} holds no trained {kind}: its weights lack score.weight")
    weights = {key.removeprefix("score."): tensor.float() for key, tensor in read_tensors(source, parts).items()}
    outputs, width = weights["weight"].shape
    head = torch.nn.Linear(width, outputs, bias="bias" in weights)
    head.load_state_dict(weights)
    tokenizer = load_tokenizer(source, kind)
    body = VLLMBackbone(source, options)
    return EngineRewardModel(body, head.eval(), body.config, source), tokenizer


def entry_of(model: Any) -> dict[str, Any]:
    """The `stepbeam` entry of a model's config: its kind, target and separator; empty for others' models."""
    return dict(getattr(model.config, "stepbeam", None) or {})


def batch_tokens_on(backbone: Any) -> int:
    """The tokens of a batch that suit a backbone's device: what a CPU's caches hold, or what fills a GPU."""
    return 4_096 if str(getattr(backbone, "device", "")) == "cpu" else 16_384


def context_of(model: Any) -> int | None:
    """The tokens that a model can read, None where its config does not say."""
    limit: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return limit


def vocabulary_of(model: Any) -> int | None:
    """The tokens that a model has embeddings of, None where its config does not say."""
    size: int | None = getattr(model.config.get_text_config(), "vocab_size", None)
    return size


def read_rows(
    readout: Readout, problems: Sequence[Problem], rows: Sequence[TokenRow | str], lengths: Sequence[int]
) -> Scores:
    """What is read at the ends of each row, NaN over the row's length with the reason where there is no row."""
    readable = {i: row for i, row in enumerate(rows) if isinstance(row, TokenRow) and row.ends}
    asked = [problems[i] for i in readable]
    read = read_ends(readout, asked, list(readable.values()))
    values = dict(zip(readable, read, strict=True))
    steps = tuple(values.get(i, silent_row(length)) for i, length in enumerate(lengths))
    spend = spend_of(readout, problems, [readable.get(i) for i in range(len(rows))])
    return Scores(steps, tuple(spend), tuple(row if isinstance(row, str) else None for row in rows), readout.reduce)


def no_error_yet(problems: Sequence[Problem]) -> Scores:
    """The root values of a model that was taught errors: 1, and nothing is computed."""
    return Scores((np.ones(1, dtype=np.float32),) * len(problems), (Spend(scorer_calls=1),) * len(problems))


def read_ends(readout: Readout, problems: Sequence[Problem], rows: Sequence[TokenRow]) -> list[FloatArray]:
    """What is read of the backbone's hidden states at the ends of each row: one array of shape (T_i,) a row.

    Equal rows of one problem are computed once; rows of like length share a batch of at most
    `readout.batch_tokens` tokens with padding (one row at the least).
    """
    keys = list(zip(problems, rows, strict=True))
    # Within a problem only, so that what its rows cost does not depend on the problems beside it.
    unique = sorted(dict.fromkeys(keys), key=lambda key: (len(key[1].ids), key[1].ids))
    read: list[FloatArray] = []
    if isinstance(readout.backbone, HiddenStates):
        with torch.inference_mode():
            hidden = readout.backbone.hidden_at([row for _, row in unique])
            read = [readout.judge(states.float()).numpy().astype(np.float32) for states in hidden]
    else:

        def fits(batch: list[TokenRow]) -> bool:
            return len(batch) * len(batch[-1].ids) <= readout.batch_tokens

        for batch in greedy_batches([row for _, row in unique], fits):
            read += _forward(readout, batch)
    values = dict(zip(unique, read, strict=True))
    return [values[key] for key in keys]


def spend_of(readout: Readout, problems: Sequence[Problem], rows: Sequence[TokenRow | None]) -> list[Spend]:
    """What each row costs in `read_ends`; the first of equal ones is charged, to the others it is cached.

    It does not depend on other problems' rows. None: nothing was computed.
    """
    backbone = readout.backbone
    body = backbone.price if isinstance(backbone, HiddenStates) else flop_price(backbone)
    head = 2.0 * head_parameters(readout.head)
    spend: list[Spend] = []
    seen: set[tuple[Problem, TokenRow]] = set()
    for problem, row in zip(problems, rows, strict=True):
        if row is None:
            spend.append(Spend(scorer_calls=1))
        elif (problem, row) in seen:
            spend.append(Spend(scorer_calls=1, cached_scored_tokens=len(row.ids)))
        else:
            seen.add((problem, row))
            flops = body.flops((0, len(row.ids))) + head * len(row.ends)
            spend.append(Spend(scorer_calls=1, scored_tokens=len(row.ids), scorer_flops=flops))
    return spend


def head_parameters(head: Any) -> int:
    """A head's parameters; it runs where a score is read, not at every token."""
    return sum(p.numel() for p in head.parameters())


@torch.inference_mode()
def _forward(readout: Readout, batch: Sequence[TokenRow]) -> list[FloatArray]:
    backbone = readout.backbone
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
    values = readout.judge(hidden.last_hidden_state[at_row, at]).cpu().numpy().astype(np.float32)
    return [part.copy() for part in np.split(values, np.cumsum(counts)[:-1])]
