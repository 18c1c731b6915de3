"""From texts to token ids: prompts by chat template or plainly, never with two BOS tokens, and what follows them."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import jinja2

from policies.models.engine_options import Chat
from policies.models.locks import TOKENIZING
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.solution import Message

_OURS = frozenset({"messages", "conversation", "tokenize", "add_generation_prompt", "continue_final_message"})
_PROBE = (Message("user", "1+1?"),)
_SECONDS = 10  # for what takes a thousandth of one

_TEXTS = ("\n", ".", "(", "a", "1")  # anchors to choose from
_BEHIND = "b"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A short text and its ids, a mark of the beginning among them."""

    text: str
    ids: tuple[int, ...]


_ANCHORS: WeakKeyDictionary[Any, tuple[Anchor, ...]] = WeakKeyDictionary()


class TemplateError(BadInput):
    """A chat template that did not take a prompt; its cause is what the template raised."""


def encode_prompt(tokenizer: Any, prompt: str | tuple[Message, ...], *, chat: Chat = True) -> list[int]:
    """The token ids of a prompt, ready for the solution's first token.

    With `chat` and a tokenizer that has a chat template, the prompt (a plain string is one user
    message) goes through the template with the assistant's turn opened, and no special token is
    added to what the template wrote. A conversation that ends with a message of the assistant's is one
    whose last turn goes on. Otherwise the text is encoded as the tokenizer does it by
    default, less an EOS at its end; messages are then rendered as `role: content` lines.

    >>> from policies.models.chat import plain_text
    >>> plain_text((Message("system", "Be brief."), Message("user", "What is 2+2?")))
    'system: Be brief.\\nuser: What is 2+2?\\nassistant:'
    >>> plain_text((Message("user", "What is 2+2?"), Message("assistant", "It is")))
    'user: What is 2+2?\\nassistant: It is'

    Raises TemplateError, which is a BadInput, for a prompt that the template does not take.
    """
    if has_template(tokenizer, chat):
        messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
        rendered = _rendered(tokenizer, messages, chat)
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


def has_template(tokenizer: Any, chat: Chat = True) -> bool:
    """Whether prompts go through the tokenizer's chat template; a mapping without arguments is as good as True."""
    return chat is not False and bool(getattr(tokenizer, "chat_template", None))


def check_template(tokenizer: Any, chat: Chat = True) -> None:
    """Raise BadInput where the chat template can be used for no prompt, or does not know what `chat` gives it.

    A template may say by itself that it does not take a prompt: that fails the rows of such prompts.
    """
    if not isinstance(chat, bool) and (taken := sorted(_OURS & chat.keys())):
        raise BadInput(f"chat: {', '.join(taken)} is given by this library: leave it out")
    if not has_template(tokenizer, chat):
        if not isinstance(chat, bool) and chat:
            raise BadInput(
                f"chat: {', '.join(chat)} is for a chat template, and the tokenizer "
                f"{tokenizer.name_or_path!r} has none: leave it out"
            )
        return
    try:
        text = _in_time(lambda: _rendered(tokenizer, _PROBE, chat))
    except TemplateError as error:
        if type(error.__cause__) is not jinja2.TemplateError:
            raise BadInput(
                f"{tokenizer.name_or_path}: its chat template (chat_template.jinja, or in tokenizer_config.json) fails "
                f"for any prompt ({_said(error.__cause__)}): mend it, or leave it out with chat=no (chat=False)"
            ) from error
    else:
        if _PROBE[0].content not in text:  # one that knows messages as lists of texts and images alone
            raise BadInput(
                f"{tokenizer.name_or_path}: its chat template leaves out what the user says where that is a plain "
                "text: mend it, or leave it out with chat=no (chat=False)"
            )
    template = tokenizer.chat_template
    if not isinstance(chat, bool) and isinstance(template, str):
        unknown = sorted(name for name in chat if name not in template)
        if unknown:
            raise BadInput(
                f"{tokenizer.name_or_path}: its chat template does not know {', '.join(unknown)}: leave it out of chat"
            )


def _rendered(tokenizer: Any, messages: Sequence[Message], chat: Chat) -> str:
    goes_on = bool(messages) and messages[-1].role == "assistant"
    try:
        text: str = tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in messages],
            tokenize=False,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
            **({} if isinstance(chat, bool) else chat),
        )
    except Exception as error:  # a template is a program
        raise TemplateError(f"the chat template refused the prompt ({_said(error)})") from error
    return text


