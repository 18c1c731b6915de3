"""A PRM with a memory: in a search that grows prefixes, a step costs its own tokens only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from policies.decoding.prefill import Job, new_tokens, run_jobs, span_of
from policies.decoding.prefix_cache import Ids, Node, PrefixCache, length
from policies.decoding.runner import Runner
from policies.models.parameters import Span, tokens_in
from policies.models.token_rows import TokenRow
from verifiers.interface.arguments import check_asked
from verifiers.interface.capabilities import OfParts, RootValues, root_values_of
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Scores, Spend, check_rows, silent_row
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.reward_model import HiddenStates, Readout, head_parameters, read_rows

_WORKING_BYTES = 1 << 30  # keys and values of one forward pass


class StepReader:
    """What PRMs share: a causal model of which one pass reads every step's score, with a memory where it can have one.

    A PRM says by `_rows` what its model is shown, and by `_readout` what is read there.
    """

    __slots__ = ()
    memory_bytes: int

    @property
    def _readout(self) -> Readout:
        raise NotImplementedError

    def _rows(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> list[TokenRow | str]:
        raise NotImplementedError

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """P(good) of every prefix, one a step; N rows."""
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        rows = self._rows(problems, solutions)
        scores = read_rows(self._readout, problems, rows, [len(solution.steps) for solution in solutions])
        return check_rows(self, problems, solutions, scores)

    def remembering(self) -> IncrementalPRM | Self:
        """A scorer with a memory of prefixes, for one search (`prms.incremental`); itself on vLLM, where none is kept.

        Raises ValueError for a model without a plain key-value cache in each layer.
        """
        readout = self._readout
        if isinstance(readout.backbone, HiddenStates):
            return self
        return IncrementalPRM(self, self._rows, readout, self.memory_bytes)


@dataclass(eq=False, repr=False)
class IncrementalPRM:
    """A PRM's scores, remembered between calls; made by a PRM's `remembering`.

    What `prm` was trained on and knows of roots, it says too. `rows_of` makes a PRM's token rows, of which a
    prefix's must begin the longer one's. Of each problem it keeps what its last call used, so that the memory
    follows the beam, and of all problems at most `memory_bytes` of keys and values; what was dropped is computed
    again, and the spend says so. A row is charged the tokens that it added, and the head for each score that it
    read; a beginning that rows share is charged to the first.
    """

    prm: StepReader
    rows_of: Callable[[Sequence[Problem], Sequence[Solution]], list[TokenRow | str]]
    readout: Readout
    memory_bytes: int

    separator = OfParts(lambda self: [self.prm])
    target = OfParts(lambda self: [self.prm])

    def __post_init__(self) -> None:
        self.runner = Runner(self.readout.backbone)
        self.head_flops = 2.0 * head_parameters(self.readout.head)
        self.cache = PrefixCache(self.memory_bytes)
        self.known: dict[Problem, dict[Ids, float]] = {}  # scores, by the ids up to where they were read

    @property
    def name(self) -> str:
        """What a run writes down: the PRM's name."""
        return name_of(self.prm)

    @property
    def root_values(self) -> RootValues | None:
        """The PRM's own, which no memory shortens; None where it was not taught them."""
        return root_values_of(self.prm)

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """P(good) of every prefix, one a step; N rows."""
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        rows = self.rows_of(problems, solutions)
        readable = {i: row for i, row in enumerate(rows) if isinstance(row, TokenRow) and row.ends}
        scores, costs = self._read(problems, readable)
        steps = [scores.get(i, silent_row(len(solution.steps))) for i, solution in enumerate(solutions)]
        spend = [costs.get(i, Spend(scorer_calls=1)) for i in range(len(rows))]
        reasons = tuple(row if isinstance(row, str) else None for row in rows)
        return check_rows(self, problems, solutions, Scores(tuple(steps), tuple(spend), reasons, self.readout.reduce))

    def _read(
        self, problems: Sequence[Problem], rows: dict[int, TokenRow]
    ) -> tuple[dict[int, FloatArray], dict[int, Spend]]:
        """Scores of each row, and what they cost."""
        groups: dict[Problem, list[int]] = {}
        for i in rows:
            groups.setdefault(problems[i], []).append(i)
        read = dict.fromkeys(rows, 0)
        computed: dict[int, list[Span]] = {i: [] for i in rows}
        with self.cache.call(), self.runner.inference():
            trees = {problem: self.cache.open(problem) for problem in groups}
            scores_at = {problem: dict(self.known.get(problem, {})) for problem in groups}
            # What a problem's rows have in common goes first, so that it is computed once.
            common = [self._common(trees[p], [rows[i] for i in group]) for p, group in groups.items()]
            for job, group in zip(common, groups.values(), strict=True):
                computed[group[0]].append(span_of(job))
            self._run([job for job in common if new_tokens(job)], [])
            jobs: list[Job] = []
            asked: list[tuple[TokenRow, dict[Ids, float]]] = []
            for i, row in rows.items():
                known, tree = scores_at[problems[i]], trees[problems[i]]
                unread = [end for end in row.ends if row.ids[: end + 1] not in known]
                if not unread:
                    self.cache.match(tree, row.ids)  # which marks it as in use
                    continue
                # A score needs its own token to pass the model, even where the keys and values are there.
                jobs.append((tree, row.ids, self.cache.match(tree, row.ids[: unread[0]])))
                asked.append((row, known))
                computed[i].append(span_of(jobs[-1]))
                read[i] = len(_read_at(jobs[-1], row))
            self._run(jobs, asked)
            scores: dict[int, FloatArray] = {}
            for problem, group in groups.items():
                known = scores_at[problem]
                for i in group:
                    scores[i] = np.array([known[rows[i].ids[: end + 1]] for end in rows[i].ends], dtype=np.float32)
                used = {rows[i].ids[: end + 1] for i in group for end in rows[i].ends}
                self.known[problem] = {ids: known[ids] for ids in used}
        return scores, {i: self._spend(computed[i], len(row.ids), read[i]) for i, row in rows.items()}

    def _common(self, tree: Node, rows: Sequence[TokenRow]) -> Job:
        ids: Ids = ()
        if len(rows) > 1:
            first, last = min(row.ids for row in rows), max(row.ids for row in rows)
            # What the first and the last in order share, all share.
            same = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
            ids = first[: min(same, *(row.ends[0] for row in rows))]
        return tree, ids, self.cache.match(tree, ids)

    def _run(self, jobs: Sequence[Job], asked: Sequence[tuple[TokenRow, dict[Ids, float]]]) -> None:
        def read(place: int, hidden: torch.Tensor) -> None:
            if not asked:
                return
            row, known = asked[place]
            start, ends = length(jobs[place][2]), _read_at(jobs[place], row)
            values = self.readout.judge(hidden[[end - start for end in ends]]).tolist()
            known.update(zip((row.ids[: end + 1] for end in ends), values, strict=True))

        run_jobs(self.runner, self.cache, jobs, _WORKING_BYTES, self.runner.forward_all, read)

    def _spend(self, computed: Sequence[Span], size: int, read: int) -> Spend:
        tokens = tokens_in(computed)
        return Spend(
            scorer_calls=1,
            scored_tokens=tokens,
            cached_scored_tokens=size - tokens,
            scorer_flops=self.runner.price.flops(*computed) + self.head_flops * read,
        )


def _read_at(job: Job, row: TokenRow) -> list[int]:
    """Where a job's scores are read: at every end that it computes, known ones whose keys were dropped included."""
    return [end for end in row.ends if end >= length(job[2])]
