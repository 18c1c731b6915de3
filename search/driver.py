"""Runs the strategies of many problems at once: merges their requests, counts what they spend.

A turn makes one call to the policy for all open extensions of a kind and one to each scorer, however many searches
there are. From a policy that streams, each row comes back when it ends, and nobody waits for the slowest. What a
search is sent depends on its own requests alone, so the results for problems P and Q together equal those for P and
for Q, in any company, and whether rows stream or not.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from policies.policy import Policy, Sampling, Until, stream_of
from search import calls
from search.budget import Budget
from search.requests import Extend, Score, Strategy
from search.result import SearchResult
from search.searching import Row, Search, check_limits
from search.streaming import Streamed
from verifiers.interface.arguments import (
    check_kind,
    check_pairs,
    check_policy_argument,
    check_problems,
    check_scorer_argument,
)
from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import check_flags, check_whole
from verifiers.interface.scoring import Scorer
from verifiers.interface.seeds import check_unique_ids, seed_at
from verifiers.interface.solution import Problem

if TYPE_CHECKING:
    from tqdm import tqdm


def started(problems: Iterable[Problem], strategy: Callable[[Problem], Strategy]) -> list[tuple[Problem, Strategy]]:
    """A strategy for each of some problems; raises BadArgument for what is no list of problems."""
    return [(problem, strategy(problem)) for problem in check_problems(problems)]


def sample_seed(seed: int, problem_id: str, place: int) -> int:
    """The seed of one place in a pool: of the rows that a search's first request draws from the empty prefix.

    >>> import policies, search
    >>> policy = policies.Scripted(lambda problem, prefix, seed: "4")
    >>> _ = search.sample([Problem("p1", "2+2?")], policy, n=3, seed=7)
    >>> policy.calls[0].seeds == tuple(sample_seed(7, "p1", place) for place in range(3))
    True
    """
    return seed_at(seed, problem_id, 0, 0, place)


class Driver:
    """The searches that are under way on one policy; they join at any time, and each turn takes all of them on.

    It is used by one thread. The policy remembers prefixes where it can, from the first search to `forget`. A search
    that fails keeps its error; `turn` raises nothing of what policies, scorers and strategies do.
    """

    def __init__(self, policy: Policy | None) -> None:
        self.active: list[Search] = []
        self._policy = policy
        self._streamed: Streamed | None = None
        self.forget()

    def forget(self) -> None:
        """Begin with an empty memory of prefixes; nothing may be under way."""
        self.close()
        self._remembering = remembering(self._policy)
        stream = None if self._remembering is None else stream_of(self._remembering)
        self._streamed = None if stream is None else Streamed(stream)

    def close(self) -> None:
        """Stop what is under way."""
        streamed, self._streamed = self._streamed, None
        if streamed is not None:
            streamed.close()

    def join(self, search: Search) -> None:
        """Take a search on, from its first request."""
        search.start()
        self.active.append(search)

    def leave(self, search: Search) -> None:
        """Give a search up, and with it what the policy does for it."""
        self.active.remove(search)
        if self._streamed is not None:
            with contextlib.suppress(Exception):  # nobody waits for it any more
                self._streamed.cancel(search)
        search.close()

    def turn(self, *, wait: float | None = None) -> list[Search]:
        """Answer what the searches ask for; those that ended.

        From a policy that streams: what has come by now, or, where nobody can go on without, the next to come,
        for at most `wait` seconds.
        """
        if self._streamed is not None:
            self._stream(self._streamed, wait)
        else:
            for until in ("step", "end"):
                self._extend(until)
        for by in dict.fromkeys(by for search in self.active for by in search.scorers):
            self._score(by)
        ended = [search for search in self.active if search.over]
        if ended:
            self.active = [search for search in self.active if not search.over]
        return ended

    def _stream(self, streamed: Streamed, wait: float | None) -> None:
        asking = [s for s in self.active if isinstance(s.request, Extend)]
        scoring = any(isinstance(s.request, Score) for s in self.active)
        try:
            streamed.turn(asking, wait=0.0 if scoring else wait)
        except Exception as error:  # noqa: BLE001  (the engine's end is that of all that wait for it)
            for search in asking:
                if not search.over:
                    search.fail(error)
            with contextlib.suppress(Exception):  # of an engine that is at its end already
                self.close()
            self.forget()  # no row of the old stream is known any more

    def _extend(self, until: Until) -> None:
        asking = [s for s in self.active if isinstance(s.request, Extend) and s.request.until == until]
        rows: dict[Sampling, list[Row]] = {}
        for search in asking:
            if self._policy is None:
                search.fail(ValueError("a strategy asked for samples, and there is no policy to draw them from"))
            elif granted := search.grant():
                rows.setdefault(search.sampling, []).extend(granted)
        for sampling, alike in rows.items():
            searches = list(dict.fromkeys(row.search for row in alike))
            calls.guarded(searches, partial(self._extend_rows, alike, until, sampling))
            for search in searches:
                search.settle()

    def _score(self, by: str) -> None:
        asking: dict[int, list[Search]] = {}
        for search in self.active:
            if isinstance(search.request, Score) and search.request.by == by:
                asking.setdefault(id(search.scorers[by]), []).append(search)
        for alike in asking.values():
            calls.guarded(alike, partial(calls.score, alike[0].scorers[by], by=by))

    def _extend_rows(self, rows: Sequence[Row], until: Until, sampling: Sampling, searches: Sequence[Search]) -> None:
        assert self._remembering is not None
        asked = set(searches)
        calls.extend(self._remembering, [row for row in rows if row.search in asked], until, sampling)


def drive(
    searches: Iterable[tuple[Problem, Strategy]],
    policy: Policy | None,
    scorers: Mapping[str, Scorer],
    *,
    sampling: Sampling | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[SearchResult]:
    """Run one strategy a problem to its end; results in the order given.

    The policy remembers prefixes where it can, from the first call of this run to the last.
    `scorers` maps what `Score.by` may say to a scorer. An exception in the policy or a scorer fails
    the rows that cause it, with its text as the reason, and the others go on; one that has struck
    every row so far is a mistake in the program and is raised. A failed row is charged its call; what was
    computed before an exception is not known, and so in no spend. Raises ValueError for problem ids
    that occur twice and for replies of the wrong length, BadArgument for what is no policy or scorer.
    """
    sampling = Sampling() if sampling is None else sampling
    budget = Budget() if budget is None else budget
    if policy is not None:
        check_policy_argument(policy)
    check_scorers(scorers)
    check_whole({"seed": seed})
    check_flags({"progress": progress})
    check_limits(sampling, budget)
    pairs = check_pairs(searches, "give a list of pairs, (problem, strategy)", name="searches")
    runs = [Search(problem, strategy, scorers, sampling, budget, seed) for problem, strategy in pairs]
    check_unique_ids(run.problem.id for run in runs)
    company: set[int] = set()
    for run in runs:
        run.company = company
        run.start_clock()
    driver = Driver(policy)
    bar = _progress_bar(len(runs)) if progress else None
    try:
        for run in runs:
            driver.join(run)
            _raise_error([run])
        while driver.active:
            ended = driver.turn()
            _raise_error(ended)
            if bar is not None:
                bar.update(len(runs) - len(driver.active) - bar.n)
    finally:
        driver.close()
        for run in runs:
            run.error = None  # what is raised holds this frame: a circle that would hold the policy and all it made
    if bar is not None:
        bar.update(len(runs) - bar.n)
        bar.close()
    return [run.result for run in runs if run.result is not None]


def check_scorers(scorers: Mapping[str, Scorer]) -> None:
    """Raise BadArgument for what is no scorer."""
    check_kind("scorers", scorers, Mapping, 'give them by what Score.by says, as {"search": scorer}')
    for name, scorer in scorers.items():
        check_scorer_argument(scorer, name="final" if name == "final" else "scorer")


def _raise_error(ended: Sequence[Search]) -> None:
    for search in ended:
        if (error := search.error) is not None:
            try:
                raise error
            finally:
                del error  # which holds this frame


def _progress_bar(total: int) -> "tqdm[NoReturn]":
    from tqdm import tqdm  # which starts a thread

    return tqdm(total=total, unit="problem", desc="search")
