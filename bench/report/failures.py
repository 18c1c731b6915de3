"""What went wrong in a run: which solutions failed, were cut or could not be graded or scored, and why."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.files.rows import SampleRow, ScoreRow
from verifiers.interface.files import Row

_KINDS = ("failed", "cut", "ungraded", "unscored")
_MOST = 20  # reasons of one kind; others are counted together
_LENGTH = 300  # characters of a reason
_FIRST = 3  # problems that are named
_OTHER = "other reasons"

Group = tuple[str, str, str | None]  # the kind, the strategy whose solutions these are, and the scorer


@dataclass(slots=True)
class Reason:
    """One reason, as it was first given: how many solutions it was given for, and their problems in order."""

    text: str
    count: int = 0
    problems: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failures:
    """All that went wrong, by kind and reason; reasons that differ in numbers alone are one."""

    drawn: Counter[str] = field(default_factory=Counter)
    groups: dict[Group, dict[str, Reason]] = field(default_factory=dict)
    _failed: set[tuple[str, int, int]] = field(default_factory=set, repr=False)  # samples, by problem, N and place

    def add_sample(self, row: SampleRow) -> None:
        """Count a solution, and what went wrong with it.

        >>> failures = Failures()
        >>> for index, reason in enumerate(("no reply in 3 s", "no reply in 4 s")):
        ...     failures.add_sample(SampleRow(problem="p", strategy="sample", n=2, index=index, steps=(), stop="failed",
        ...                                   reason=reason, answer=None, correct=False))
        >>> [(kind, reason.text, reason.count) for (kind, _, _), reason in failures]
        [('failed', 'no reply in 3 s', 2)]
        """
        self.drawn[row.strategy] += 1
        if row.stop == "failed":
            self._add(("failed", row.strategy, None), row.problem, row.reason or "no reason was given")
            if row.strategy == "sample":
                self._failed.add((row.problem, row.n, row.index))
        elif row.stop == "length":
            self._add(("cut", row.strategy, None), row.problem, "the limit of tokens was reached")
        elif row.correct is None:
            self._add(("ungraded", row.strategy, None), row.problem, row.reason or "no reason was given")

    def add_score(self, row: ScoreRow) -> None:
        """Count what a scorer could not score, of samples that did not fail themselves."""
        if row.strategy != "sample" or not row.reason or not math.isnan(row.value):
            return
        if (row.problem, row.n, row.index) not in self._failed:
            self._add(("unscored", row.strategy, row.scorer), row.problem, row.reason)

    def _add(self, group: Group, problem: str, text: str) -> None:
        reasons = self.groups.setdefault(group, {})
        alike = re.sub(r"\d+", "0", text[:_LENGTH])
        if alike not in reasons and len(reasons) >= _MOST:
            alike = text = _OTHER
        reason = reasons.setdefault(alike, Reason(text[:_LENGTH]))
        reason.count += 1
        reason.problems[problem] = None

    def __iter__(self) -> Iterator[tuple[Group, Reason]]:
        """Every reason, by kind, the most frequent of each first."""
        for kind in _KINDS:
            for group, reasons in self.groups.items():
                if group[0] == kind:
                    for reason in sorted(reasons.values(), key=lambda reason: -reason.count):
                        yield group, reason

    def records(self) -> list[Row]:
        """For the page, a row a reason."""
        return [
            {
                "kind": kind,
                "strategy": strategy,
                "scorer": scorer,
                "of": self.drawn[strategy],
                "reason": reason.text,
                "count": reason.count,
                "problems": len(reason.problems),
                "first": list(reason.problems)[:_FIRST],
            }
            for (kind, strategy, scorer), reason in self
        ]

    def by_problem(self) -> dict[str, list[int]]:
        """The places in `records` of what went wrong on each problem."""
        found: dict[str, list[int]] = {}
        for place, (_, reason) in enumerate(self):
            for problem in reason.problems:
                found.setdefault(problem, []).append(place)
        return found
