"""From texts to token ids: prompts by chat template or plainly, never with two BOS tokens, and what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policies.models.locks import TOKENIZING
from verifiers.interface.solution import Message


def encode_prompt(tokenizer: Any, prompt: str | tuple[Message, ...], *, chat: bool = True) -> list[int]:
    """The token ids of a prompt, ready for the solution's first token.

    With `chat` and a tokenizer that has a chat template, the prompt (a plain string is one user
    message) goes through the template with the assistant's turn opened, and no special token is
    added to what the template wrote. Otherwise the text is encoded as the tokenizer does it by
    default, less an EOS at its end; messages are then rendered as `role: content` lines.

    >>> from policies.models.chat import plain_text
    >>> plain_text((Message("system", "Be brief."), Message("user", "What is 2+2?")))
    'system: Be brief.\\nuser: What is 2+2?\\nassistant:'
    """
    if chat and getattr(tokenizer, "chat_template", None):
        messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
        rendered = tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in messages], tokenize=False, add_generation_prompt=True
        )
        with TOKENIZING:
            return list(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    with TOKENIZING:
        ids = list(tokenizer(plain_text(prompt))["input_ids"])
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if eos is not None and len(ids) > 1 and ids[-1] == eos:
        ids.pop()
    if bos is not None and ids[:2] == [bos, bos]:
        ids.pop(0)
    return ids


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text that continues another; see `encode_texts`."""
    return encode_texts(tokenizer, [text])[0] if text else []


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts that continue others: none is added, and what spells a special token stays text.

    A solution may write "<|im_end|>" in so many letters; were it read as the token, it would end its turn.

    >>> from policies.models.tiny_example import tiny_tokenizer
    >>> encode_texts(tiny_tokenizer(), ["1<eos>"]), tiny_tokenizer()("1<eos>").input_ids
    ([[21, 32, 73, 83, 87, 34]], [21, 0])
    """
    if not texts:
        return []
    with TOKENIZING:
        rows = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [list(ids) for ids in rows]


def plain_text(prompt: str | tuple[Message, ...]) -> str:
    """The prompt as text, without a chat template; see `encode_prompt`."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join([*(f"{m.role}: {m.content}" for m in prompt), "assistant:"])
