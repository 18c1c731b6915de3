"""Token rows in a public PRM's format: every separator and tag an id, every text only text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policies.models.chat import encode_texts, plain_ids
from policies.models.locks import TOKENIZING
from policies.models.token_rows import TokenRow, unknown_id
from prms.formats import PRMFormat
from verifiers.interface.solution import Problem, Solution, Step

_PROBE = ("What is 2 + 3?", ("2 + 3 = 5.", "So it is 5."))


@dataclass(frozen=True, slots=True)
class RowBuilder:
    """A format compiled for one tokenizer: the ids around the texts, made once.

    A row is `before`, the problem, `after`, and for each step its text and `closing`, whose last id
    is where the score stands; `between` parts a step from the next. Make it with `row_builder`.
    """

    tokenizer: Any
    format: PRMFormat
    before: tuple[int, ...]
    after: tuple[int, ...]
    closing: tuple[int, ...]
    between: tuple[int, ...]
    forbidden: frozenset[int]

    def rows(
        self,
        problems: Sequence[Problem],
        solutions: Sequence[Solution],
        *,
        limit: int | None,
        vocabulary: int | None = None,
    ) -> list[TokenRow | str]:
        """One row a solution, or the reason why there is none; a row over `limit` tokens is refused, never cut.

        So is one with an id that a `vocabulary` of so many has not.

        Raises ValueError for a conversation of more than one question.
        """
        form = self.format
        asked = [form.problem.format(problem=question_of(problem)) for problem in problems]
        steps = [
            [
                (form.next_step if k else form.first_step).format(step=step.text.strip(form.strip))
                for k, step in enumerate(solution.steps)
            ]
            for solution in solutions
        ]
        encode = plain_ids if form.layout == "text" else encode_texts  # of the text that opens a row, and any other
        questions = dict(zip(asked, encode(self.tokenizer, asked), strict=True))
        ordered = sorted({text for texts in steps for text in texts})
        pieces = dict(zip(ordered, encode_texts(self.tokenizer, ordered), strict=True))
        rows = [
            self._row(solution, questions[question], [pieces[text] for text in texts], limit)
            for solution, question, texts in zip(solutions, asked, steps, strict=True)
        ]
        return [row if isinstance(row, str) else unknown_id(row.ids, vocabulary) or row for row in rows]

    def _row(
        self, solution: Solution, question: Sequence[int], steps: Sequence[Sequence[int]], limit: int | None
    ) -> TokenRow | str:
        if self.forbidden.intersection(question):
            return f"the problem holds {self._kept(question)}"
        ids = [*self.before, *question, *self.after]
        ends = []
        for k, (step, step_ids) in enumerate(zip(solution.steps, steps, strict=True)):
            where = f"step {k + 1} of {len(steps)}"
            if not step.text.strip():
                return f"{where} is blank: a {self.format.name!r} model has no opinion of it"
            if self.forbidden.intersection(step_ids):
                return f"{where} holds {self._kept(step_ids)}"
            ids += [*(self.between if k else ()), *step_ids, *self.closing]
            ends.append(len(ids) - 1)
        limit = min((n for n in (limit, self.format.max_tokens) if n is not None), default=None)
        if limit is not None and len(ids) > limit:
            return f"{len(ids)} tokens are over the scorer's context of {limit}: use a scorer with a longer context"
        return TokenRow(tuple(ids), tuple(ends))

    def _kept(self, ids: Sequence[int]) -> str:
        token = self.tokenizer.convert_ids_to_tokens(min(self.forbidden.intersection(ids)))
        return f"the token {token!r}, which the format {self.format.name!r} keeps for itself"


def row_builder(tokenizer: Any, form: PRMFormat) -> RowBuilder:
    """Compile `form` for a tokenizer.

    Raises ValueError where the tokenizer is not one for this format: a token is missing or has
    another id than in the published one, the chat template does not fit, or a text in the format is
    cut into other tokens than the whole would be.
    """
    for token, expected in form.ids:
        if (seen := _id_of(tokenizer, form, token)) != expected:
            raise ValueError(
                f"not the tokenizer of the format {form.name!r}: its token {token!r} has the id {seen}, the published "
                f"one's {expected}; for a model retrained in this format give format=dataclasses.replace(..., ids=())"
            )
    for named in (form.tag, form.good, form.bad):
        if named is not None:
            _id_of(tokenizer, form, named)
    tag = () if form.tag is None else (_id_of(tokenizer, form, form.tag),)
    if form.layout == "text":
        if form.bos and tokenizer.bos_token_id is None:
            raise ValueError(f"not a tokenizer for the format {form.name!r}: it has no bos_token")
        pieces: _Pieces = ((tokenizer.bos_token_id,) if form.bos else (), (), tag, ())
    elif form.layout == "assistant":
        before, after = _assistant_pieces(tokenizer, form)
        pieces = (before, after, tag, ())
    else:
        pieces = _turn_pieces(tokenizer, form)
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    forbidden = (special | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id}
    if not form.tag_in_steps:
        forbidden |= set(tag)
    builder = RowBuilder(tokenizer, form, *pieces, forbidden=frozenset(forbidden))
    _check_against_whole_text(builder)
    return builder


def token_ids(tokenizer: Any, form: PRMFormat) -> tuple[int, int]:
    """The ids of the answers (bad, good) of a format read from the language model's tokens."""
    if form.good is None or form.bad is None:
        raise ValueError(f"the format {form.name!r} has no tokens for good and bad, which its head {form.head!r} reads")
    return _id_of(tokenizer, form, form.bad), _id_of(tokenizer, form, form.good)


