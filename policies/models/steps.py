"""From token ids to steps: exact texts, cut at the tokens that complete a separator."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from policies.models.chat import anchors, encode_text
from policies.models.locks import TOKENIZING
from verifiers.interface.errors import BadInput
from verifiers.interface.solution import Solution, Step, Stop

_INCOMPLETE = "\ufffd"  # what the bytes of an unfinished character decode to


def eos_ids(*sources: Any) -> set[int]:
    """Every id that ends a solution, by a generation config, a model's config or a tokenizer.

    >>> from types import SimpleNamespace
    >>> sorted(eos_ids(SimpleNamespace(eos_token_id=[2, 7]), None, SimpleNamespace(eos_token_id=2)))
    [2, 7]

    Raises BadInput for what is no id.
    """
    ids: set[int] = set()
    for source in sources:
        value = getattr(source, "eos_token_id", None)
        given = [] if value is None else value if isinstance(value, list | tuple) else [value]
        if any(type(i) is not int or i < 0 for i in given):
            where = getattr(source, "name_or_path", "") or getattr(source, "_name_or_path", "") or type(source).__name__
            raise BadInput(f"{where}: its eos_token_id is {value!r:.60}: it must be a token's id or a list of them")
        ids.update(given)
    return ids


class StepCutter:
    """Cuts token sequences of one tokenizer into steps.

    A step ends with the token that completes a separator, and so holds whatever text that token has
    after it. A step of separators only is not a step: at the beginning it waits for other text, at
    the end it joins the step before it, as an end-of-sequence id does.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self._pieces: list[str] | None = None
        self._may_end: dict[str, npt.NDArray[np.bool_]] = {}
        self._behind: tuple[tuple[int, ...], int] | None = None  # ids that solutions are decoded behind, their length

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a solution's ids, without special tokens and with nothing cleaned up."""
        if self._behind is None:
            # Behind a letter: what begins a text may lose its blank, and bytes beside it may not be joined.
            behind = next((a for a in reversed(anchors(self.tokenizer)) if self._spelt(a.ids) == a.text), None)
            self._behind = ((), 0) if behind is None else (behind.ids, len(behind.text))
        before, length = self._behind
        return self._spelt([*before, *ids])[length:]

    def _spelt(self, ids: Sequence[int]) -> str:
        # The Rust tokenizer where there is one: the wrapper around it takes several times as long.
        rust = getattr(self.tokenizer, "backend_tokenizer", None)
        text: str
        with TOKENIZING:
            if rust is not None:
                text = rust.decode(list(ids), skip_special_tokens=True)
            else:
                text = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def stable(self, ids: Sequence[int]) -> str:
        """The text that later tokens cannot change: all but a character whose bytes are not complete."""
        return self.decode(ids).rstrip(_INCOMPLETE) if ids else ""

    def own_ids(self, steps: Sequence[Step], ends: Collection[int] = ()) -> list[tuple[int, ...] | None]:
        """Each step's tokens, and None for all of them where they are another tokenizer's: they do not spell the text.

        `ends` are the ids that end a solution, where the steps are those of a finished one. The tokens are judged
        together, behind the steps without tokens that come first: a step alone may begin amid a character.
        """
        tokens = [step.tokens for step in steps]
        first = next((k for k, given in enumerate(tokens) if given is not None), len(steps))
        texts = [step.text for step in steps]
        ids = [i for step in steps[first:] for i in (step.tokens if step.tokens is not None else self._ids(step.text))]
        if ids and (min(ids) < 0 or max(ids) >= self.vocabulary):
            return [None] * len(steps)
        if ids and ids[-1] in ends:
            ids.pop()
        elif ends and ids and not self.decode(ids[-1:]):
            return [None] * len(steps)  # the end of another model's solution
        before = self._ids("".join(texts[:first]))
        spelt = self.stable([*before, *ids])[len(self.stable(before)) :]
        agree = first == len(steps) or spelt == "".join(texts[first:]).rstrip(_INCOMPLETE)
        return tokens if agree else [None] * len(steps)

    def _ids(self, text: str) -> list[int]:
        return encode_text(self.tokenizer, text)

    def solution_ids(self, solution: Solution, ends: Collection[int]) -> list[list[int]]:
        """The ids of each step of a whole solution: its own, else its text's; `ends` are those that end one.

        A finished solution's last step includes an end of sequence; BadInput where the tokenizer has none to add.
        """
        given = self.own_ids(solution.steps, ends if solution.finished else ())
        rows = [
            self._ids(step.text) if ids is None else list(ids) for step, ids in zip(solution.steps, given, strict=True)
        ]
        if solution.finished and rows and not (given[-1] and given[-1][-1] in ends):
            if (end := self.tokenizer.eos_token_id) is None:
                raise BadInput(
                    f"the tokenizer of {getattr(self.tokenizer, 'name_or_path', '')!r} has no eos_token: the end of a "
                    "solution could not be shown; name one in its tokenizer_config.json"
                )
            rows[-1].append(end)
        return rows

    def may_end(self, separator: str) -> npt.NDArray[np.bool_]:
        """For each token id whether it can complete the separator, shape (V,): the cheap test of the inner loop."""
        if separator not in self._may_end:
            last = separator[-1]
            marks = (last,) if last.isascii() else (last, _INCOMPLETE)
            self._may_end[separator] = np.array([any(m in piece for m in marks) for piece in self.pieces])
        return self._may_end[separator]

    @property
    def pieces(self) -> list[str]:
        """Each token's text in the middle of a sentence, length V."""
        if self._pieces is None:
            # Some tokenizers drop a space before the first token, so each is decoded after another one.
            before = self._ids("a")[-1:]
            skip = len(self.decode(before))
            self._pieces = [self.decode([*before, i])[skip:] for i in range(self.vocabulary)]
        return self._pieces

    def ends_step(self, context: Sequence[int], past: int, new: Sequence[int], separator: str) -> bool:
        """Whether `new` is a whole step, after the solution's ids `context` with their `past` characters."""
        return _is_step(self.stable([*context, *new])[past:], separator)

    def extended(
        self,
        prefix: Solution,
        context: Sequence[int],
        past: int,
        new: Sequence[int],
        logprobs: Sequence[float] | None,
        *,
        stop: Stop,
        reason: str | None = None,
        separator: str,
    ) -> Solution:
        """The prefix, whose ids are `context` with `past` characters, and the steps that the `new` ids make.

        With `Stop.EOS` the last of the new ids is the end-of-sequence id, which has no text.
        """

        def told(begin: int, end: int) -> tuple[float, ...] | None:
            return None if logprobs is None else tuple(logprobs[begin:end])

        shown = new[:-1] if stop is Stop.EOS else new
        text = self.decode([*context, *shown]) if shown or context else ""
        if stop is Stop.OPEN:
            text = text.rstrip(_INCOMPLETE)
        steps = list(prefix.steps)
        begin, at = 0, past
        for end, upto in self._candidates(context, shown, text, past, separator):
            if _is_step(text[at:upto], separator):
                steps.append(Step(text[at:upto], tuple(new[begin:end]), told(begin, end)))
                begin, at = end, upto
        if begin < len(new) or at < len(text):
            tail = Step(text[at:], tuple(new[begin:]), told(begin, len(new)))
            if steps and not tail.text.replace(separator, ""):
                steps[-1] = _joined(steps[-1], tail)
            else:
                steps.append(tail)
        return Solution(tuple(steps), stop, reason)

    def _candidates(
        self, context: Sequence[int], shown: Sequence[int], text: str, past: int, separator: str
    ) -> list[tuple[int, int]]:
        """Where a step may end: (number of ids, number of characters of the whole text)."""
        marked = self.may_end(separator)
        ends = [i + 1 for i, token in enumerate(shown) if marked[token]]
        if not ends:
            return []
        pieces = [self.pieces[token] for token in shown]
        joined = "".join(pieces)
        if text[past:] == joined and _INCOMPLETE not in joined:
            lengths = list(accumulate(map(len, pieces), initial=past))
            return [(end, lengths[end]) for end in ends]
        return [(end, len(self.stable([*context, *shown[:end]]))) for end in ends]


