"""Scorers that replicas answer for, a problem's solutions at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, TypeAlias

from policies.replicas.workers import Job, Replicas, Workers, work_off, workers
from verifiers.interface.arguments import check_asked
from verifiers.interface.capabilities import advantages_of, root_values_of, separator_of
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import Scorer, Scores, ask
from verifiers.interface.solution import Problem, Solution

Scorers: TypeAlias = Mapping[str, Scorer]
Call: TypeAlias = Callable[[Scorers], Any]


@dataclass(frozen=True, slots=True)
class _Known:
    """What a replica says of a scorer that it has."""

    name: str
    separator: str | None
    target: str | None
    root_values: bool
    advantages: bool
    models: str


@contextmanager
def replicated(load: Mapping[str, Callable[[], Scorer]], replicas: Replicas | None) -> Iterator[dict[str, Scorer]]:
    """The scorers that the functions in `load` make, made and asked in replicas, for as long as the context lasts.

    >>> from verifiers import AnswerVerifier, Step, Stop
    >>> with replicated({"verifier": AnswerVerifier}, None) as scorers:  # policies.Replicas(4) would start four
    ...     scorers["verifier"].score([Problem("p1", "2+2?", "4")], [Solution((Step("4"),), Stop.EOS)]).values()
    array([1.], dtype=float32)

    A problem's solutions are scored in one call, whoever does it, so no score depends on how many replicas there are;
    the last digit of a model's may be another than where all problems share a call. What a scorer knows of roots,
    advantages and separators it knows here too. Raises what loading raises, BadArgument where there is no cluster
    or no extra `ray`.
    """
    with workers(partial(_loaded, dict(load)), replicas) as them:
        known: dict[str, _Known] = {}
        work_off([Job("loading the scorers", _prepared(_known_of))], them, lambda _, said: known.update(said))
        lock = Lock()
        yield {name: Replicated(name, about, them, lock) for name, about in known.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Replicated:
    """See `replicated`."""

    of: str
    known: _Known
    them: Workers[Scorers, Any] = field(repr=False)
    lock: Lock = field(repr=False)

    @property
    def name(self) -> str:
        """The scorer's own."""
        return self.known.name

    @property
    def separator(self) -> str | None:
        """What ended the steps that the scorer was trained on."""
        return self.known.separator

    @property
    def target(self) -> str | None:
        """What the scorer's labels were, where it says."""
        return self.known.target

    @property
    def models_digest(self) -> str:
        """What tells the scorer's models from others of the same names."""
        return self.known.models

    @property
    def root_values(self) -> Callable[[Sequence[Problem]], Scores] | None:
        """The values of empty prefixes, where the scorer knows them."""
        return self._roots if self.known.root_values else None

    @property
    def advantages(self) -> Callable[[Sequence[Problem], Sequence[Solution]], Scores] | None:
        """Each step's gain, where the scorer knows it."""
        return partial(self._asked, _advantages) if self.known.advantages else None

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The scorer's scores; N rows."""
        return self._asked(ask, problems, solutions)

    def _roots(self, problems: Sequence[Problem]) -> Scores:
        return self._asked(_root_values, problems, [Solution()] * len(problems))

    def _asked(
        self,
        how: Callable[[Scorer, Sequence[Problem], Sequence[Solution]], Scores],
        problems: Sequence[Problem],
        solutions: Sequence[Solution],
    ) -> Scores:
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        places: dict[str, list[int]] = {}
        for i, problem in enumerate(problems):
            places.setdefault(problem.id, []).append(i)
        said: dict[str, Scores] = {}
        jobs = [
            Job(
                name, _prepared(partial(_call, self.of, how, [problems[i] for i in rows], [solutions[i] for i in rows]))
            )
            for name, rows in places.items()
        ]
        with self.lock:  # threads ask one after another
            work_off(jobs, self.them, lambda job, scores: said.update({job.name: scores}))
        order = [i for rows in places.values() for i in rows]
        back = sorted(range(len(order)), key=order.__getitem__)
        steps, spend, reasons = (
            [part for name in places for part in getattr(said[name], what)] for what in ("steps", "spend", "reasons")
        )
        made = Scores(tuple(steps[i] for i in back), tuple(spend[i] for i in back), tuple(reasons[i] for i in back))
        return made.with_reduce(next(iter(said.values())).reduce) if said else made


@contextmanager
def _loaded(load: Mapping[str, Callable[[], Scorer]]) -> Iterator[Scorers]:
    yield {name: make() for name, make in load.items()}


def _prepared(call: Call) -> Callable[[Mapping[str, Any]], Call]:
    return lambda _: call


def _known_of(scorers: Scorers) -> dict[str, _Known]:
    from policies.training.folder import digest_of_models  # which imports torch

    return {
        name: _Known(
            name_of(scorer),
            separator_of(scorer),
            getattr(scorer, "target", None),
            root_values=root_values_of(scorer) is not None,
            advantages=advantages_of(scorer) is not None,
            models=digest_of_models(scorer),
        )
        for name, scorer in scorers.items()
    }


def _call(
    of: str,
    how: Callable[[Scorer, Sequence[Problem], Sequence[Solution]], Scores],
    problems: Sequence[Problem],
    solutions: Sequence[Solution],
    scorers: Scorers,
) -> Scores:
    return how(scorers[of], problems, solutions)


def _root_values(scorer: Scorer, problems: Sequence[Problem], _: Sequence[Solution]) -> Scores:
    roots = root_values_of(scorer)
    assert roots is not None
    return roots(problems)


def _advantages(scorer: Scorer, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
    advantages = advantages_of(scorer)
    assert advantages is not None
    return advantages(problems, solutions)
