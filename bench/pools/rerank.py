"""Every reranker's curve on saved pools; no policy is needed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from bench.files.run_folder import read_config, write_config
from bench.inputs.rows import real_path
from bench.inputs.specs import separator_note
from bench.pools.judged import judged, known_of, loaded
from bench.pools.kept_scores import Kept, open_scores
from bench.pools.rerank_notes import (
    notes_on_failures,
    notes_on_pools,
    notes_on_reading,
    notes_on_scorers,
    notes_on_votes,
)
from bench.pools.rows import Curve, GradedSolutions, write_pool_rows
from bench.pools.saved_pool import SavedPool, read_pools
from bench.pools.sources import is_run_folder
from bench.report.breakdown import check_by
from bench.runs.limit import check_share
from bench.runs.outputs import RUN_FILES, write_problems, write_results
from bench.runs.plan import SELECTORS, sizes_to
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, Results, notes_on, pool_outcomes
from policies.models.engine_options import without_resources
from policies.replicas.workers import Replicas, workers
from verifiers.grading.answer_verifier import AnswerVerifier
from verifiers.grading.answers import ANSWERS, MATH, Answers, with_thinking
from verifiers.interface.checksums import write_checksums
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.files import held
from verifiers.interface.scoring import ZERO, Scorer
from verifiers.interface.solution import Problem, Solution

REDUCERS: tuple[Literal["last", "min", "prod", "mean"], ...] = ("last", "min", "prod", "mean")
_MOST = 32  # samples a problem that curves go to where nobody says how far
_OURS = ("pools", "scorers", "select", "sizes")  # settings that every rerank has


def rerank(
    sources: Sequence[str | Path],
    scorers: Mapping[str, str],
    out: Path,
    *,
    sizes: Sequence[int] | None = None,
    columns: Mapping[str, str] | None = None,
    prompts: Sequence[str | Path] = (),
    separator: str | None = None,
    reduce: Sequence[str] = (),
    select: Sequence[str] = ("best_of_n", "weighted_majority"),
    limit: int | None = None,
    seed: int = 0,
    answers: Answers = MATH,
    thinking: Sequence[str] = (),
    by: Sequence[str] = (),
    max_failed: float | None = None,
    retry_failed: bool = False,
    replicas: Replicas | None = None,
    progress: bool = True,
    begun: Callable[[], None] = lambda: None,
) -> Results:
    """Self-consistency, and every way to `select` for every scorer, given or recorded, under every reducer.

    The pools of all `sources` are read as `bench.pools.saved_pool.read_pools` says. A text is cut into steps at
    `separator`; where it is None, at what each scorer was trained on, or else at line breaks. `reduce` names reducers
    (of `REDUCERS`) for scorers with several scores a solution, each of which is a curve of its own, `scorer:reducer`;
    without it each scorer has its own. `sizes` are the curves' points: None is powers of two up to the largest pool,
    and 32 at most. `thinking` has further marks of thoughts, each "BEGIN,END"; a run's count too.
    `by` names fields of a run's problems that results will be broken down by.
    Writes a run's files into the folder `out` (no journal, no trees), and each pool's scores as they are made into
    `rerank-scores.jsonl`, so that a killed command goes on where it stopped, and one with a further scorer scores with
    this one only. A solution that cannot be scored has a reason; where all of a call do (some 256 solutions), or a
    larger share than `max_failed`, none of them is kept. `retry_failed` scores again what failed, and of a model that
    computes here the whole call, on which its last digits depend. `replicas` are asked side by side, each with its own
    scorers. `begun` is called when all has been checked and loaded. Raises BadInput for a source that holds no pools,
    for an unknown way or reducer, and for a folder with other files in it, EngineStoppedError where too much failed,
    BlockingIOError where another process writes there.
    """
    check_share(max_failed)
    for option, given, known in (("select", select, SELECTORS), ("reduce", reduce, REDUCERS)):
        if unknown := [word for word in given if word not in known]:
            raise BadArgument(option, unknown[0], f"use {', '.join(known)}")
    thinking = list(dict.fromkeys([*thinking, *(marks for source in sources for marks in _thinking_of(source))]))
    read = with_thinking(answers, thinking)
    pools = read_pools(sources, columns=columns, prompts=prompts, limit=limit)
    check_by([pool.problem.fields for pool in pools], by, of=", ".join(map(str, sources)))
    largest = max(len(pool.solutions) for pool in pools)
    sizes = sorted(set(sizes or sizes_to(max(1, min(_MOST, largest)))))
    recorded = list(dict.fromkeys(name for pool in pools for name in pool.recorded))
    for name in scorers:
        if name in recorded:
            raise BadArgument("scorer", name, f"the pools record scores of that name; write OTHER={scorers[name]}")
    _check_out(out, sources)
    config: dict[str, object] = {
        "pools": [str(source) for source in sources],
        "scorers": [f"{name}={without_resources(spec)}" for name, spec in scorers.items()],
        "select": list(select),
        "reduce": list(reduce),
        "sizes": list(sizes),
        "columns": [f"{ours}={theirs}" for ours, theirs in (columns or {}).items()],
        "answers": next((name for name, known in ANSWERS.items() if known is answers), "own"),
        "separator": separator,
        "limit": limit,
        "seed": seed,
    }
    lists = {"prompts": list(map(str, prompts)), "thinking": thinking}
    config |= {name: values for name, values in lists.items() if values}
    with workers(partial(loaded, scorers), replicas if scorers else None) as them, held(out, owner="config.toml"):
        _check_rerank(out, sources)
        kept = open_scores(out / "rerank-scores.jsonl", retry_failed=retry_failed)
        begun()
        if not (out / "config.toml").exists():
            _write_config(out, config)  # a killed command's folder says whose it is
        about = known_of(scorers, them)
        versions = {name: version for name, (version, _) in about.items()}
        cuts = {name: separator or own or "\n" for name, (_, own) in about.items()}
        grades = _grades(pools, AnswerVerifier(read))
        scores = judged(pools, versions, cuts, kept, them, max_failed=max_failed, progress=progress)
        said = [_recorded(pool, recorded) | scored for pool, scored in zip(pools, scores, strict=True)]
        graded = _graded(pools, grades, said, read)
        curves = _curves([*scorers, *recorded], graded, reduce)
        ways = [Contest(way, name) for way in dict.fromkeys(select) for name in curves]
        contests = [ANY_RIGHT, Contest("self_consistency", None), *ways]
        drawn = [pool.pool(curves) for pool in graded]
        outcomes = [outcome for pool in drawn for outcome in pool_outcomes(pool, contests, sizes, seed=seed)]
        values = [pool.values for pool in drawn]
        formats = [separator_note(name, own, cuts[name]) for name, (_, own) in about.items()]
        notes = (
            *notes_on(outcomes, max(sizes)),
            *notes_on_pools(pools, grades, sizes),
            *notes_on_reading(pools, read),
            *([f"taken as scores from the file: {', '.join(recorded)}"] if recorded else []),
            *filter(None, formats),
            *notes_on_failures(graded),
            *notes_on_scorers(curves, values, graded),
            *(notes_on_votes(curves, values) if "weighted_majority" in select else ()),
        )
        results = Results(tuple(outcomes), notes)
        _write_config(out, config)
        write_problems(out, [pool.problem for pool in pools])
        write_pool_rows(out, graded, next(iter(cuts.values()), "\n"))
        write_results(out, results)
        write_checksums(out, RUN_FILES)
    # Said and not written: a command that was killed and one that was not leave the same notes.
    again = [f"{spec.split()[0]}: {n} pools as scored before in {kept.path.name}" for spec, n in kept.reused.items()]
    return replace(results, notes=(*notes, *sorted(again)))


def _thinking_of(source: str | Path) -> Sequence[str]:
    """The marks of thoughts that a run was made with; the report of its pools knows them too."""
    config = Path(source) / "config.toml"
    return read_config(config).get("thinking", ()) if is_run_folder(str(source)) and config.exists() else ()


def _write_config(out: Path, config: Mapping[str, object]) -> None:
    write_config(out / "config.toml", {key: value for key, value in config.items() if value is not None})


def _check_out(out: Path, sources: Sequence[str | Path]) -> None:
    """Refuse a folder where results would replace what is read."""
    for source in sources:
        read = real_path(source)
        if real_path(out) in (read, read.parent):
            raise BadArgument("out", out, f"{source} is read from there, and results could replace it; choose another")


def _check_rerank(out: Path, sources: Sequence[str | Path]) -> None:
    """Refuse the folder of a run, or of a rerank of other pools."""
    if (out / "journal.jsonl").exists():
        raise BadArgument("out", out, "this folder holds a run; choose another")
    if not (out / "config.toml").exists():
        return
    before = read_config(out / "config.toml")
    if not (before.keys() >= set(_OURS) and isinstance(before["pools"], list)):
        raise BadArgument("out", out, "its config.toml is not that of a rerank; choose another")
    if set(map(str, before["pools"])) != set(map(str, sources)):
        held = ", ".join(map(str, before["pools"]))
        raise BadArgument("out", out, f"this folder holds a rerank of {held}; choose another, or remove it")


def _recorded(pool: SavedPool, names: Sequence[str]) -> dict[str, Kept]:
    """The recorded scores in the shape of others, silent where this pool has none; a run's cost what they did there."""
    silent = Kept.of([np.full(1, np.nan)] * len(pool.solutions))
    kept = {name: Kept.of(scores.steps) for name, scores in pool.recorded.items()}
    kept |= {name: Kept(pool.recorded[name], v, pool.judged.get(name, ZERO)) for name, v in pool.values.items()}
    return {name: kept.get(name, silent) for name in names}


