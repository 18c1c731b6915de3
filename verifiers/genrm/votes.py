"""The votes of a generative verifier: a rationale each, and the probabilities of the verdicts behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from policies.policy import NextTokens, Sampling, TextVerdicts, TokenPolicy, text_verdicts_of
from verifiers.genrm.format import GenRMFormat, verdict_ids
from verifiers.interface.scoring import FloatArray, Spend
from verifiers.interface.solution import Problem, Solution, Step, Stop

Row: TypeAlias = tuple[Problem, Solution]


@dataclass(frozen=True, slots=True)
class Vote:
    """One rationale, and P(yes) and P(no) behind it, or the reason why there are none.

    `failed` where the policy did not answer: that is no vote without a verdict, which is drawn again or left out.
    `read` has, of the FLOPs, those of what stands before the rationale.
    """

    rationale: str
    probs: FloatArray
    failed: bool
    reason: str
    spend: Spend
    read: float


def verdicts(policy: TokenPolicy, rows: Sequence[Row], words: GenRMFormat) -> NextTokens:
    """P(yes) and P(no) as what comes next, shape (N, 2)."""
    if not rows:
        return NextTokens(np.empty((0, 2), np.float32), (), ())
    problems, prefixes = zip(*rows, strict=True)
    if (ask := text_verdicts_of(policy)) is not None:
        greedy, seeds = Sampling(temperature=0.0), [0] * len(rows)
        return ask(problems, prefixes, after="", texts=(words.yes, words.no), sampling=greedy, seeds=seeds)[1]
    return policy.next_token_probs(problems, prefixes, tokens=verdict_ids(policy.encode, words))


def draw_votes(
    policy: TokenPolicy, rows: Sequence[Row], words: GenRMFormat, *, sampling: Sampling, seeds: Sequence[int]
) -> list[Vote]:
    """A rationale behind each row, up to the verdict words, and what is likely to come next there."""
    # The rationale is one step, which the verdict words end.
    sampling = replace(sampling, separator=words.verdict)
    if (ask := text_verdicts_of(policy)) is not None:
        return _of_texts(ask, rows, words, sampling, seeds)
    drawn = policy.extend(
        [problem for problem, _ in rows], [row for _, row in rows], until="step", sampling=sampling, seeds=seeds
    )
    silent = np.full(2, np.nan, dtype=np.float32)
    votes: list[Vote] = []
    closed: dict[int, Solution] = {}
    for k, ((_, row), grown, spend) in enumerate(zip(rows, drawn.solutions, drawn.spend, strict=True)):
        said, judged = _rationale(policy, row, grown, words.verdict)
        if judged is not None:
            closed[k] = judged
        reason = grown.reason or f"the rationale ended without the verdict ({grown.stop.value})"
        failed = grown.stop is Stop.FAILED
        votes.append(Vote(said, silent, failed, "" if judged is not None else reason, spend, spend.prompt_flops))
    read = verdicts(policy, [(rows[k][0], judged) for k, judged in closed.items()], words)
    for i, k in enumerate(closed):
        reason = read.reasons[i] or ""
        votes[k] = replace(
            votes[k],
            probs=read.probs[i],
            failed=bool(reason),
            reason=reason,
            spend=votes[k].spend + read.spend[i],
        )
    return votes


def _of_texts(
    ask: TextVerdicts, rows: Sequence[Row], words: GenRMFormat, sampling: Sampling, seeds: Sequence[int]
) -> list[Vote]:
    """Of a policy without token ids each rationale is drawn to its end, and the verdict is read in its midst."""
    drawn, read = ask(
        [problem for problem, _ in rows],
        [row for _, row in rows],
        after=words.verdict,
        texts=(words.yes, words.no),
        sampling=sampling,
        seeds=seeds,
    )
    votes = []
    for k, ((_, row), grown) in enumerate(zip(rows, drawn.solutions, strict=True)):
        before, verdict, _ = grown.text.removeprefix(row.text).partition(words.verdict)
        reason = read.reasons[k] or ""
        spend = drawn.spend[k]
        failed = grown.stop is Stop.FAILED
        votes.append(Vote(before + verdict, read.probs[k], failed, reason, spend, spend.prompt_flops))
    return votes


def _rationale(policy: TokenPolicy, row: Solution, grown: Solution, verdict: str) -> tuple[str, Solution | None]:
    """What was drawn behind `row`, and the solution at whose end the verdict is read, None where it has none."""
    said = grown.text.removeprefix(row.text)
    if grown.stop is Stop.OPEN and said.endswith(verdict):
        return said, grown
    before, words, _ = said.partition(verdict)
    if not words or grown.stop is Stop.FAILED:
        return said, None
    # The words stand first, where they end no step, or share their last token with what comes behind them.
    cut = before + words
    return cut, Solution((*row.steps, Step(cut, policy.encode(cut))))
