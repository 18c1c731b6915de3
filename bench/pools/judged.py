"""What scorers say of saved pools: asked part by part, here or by replicas, and kept as it is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from bench.files.memory import keep_freed_memory
from bench.files.progress import Progress
from bench.inputs.specs import load_scorer, version_of
from bench.pools.kept_scores import Asked, Kept, KeptScores, failures, scored
from bench.pools.saved_pool import SavedPools
from bench.runs.forgiving_scorer import ForgivingScorer
from bench.runs.limit import Limit
from policies.models.batches import greedy_batches
from policies.replicas.workers import Job, Workers, work_off
from verifiers.interface.capabilities import separator_of
from verifiers.interface.digests import digest_of
from verifiers.interface.errors import NO_ROWS_FAULT, BadArgument, EngineStoppedError, reason_of
from verifiers.interface.files import Row
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Stop

Scorers: TypeAlias = Mapping[str, Scorer]
About: TypeAlias = dict[str, tuple[str, str | None]]

_CALL = 256  # solutions scored in a call, or a little more; a kill loses a call's scores


@contextmanager
def loaded(specs: Mapping[str, str]) -> Iterator[Scorers]:
    """The scorers that specs name: the parts of who asks them."""
    keep_freed_memory()
    yield {name: load_scorer(spec) for name, spec in specs.items()}


def known_of(specs: Mapping[str, str], them: Workers[Scorers, About]) -> About:
    """The version of each scorer, and what ended the steps that it was trained on; who has loaded them knows."""
    said: About = {}

    def prepare(_: object) -> Callable[[Scorers], About]:
        return partial(_known_of, specs)

    work_off([Job("loading the scorers", prepare)], them, lambda _, about: said.update(about))
    return said


@dataclass(frozen=True, slots=True)
class Said:
    """What each scorer said of saved pools, read back as it is asked for."""

    versions: Mapping[str, str]
    digests: Mapping[str, Sequence[str]]  # of the pools, by the scorers' names
    kept: KeptScores

    def of(self, place: int) -> dict[str, Kept]:
        """What is said of one pool."""
        return {name: self.kept.kept(version, self.digests[name][place]) for name, version in self.versions.items()}

    def in_steps(self, name: str) -> bool:
        """Whether a scorer speaks of several steps of any solution."""
        return any(
            sum(score is not None for score in steps) > 1
            for digest in self.digests[name]
            for steps in self.kept.steps(self.versions[name], digest)
        )


def judged(
    pools: SavedPools,
    versions: Mapping[str, str],
    cuts: Mapping[str, str],
    kept: KeptScores,
    them: Workers[Scorers, list[Row]],
    *,
    max_failed: float | None,
    progress: bool,
) -> Said:
    """Ask each scorer about each pool; several pools share a call, which is what keeps a GPU busy."""
    digests: dict[str, list[str]] = {cut: [] for cut in set(cuts.values())}
    alive: list[int] = []
    for pool in pools if cuts else ():
        alive.append(sum(solution.stop is not Stop.FAILED for solution in pool.solutions))
        for cut, each in digests.items():
            each.append(digest_of([pool.problem, *pool.cut(cut)]))
    jobs = _jobs(pools, alive, versions, cuts, digests, kept)
    with Progress(len(pools), "rerank", unit="problem", shown=progress) as bar:
        bar.add(len(pools) - sum(job.ends for job in jobs))

        def keep(job: _Call, rows: list[Row]) -> None:
            stood = {place for row in rows for place in kept.stood(row)}
            bad = {place: why for row in rows for place, why in failures(row)}
            if max_failed is None:  # not all of those that are new; of the others, whatever had failed may fail again
                new = {row["problem"] for row in rows if not kept.is_again(row["scorer"], row["digest"])}
                bad = {place: why for place, why in bad.items() if place[0] in new or place in stood}
            limit = Limit(max_failed, job.new if max_failed is None else job.rows)
            limit.check(bad, stood, f"--scorer {job.scorer}")
            kept.keep(rows)
            bar.add(job.ends)

        work_off(jobs, them, keep)
    return Said(versions, {name: digests[cut] for name, cut in cuts.items()}, kept)


@dataclass(frozen=True, slots=True)
class _Call(Job[Scorers, list[Row]]):
    """A scorer's call for a part of the pools."""

    ends: int  # so many pools are through with it
    rows: int  # solutions of all these pools, kept ones included
    new: int  # those of pools that were not scored before
    scorer: str


def _jobs(
    pools: SavedPools,
    alive: Sequence[int],
    versions: Mapping[str, str],
    cuts: Mapping[str, str],
    digests: Mapping[str, Sequence[str]],
    kept: KeptScores,
) -> list[_Call]:
    """The calls for what is not kept yet; `alive` are the solutions of each pool that can be scored."""
    jobs: list[_Call] = []
    sizes = [group.solutions for group in pools.groups]
    # Pools in their order, in parts of some `_CALL` solutions.
    for part in greedy_batches(range(len(alive)), lambda part: sum(sizes[i] for i in part[:-1]) < _CALL):
        todo = {name: kept.unscored(versions[name], {digests[cut][i]: i for i in part}) for name, cut in cuts.items()}
        asked = [name for name in cuts if todo[name]]
        for name in asked:
            called = f"scoring with {name} from {pools.ids[next(iter(todo[name].values()))]!r} on"
            prepare = partial(_sent, name, versions[name], pools, todo[name], cuts[name], kept)
            rows = sum(alive[i] for i in part)
            new = sum(alive[i] for of, i in todo[name].items() if not kept.is_again(versions[name], of))
            jobs.append(_Call(called, prepare, len(part) if name == asked[-1] else 0, rows, new, name))
    return jobs


def _sent(
    name: str,
    version: str,
    pools: SavedPools,
    todo: Mapping[str, int],
    cut: str,
    kept: KeptScores,
    _: Mapping[str, list[Row]],
) -> Callable[[Scorers], list[Row]]:
    found = ((digest, pools[i]) for digest, i in todo.items())
    asked = [Asked(digest, pool.problem, pool.cut(cut), kept.part(version, digest)) for digest, pool in found]
    return partial(_scored, name, version, asked)


def _scored(name: str, version: str, asked: Sequence[Asked], scorers: Scorers) -> list[Row]:
    try:
        return scored(version, ForgivingScorer(scorers[name]), asked)
    except EngineStoppedError:
        raise
    except (ValueError, *NO_ROWS_FAULT) as error:  # scores of the wrong shape, or a mistake in somebody's code
        raise BadArgument("scorer", name, str(error) if isinstance(error, ValueError) else reason_of(error)) from error


def _known_of(specs: Mapping[str, str], scorers: Scorers) -> About:
    return {name: (version_of(spec), separator_of(scorers[name])) for name, spec in specs.items()}