def _graded(
    pools: Sequence[SavedPool],
    grades: Sequence[Sequence[bool | None]],
    said: Sequence[Mapping[str, Kept]],
    answers: Answers,
) -> list[GradedSolutions]:
    extracted = [
        tuple(answers.extract(s.text) if s.finished else None for s in pool.solutions)
        if pool.extracted is None
        else pool.extracted
        for pool in pools
    ]
    classes = answers.classes_of(extracted)
    return [
        GradedSolutions(pool, tuple(correct), stated, tuple(alike), scored)
        for pool, correct, stated, alike, scored in zip(pools, grades, extracted, classes, said, strict=True)
    ]


def _curves(names: Sequence[str], graded: Sequence[GradedSolutions], reduce: Sequence[str]) -> dict[str, Curve]:
    """The curves by their names."""
    curves: dict[str, Curve] = {}
    for name in names:
        in_steps = any((~np.isnan(row)).sum() > 1 for pool in graded for row in pool.said[name].scores.steps)
        if reduce and in_steps:
            curves |= {f"{name}:{how}": (name, how) for how in REDUCERS if how in reduce}
        else:
            curves[name] = (name, None)
    return curves


def _grades(pools: Sequence[SavedPool], verifier: Scorer) -> list[list[bool | None]]:
    """Right, wrong or unknown for each solution; what the source says, where it is a run or has no gold answer."""
    problems: list[Problem] = []
    solutions: list[Solution] = []
    for pool in pools:
        if pool.extracted is not None:
            continue
        for gold in pool.golds:
            problems += [replace(pool.problem, answer=gold)] * len(pool.solutions)
            solutions += pool.solutions
        if not pool.golds and None in pool.correct:
            raise BadInput(
                f"{pool.where}: problem {pool.problem.id!r} has neither an 'answer' nor 'correct' for each solution"
                f"{pool.hint}"
            )
    verdicts: Iterator[float] = iter(verifier.score(problems, solutions).values().tolist() if problems else [])
    grades: list[list[bool | None]] = []
    for pool in pools:
        if not pool.golds or pool.extracted is not None:
            grades.append(list(pool.correct))
        else:
            said = [[next(verdicts) for _ in pool.solutions] for _ in pool.golds]
            grades.append([_grade(s, by_gold) for s, *by_gold in zip(pool.solutions, *said, strict=True)])
    return grades


def _grade(solution: Solution, by_gold: Sequence[float]) -> bool | None:
    """Right by any of the gold answers, else unknown where one could not be compared, else wrong."""
    return True if 1.0 in by_gold else None if solution.finished and np.isnan(by_gold).any() else False
