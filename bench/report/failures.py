"""What went wrong in a run: which solutions failed, were cut, unfinished, ungraded or not scored, and why."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bench.files.rows import SampleRow, ScoreRow
from verifiers.interface.files import Row

_KINDS = ("failed", "cut", "unfinished", "ungraded", "unscored")
_OF_STOP = {"failed": "failed", "length": "cut", "open": "unfinished"}
_UNSAID = {"cut": "the limit of tokens was reached", "unfinished": "the search ended before it did"}
_MOST = 20  # reasons of one group that are told, the most frequent; others are counted together
_COUNTED = 10_000  # reasons of one group that are counted each on its own
_LENGTH = 300  # characters of a reason
_FIRST = 3  # problems that are named
_OTHER = "other reasons"
_WORD_WITH_DIGIT = re.compile(r"(?<![0-9a-z])[0-9a-z-]*\d[0-9a-z-]*", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"(0x)?[0-9a-f-]+", re.IGNORECASE)

Group = tuple[str, str, str | None]  # the kind, the strategy whose solutions these are, and the scorer


def trouble_of(row: SampleRow) -> str | None:
    """What went wrong with a solution: how it stopped says more than that it has no grade."""
    return _OF_STOP.get(row.stop) or ("ungraded" if row.correct is None else None)


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
        if kind := trouble_of(row):
            said = row.reason if kind in ("failed", "ungraded") else None
            self._add((kind, row.strategy, None), row.problem, said or _UNSAID.get(kind, "no reason was given"))
        if row.stop == "failed" and row.strategy == "sample":
            self._failed.add((row.problem, row.n, row.index))

    def add_score(self, row: ScoreRow) -> None:
        """Count what a scorer could not score, of samples that did not fail themselves, once these are all counted."""
        if row.strategy != "sample" or not row.reason or not math.isnan(row.value) or not self.drawn["sample"]:
            return
        if (row.problem, row.n, row.index) not in self._failed:
            self._add(("unscored", row.strategy, row.scorer), row.problem, row.reason)

    def _add(self, group: Group, problem: str, text: str) -> None:
        reasons = self.groups.setdefault(group, {})
        alike = _alike(text)
        if alike not in reasons and len(reasons) >= _COUNTED:
            alike = text = _OTHER
        reason = reasons.setdefault(alike, Reason(text[:_LENGTH]))
        reason.count += 1
        reason.problems[problem] = None

    def __iter__(self) -> Iterator[tuple[Group, Reason]]:
        """Every reason, by kind, the most frequent of each first."""
        for kind in _KINDS:
            for group, reasons in self.groups.items():
                if group[0] == kind:
                    yield from ((group, reason) for reason in _most_frequent(reasons))

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


def _alike(text: str) -> str:
    """A reason without its numbers and ids, which are another each time.

    >>> _alike("no reply to 3fa9-00bc in 41 s"), _alike("at 0xdeadbeef, try2")
    ('no reply to 0 in 0 s', 'at 0, try0')
    """
    return _WORD_WITH_DIGIT.sub(_without_digits, text[: 10 * _LENGTH])[:_LENGTH]


def _without_digits(word: re.Match[str]) -> str:
    return "0" if _HEXADECIMAL.fullmatch(word[0]) else re.sub(r"\d+", "0", word[0])


def _most_frequent(reasons: Mapping[str, Reason]) -> list[Reason]:
    """The most frequent reasons, and one that stands for all others."""
    by_count = sorted(reasons.items(), key=lambda item: (item[0] == _OTHER, -item[1].count))
    told, rest = ([reason for _, reason in some] for some in (by_count[:_MOST], by_count[_MOST:]))
    if rest:
        problems = {problem: None for reason in rest for problem in reason.problems}
        told.append(Reason(_OTHER, sum(reason.count for reason in rest), problems))
    return sorted(told, key=lambda reason: -reason.count)
