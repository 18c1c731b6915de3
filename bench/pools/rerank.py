"""Every reranker's curve on saved pools; no policy is needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.files.run_folder import read_config, write_config
from bench.inputs.rows import real_path
from bench.inputs.specs import load_answers, separator_note
from bench.pools.grading import check_gradable, graded
from bench.pools.judged import Said, judged, known_of, loaded
from bench.pools.kept_scores import Kept, open_scores
from bench.pools.rerank_notes import (
    Seen,
    notes_on_failures,
    notes_on_pools,
    notes_on_reading,
    notes_on_scorers,
    notes_on_votes,
)
from bench.pools.rows import Curve, GradedSolutions, writing_rows
from bench.pools.saved_pool import LINE, SavedPool, SavedPools, read_pools
from bench.pools.sources import is_run_folder
from bench.report.breakdown import check_by
from bench.runs.limit import check_share
from bench.runs.outputs import RUN_FILES, write_results
from bench.runs.plan import SELECTORS, sizes_to
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, Results, notes_on, pool_outcomes
from bench.stats.outcomes import Outcomes
from bench.tasks.tasks import answers_of
from policies.models.engine_options import without_resources
from policies.replicas.workers import Replicas, workers
from verifiers.grading.answers import ANSWERS, MATH, Answers, with_thinking
from verifiers.interface.checksums import write_checksums
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.files import held
from verifiers.interface.scoring import ZERO

REDUCERS: tuple[Literal["last", "min", "prod", "mean"], ...] = ("last", "min", "prod", "mean")
_MOST = 32  # samples a problem that curves go to where nobody says how far
_OWN = "own"  # answers that have no name
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
    answers: Answers | str | None = None,
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
    and 32 at most. `answers` reads and compares answers, itself or by name; None is what a run was made with, and
    mathematics for a file. `thinking` has further marks of thoughts, each "BEGIN,END"; a run's count too.
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
    own, told = _answers(sources) if answers is None else _given(answers)
    read = with_thinking(own, thinking)
    pools = read_pools(sources, columns=columns, prompts=prompts, limit=limit)
    check_by(pools.fields(), by, of=", ".join(map(str, sources)))
    largest = max(group.solutions for group in pools.groups)
    sizes = sorted(set(sizes or sizes_to(max(1, min(_MOST, largest)))))
    recorded = pools.names.names
    for name in scorers:
        if name in recorded:
            raise BadArgument("scorer", name, f"the pools record scores of that name; write OTHER={scorers[name]}")
    check_gradable(pools)
    _check_out(out, sources)
    config: dict[str, object] = {
        "pools": [str(source) for source in sources],
        "scorers": [f"{name}={without_resources(spec)}" for name, spec in scorers.items()],
        "select": list(select),
        "reduce": list(reduce),
        "sizes": list(sizes),
        "columns": [f"{ours}={theirs}" for ours, theirs in (columns or {}).items()],
        **told,
        "separator": separator,
        "limit": limit,
        "seed": seed,
    }
    lists = {"prompts": list(map(str, prompts)), "thinking": thinking}
    config |= {name: values for name, values in lists.items() if values}
    with workers(partial(loaded, scorers), replicas if scorers else None) as them, held(out, owner="config.toml"):
        _check_rerank(out, sources)
        kept = open_scores(out / "rerank-scores.jsonl", retry_failed=retry_failed)
        if scorers and len(pools):
            list(graded([pools[0]], read))  # answers of one's own that raise do so before anything is spent
        begun()
        if not (out / "config.toml").exists():
            _write_config(out, config)  # a killed command's folder says whose it is
        about = known_of(scorers, them)
        versions = {name: version for name, (version, _) in about.items()}
        cuts = {name: separator or own or "\n" for name, (_, own) in about.items()}
        said = judged(pools, versions, cuts, kept, them, max_failed=max_failed, progress=progress)
        curves = _curves(scorers, pools, said, reduce)
        ways = [Contest(way, name) for way in dict.fromkeys(select) for name in curves]
        contests = [ANY_RIGHT, Contest("self_consistency", None), *ways]
        seen, outcomes, shown = Seen(tuple(curves)), [], next(iter(cuts.values()), LINE)
        with writing_rows(out, scores=bool(scorers or recorded) and largest > 0) as write:
            for found in _graded(pools, said, read):
                pool = found.pool(curves)
                seen.add(found, pool.values)
                outcomes.append(pool_outcomes(pool, contests, sizes, seed=seed))
                write(found, found.saved.cut(shown))
            _write_config(out, config)
        table = Outcomes(tuple(outcomes))
        formats = [separator_note(name, own, cuts[name]) for name, (_, own) in about.items()]
        notes = (
            *notes_on(table, max(sizes)),
            *notes_on_pools(pools, seen, sizes),
            *notes_on_reading(pools, seen, read),
            *([f"taken as scores from the file: {', '.join(recorded)}"] if recorded else []),
            *filter(None, formats),
            *notes_on_failures(seen),
            *notes_on_scorers(seen),
            *(notes_on_votes(seen) if "weighted_majority" in select else ()),
        )
        results = Results(table, notes)
        write_results(out, results)
        write_checksums(out, RUN_FILES)
    # Said and not written: a command that was killed and one that was not leave the same notes.
    again = [f"{spec.split()[0]}: {n} pools as scored before in {kept.path.name}" for spec, n in kept.reused.items()]
    return replace(results, notes=(*notes, *sorted(again)))


def _thinking_of(source: str | Path) -> Sequence[str]:
    """The marks of thoughts that a run was made with; the report of its pools knows them too."""
    thinking: Sequence[str] = _config_of(source).get("thinking", ())
    return thinking


def _answers(sources: Sequence[str | Path]) -> tuple[Answers, dict[str, str]]:
    """How the answers of all sources are read, as their runs read them, and what the config tells of it.

    Raises BadArgument where sources differ.
    """
    found = [(source, *_answers_of(source)) for source in sources]
    first, answers, told = found[0] if found else ("", MATH, {"answers": "math"})
    if other := next((source for source, others, _ in found if others != answers), None):
        raise BadArgument("answers", "not given", f"{first} and {other} read answers in two ways; say which is meant")
    return answers, told


def _answers_of(source: str | Path) -> tuple[Answers, dict[str, str]]:
    """How a run's answers were read: as it was told, or else as its task says."""
    config = _config_of(source)
    given, task = config.get("answers", _OWN), config.get("task")
    if given != _OWN:
        return _given(str(given))
    if task is None:
        if "answers" in config:
            raise BadArgument("answers", "not given", f"{source} was read by an object of its own; say how to read it")
        return _given(MATH)
    try:
        answers, told = _given(answers_of(str(task)))
    except BadInput as error:
        raise BadArgument(
            "answers",
            "not given",
            f"{source} read them as its task does, which cannot be had ({error}); say how, as "
            "math where that was a file or a data set, and has moved",
        ) from error
    return answers, told | ({"task": task} if told["answers"] == _OWN else {})


