"""A public PRM on vLLM's server: its tokens are made here, and its opinion of each step comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from policies.backends.in_flight import Loop
from policies.backends.openai_client import Servers
from policies.backends.servers.replies import BadReplyError, Json, NoAnswerError
from policies.backends.servers.start import one_card
from policies.models.pretrained import checked_source, load_config, load_tokenizer
from policies.models.token_rows import TokenRow
from prms.format_rows import RowBuilder, row_builder
from prms.formats import PRMFormat, format_of
from prms.public import OfFormat
from verifiers.interface.arguments import check_asked
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import FloatArray, Scores, Spend, check_rows, silent_row
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True, eq=False)
class ServedPRM(OfFormat):
    """P(good) of every step, by a PRM with a head of two classes (Qwen2.5-Math-PRM) that `vllm serve` has.

    A row is one request to the server's `/pooling`, with the ids that `prms.PublicPRM` would read; the server gives
    the probabilities at each tag. A row that is not answered is NaN with its reason. Make it with
    `prms.load("prm:MODEL,base_url=http://localhost:8000/v1")`, and close it.
    """

    model: str
    servers: Servers
    loop: Loop
    format: PRMFormat
    tokenizer: Any
    context: int | None
    vocabulary: int
    _builder: RowBuilder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.format.head != "classes":
            raise BadInput(
                f"{self.model}: a {self.format.name!r} PRM is not read from vLLM's /pooling: load its folder, with "
                "engine=vllm where that is wanted"
            )
        object.__setattr__(self, "_builder", row_builder(self.tokenizer, self.format))

    @classmethod
    def of(cls, model: str, servers: Servers, *, tokenizer: str | None = None) -> ServedPRM:
        """The PRM of this name on servers; `tokenizer` is a folder or a hub name, else what the server names."""
        loop = Loop()
        loop.at_end.append(servers.close)
        try:
            [cards] = loop.run(servers.listed(model))
            card = one_card(model, cards, one_root=tokenizer is None)
            source = checked_source(tokenizer or card.root or model, "prm")
            config = load_config(source, "prm")
            form = format_of(source, config.to_dict()) or format_of(model, {})
            if form is None:
                raise BadInput(
                    f"{source!r}: neither its name nor its architecture tells what kind of PRM it is; a server's is to "
                    "be a Qwen2.5-Math-PRM"
                )
            vocabulary = config.get_text_config().vocab_size
            return cls(model, servers, loop, form, load_tokenizer(source, "prm"), card.context, vocabulary)
        except BaseException:
            loop.close()
            raise

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"prm({self.model.rpartition('/')[2]}, {self.format.name})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """P(good) of every prefix, one a step; N rows. Raises EngineStoppedError where no row is ever answered."""
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        rows = self._builder.rows(problems, solutions, limit=self.context, vocabulary=self.vocabulary)
        asked = [i for i, row in enumerate(rows) if isinstance(row, TokenRow) and row.ends]
        steps = [silent_row(len(solution.steps)) for solution in solutions]
        spend = [Spend(scorer_calls=1)] * len(rows)
        reasons = [row if isinstance(row, str) else None for row in rows]
        read = self.loop.run(*(self._read(problems[i], rows[i]) for i in asked))
        for i, said in zip(asked, read, strict=True):
            spend[i] = said[1]
            if isinstance(said[0], str):
                reasons[i] = said[0]
            else:
                steps[i] = said[0]
        self.servers.check_there()
        return check_rows(
            self, problems, solutions, Scores(tuple(steps), tuple(spend), tuple(reasons), self.format.reduce)
        )

    async def _read(self, problem: Problem, row: TokenRow | str) -> tuple[FloatArray | str, Spend]:
        assert isinstance(row, TokenRow)
        body = {"model": self.model, "input": list(row.ids), "task": "token_classify"}

        def read(reply: Json) -> FloatArray:
            try:
                [said] = reply["data"]
                probs = np.array(said["data"], dtype=np.float32)
            except (KeyError, TypeError, ValueError) as error:
                raise BadReplyError(f"it holds no probabilities: {type(error).__name__} {error}") from None
            if probs.shape != (len(row.ends), 2):
                raise BadReplyError(
                    f"its data has shape {probs.shape} where the row has {len(row.ends)} tags: serve the model with a "
                    "pooler of type STEP"
                )
            if not (np.isfinite(probs).all() and probs.min() >= 0 and np.allclose(probs.sum(axis=1), 1, atol=0.01)):
                raise BadReplyError(
                    f"its data holds {probs.ravel()[:4].tolist()} where probabilities of two classes are due: serve "
                    "the model with a pooler that takes their softmax"
                )
            return np.ascontiguousarray(probs[:, 1])

        try:
            probs, cost = await self.servers.post("/pooling", body, read, who=f"problem {problem.id!r}")
        except NoAnswerError as error:
            return str(error), replace(error.cost.as_scorer(), judged_tokens=0)
        told = Spend(scored_tokens=len(row.ids), scorer_flops=np.nan)
        return probs, told + replace(cost.as_scorer(), judged_tokens=0)

    def close(self) -> None:
        """Close every connection; a second call does nothing."""
        self.loop.close()