def extended_by_text(prefix: Solution, text: str, *, stop: Stop, separator: str) -> Solution:
    r"""The prefix and the steps that a text makes: as `StepCutter.extended`, were each separator one token.

    >>> [step.text for step in extended_by_text(Solution(), "\n2+2\n\n=4", stop=Stop.EOS, separator="\n").steps]
    ['\n2+2\n', '\n=4']
    """
    steps, at = list(prefix.steps), 0
    while (end := step_end(text, separator, at)) >= 0:
        steps.append(Step(text[at:end]))
        at = end
    tail = text[at:]
    if steps and not tail.replace(separator, ""):
        steps[-1] = Step(steps[-1].text + tail) if tail else steps[-1]
    elif tail or stop is Stop.EOS:
        steps.append(Step(tail))
    return Solution(tuple(steps), stop)


def step_end(text: str, separator: str, start: int = 0) -> int:
    r"""Where the step that begins at `start` ends, behind the first separator after other text; -1 if it is open.

    >>> step_end("\na\nb", "\n"), step_end("\n\n", "\n")
    (3, -1)
    """
    while text.startswith(separator, start):
        start += len(separator)
    at = text.find(separator, start)
    return at if at < 0 else at + len(separator)


def _is_step(text: str, separator: str) -> bool:
    return step_end(text, separator) >= 0


def _joined(step: Step, tail: Step) -> Step:
    # A saved step may lack tokens or log-probabilities: then the whole step has none.
    tokens = None if step.tokens is None else step.tokens + (tail.tokens or ())
    told = None if step.logprobs is None or tail.logprobs is None else step.logprobs + tail.logprobs
    return Step(step.text + tail.text, tokens, told)
