"""A policy and a scorer at work for searches that come at any time."""

import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from policies.policy import Policy, Sampling
from search.budget import Budget
from search.driver import Driver, check_scorers
from search.requests import Strategy
from search.result import SearchResult
from search.searching import Search, check_limits
from search.selection import Select, selector, weighted
from search.strategies.beam_search import beam_search_strategy, check_beam, check_steers, judges
from search.strategies.best_of_n import best_of_n_strategy
from search.strategies.rerank import rerank_strategy
from search.strategies.sample import sample_strategy
from search.strategies.score import score_strategy
from search.strategies.self_consistency import self_consistency_strategy
from verifiers.grading.answers import MATH, Answers
from verifiers.interface.arguments import (
    check_answers_argument,
    check_policy_argument,
    check_pools,
    check_problem,
    check_scorer_argument,
)
from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import BadArgument, check_whole
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution

_LOOK_UP = 0.02  # seconds: how soon a search that joins is seen while rows stream


class Pending(Future[SearchResult]):
    """A search under way: a thread asks for its `result()`, a coroutine awaits it, either may `cancel()` it."""

    def __await__(self) -> Generator[Any, None, SearchResult]:
        import asyncio  # which takes long to import, and is there where anybody awaits

        return asyncio.wrap_future(self).__await__()


