"""The body of a reward model on vLLM's pooling runner; its head stays here, in torch."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoModel

from policies.backends.vllm_engine import Engine
from policies.models.batches import greedy_batches
from policies.models.engine_options import EngineOptions, dtype_for
from policies.models.parameters import flop_price
from policies.models.pretrained import device_of, load_config, load_tokenizer, loading
from policies.models.tensors import copy_without_head, tensor_names
from policies.models.token_rows import TokenRow
from verifiers.interface.errors import BadInput

_HEADS = ("score.", "v_head.")  # of our models and of public ones; vLLM would refuse tensors that it does not know

_TOKENS = 1 << 15  # whose states are held at a time, of which only those at the ends of steps are kept


class VLLMBackbone:
    """Hidden states of a model in a folder or of a hub name, by vLLM's engine; `reward_model` reads them.

    The engine computes every row whole: it has no hidden states for what it finds in its cache. Raises ImportError
    where vLLM is not installed, ValueError where it cannot load the model.
    """

    def __init__(self, name: str, options: EngineOptions) -> None:
        config = load_config(name)
        options = replace(options, dtype=dtype_for(options.dtype, config, device_of("auto")))
        with loading(name), torch.device("meta"):
            self.price = flop_price(AutoModel.from_config(config))
        body = name
        with tempfile.TemporaryDirectory(prefix="stepbeam-") as folder:
            if any(key.startswith(_HEADS) for key in tensor_names(name)):
                body = str(copy_without_head(name, config, _HEADS, Path(folder)))
                load_tokenizer(name).save_pretrained(folder)
            try:
                self.engine = Engine(body, options, kind="hidden")  # which has read the weights when it is made
            except BadInput as error:
                raise BadInput(str(error).replace(body, name)) from error
        # What a scorer asks a backbone for: how much it may read, and what to call it.
        self.config = copy.deepcopy(config)
        self.config.name_or_path = name
        self.config.get_text_config().max_position_embeddings = self.engine.context

    def hidden_at(self, rows: Sequence[TokenRow]) -> list[torch.Tensor]:
        """The hidden states at the ends of each row, shape (T_i, d) a row."""
        ends: list[torch.Tensor] = []
        for batch in greedy_batches(rows, lambda batch: sum(len(row.ids) for row in batch) <= _TOKENS):
            states = self.engine.hidden([row.ids for row in batch])
            ends += [of_row[list(row.ends)] for of_row, row in zip(states, batch, strict=True)]
        return ends

    def close(self) -> None:
        """Stop the engine; a second call does nothing."""
        self.engine.close()
