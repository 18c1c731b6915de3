"""A causal model as its callers need it: one forward pass over slots, and what the model is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from policies.decoding.slots import KVShape, Slots, Workspace
from policies.models.attention import any_length, grouped_attention
from policies.models.locks import running
from policies.models.parameters import flop_price
from verifiers.interface.errors import BadInput


class Runner:
    """Forward passes of one model.

    Raises BadInput for a model whose memory of the past is not a key-value cache in every layer.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.space = Workspace()
        names = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in names
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in names else {}
        text = model.config.get_text_config()
        self.context: int | None = getattr(text, "max_position_embeddings", None)
        cache = DynamicCache(config=model.config)
        with self.inference():
            probe = model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), past_key_values=cache)
        strange = [type(x).__name__ for x in cache.layers if type(x) not in (DynamicLayer, DynamicSlidingWindowLayer)]
        if strange or not cache.layers:
            where = f"{model.name_or_path}: " if model.name_or_path else ""
            raise BadInput(
                f"{where}{type(model).__name__} has layers without a plain key-value cache "
                f"({strange[0] if strange else 'none was filled'}): use a decoder-only attention model"
            )
        self.price = flop_price(model)
        self.shape = KVShape.of(cache.layers)
        self.vocabulary: int = probe[0].shape[-1]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return torch.device(self.model.device)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Evaluation mode without gradients for one thread at a time, and the training mode back afterwards."""
        with running(self.model), torch.inference_mode(), any_length(), grouped_attention(self.model):
            if not any(module.training for module in self.model.modules()):
                yield  # as nearly always; to set the mode of every part takes as long as a token
                return
            training = self.model.training
            self.model.eval()
            try:
                yield
            finally:
                self.model.train(training)

    def slots(self, *, capacity: int, edge: int, columns: int, main: bool = False) -> Slots:
        """Empty slots for this model; of the `main` ones there is one at a time."""
        space = self.space if main else Workspace()
        return Slots(self.shape, self.device, capacity=capacity, edge=edge, columns=columns, space=space)

    def forward(self, ids: torch.Tensor, slots: Slots) -> torch.Tensor:
        """Run `ids` (n, L) behind the slots' rows, fill columns `edge` to `edge + L`; the last logits (n, V).

        A model without a head of its own gives hidden states in the place of logits.
        """
        return self._run(ids, slots, self._last_only)[:, -1]

    def forward_all(self, ids: torch.Tensor, slots: Slots) -> torch.Tensor:
        """As `forward`, with the logits of all new tokens (n, L, V)."""
        return self._run(ids, slots, {})

    def _run(self, ids: torch.Tensor, slots: Slots, options: dict[str, int]) -> torch.Tensor:
        new = ids.shape[1]
        arguments: dict[str, Any] = dict(options)
        if self._takes_positions:
            positions = slots.positions(new)
            if self.context is not None:
                positions = positions.clip(max=self.context - 1)  # right padding may reach beyond
            arguments["position_ids"] = torch.from_numpy(positions).to(self.device)
        out = self.model(
            input_ids=ids,
            attention_mask=slots.mask(new),
            past_key_values=slots.cache,
            use_cache=True,
            **arguments,
        )
        logits: torch.Tensor = out[0]
        return logits