class Session:
    """A policy and a scorer at work for many searches, which join while others run and share their calls.

    >>> import policies, verifiers
    >>> policy = policies.Scripted(lambda problem, prefix, seed: f"The answer is {seed % 3}.")
    >>> near_two = verifiers.from_function(lambda problem, solution: float("2" in solution.text))
    >>> with Session(policy, near_two) as session:
    ...     pending = [session.best_of_n(verifiers.Problem(name, "1+1?"), n=16) for name in ("p1", "p2")]
    ...     [search.result().answer for search in pending]
    ['2', '2']

    In a coroutine: `result = await session.best_of_n(problem, n=16)`; a task that is cancelled cancels its search.
    Each method searches for one problem and takes the options of the function of its name in `search`, whose result
    it gives, whatever else is under way; what is not given is as the session has it. `Budget(seconds=...)` counts
    from the call, ends a search with its best so far, and charges what was spent; where the policy streams
    (`policies.OpenAI`, `policies.VLLM`) rows under way are stopped. Prefixes are remembered while any search is under
    way; only searches of one problem at one time share them, and then their cost.

    What raises for one search is raised by its `result()`. Leaving the `with` block waits for all searches; after an
    exception it cancels them. Raises BadArgument for what is no policy, scorer or problem; RuntimeError once closed.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        scorer: Scorer | None = None,
        *,
        answers: Answers = MATH,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        seed: int = 0,
    ) -> None:
        if policy is not None:
            check_policy_argument(policy)
        if scorer is not None:
            check_scorer_argument(scorer)
        check_whole({"seed": seed})
        check_answers_argument(answers)
        self.policy, self.scorer, self.answers, self.seed = policy, scorer, answers, seed
        self.sampling = Sampling() if sampling is None else sampling
        self.budget = Budget() if budget is None else budget
        check_limits(self.sampling, self.budget)
        self._judges: dict[int, tuple[Scorer, Scorer]] = {}  # scorers and what remembers for them, while it is busy
        self._joining: list[tuple[Search, Pending]] = []
        self._pending: dict[Search, Pending] = {}
        self._closed = self._cancel = False
        self._changed = threading.Condition()
        self._driver = Driver(policy)
        self._thread = threading.Thread(target=self._work, name="search.Session", daemon=True)
        self._thread.start()

    def submit(
        self,
        problem: Problem,
        strategy: Strategy,
        *,
        scorers: Mapping[str, Scorer] | None = None,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
    ) -> Pending:
        """Run any strategy; `scorers` maps what its `Score.by` may say, by default the session's as "search"."""
        check_problem(problem)
        if scorers is None:
            scorers = {} if self.scorer is None else {"search": self.scorer}
        check_scorers(scorers)
        seed = self.seed if seed is None else seed
        check_whole({"seed": seed})
        sampling = self.sampling if sampling is None else sampling
        search = Search(problem, strategy, scorers, sampling, self.budget if budget is None else budget, seed)
        search.start_clock()
        pending = Pending()
        search.cancelled = lambda: self._cancel or pending.cancelled()
        with self._changed:
            if self._closed:
                raise RuntimeError("this Session is closed: open another one for more searches")
            self._joining.append((search, pending))
            self._changed.notify()
        return pending

    def best_of_n(
        self,
        problem: Problem,
        *,
        n: int,
        scorer: Scorer | None = None,
        select: Select = "best",
        answers: Answers | None = None,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
    ) -> Pending:
        """As `search.best_of_n`."""
        scorers = {"search": self._scorer_or(scorer)}
        chooser = selector(select, seed=self.seed if seed is None else seed)
        strategy = best_of_n_strategy(problem, n, chooser, self._answers_or(answers))
        return self.submit(problem, strategy, scorers=scorers, sampling=sampling, budget=budget, seed=seed)

    def weighted_majority(
        self,
        problem: Problem,
        *,
        n: int,
        scorer: Scorer | None = None,
        answers: Answers | None = None,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
    ) -> Pending:
        """As `search.weighted_majority`."""
        scorers = {"search": self._scorer_or(scorer)}
        strategy = best_of_n_strategy(problem, n, weighted, self._answers_or(answers))
        return self.submit(problem, strategy, scorers=scorers, sampling=sampling, budget=budget, seed=seed)

    def self_consistency(
        self,
        problem: Problem,
        *,
        n: int,
        answers: Answers | None = None,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
    ) -> Pending:
        """As `search.self_consistency`."""
        strategy = self_consistency_strategy(problem, n, self._answers_or(answers))
        return self.submit(problem, strategy, scorers={}, sampling=sampling, budget=budget, seed=seed)

    def beam_search(
        self,
        problem: Problem,
        *,
        width: int,
        expand: int,
        max_steps: int,
        scorer: Scorer | None = None,
        final: Scorer | None = None,
        answers: Answers | None = None,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
    ) -> Pending:
        """As `search.beam_search`."""
        check_beam(width, expand, max_steps)
        scorer = self._scorer_or(scorer)
        check_steers(scorer)
        scorers = judges(scorer, self._with_memory(scorer), final)
        strategy = beam_search_strategy(problem, width, expand, max_steps, final is not None, self._answers_or(answers))
        return self.submit(problem, strategy, scorers=scorers, sampling=sampling, budget=budget, seed=seed)

    def sample(
        self,
        problem: Problem,
        *,
        n: int,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
    ) -> Pending:
        """As `search.sample`."""
        strategy = sample_strategy(problem, n)
        return self.submit(problem, strategy, scorers={}, sampling=sampling, budget=budget, seed=seed)

    def score(self, problem: Problem, solutions: Sequence[Solution], *, scorer: Scorer | None = None) -> Pending:
        """As `search.score`."""
        [(problem, pool)] = check_pools([(problem, solutions)])
        return self.submit(problem, score_strategy(problem, pool), scorers={"search": self._scorer_or(scorer)})

    def rerank(
        self,
        problem: Problem,
        solutions: Sequence[Solution],
        *,
        scorer: Scorer | None = None,
        select: Select = "best",
        answers: Answers | None = None,
        seed: int | None = None,
    ) -> Pending:
        """As `search.rerank`."""
        [(problem, pool)] = check_pools([(problem, solutions)])
        chooser = selector(select, seed=self.seed if seed is None else seed)
        strategy = rerank_strategy(problem, pool, chooser, self._answers_or(answers))
        return self.submit(problem, strategy, scorers={"search": self._scorer_or(scorer)}, seed=seed)

    @property
    def under_way(self) -> int:
        """How many searches have not ended; one that was cancelled has not while the policy is busy with it."""
        with self._changed:
            return len(self._joining) + len(self._pending)

    def close(self, *, cancel: bool = False) -> None:
        """Wait for all searches, or cancel them, and take no more; in a search's own callback it does not wait."""
        with self._changed:
            self._closed = True
            self._cancel = self._cancel or cancel
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(cancel=kind is not None)

    def _scorer_or(self, scorer: Scorer | None) -> Scorer:
        chosen = self.scorer if scorer is None else scorer
        if chosen is None:
            raise BadArgument("scorer", None, "this Session has none: give one to it or to the call")
        check_scorer_argument(chosen)
        return chosen

    def _answers_or(self, answers: Answers | None) -> Answers:
        chosen = self.answers if answers is None else answers
        check_answers_argument(chosen)
        return chosen

    def _with_memory(self, scorer: Scorer) -> Scorer:
        """What remembers for a scorer: one for all beams, so that they share its calls."""
        with self._changed:
            judge = self._judges.get(id(scorer))
            if judge is None:
                judge = self._judges[id(scorer)] = (scorer, remembering(scorer))
            return judge[1]

    def _work(self) -> None:
        """The session's thread: take on who joins, let go who was cancelled, answer what is asked."""
        pending = self._pending
        try:
            while self._take_on():
                for search in [search for search, waiting in pending.items() if waiting.cancelled()]:
                    self._driver.leave(search)
                    pending.pop(search).set_running_or_notify_cancel()
                for search in self._driver.turn(wait=_LOOK_UP):
                    _deliver(search, pending.pop(search))
                if not pending:
                    self._forget()
        except BaseException as error:
            for waiting in pending.values():
                if waiting.set_running_or_notify_cancel():
                    waiting.set_exception(error)
            with self._changed:
                self._closed = True
                for _, waiting in self._joining:
                    waiting.cancel()
                self._joining.clear()
                pending.clear()
            raise
        finally:
            self._driver.close()

    def _take_on(self) -> bool:
        """Wait until there is something to do, and let searches join; False once all is done and it is closed."""
        with self._changed:
            while not (self._joining or self._pending or self._closed):
                self._changed.wait()
            joining = [search for search, _ in self._joining]
            cancel = self._cancel
            self._pending.update(self._joining)
            self._joining.clear()
        for search in joining:
            self._driver.join(search)
        if cancel:
            for waiting in self._pending.values():
                waiting.cancel()
        return bool(self._pending)

    def _forget(self) -> None:
        """Between searches nothing is remembered, so that what one costs does not depend on those before it."""
        with self._changed:
            self._judges.clear()
        self._driver.forget()


def _deliver(search: Search, waiting: Pending) -> None:
    error, search.error = search.error, None  # its traceback holds the search: a circle that would hold the policy
    search.cancelled = lambda: True  # it is over, and holds `waiting` no more
    if not waiting.set_running_or_notify_cancel():
        return
    if search.result is not None:
        waiting.set_result(search.result)
    else:
        waiting.set_exception(error)
