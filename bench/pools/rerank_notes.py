"""What a reader should know of reranked pools and of the scorers."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.diagnostics.label_quality import Judged, judged_rows, quality_of
from bench.pools.fields import NOT_MADE
from bench.pools.reading import Group
from bench.pools.rows import GradedSolutions
from bench.pools.saved_pool import SavedPools
from bench.pools.shapes.golds import is_prose
from bench.stats.arrays import Floats
from verifiers.grading.answers import Answers
from verifiers.interface.solution import Solution, Stop

# How a solution may write an answer down.
_FORMS = (r"\boxed{{{gold}}}", "#### {gold}", "{gold}")
# What data sets write where they have no gold answer, or none that can be compared.
_PLACEHOLDERS = ("n/a", "na", "nan", "none", "null", "unknown", "proof", "notfound", "not found", "not provided", "-")
_CUT = "cut off"  # in the place of a reason


@dataclass(slots=True)
class Seen:
    """What is counted of pools as they go by; the values of `curves` are kept of finished, graded solutions alone."""

    curves: tuple[str, ...]
    solutions: int = 0
    unknown: int = 0  # could not be graded
    stated: Counter[bool] = field(default_factory=Counter)  # whether what the file says of a solution is what we say
    ends: Counter[str] = field(default_factory=Counter)  # why those of files did not finish
    of_files: int = 0
    words: Counter[str] = field(default_factory=Counter)  # for a stop, that are not known
    silent: dict[str, tuple[int, str]] = field(default_factory=dict)  # by scorer: how many failed, and the first
    below: set[str] = field(default_factory=set)  # curves with values below 0
    problems: list[str] = field(default_factory=list)
    right: list[Floats] = field(default_factory=list)  # NaN where it is not known, or not finished
    values: dict[str, list[Floats]] = field(default_factory=dict)

    def add(self, pool: GradedSolutions, values: Mapping[str, Floats]) -> None:
        """Count a pool."""
        saved = pool.saved
        self.solutions += len(saved.solutions)
        self.unknown += pool.correct.count(None)
        self.stated.update(g == c for g, c in zip(pool.correct, saved.correct, strict=True) if c is not None)
        if saved.extracted is None:
            self.of_files += len(saved.solutions)
            self.ends.update(_end_of(s) for s in saved.solutions if not s.finished)
            self.words.update(saved.unknown_stops)
        for name, kept in pool.said.items():
            for why in kept.failed().values():
                count, first = self.silent.get(name, (0, f"first, of problem {saved.problem.id!r}: {why}"))
                self.silent[name] = count + 1, first
        spoken = zip(pool.correct, saved.solutions, strict=True)
        self.problems.append(saved.problem.id)
        self.right.append(np.array([g if g is not None and s.finished else np.nan for g, s in spoken], np.float64))
        for name in self.curves:
            self.values.setdefault(name, []).append(values[name])
            if (values[name] < 0).any():
                self.below.add(name)


def _end_of(solution: Solution) -> str:
    return _CUT if solution.stop is not Stop.FAILED else solution.reason or ""


def notes_on_pools(pools: SavedPools, seen: Seen, sizes: Sequence[int]) -> Iterator[str]:
    """Of pools that are too small, made of several rows, or hard to grade."""
    small = sum(group.solutions < max(sizes) for group in pools.groups)
    if small:
        yield f"{small} of {len(pools)} pools hold fewer than {max(sizes)} solutions; there the whole pool stands for N"
    joined = sum(group.rows > 1 for group in pools.groups)
    if joined:
        yield f"{joined} of {len(pools)} pools were put together from several rows of one problem"
    if seen.unknown:
        yield f"{seen.unknown} solutions could not be graded; they count as wrong"
    if seen.stated:
        agreed = f"{seen.stated[True]} of {seen.stated.total()}"
        yield f"our grading agrees with the file's 'correct' on {agreed} solutions"


def notes_on_reading(pools: SavedPools, seen: Seen, answers: Answers) -> Iterator[str]:
    """Of what in files was left out, taken as unfinished or failed, or can never be right; runs have none of it."""
    files = [
        (group, name)
        for group, name in zip(pools.groups, pools.ids, strict=True)
        if not (group.graded and group.solutions)
    ]
    groups = [group for group, _ in files]
    yield from pools.reading.doubts
    repeated = sum(group.repeated for group in groups)
    if repeated:
        rows, holds = ("1 row", "the pool holds") if repeated == 1 else (f"{repeated} rows", "the pools hold")
        yield f"{rows} logged the same solutions under another filter; {holds} them once"
    ends = dict(seen.ends)
    cut, not_made = ends.pop(_CUT, 0), ends.pop(NOT_MADE, 0)
    if cut:
        yield f"{cut} of {seen.of_files} solutions were cut off before their end; unfinished, they count as wrong"
    if not_made:
        yield f"{not_made} of {seen.of_files} solutions are null; failed, they stay in their pools and count as wrong"
    yield from (
        f"{n} of {seen.of_files} solutions failed ({reason}); they count as wrong" for reason, n in ends.items()
    )
    yield from (
        f"{n} of {seen.of_files} solutions were stopped by {word!r}, which is not known; they count as finished"
        for word, n in seen.words.items()
    )
    aside = pools.names.aside if groups else {}
    if aside:
        named = "; ".join(
            f"{', '.join(n for n in aside if aside[n] == why)} ({why})" for why in dict.fromkeys(aside.values())
        )
        yield f"not taken as scores: {named}; --columns scores=NAME takes one as it is"
    prompts = Counter((group.asked, group.gold) for group in groups)
    if same := sum(n for n in prompts.values() if n > 1):
        yield f"{same} of {len(groups)} pools have the prompt and the gold answer of another, under an id of their own"
    golds = Counter(prompt for prompt, _ in prompts)
    if apart := sum(golds[prompt] > 1 for prompt, _ in prompts.elements()):
        yield f"{apart} of {len(groups)} pools have the prompt of another with another gold answer"
    several = sum(len(group.golds) > 1 for group in groups)
    if several:
        yield f"{_problems_have(several)} several gold answers, of which any counts"
    for name, count in Counter(group.other_gold for group in groups if group.other_gold).items():
        yield (
            f"{_problems_have(count)} another gold answer in {name!r} than in 'answer', which counts; "
            f"--columns answer={name} takes the other"
        )
    solved = {name for name, right in zip(seen.problems, seen.right, strict=True) if (right == 1).any()}
    yield from _notes_on_golds([(group, name) for group, name in files if group.golds], answers, solved)


def _notes_on_golds(groups: Sequence[tuple[Group, str]], answers: Answers, solved: Collection[str]) -> Iterator[str]:
    """Of gold answers that hardly any solution can give, however it is written, where none was right (`solved`)."""
    golds = list(dict.fromkeys(gold for group, _ in groups for gold in group.golds))
    known: set[str] = set()
    for form in _FORMS:
        found = [(answers.extract(form.format(gold=gold)), gold) for gold in golds if gold not in known]
        pairs = list(dict.fromkeys((answer, gold) for answer, gold in found if answer is not None))
        known |= {gold for (_, gold), same in zip(pairs, answers.equal(pairs) if pairs else [], strict=True) if same}
    # Whether an answer is another than 0 is unknown only where it cannot be read.
    verdicts = answers.equal([("0", gold) for gold in golds]) if golds else []
    known &= {gold for gold, same in zip(golds, verdicts, strict=True) if same is not None}
    known = {gold for gold in known if gold.strip().lower() not in _PLACEHOLDERS}
    lost = [(group, name) for group, name in groups if known.isdisjoint(group.golds) and name not in solved]
    if lost:
        yield (
            f"{_problems_have(len(lost))} a gold answer that cannot be read, such as {_shown(*lost[0])}; no answer "
            "is equal to it, or the same text alone"
        )
    prose = [(g, name) for g, name in groups if not known.isdisjoint(g.golds) and all(map(is_prose, g.golds))]
    if prose:
        yield (
            f"{_problems_have(len(prose))} a gold answer that reads like a solution without a final answer, such "
            f"as {_shown(*prose[0])}"
        )


def _problems_have(count: int) -> str:
    return "1 problem has" if count == 1 else f"{count} problems have"


def _shown(group: Group, name: str) -> str:
    gold = repr(group.gold)
    return f"{gold if len(gold) <= 60 else gold[:57] + '...'} (problem {name!r})"


def notes_on_failures(seen: Seen) -> Iterator[str]:
    """Of scores that are missing, with the first reason."""
    for name, (count, first) in seen.silent.items():
        yield f"{count} of {seen.solutions} samples have no score of {name} ({first})"


def notes_on_scorers(seen: Seen) -> Iterator[str]:
    """How each scorer's numbers agree with right and wrong, over finished solutions, which alone can be chosen."""
    if not seen.right:
        return
    right = np.concatenate(seen.right)
    known = ~np.isnan(right)
    owners = np.repeat(np.arange(len(seen.problems)), list(map(len, seen.right)))[known]
    for name in seen.curves:
        values = np.concatenate(seen.values[name])[known]
        yield f"{name}: {_quality(judged_rows(values, right[known], owners.tolist()))}"


def notes_on_votes(seen: Seen) -> Iterator[str]:
    """Of scores that make no weights of votes."""
    for name in seen.curves:
        if name in seen.below:
            yield (
                f"{name}: some scores are below 0; in weighted_majority each vote of these makes its answer lighter, "
                "so use probabilities there"
            )


def _quality(spoken: Judged) -> str:
    if not spoken.problems:
        return "no opinion on any finished solution"
    quality = quality_of(spoken)
    silent = f", silent on {quality.silent}" if quality.silent else ""
    if np.isnan(quality.auc):
        only = "right" if spoken.labels.all() else "wrong"
        return f"all {quality.labels} finished solutions with a score are {only}; nothing can be told apart{silent}"
    at_half = ""
    if spoken.scores.min() >= 0.0 and spoken.scores.max() <= 1.0:  # else a half means nothing
        at_half = (
            f"; right and wrong told apart at 0.5 with accuracy {quality.accuracy:.3f} "
            f"({quality.low:.3f}-{quality.high:.3f})"
        )
    return f"AUC {quality.auc:.3f}{at_half} on {quality.labels} finished solutions{silent}"