def _given(answers: Answers | str) -> tuple[Answers, dict[str, str]]:
    """What reads answers, and what the config tells of it."""
    if isinstance(answers, str):
        return load_answers(answers), {"answers": answers}
    return answers, {"answers": next((name for name, known in ANSWERS.items() if known is answers), _OWN)}


def _config_of(source: str | Path) -> Mapping[str, Any]:
    """The settings of a run; none of another source."""
    config = Path(source) / "config.toml"
    return read_config(config) if is_run_folder(str(source)) and config.exists() else {}


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


def _graded(pools: SavedPools, said: Said, answers: Answers) -> Iterator[GradedSolutions]:
    """All pools one by one, graded in parts, of which one is in memory."""
    for part in pools.parts():
        saved = [pools[i] for i in part]
        for i, pool, found in zip(part, saved, graded(saved, answers), strict=True):
            yield GradedSolutions(pool, *found, _recorded(pool, pools.names.names) | said.of(i))


def _recorded(pool: SavedPool, names: Sequence[str]) -> dict[str, Kept]:
    """The recorded scores in the shape of others, silent where this pool has none; a run's cost what they did there."""
    silent = Kept.of([np.full(1, np.nan)] * len(pool.solutions))
    kept = {name: Kept.of(scores.steps) for name, scores in pool.recorded.items()}
    kept |= {name: Kept(pool.recorded[name], v, pool.judged.get(name, ZERO)) for name, v in pool.values.items()}
    return {name: kept.get(name, silent) for name in names}


def _curves(scorers: Iterable[str], pools: SavedPools, said: Said, reduce: Sequence[str]) -> dict[str, Curve]:
    """The curves by their names: those of scorers that speak of several steps under each reducer."""
    if not reduce:
        return {name: (name, None) for name in (*scorers, *pools.names.names)}
    in_steps = {name for name in scorers if said.in_steps(name)} | pools.in_steps()
    curves: dict[str, Curve] = {}
    for name in (*scorers, *pools.names.names):
        if name in in_steps:
            curves |= {f"{name}:{how}": (name, how) for how in REDUCERS if how in reduce}
        else:
            curves[name] = (name, None)
    return curves