def question_of(problem: Problem) -> str:
    """The question, stripped; of a conversation its only user's message, as the format has its own instructions.

    >>> from verifiers import Message
    >>> question_of(Problem("p1", (Message("system", "Be brief."), Message("user", "What is 2+2? "))))
    'What is 2+2?'
    """
    if isinstance(problem.prompt, str):
        return problem.prompt.strip()
    asked = [message.content for message in problem.prompt if message.role == "user"]
    if len(asked) != 1 or any(m.role not in ("system", "user") for m in problem.prompt):
        roles = ", ".join(message.role for message in problem.prompt)
        raise ValueError(
            f"problem {problem.id!r} is a conversation of {roles}: a public PRM reads one question, "
            "so give one message of the user and at most a system message"
        )
    return asked[0].strip()


_Pieces = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _id_of(tokenizer: Any, form: PRMFormat, token: str) -> int:
    token_id = tokenizer.convert_tokens_to_ids(token)
    if token_id is None or (token_id == tokenizer.unk_token_id and token != tokenizer.unk_token):
        raise ValueError(f"not a tokenizer for the format {form.name!r}: it has no token {token!r}")
    return int(token_id)


def _assistant_pieces(tokenizer: Any, form: PRMFormat) -> tuple[tuple[int, ...], tuple[int, ...]]:
    slots = ("stepbeam-problem", "stepbeam-steps")
    turns = [("user", slots[0]), ("assistant", slots[1])]
    before, after, _ = _split(_render(tokenizer, form, turns), slots, form)
    return _trusted(tokenizer, before), _trusted(tokenizer, after)


def _turn_pieces(tokenizer: Any, form: PRMFormat) -> _Pieces:
    """The template around the texts, which must repeat itself: turn by turn, whatever follows."""
    if form.good is None:
        raise ValueError(f"the format {form.name!r} has turns but no token `good`, the assistant's answer")
    slots = tuple(f"stepbeam-{role}-{k}" for k in range(3) for role in ("step", "answer"))
    turns = [("assistant" if i % 2 else "user", slot) for i, slot in enumerate(slots)]
    before, *rest = _split(_render(tokenizer, form, turns), slots, form)
    asks, answers = rest[0:-1:2], rest[1:-1:2]
    short = _split(_render(tokenizer, form, turns[:2]), slots[:2], form)
    if len({*asks, short[1]}) > 1 or len(set(answers)) > 1 or short[0] != before:
        raise ValueError(
            f"the chat template does not fit the format {form.name!r}: what it writes around a turn "
            "depends on the turns that follow, so one pass cannot give the scores of each prefix"
        )
    good = _id_of(tokenizer, form, form.good)
    return _trusted(tokenizer, before), (), _trusted(tokenizer, asks[0]), (good, *_trusted(tokenizer, answers[0]))


def _render(tokenizer: Any, form: PRMFormat, turns: Sequence[tuple[str, str]]) -> str:
    if tokenizer.chat_template is None:
        raise ValueError(f"not a tokenizer for the format {form.name!r}: it has no chat template")
    system = [] if form.system is None else [("system", form.system)]
    messages = [{"role": role, "content": content} for role, content in (*system, *turns)]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
    return text


def _split(text: str, slots: Sequence[str], form: PRMFormat) -> list[str]:
    pieces = []
    for slot in slots:
        piece, separator, text = text.partition(slot)
        if not separator:
            raise ValueError(f"the chat template does not fit the format {form.name!r}: it leaves out a message")
        pieces.append(piece)
    return [*pieces, text]


def _trusted(tokenizer: Any, text: str) -> tuple[int, ...]:
    """The ids of what the template wrote, special tokens and its own BOS among them."""
    with TOKENIZING:
        return tuple(tokenizer(text, add_special_tokens=False, split_special_tokens=False).input_ids)


def _check_against_whole_text(builder: RowBuilder) -> None:
    """Compare a row of plain words with the tokens of its whole text, as the model was trained on it."""
    form, tokenizer = builder.format, builder.tokenizer
    question, steps = _PROBE
    known: tuple[int, ...] = ()
    if form.layout == "text":
        if form.tag_text is None:
            return  # the reference itself tokenizes step by step
        text = form.problem.format(problem=question)
        for k, step in enumerate(steps):
            text += (form.next_step if k else form.first_step).format(step=step) + form.tag_text
        known = builder.before
    elif form.layout == "assistant":
        tag = form.tag_text or ""
        text = _render(tokenizer, form, [("user", question), ("assistant", tag.join(steps) + tag)])
    else:
        asked = [question + form.first_step.format(step=steps[0]), *steps[1:]]
        text = _render(tokenizer, form, [turn for t in asked for turn in (("user", t), ("assistant", str(form.good)))])
    row = builder.rows([Problem("probe", question)], [Solution(tuple(map(Step, steps)))], limit=None)[0]
    if isinstance(row, str):
        raise ValueError(f"not a tokenizer for the format {form.name!r}: {row}")
    whole = [*known, *_trusted(tokenizer, text)][: len(row.ids)]
    if whole != list(row.ids):
        at = next((i for i, (a, b) in enumerate(zip(whole, row.ids, strict=False)) if a != b), len(whole))
        seen, meant = (tokenizer.convert_ids_to_tokens(list(ids[at : at + 4])) for ids in (whole, row.ids))
        raise ValueError(
            f"not a tokenizer for the format {form.name!r}: token {at} and on of a plain text read {seen} "
            f"where the format has {meant}"
        )
