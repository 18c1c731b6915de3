"""What the policies that run a model do alike, whatever computes it: texts in and out as ids, rows, reasons, spend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from transformers import GenerationConfig

from policies.checks import check_call, check_open
from policies.decoding.loop import Sampled
from policies.models.chat import encode_text, has_template
from policies.models.engine_options import Chat, with_chat
from policies.models.parameters import FlopPrice, Span, tokens_in
from policies.models.pretrained import loading
from policies.models.prompts import Continuation, Prompts, State
from policies.models.steps import StepCutter
from policies.models.tensors import file_of
from policies.models.token_rows import TokenRow, unknown_id
from policies.policy import Extended, NextTokens, Sampling, Until
from verifiers.interface.arguments import check_asked, check_kind, check_problem
from verifiers.interface.errors import BadInput, check_least
from verifiers.interface.naming import model_name
from verifiers.interface.scoring import FloatArray, Scores, Spend, silent_row
from verifiers.interface.solution import Problem, Solution

Probs: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that could not be read as others were: why, and what it cost all the same."""

    reason: str
    spend: Spend


class ModelPolicy(ABC):
    """A policy that reads and writes the ids of one tokenizer; `ends` are those that end a solution.

    `more` is the room that the model needs behind what it only reads.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        vocabulary: int,
        ends: Collection[int],
        chat: Chat,
        context: int | None,
        price: FlopPrice,
        more: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        self.cutter = StepCutter(tokenizer, vocabulary)
        self.prompts = Prompts(tokenizer, self.cutter, chat=chat, context=context)
        self.price = price
        self._ends, self._more = ends, more

    @property
    def name(self) -> str:
        """What a run writes down: the model's name, and what its chat template is given, or that it is left out."""
        chat = self.prompts.chat
        return with_chat(model_name(self._model()), chat if has_template(self.tokenizer) else True)

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return self.prompts.uses_chat_template

    def prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        """The ids that the model reads for a problem, chat template included."""
        check_problem(problem)
        return self.prompts.prompt_ids(problem)

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues another: no special token is added.

        Raises BadInput for what is no text, and for a token that the model does not have.
        """
        check_kind("text", text, str, "give a text")
        ids = tuple(encode_text(self.tokenizer, text))
        if unknown := unknown_id(ids, self.cutter.vocabulary):
            raise BadInput(f"the text {text[:60]!r}: {unknown}")
        return ids

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """Extend every prefix by a step or to its end; see `policies.Policy`."""
        problems, prefixes, seeds = check_call(problems, prefixes, until, sampling, seeds)
        openings = self.prompts.openings(problems, prefixes, sampling, seeds)
        solutions = [opening if isinstance(opening, Solution) else None for opening in openings]
        spend = [Spend(policy_calls=1)] * len(problems)
        rows = [opening for opening in openings if isinstance(opening, Continuation)]
        for sampled, cost in self._sampled(rows, until, sampling) if rows else ():
            index = sampled.row.index
            solutions[index], spend[index] = self.extended(prefixes[index], sampled, sampling), cost
        return Extended(tuple(s for s in solutions if s is not None), tuple(spend))

    def extended(self, prefix: Solution, sampled: Sampled, sampling: Sampling) -> Solution:
        """The solution that a prefix and what was sampled behind it make."""
        row = sampled.row
        return self.cutter.extended(
            prefix,
            row.context,
            row.past,
            sampled.tokens,
            sampled.logprobs,
            stop=sampled.stop,
            reason=sampled.reason and f"problem {row.problem!r}: {sampled.reason}",
            separator=sampling.separator,
        )

    def next_token_probs(
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], *, tokens: Sequence[int]
    ) -> NextTokens:
        """The probability of each of `tokens` as the next one after each prefix, at temperature 1.

        Equal states are computed once and charged to the first row. Raises ValueError for a prefix that has ended and
        for a token that the model does not have.
        """
        problems, prefixes = check_asked({"problems": problems, "prefixes": prefixes})
        check_open(problems, prefixes)
        [tokens] = check_asked({"tokens": tokens})
        tokens = [int(token) for token in tokens]  # of numpy's and torch's numbers too
        if unknown := unknown_id(tokens, self.cutter.vocabulary):
            raise BadInput(unknown)
        check_least(0, {"the lowest of tokens": min(tokens, default=0)})
        probs = np.full((len(problems), len(tokens)), np.nan, dtype=np.float32)
        spend = [Spend(policy_calls=1)] * len(problems)
        states = self.prompts.states(problems, prefixes, more=self._more)
        readable = {i: state for i, state in enumerate(states) if not isinstance(state, str)}
        reasons = [state if isinstance(state, str) else None for state in states]
        for indices, row, computed in self._next_token_probs(readable, tokens) if readable else ():
            for i in indices:
                if isinstance(row, Unread):
                    reasons[i] = row.reason
                    spend[i] = row.spend if i == indices[0] else spend[i]
                    continue
                probs[i] = row
                spend[i] = self._spend(computed if i == indices[0] else (), len(readable[i][2]))
        return NextTokens(probs, tuple(spend), tuple(reasons))

    def logprobs(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The log-probability of each step given all before it, in nats; `steps[i]` has shape (T_i,).

        Each step's tokens are its own, or its text's where it has none or those of another tokenizer. A
        finished solution's last step includes the end of sequence. Rows over the context are NaN with a reason.
        Nothing is cached: a row's cost is all its tokens.
        """
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        steps = [silent_row(len(s.steps)) for s in solutions]
        spend = [Spend(policy_calls=1)] * len(solutions)
        rows = self.prompts.whole_rows(problems, solutions, self._ends, more=self._more)
        reasons = [row if isinstance(row, str) else None for row in rows]
        readable = {i: row for i, row in enumerate(rows) if isinstance(row, tuple)}
        if readable:
            prompts, token_rows = zip(*readable.values(), strict=True)
            for i, sums in zip(readable, self._step_logprobs(token_rows, prompts), strict=True):
                if isinstance(sums, Unread):
                    reasons[i], spend[i] = sums.reason, sums.spend
                    continue
                steps[i] = sums
                length = len(readable[i][1].ids)
                spend[i] = self._spend([(0, length)], length)
        return Scores(tuple(steps), tuple(spend), tuple(reasons))

    def _spend(self, computed: Sequence[Span], length: int, sampled: int = 0, fed: Sequence[Span] = ()) -> Spend:
        """What a row cost that begins with `length` tokens; `fed` are sampled ones that were run to draw the next."""
        tokens, read = tokens_in(computed), self.price.flops(*computed)
        return Spend(
            policy_calls=1,
            prompt_tokens=tokens,
            # A shared prompt's last token may run once more where its logits are wanted.
            cached_prompt_tokens=max(0, length - tokens),
            sampled_tokens=sampled,
            policy_flops=read + self.price.flops(*fed),
            prompt_flops=read,
        )

    @abstractmethod
    def _model(self) -> Any:
        """What says by `name_or_path` where the model is from."""

    @abstractmethod
    def _sampled(
        self, rows: Sequence[Continuation], until: Until, sampling: Sampling
    ) -> Iterable[tuple[Sampled, Spend]]:
        """What each row samples, in any order."""

    @abstractmethod
    def _next_token_probs(
        self, states: Mapping[int, State], tokens: Sequence[int]
    ) -> Iterable[tuple[Sequence[int], Probs | Unread, Sequence[Span]]]:
        """For each state that is computed its rows, its probabilities, and which of its tokens were computed."""

    @abstractmethod
    def _step_logprobs(self, rows: Sequence[TokenRow], prompts: Sequence[int]) -> Iterable[FloatArray | Unread]:
        """The log-probability of each step of each row, whose first ids are the prompt's."""


def generation_config(name: str) -> Any:
    """A model's generation config, None where it has none."""
    with loading(name, what="generation_config.json"):
        return None if file_of(name, "generation_config.json") is None else GenerationConfig.from_pretrained(name)
