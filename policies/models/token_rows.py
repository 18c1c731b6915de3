"""Tokens of scored solutions, built piece by piece so that the end of every step is pinned."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from policies.models.chat import TemplateError, encode_prompt, encode_texts
from verifiers.interface.solution import Problem, Refusal, Solution


@dataclass(frozen=True, slots=True)
class TokenRow:
    """The ids of a prompt and its solution, and the position of each step's last token, shape (T,)."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]


def unknown_id(ids: Collection[int], vocabulary: int | None) -> str | None:
    """Why a model with so many tokens cannot read these ids, None where it can.

    >>> unknown_id([3, 105], 100)
    "token 105 is none of the model's 100: its tokenizer is another model's, or has tokens that were never embedded"
    """
    largest = max(ids, default=0)
    if vocabulary is None or largest < vocabulary:
        return None
    return (
        f"token {largest} is none of the model's {vocabulary}: its tokenizer is another model's, or has tokens that "
        "were never embedded"
    )


def token_rows(
    tokenizer: Any,
    problems: Sequence[Problem],
    solutions: Sequence[Solution],
    *,
    limit: int | None,
    vocabulary: int | None = None,
) -> list[TokenRow | str]:
    """One row a solution, or the reason why there is none.

    The prompt, which is encoded as a policy's, and each step's text are tokenized on their own and
    joined, so a separator never merges with what follows it; text that spells a special token stays
    text. The end-of-sequence id follows a finished solution and belongs to its last step. A row over
    `limit` tokens is refused, never truncated, and so is one with an id that a `vocabulary` of so many has not.

    >>> from bench.tiny.worlds.tokenizer import build_tokenizer
    >>> from verifiers import Step, Stop
    >>> solution = Solution((Step("7+5=2\\n"), Step("=2")), Stop.EOS)
    >>> [row] = token_rows(build_tokenizer(), [Problem("p1", "C 7+5\\n")], [solution], limit=256)
    >>> len(row.ids), row.ends
    (15, (11, 14))
    """
    prompts = _encode_prompts(tokenizer, problems)
    texts = sorted({step.text for solution in solutions for step in solution.steps})
    pieces = dict(zip(texts, encode_texts(tokenizer, texts), strict=True))

    def row(problem: Problem, solution: Solution) -> TokenRow | str:
        prompt = prompts[problem]
        if isinstance(prompt, str):
            return prompt
        joined = _join(prompt, [pieces[step.text] for step in solution.steps], solution, tokenizer.eos_token_id, limit)
        return joined if isinstance(joined, str) else unknown_id(joined.ids, vocabulary) or joined

    return [row(*texts) for texts in zip(problems, solutions, strict=True)]


def _join(prompt: list[int], steps: list[list[int]], solution: Solution, eos: int, limit: int | None) -> TokenRow | str:
    ids = list(prompt)
    ends: list[int] = []
    for k, step in enumerate(steps):
        ids += step
        if solution.finished and k == len(steps) - 1:
            ids.append(eos)
        if len(ids) - 1 == (ends[-1] if ends else len(prompt) - 1):
            return f"step {k + 1} of {len(steps)} is empty: there is no token to read its score at"
        ends.append(len(ids) - 1)
    if limit is not None and len(ids) > limit:
        kind = Refusal if len(prompt) > limit else str
        return kind(f"{len(ids)} tokens are over the scorer's context of {limit}: use a scorer with a longer context")
    return TokenRow(tuple(ids), tuple(ends))


def _encode_prompts(tokenizer: Any, problems: Sequence[Problem]) -> dict[Problem, list[int] | str]:
    prompts: dict[Problem, list[int] | str] = {}
    for problem in dict.fromkeys(problems):
        if tokenizer.chat_template is None and not isinstance(problem.prompt, str):
            prompts[problem] = Refusal(
                f"problem {problem.id!r} is a conversation, but the scorer's tokenizer has no chat template: "
                "give the prompt as one string"
            )
            continue
        try:
            prompts[problem] = encode_prompt(tokenizer, problem.prompt)
        except TemplateError as error:
            prompts[problem] = Refusal(f"problem {problem.id!r}: {error}")
    return prompts
