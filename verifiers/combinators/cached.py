"""Scores kept on disk, so that no solution is scored twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from verifiers.combinators.score_store import Entry, Key, ScoreStore, key_of
from verifiers.interface.arguments import check_asked, check_kind, check_scorer_argument, path_argument
from verifiers.interface.capabilities import (
    Advantages,
    OfParts,
    RootValues,
    advantages_of,
    judges_ends_only,
    remembering,
    root_values_of,
)
from verifiers.interface.errors import check_flags
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Reduce, Scorer, Scores, Spend, ask
from verifiers.interface.solution import Problem, Solution, Stop

Row = tuple[Key, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cached:
    """See `cached`."""

    scorer: Scorer
    store: ScoreStore
    causal: bool
    separator = OfParts(lambda self: [self.scorer])
    target = OfParts(lambda self: [self.scorer])

    @property
    def name(self) -> str:
        """What a run writes down: the scorer's name, as where its scores are kept changes none of them."""
        return name_of(self.scorer)

    @property
    def ends_only(self) -> bool:
        """Whether the scorer has no opinion of unfinished solutions."""
        return judges_ends_only(self.scorer)

    @property
    def root_values(self) -> RootValues | None:
        """The value of each empty prefix, kept as scores are; None where the scorer does not know it."""
        return None if root_values_of(self.scorer) is None else self._root_values

    @property
    def advantages(self) -> Advantages | None:
        """The scorer's own, which are not kept; None where it has none."""
        return advantages_of(self.scorer)

    def remembering(self) -> Cached:
        """A cache on this file; what it lacks is scored by a scorer with a memory, where there can be one."""
        return Cached(remembering(self.scorer), self.store, self.causal)

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The scorer's own scores, N rows; it is asked for those that are not kept yet."""
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        rows = [self._keys(problem, solution) for problem, solution in zip(problems, solutions, strict=True)]
        kept = self.store.read({key for row in rows for key in row})
        call = _Call(rows, kept, {}, {})

        def score(asked: list[int]) -> None:
            if asked:
                scores = ask(self.scorer, [problems[i] for i in asked], [solutions[i] for i in asked])
                self._keep(call, asked, scores)

        score(_uncovered(rows, kept))
        # A row that could not be scored is not kept, so prefixes that counted on it are still open.
        score(call.open_rows())
        return call.scores()

    def _root_values(self, problems: Sequence[Problem]) -> Scores:
        [problems] = check_asked({"problems": problems})
        rows: list[Row] = [(key_of(problem, (), Stop.OPEN, scope="root"),) for problem in problems]
        call = _Call(rows, self.store.read({row[0] for row in rows}), {}, {})
        ask_roots, asked = root_values_of(self.scorer), call.open_rows()
        if ask_roots and asked:
            self._keep(call, asked, ask_roots([problems[i] for i in asked]))
        return call.scores()

    def _keys(self, problem: Problem, solution: Solution) -> Row:
        """What a row is kept under: a key a step where scores are causal, else one for the whole."""
        steps, stop = solution.steps, solution.stop
        if not steps:
            return ()
        if not self.causal:
            return (key_of(problem, steps, stop, scope="row"),)
        inside = (key_of(problem, steps[:n], Stop.OPEN, scope="step") for n in range(1, len(steps)))
        return (*inside, key_of(problem, steps, stop, scope="step"))

    def _keep(self, call: _Call, asked: Sequence[int], scores: Scores) -> None:
        """Write down what the scorer said of these rows; a row of several keys has one for each of its steps."""
        reduce = _named(scores.reduce, self.name)
        new: dict[Key, Entry] = {}
        for k, i in enumerate(asked):
            row, values, spend = call.rows[i], scores.steps[k], scores.spend[k]
            call.fresh[row] = (scores, k)
            call.paid[i] = spend
            if scores.reasons[k] is None:
                parts = [values] if len(row) == 1 else list(values[:, None])
                tokens = [None] * (len(row) - 1) + [round(spend.scored_tokens + spend.cached_scored_tokens)]
                new |= {key: Entry(v, n, reduce) for key, v, n in zip(row, parts, tokens, strict=True)}
        call.kept.update(self.store.write(new))