def _in_time(render: Callable[[], str]) -> str:
    """Render in a thread that is stopped after some seconds: a template may have loops in loops."""
    raised: list[TemplateError] = []
    texts: list[str] = []

    def run() -> None:
        try:
            texts.append(render())
        except TemplateError as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="chat template", daemon=True)
    thread.start()
    thread.join(_SECONDS)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeoutError))
        late = TimeoutError(f"it takes more than {_SECONDS} seconds")
        raise TemplateError(str(late)) from late
    if raised:
        raise raised[0]
    return texts[0]


def _said(error: BaseException | None) -> str:
    line = first_line(error) if error is not None else ""
    return line if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {line:.200}"


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text that continues another; see `encode_texts`."""
    return encode_texts(tokenizer, [text])[0] if text else []


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts that continue others: none is added, and what spells a special token stays text.

    A solution may write "<|im_end|>" in so many letters; were it read as the token, it would end its turn. And no
    text gets the mark that a tokenizer as SentencePiece's puts in front of those that open a row.

    >>> from policies.models.tiny_example import tiny_tokenizer
    >>> encode_texts(tiny_tokenizer(), ["1<eos>"]), tiny_tokenizer()("1<eos>").input_ids
    ([[21, 32, 73, 83, 87, 34]], [21, 0])
    """
    found: dict[int, list[int]] = {i: [] for i, text in enumerate(texts) if not text}
    for anchor in anchors(tokenizer):
        left = [i for i in range(len(texts)) if i not in found]
        length = len(anchor.ids)
        for i, ids in zip(left, plain_ids(tokenizer, [anchor.text + texts[i] for i in left]), strict=True):
            if tuple(ids[:length]) == anchor.ids:
                found[i] = ids[length:]
    left = [i for i in range(len(texts)) if i not in found]
    found |= zip(left, plain_ids(tokenizer, [texts[i] for i in left]), strict=True)
    return [found[i] for i in range(len(texts))]


def anchors(tokenizer: Any) -> tuple[Anchor, ...]:
    """What to encode texts behind others behind, the best first; nothing for most tokenizers.

    One as SentencePiece's puts a mark in front of every text, and so takes each piece that is encoded alone for the
    beginning of one. Such a piece is encoded behind an anchor, a short text whose tokens it cannot change, and the
    anchor's tokens are taken off. Ids are decoded behind one too, as the blank of the first would else be dropped.

    >>> from policies.models.tiny_example import tiny_tokenizer
    >>> anchors(tiny_tokenizer())
    ()
    """
    known = _ANCHORS.get(tokenizer)
    if known is None:
        known = _ANCHORS[tokenizer] = _found(tokenizer)
    return known


def plain_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of whole texts: none is added, and what spells a special token stays text."""
    if not texts:
        return []
    with TOKENIZING:
        rows = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [list(ids) for ids in rows]


def _found(tokenizer: Any) -> tuple[Anchor, ...]:
    [alone], unknown = plain_ids(tokenizer, [_BEHIND]), getattr(tokenizer, "unk_token_id", None)
    several = plain_ids(tokenizer, [text + more for text in _TEXTS for more in ("", _BEHIND)])
    # Of those whose tokens stay as they are when a text follows.
    fit = [
        (Anchor(text, tuple(ids)), longer[len(ids) :])
        for text, ids, longer in zip(_TEXTS, several[::2], several[1::2], strict=True)
        if ids and longer[: len(ids)] == ids and len(longer) > len(ids)
    ]
    if all(behind == alone for _, behind in fit):
        return ()
    # Unknown characters beside each other may become one token.
    return tuple(sorted((anchor for anchor, _ in fit), key=lambda anchor: unknown in anchor.ids))


def plain_text(prompt: str | tuple[Message, ...]) -> str:
    """The prompt as text, without a chat template; see `encode_prompt`."""
    if isinstance(prompt, str):
        return prompt
    lines = [f"{m.role}: {m.content}" for m in prompt]
    return "\n".join(lines if prompt and prompt[-1].role == "assistant" else [*lines, "assistant:"])
