"""Tokens of scored solutions, built piece by piece so that the end of every step is pinned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verifiers.solution import Problem, Solution


@dataclass(frozen=True, slots=True)
class TokenRow:
    """The ids of a prompt and its solution, and the position of each step's last token, shape (T,)."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]


def token_rows(
    tokenizer: Any, problems: Sequence[Problem], solutions: Sequence[Solution], *, limit: int | None
) -> list[TokenRow | str]:
    """One row a solution, or the reason why there is none.

    The prompt and each step's text are tokenized on their own and joined, so a separator never
    merges with what follows it. The end-of-sequence id follows a finished solution and belongs to
    its last step. A row over `limit` tokens is refused, never truncated.

    >>> from bench.tiny.tokenizer import build_tokenizer
    >>> from verifiers import Step, Stop
    >>> solution = Solution((Step("7+5=2\\n"), Step("=2")), Stop.EOS)
    >>> [row] = token_rows(build_tokenizer(), [Problem("p1", "C 7+5\\n")], [solution], limit=256)
    >>> len(row.ids), row.ends
    (15, (11, 14))
    """
    prompts = _encode_prompts(tokenizer, problems)
    pieces = _encode_pieces(tokenizer, {step.text for solution in solutions for step in solution.steps})
    return [
        _join(prompts[problem], [pieces[step.text] for step in solution.steps], solution, tokenizer.eos_token_id, limit)
        for problem, solution in zip(problems, solutions, strict=True)
    ]


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
        return f"{len(ids)} tokens are over the scorer's context of {limit}: use a scorer with a longer context"
    return TokenRow(tuple(ids), tuple(ends))


def _encode_prompts(tokenizer: Any, problems: Sequence[Problem]) -> dict[Problem, list[int]]:
    unique = list(dict.fromkeys(problems))
    if tokenizer.chat_template is not None:
        return {problem: _encode_chat(tokenizer, problem) for problem in unique}
    for problem in unique:
        if not isinstance(problem.prompt, str):
            raise ValueError(
                f"problem {problem.id!r} is a conversation, but the scorer's tokenizer has no chat template: "
                "give the prompt as one string"
            )
    texts = [problem.prompt for problem in unique]
    return dict(zip(unique, tokenizer(texts).input_ids if texts else [], strict=True))


def _encode_chat(tokenizer: Any, problem: Problem) -> list[int]:
    prompt = problem.prompt
    turns = [("user", prompt)] if isinstance(prompt, str) else [(m.role, m.content) for m in prompt]
    messages = [{"role": role, "content": content} for role, content in turns]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    # The template writes its own opening tokens, so none are added here.
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


def _encode_pieces(tokenizer: Any, texts: set[str]) -> dict[str, list[int]]:
    ordered = sorted(texts)
    encoded = tokenizer(ordered, add_special_tokens=False).input_ids if ordered else []
    return dict(zip(ordered, encoded, strict=True))