def _named(reduce: Reduce, scorer: str) -> str:
    if isinstance(reduce, str):
        return reduce
    raise ValueError(
        f"{scorer} reduces by a function, which cannot be kept: cache it with a named reducer, and call "
        "with_reduce on the scores"
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: what each row is kept under, what is kept, and what was asked of the scorer."""

    rows: list[Row]
    kept: dict[Key, Entry]
    fresh: dict[Row, tuple[Scores, int]]
    paid: dict[int, Spend]

    def open_rows(self) -> list[int]:
        """One of each kind of row that has no scores yet."""
        first: dict[Row, int] = {}
        for i, row in enumerate(self.rows):
            if row not in self.fresh and not self._is_kept(row):
                first.setdefault(row, i)
        return list(first.values())

    def scores(self) -> Scores:
        steps: list[FloatArray] = []
        spends: list[Spend] = []
        reasons: list[str | None] = []
        reduce: Reduce = next((scores.reduce for scores, _ in self.fresh.values()), "last")
        for i, row in enumerate(self.rows):
            reason = None
            if self._is_kept(row):
                entries = [self.kept[key] for key in row]
                steps.append(np.concatenate([e.values for e in entries]) if row else np.zeros(0, np.float32))
                saved = entries[-1].tokens if row else 0
                if row and not self.fresh:
                    reduce = entries[-1].reduce  # type: ignore[assignment]
            else:
                scores, k = self.fresh[row]
                steps.append(scores.steps[k])
                reason = scores.reasons[k]
                saved = 0
            reasons.append(reason)
            spends.append(self.paid.get(i, Spend(scorer_calls=1, cached_scored_tokens=saved or 0)))
        return Scores(tuple(steps), tuple(spends), tuple(reasons), reduce)

    def _is_kept(self, row: Row) -> bool:
        return all(key in self.kept for key in row)


def cached(scorer: Scorer, path: str | PathLike[str], *, name: str, causal: bool = False) -> Cached:
    """A scorer whose scores are kept in an SQLite file, so that nothing is scored twice.

    >>> import tempfile
    >>> from verifiers import Problem, Solution, Step, Stop, from_function
    >>> seen = []
    >>> scorer = from_function(lambda problem, solution: seen.append(solution.text) or 0.5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = cached(scorer, f"{folder}/scores.sqlite", name="half@v1")
    ...     for _ in range(2):
    ...         scores = kept.score([Problem("p1", "?")] * 2, [Solution((Step("a"),), Stop.EOS)] * 2)
    >>> scores.values().tolist(), seen
    ([0.5, 0.5], ['a'])

    `name` says whose scores these are, version included: nothing else tells two scorers apart (a model's
    folder may hold new weights tomorrow, and to read them all would cost more than most scores). Rows are
    kept by content: prompt, gold answer, texts of the steps, and stop; ids, token ids and log-probabilities do
    not count. Equal rows are scored once within a call and across calls and processes.

    `causal=True` is for a process scorer whose scores do not change when later steps are added
    (`check_scorer(..., causal=True)`): then a prefix of a scored solution is answered from it too.

    A row with a reason (too slow, over-long, no reply) is not kept and is asked for again the next time;
    silence without a reason is kept. A hit costs nothing: its tokens are `cached_scored_tokens`, where the
    very row was once scored (what a prefix alone would have cost is not known, and counts 0).

    Raises ValueError for an empty name, a file of something else and a scorer that reduces by a function.
    """
    check_scorer_argument(scorer)
    check_kind("name", name, str, "name the scorer and its version, such as 'orm-1.5b@v2'")
    file = path_argument("path", path, "give a file's path")
    check_flags({"causal": causal})
    if not name.strip():
        raise ValueError("cached(name='') is empty: name the scorer and its version, such as 'orm-1.5b@v2'")
    return Cached(scorer, ScoreStore(file, name), causal)


def _uncovered(rows: Sequence[Row], kept: dict[Key, Entry]) -> list[int]:
    """The fewest rows to score such that every row's keys are kept, or are those of a longer row."""
    covered = set(kept)
    asked = []
    for i in sorted(range(len(rows)), key=lambda i: -len(rows[i])):
        if not covered.issuperset(rows[i]):
            asked.append(i)
            covered.update(rows[i])
    return sorted(asked)
