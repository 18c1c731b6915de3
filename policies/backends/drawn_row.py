"""What a row draws of an engine that is asked for one continuation after another, as ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from policies.decoding.loop import Sampled
from policies.models.parameters import Span
from policies.models.prompts import Continuation
from policies.models.steps import StepCutter
from policies.policy import Sampling, Until
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Stop


@dataclass(slots=True)
class DrawnRow:
    """A row, and what it has drawn in this call at what cost. A stop that is no step (a blank line first) goes on."""

    row: Continuation
    cutter: StepCutter
    ends: Collection[int]
    until: Until
    sampling: Sampling
    new: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    begun: int = 0  # ids that the engine was asked to go on from, of all times
    computed: list[Span] = field(default_factory=list)  # those of them that it did not find in its memory
    fed: list[Span] = field(default_factory=list)  # new ids that were run through the model
    ended: Stop | None = None  # by what the engine says, where no id that ends a solution does

    @property
    def ids(self) -> list[int]:
        """All that the engine is to go on from."""
        return [*self.row.prompt, *self.row.context, *self.new]

    @property
    def room(self) -> int:
        """The tokens that it may still draw."""
        return self.row.room - len(self.new)

    @property
    def seed(self) -> int:
        """Its seed for the engine, whose seeds are signed; a row that goes on must not draw the same numbers again."""
        drawn = len(self.new)
        return self.row.seed % 2**63 if not drawn else seed_at(self.row.seed, "again", drawn)

    def goes_on(self, ids: Sequence[int], logprobs: Sequence[float], cached: int, ended: Stop | None = None) -> bool:
        """Take what the engine has drawn, `cached` of the ids before it found in its memory; whether to ask again.

        `ended` is what the engine says of it: EOS where it came to an end that may be none of `ends`, LENGTH where it
        gave no more at a time.
        """
        if not ids:
            raise RuntimeError("vLLM's engine gave up on a row without a token")
        row, new = self.row, self.new
        read = len(row.prompt) + len(row.context) + len(new)
        self.begun += read
        self.computed.append((min(cached, read), read))
        self.fed.append((read, read + len(ids) - 1))
        new += ids
        self.logprobs += logprobs
        if self.until == "end":
            self.ended = ended
            return False
        # An engine that draws several tokens at a time may stop behind the step.
        while len(new) > 1 and self._ends_step(new[:-1]):
            new.pop()
            del self.logprobs[len(new) :]
        if self.room < 1 or new[-1] in self.ends or self._ends_step(new):
            return False
        self.ended = ended if ended is Stop.EOS else None  # one that is cut short of a step goes on
        return self.ended is None

    def sampled(self, *, told: bool) -> Sampled:
        """What it has drawn, with log-probabilities where they are `told`."""
        ended = Stop.EOS if self.new[-1] in self.ends else self.ended or (Stop.LENGTH if self.room < 1 else Stop.OPEN)
        return Sampled(self.row, self.new, self.logprobs if told else None, ended)

    def _ends_step(self, new: Sequence[int]) -> bool:
        return self.cutter.ends_step(self.row.context, self.row.past, new, self.sampling.separator)
