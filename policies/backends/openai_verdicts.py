"""How likely texts are at a place of a server's reply: from the most likely tokens there, or as it said itself."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.backends.in_flight import Answer
from policies.backends.openai_text import Said, TextRows, one_row
from policies.backends.servers.replies import Json, NoAnswerError
from policies.models.steps import extended_by_text
from policies.policy import Extended, NextTokens, Sampling
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Problem, Solution, Stop, failed

_MARKS = " \t\n*_`:\"'"  # around a verdict in a text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a row drew, and what was read there: a probability a text, or why not."""

    answer: Answer
    probs: tuple[float, ...] | None
    reason: str | None = None


async def verdict(
    rows: TextRows,
    problem: Problem,
    prefix: Solution,
    *,
    after: str,
    texts: Sequence[str],
    sampling: Sampling,
    seed: int,
) -> Verdict:
    """Draw a row to its end and read a verdict behind the words `after`; without words, of its first token."""
    room = rows.room(prefix, sampling) if after else 1
    if room < 1:
        reason = "no token is left for a rationale"
        return Verdict((Solution(prefix.steps, Stop.LENGTH), Spend(policy_calls=1)), None, reason)
    try:
        said = await _asked(rows, problem, prefix, room, sampling, seed)
    except NoAnswerError as error:
        return Verdict((failed(str(error), prefix.steps), one_row([error.cost])), None, str(error))
    stop = Stop.LENGTH if said.cut else Stop.EOS
    solution = extended_by_text(prefix, said.text, stop=stop, separator=sampling.separator)
    probs, why = read_verdict(said.text, said.choice, after, texts, most=rows.most_likely)
    return Verdict((solution, said.spend), probs, why)


def gathered(verdicts: Sequence[Verdict], texts: int) -> tuple[Extended, NextTokens]:
    """The verdicts of many rows; what was read cost nothing beside what was drawn."""
    silent = (math.nan,) * texts
    probs = np.array([v.probs or silent for v in verdicts], dtype=np.float32).reshape(len(verdicts), texts)
    solutions, spend = zip(*(v.answer for v in verdicts), strict=True) if verdicts else ((), ())
    read = NextTokens(probs, tuple(spend), tuple(v.reason for v in verdicts))
    return Extended(tuple(solutions), tuple(spend)), read


async def _asked(rows: TextRows, problem: Problem, prefix: Solution, room: int, sampling: Sampling, seed: int) -> Said:
    if rows.gives_logprobs:
        try:
            return await rows.ask(problem, prefix.text, room, sampling, seed, logprobs=True)
        except NoAnswerError as error:
            if error.status not in (400, 422):
                raise
    said = await rows.ask(problem, prefix.text, room, sampling, seed)
    rows.gives_logprobs = False  # what it refused was the log-probabilities
    return said


def read_verdict(
    text: str, choice: Json, after: str, texts: Sequence[str], *, most: int = 20
) -> tuple[tuple[float, ...] | None, str | None]:
    """The probability of each text right behind the words `after`, or why there is none.

    A text that is not among the most likely tokens of that place has at most what is left for it: less than the least
    of those, and than what they leave of 1. That bound is its probability here. Where the server gives no
    log-probabilities of the place, a verdict behind words is what was said: 1 for that text, 0 for the others. `most`
    tokens were asked for.

    >>> read_verdict("Fine. Correct? Yes.", {}, "Correct?", (" Yes", " No"))
    ((1.0, 0.0), None)
    >>> likely = {"tokens": [" Yes"], "top_logprobs": [{" Yes": -0.1, " Maybe": -4.0}]}
    >>> probs, _ = read_verdict(" Yes", {"logprobs": likely}, "", (" Yes", " No"))
    >>> [round(p, 3) for p in probs]
    [0.905, 0.018]
    """
    at = text.find(after)
    if at < 0:
        return None, f"the rationale ended without the words {after!r}"
    likely = _most_likely(choice, text, at + len(after))
    if likely is not None:
        if any(wanted in likely for wanted in texts):
            ranked = sorted(likely.values(), reverse=True)  # what was drawn stands there too, likely or not
            bound = max(0.0, min(ranked[:most][-1], 1.0 - sum(ranked)))
            return tuple(likely.get(wanted, bound) for wanted in texts), None
        if not after:
            seen = ", ".join(map(repr, list(likely)[:3]))
            return None, f"none of {', '.join(map(repr, texts))} is among the {len(likely)} most likely tokens ({seen})"
    if not after:
        return None, "the server gives no log-probabilities, of which a verdict without a rationale is read"
    behind = text[at + len(after) :].lstrip(_MARKS)
    said = [bool(re.match(_word(wanted.strip()), behind)) for wanted in texts]
    if sum(said) != 1:
        return None, f"behind {after!r} stands {behind[:20]!r}, which is none of {', '.join(map(repr, texts))}"
    return tuple(map(float, said)), None


def _word(wanted: str) -> str:
    """Matches a text where the word that it ends with, if it ends with one, ends as well."""
    return re.escape(wanted) + (r"\b" if re.search(r"\w$", wanted) else "")


def _most_likely(choice: Json, text: str, at: int) -> dict[str, float] | None:
    """The most likely tokens of the place `at` of a text, with their probabilities; None where these are not given."""
    given: Any = choice.get("logprobs")
    try:
        if isinstance(content := given.get("content"), list):  # a chat's
            tokens = [entry["token"] for entry in content]
            tops = [{top["token"]: math.exp(top["logprob"]) for top in entry["top_logprobs"]} for entry in content]
        else:
            tokens = given["tokens"]
            tops = [{token: math.exp(p) for token, p in (top or {}).items()} for top in given["top_logprobs"]]
        begins = 0
        for token, top in zip(tokens, tops, strict=False):
            if begins == at:
                sound = top and all(p < 1.01 for p in top.values())  # which NaN is not
                return {token: min(p, 1.0) for token, p in top.items()} if sound else None  # rounded, it may be above
            begins += len(token)
            if not text.startswith(token, begins - len(token)) or begins > at:
                return None  # a token that is half a character, or that spans the place
    except (AttributeError, KeyError, TypeError, OverflowError):
        return None  # as many servers leave parts of it out
    return None
