"""What a reader should know of reranked pools and of the scorers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench.diagnostics.label_quality import judged, quality_of
from bench.pools.fields import NOT_MADE
from bench.pools.rows import GradedSolutions
from bench.pools.saved_pool import SavedPool
from bench.pools.shapes.golds import is_prose
from verifiers.grading.answers import Answers
from verifiers.interface.solution import Stop

# How a solution may write an answer down.
_FORMS = (r"\boxed{{{gold}}}", "#### {gold}", "{gold}")
# What data sets write where they have no gold answer, or none that can be compared.
_PLACEHOLDERS = ("n/a", "na", "nan", "none", "null", "unknown", "proof", "notfound", "not found", "not provided", "-")
Grades = Sequence[Sequence[bool | None]]


def notes_on_pools(pools: Sequence[SavedPool], grades: Grades, sizes: Sequence[int]) -> Iterator[str]:
    """Of pools that are too small, made of several rows, or hard to grade."""
    small = sum(len(pool.solutions) < max(sizes) for pool in pools)
    if small:
        yield f"{small} of {len(pools)} pools hold fewer than {max(sizes)} solutions; there the whole pool stands for N"
    joined = sum(pool.rows > 1 for pool in pools)
    if joined:
        yield f"{joined} of {len(pools)} pools were put together from several rows of one problem"
    unknown = sum(g is None for row in grades for g in row)
    if unknown:
        yield f"{unknown} solutions could not be graded; they count as wrong"
    stated = [(g, c) for pool, row in zip(pools, grades, strict=True) for g, c in zip(row, pool.correct, strict=True)]
    known = [g == c for g, c in stated if c is not None]
    if known:
        yield f"our grading agrees with the file's 'correct' on {sum(known)} of {len(known)} solutions"


def notes_on_reading(pools: Sequence[SavedPool], answers: Answers) -> Iterator[str]:
    """Of what in files was left out, taken as unfinished or failed, or can never be right; runs have none of it."""
    pools = [pool for pool in pools if pool.extracted is None]
    repeated = sum(pool.repeated for pool in pools)
    if repeated:
        rows, holds = ("1 row", "the pool holds") if repeated == 1 else (f"{repeated} rows", "the pools hold")
        yield f"{rows} logged the same solutions under another filter; {holds} them once"
    solutions = [solution for pool in pools for solution in pool.solutions]
    cut = sum(s.stop in (Stop.LENGTH, Stop.OPEN) for s in solutions)
    if cut:
        yield f"{cut} of {len(solutions)} solutions were cut off before their end; unfinished, they count as wrong"
    not_made = sum(s.reason == NOT_MADE for s in solutions)
    if not_made:
        yield f"{not_made} of {len(solutions)} solutions are null; failed, they stay in their pools and count as wrong"
    stopped = Counter(s.reason for s in solutions if s.stop is Stop.FAILED and s.reason != NOT_MADE)
    yield from (
        f"{n} of {len(solutions)} solutions failed ({reason}); they count as wrong" for reason, n in stopped.items()
    )
    unknown = Counter(word for pool in pools for word in pool.unknown_stops)
    yield from (
        f"{n} of {len(solutions)} solutions were stopped by {word!r}, which is not known; they count as finished"
        for word, n in unknown.items()
    )
    aside = {name: why for pool in pools for name, why in pool.aside.items()}
    if aside:
        named = "; ".join(
            f"{', '.join(n for n in aside if aside[n] == why)} ({why})" for why in dict.fromkeys(aside.values())
        )
        yield f"not taken as scores: {named}; --columns scores=NAME takes one as it is"
    prompts = Counter((pool.problem.prompt, pool.problem.answer) for pool in pools)
    if same := sum(n for n in prompts.values() if n > 1):
        yield f"{same} of {len(pools)} pools have the prompt and the gold answer of another, under an id of their own"
    golds = Counter(prompt for prompt, _ in prompts)
    if apart := sum(golds[prompt] > 1 for prompt, _ in prompts.elements()):
        yield f"{apart} of {len(pools)} pools have the prompt of another with another gold answer"
    several = [pool for pool in pools if len(pool.golds) > 1]
    if several:
        yield f"{_problems(several)} {_have(several)} several gold answers, of which any counts"
    for name in dict.fromkeys(pool.other_gold for pool in pools if pool.other_gold):
        other = [pool for pool in pools if pool.other_gold == name]
        yield (
            f"{_problems(other)} {_have(other)} another gold answer in {name!r} than in 'answer', which counts; "
            f"--columns answer={name} takes the other"
        )
    yield from _notes_on_golds([pool for pool in pools if pool.golds], answers)


def _notes_on_golds(pools: Sequence[SavedPool], answers: Answers) -> Iterator[str]:
    """Of gold answers that hardly any solution can give, however it is written."""
    golds = list(dict.fromkeys(gold for pool in pools for gold in pool.golds))
    written = [(answers.extract(form.format(gold=gold)), gold) for gold in golds for form in _FORMS]
    pairs = list(dict.fromkeys((found, gold) for found, gold in written if found is not None))
    # Whether an answer is another than 0 is unknown only where it cannot be read.
    verdicts = answers.equal([*pairs, *(("0", gold) for gold in golds)]) if golds else []
    readable = {gold for gold, same in zip(golds, verdicts[len(pairs) :], strict=True) if same is not None}
    known = {gold for (_, gold), same in zip(pairs, verdicts, strict=False) if same} & readable
    known = {gold for gold in known if gold.strip().lower() not in _PLACEHOLDERS}
    lost = [pool for pool in pools if known.isdisjoint(pool.golds)]
    if lost:
        yield (
            f"{_problems(lost)} {_have(lost)} a gold answer that cannot be read, such as {_shown(lost[0])}; no answer "
            "is equal to it, or the same text alone"
        )
    prose = [pool for pool in pools if pool not in lost and all(map(is_prose, pool.golds))]
    if prose:
        yield (
            f"{_problems(prose)} {_have(prose)} a gold answer that reads like a solution without a final answer, such "
            f"as {_shown(prose[0])}"
        )


def _problems(pools: Sequence[SavedPool]) -> str:
    return "1 problem" if len(pools) == 1 else f"{len(pools)} problems"


def _have(pools: Sequence[SavedPool]) -> str:
    return "has" if len(pools) == 1 else "have"


def _shown(pool: SavedPool) -> str:
    gold = repr(pool.problem.answer)
    return f"{gold if len(gold) <= 60 else gold[:57] + '...'} (problem {pool.problem.id!r})"


def notes_on_failures(graded: Sequence[GradedSolutions]) -> Iterator[str]:
    """Of scores that are missing, with the first reason."""
    total = sum(len(pool.saved.solutions) for pool in graded)
    for name in dict.fromkeys(name for pool in graded for name in pool.said):
        failed = [(pool.saved.problem.id, why) for pool in graded for why in pool.said[name].failed().values()]
        if failed:
            first = f"first, of problem {failed[0][0]!r}: {failed[0][1]}"
            yield f"{len(failed)} of {total} samples have no score of {name} ({first})"


def notes_on_scorers(
    names: Iterable[str], values: Sequence[Mapping[str, npt.NDArray[np.float64]]], graded: Sequence[GradedSolutions]
) -> Iterator[str]:
    """How each scorer's numbers agree with right and wrong, over finished solutions, which alone can be chosen."""
    for name in names:
        rows = [
            (value, float(right), pool.saved.problem.id)
            for pool, scores in zip(graded, values, strict=True)
            for value, right, solution in zip(scores[name].tolist(), pool.correct, pool.saved.solutions, strict=True)
            if right is not None and solution.finished
        ]
        yield f"{name}: {_quality(rows)}"


def notes_on_votes(names: Iterable[str], values: Sequence[Mapping[str, npt.NDArray[np.float64]]]) -> Iterator[str]:
    """Of scores that make no weights of votes."""
    for name in names:
        if any((scores[name] < 0).any() for scores in values):
            yield (
                f"{name}: some scores are below 0; in weighted_majority each vote of these makes its answer lighter, "
                "so use probabilities there"
            )


def _quality(rows: Sequence[tuple[float, float, str]]) -> str:
    spoken = judged(rows)
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
