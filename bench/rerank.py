"""Every reranker's curve on a saved pool; no policy is needed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from bench.curves import ANY_RIGHT, GradedPool, Outcome, Results, notes_on, pool_outcomes
from bench.errors import BadInput
from bench.kept_scores import KeptScores, open_scores
from bench.label_quality import Judged, quality_of
from bench.outputs import write_results
from bench.plan import SELECTORS, Contest
from bench.pools import SavedPool, read_pools
from bench.run_folder import make_folder
from bench.specs import load_scorer, separator_note, separator_of, version_of
from verifiers.answer_verifier import AnswerVerifier
from verifiers.answers import MATH, Answers
from verifiers.scoring import Scorer, Spend
from verifiers.solution import Problem, Solution

_CALL = 256  # solutions scored in a call, or a little more; a kill loses a call's scores


def rerank(
    path: Path,
    scorers: dict[str, str],
    out: Path,
    *,
    sizes: Sequence[int] = (1, 2, 4, 8, 16, 32),
    separator: str | None = None,
    select: Sequence[str] = ("best_of_n", "weighted_majority"),
    limit: int | None = None,
    seed: int = 0,
    answers: Answers = MATH,
    progress: bool = True,
) -> Results:
    """Self-consistency, and every way to `select` (of `SELECTORS`) for every scorer given and every one recorded.

    A text is cut into steps at `separator`; where it is None, at what each scorer was trained on, or else at
    line breaks. Writes `results.jsonl` into the folder `out`, and each pool's scores as they are made, so that
    the same command goes on where it was killed. Raises BadInput for a file that is no pool, and for an unknown way.
    """
    if unknown := [way for way in select if way not in SELECTORS]:
        raise BadInput(f"--select {unknown[0]}: use {', '.join(SELECTORS)}")
    pools = read_pools(path, limit=limit)
    make_folder(out)
    recorded = list(dict.fromkeys(name for pool in pools for name in pool.recorded))
    for name in scorers:
        if name in recorded:
            raise BadInput(f"--scorer {name}: {path} records scores of that name; write OTHER={scorers[name]}")
    loaded = {name: load_scorer(spec) for name, spec in scorers.items()}
    versions = {name: version_of(spec) for name, spec in scorers.items()}
    cuts = {name: separator or separator_of(scorer) or "\n" for name, scorer in loaded.items()}
    names = [*loaded, *recorded]
    kept = open_scores(out / "rerank-scores.jsonl")
    contests = [ANY_RIGHT, Contest("self_consistency", None)]
    contests += [Contest(way, name) for way in select for name in names]
    verifier = AnswerVerifier(answers)
    grades = _grades(pools, verifier)
    outcomes: list[Outcome] = []
    marked: dict[str, list[tuple[float, float, str]]] = {name: [] for name in names}
    judgements = _judged(pools, loaded, versions, cuts, kept, progress=progress)
    for pool, correct, found in zip(pools, grades, judgements, strict=True):
        silent = np.full(len(pool.solutions), np.nan)
        values = {name: found[name][0] if name in found else pool.recorded.get(name, silent) for name in names}
        judged = {name: found[name][1] if name in found else Spend() for name in names}
        graded = GradedPool(
            pool.problem.id,
            correct=np.array([c is True for c in correct], dtype=np.float64),
            finished=np.array([s.finished for s in pool.solutions], dtype=np.bool_),
            classes=answers.classes([answers.extract(s.text) if s.finished else None for s in pool.solutions]),
            values=values,
            drawn=Spend(),
            judged=judged,
        )
        outcomes += pool_outcomes(graded, contests, sizes, seed=seed)
        for name in names:
            marks = zip(values[name].tolist(), correct, strict=True)
            marked[name] += [(v, float(c), pool.problem.id) for v, c in marks if c is not None]
    again = sorted(kept.reused.items())
    formats = [separator_note(name, separator_of(scorer), cuts[name]) for name, scorer in loaded.items()]
    notes = (
        *notes_on(outcomes, max(sizes)),
        *_notes(pools, grades, sizes),
        *([f"taken as scores from the file: {', '.join(recorded)}"] if recorded else []),
        *filter(None, formats),
        *(f"{spec.split()[0]}: {n} pools as scored before in {kept.path.name}" for spec, n in again),
        *_qualities(marked),
    )
    results = Results(tuple(outcomes), notes)
    write_results(out, results)
    return results


def _judged(
    pools: Sequence[SavedPool],
    scorers: Mapping[str, Scorer],
    versions: Mapping[str, str],
    cuts: Mapping[str, str],
    kept: KeptScores,
    *,
    progress: bool,
) -> Iterator[dict[str, tuple[npt.NDArray[np.float64], Spend]]]:
    """Pool by pool what each scorer says; several pools share a call, which is what keeps a GPU busy."""
    with tqdm(total=len(pools), desc="rerank", unit="problem", disable=None if progress else True) as bar:
        for part in _parts(pools):
            found = {
                name: kept.score(versions[name], scorer, [(pool.problem, pool.cut(cuts[name])) for pool in part])
                for name, scorer in scorers.items()
            }
            yield from ({name: rows[i] for name, rows in found.items()} for i in range(len(part)))
            bar.update(len(part))


def _parts(pools: Sequence[SavedPool]) -> Iterator[list[SavedPool]]:
    """The pools in their order, in parts of some `_CALL` solutions."""
    part: list[SavedPool] = []
    for pool in pools:
        part.append(pool)
        if sum(len(p.solutions) for p in part) >= _CALL:
            yield part
            part = []
    if part:
        yield part


def _grades(pools: Sequence[SavedPool], verifier: Scorer) -> list[list[bool | None]]:
    """Right, wrong or unknown for each solution; what the file says, where it has no gold answer."""
    problems: list[Problem] = []
    solutions: list[Solution] = []
    for pool in pools:
        if pool.problem.answer is not None:
            problems += [pool.problem] * len(pool.solutions)
            solutions += pool.solutions
        elif None in pool.correct:
            raise BadInput(f"problem {pool.problem.id!r}: neither an 'answer' nor 'correct' for each solution")
    verdicts: Iterator[float] = iter(verifier.score(problems, solutions).values().tolist() if problems else [])
    grades: list[list[bool | None]] = []
    for pool in pools:
        if pool.problem.answer is None:
            grades.append(list(pool.correct))
        else:
            mine = [(solution, next(verdicts)) for solution in pool.solutions]
            grades.append([None if s.finished and np.isnan(v) else bool(v == 1.0) for s, v in mine])
    return grades


def _qualities(marked: dict[str, list[tuple[float, float, str]]]) -> Iterator[str]:
    """How each scorer's numbers agree with right and wrong, solution by solution."""
    for name, rows in marked.items():
        scores, labels = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
        spoken = ~np.isnan(scores)
        if not spoken.any():
            yield f"{name}: no opinion on any solution"
            continue
        problems = tuple(row[2] for row, speaks in zip(rows, spoken, strict=True) if speaks)
        quality = quality_of(Judged(scores[spoken], labels[spoken], problems, int((~spoken).sum())))
        silent = f", silent on {quality.silent}" if quality.silent else ""
        if np.isnan(quality.auc):
            only = "right" if labels[spoken].all() else "wrong"
            yield f"{name}: all {quality.labels} solutions with a score are {only}; nothing can be told apart{silent}"
            continue
        at_half = ""
        if scores[spoken].min() >= 0.0 and scores[spoken].max() <= 1.0:  # else a half means nothing
            at_half = (
                f"; right and wrong told apart at 0.5 with accuracy {quality.accuracy:.3f} "
                f"({quality.low:.3f}-{quality.high:.3f})"
            )
        yield f"{name}: AUC {quality.auc:.3f}{at_half} on {quality.labels} solutions{silent}"


def _notes(pools: Sequence[SavedPool], grades: Sequence[list[bool | None]], sizes: Sequence[int]) -> Iterator[str]:
    small = sum(len(pool.solutions) < max(sizes) for pool in pools)
    if small:
        yield f"{small} of {len(pools)} pools hold fewer than {max(sizes)} solutions; there the whole pool stands for N"
    unknown = sum(g is None for row in grades for g in row)
    if unknown:
        yield f"{unknown} solutions could not be graded; they count as wrong"
    stated = [(g, c) for pool, row in zip(pools, grades, strict=True) for g, c in zip(row, pool.correct, strict=True)]
    known = [g == c for g, c in stated if c is not None]
    if known:
        yield f"our grading agrees with the file's 'correct' on {sum(known)} of {len(known)} solutions"
