"""From a problem's prompt to token ids: chat template or plain text, and never two BOS tokens."""

from __future__ import annotations

from typing import Any

from verifiers.solution import Message


def encode_prompt(tokenizer: Any, prompt: str | tuple[Message, ...], *, chat: bool = True) -> list[int]:
    """The token ids of a prompt, ready for the solution's first token.

    With `chat` and a tokenizer that has a chat template, the prompt (a plain string is one user
    message) goes through the template with the assistant's turn opened, and no special token is
    added to what the template wrote. Otherwise the text is encoded as the tokenizer does it by
    default, less an EOS at its end; messages are then rendered as `role: content` lines.

    >>> from policies.chat import plain_text
    >>> plain_text((Message("system", "Be brief."), Message("user", "What is 2+2?")))
    'system: Be brief.\\nuser: What is 2+2?\\nassistant:'
    """
    if chat and getattr(tokenizer, "chat_template", None):
        messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
        rendered = tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in messages], tokenize=False, add_generation_prompt=True
        )
        return list(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    ids = list(tokenizer(plain_text(prompt))["input_ids"])
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if eos is not None and len(ids) > 1 and ids[-1] == eos:
        ids.pop()
    if bos is not None and ids[:2] == [bos, bos]:
        ids.pop(0)
    return ids


def plain_text(prompt: str | tuple[Message, ...]) -> str:
    """The prompt as text, without a chat template; see `encode_prompt`."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join([*(f"{m.role}: {m.content}" for m in prompt), "assistant:"])
