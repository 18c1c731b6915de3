"""A shared call that raises and is asked again in halves: for whom it is, and when it is no more."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import policies
import search
from policies import Extended
from search.driver import Driver
from search.requests import Strategy
from search.searching import Search
from search.selection import selector
from search.strategies.best_of_n import best_of_n_strategy
from search.strategies.sample import sample_strategy
from tests.search.streaming_policy import Streaming
from tests.search.test_driver import StepCounter, comparable, problems, reply
from tests.waiting import LONGEST, until
from verifiers import MATH, Problem, Scores, Solution, Step, Stop
from verifiers.interface.errors import BadArgument, EngineStoppedError

DONE = Solution((Step("a"),), Stop.EOS)


class Recorded(StepCounter):
    """Notes whose rows each call has; `at` is what happens at it, given its number from 0."""

    def __init__(self, at: Callable[[int, set[str]], None]) -> None:
        super().__init__()
        self.at = at
        self.asked: list[set[str]] = []

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        self.asked.append({problem.id for problem in problems})
        self.at(len(self.asked) - 1, self.asked[-1])
        return super().score(problems, solutions)


class Drawing(policies.Scripted):
    """The same of a policy, which takes no row of p1."""

    def __init__(self, at: Callable[[int], None], error: Exception) -> None:
        super().__init__(reply)
        self.at, self.error = at, error
        self.asked: list[set[str]] = []

    def extend(self, problems: Sequence[Problem], *rest: Any, **options: Any) -> Extended:
        self.asked.append({problem.id for problem in problems})
        self.at(len(self.asked) - 1)
        if "p1" in self.asked[-1]:
            raise self.error
        return super().extend(problems, *rest, **options)


def joined(driver: Driver, strategy: Callable[[Problem], Strategy], count: int, **scorers: Any) -> list[Search]:
    for problem in problems(count):
        driver.join(Search(problem, strategy(problem), scorers, policies.Sampling(), search.Budget(), 0))
    return list(driver.active)


def test_an_engine_that_stops_among_halves_ends_all_that_are_left() -> None:
    def stop(time: int, asked: set[str]) -> None:
        if time < 2:
            raise NameError("name 'sloutions' is not defined")
        if "p2" in asked:
            raise EngineStoppedError("it died")

    scorer = Recorded(stop)
    driver = Driver(policies.Scripted(reply))
    joined(driver, lambda p: best_of_n_strategy(p, 2, selector("best", seed=0), MATH), 8, search=scorer)
    while driver.active:
        for one in driver.turn():
            assert (one.error is None) == (one.problem.id in ("p0", "p1"))
            assert one.error is None or str(one.error) == "it died"
    assert [len(asked) for asked in scorer.asked] == [8, 4, 2, 2]


@pytest.mark.parametrize("error", [NotImplementedError("no images"), ValueError("too long")], ids=["all", "its row"])
@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
def test_a_search_whose_time_is_up_is_not_asked_for_again(error: Exception, streams: bool) -> None:
    def late(time_: int) -> None:
        searches[2].deadline = time.monotonic()

    drawing = Drawing(late, error)
    driver = Driver(Streaming(drawing) if streams else drawing)
    searches = joined(driver, lambda p: sample_strategy(p, 3), 4)
    searches[2].budget = search.Budget(seconds=9)
    while driver.active:
        driver.turn(wait=1)
    assert [asked for asked in drawing.asked if "p2" in asked] == [{"p0", "p1", "p2", "p3"}]
    assert searches[2].result is not None
    assert searches[2].result.reason == "the budget of 9 seconds ended the search"
    assert searches[1].error is error
    for one in (searches[0], searches[3]):
        assert one.result is not None
        assert len(one.result.pool) == one.result.spend.policy_calls == 3


def shared(session: search.Session, scorer: Recorded, count: int) -> list[search.Pending]:
    """Searches of which the session takes on all at once."""
    may_go = threading.Event()
    waiting = Recorded(lambda time, asked: until(may_go.is_set))
    first = session.score(Problem("first", "?"), [DONE], scorer=waiting)
    until(lambda: waiting.asked)
    pending = [session.score(problem, [DONE], scorer=scorer) for problem in problems(count)]
    may_go.set()
    first.result(LONGEST)
    return pending


@pytest.mark.parametrize("error", [NameError("name 'sloutions' is not defined"), ValueError("too long")])
def test_a_search_that_is_cancelled_is_not_asked_for_again(error: Exception) -> None:
    def cancel(time: int, asked: set[str]) -> None:
        until(lambda: len(pending) == 6)
        pending[4].cancel()
        if "p1" in asked:
            raise error

    scorer = Recorded(cancel)
    pending: list[search.Pending] = []
    with search.Session(policies.Scripted(reply)) as session:
        pending += shared(session, scorer, 6)
        for place in (0, 2, 3, 5):
            assert len(pending[place].result(LONGEST).scores.values()) == 1
        with pytest.raises(type(error)):
            pending[1].result(LONGEST)
    assert [asked for asked in scorer.asked if "p4" in asked] == [{f"p{i}" for i in range(6)}]


def test_nothing_is_asked_for_again_once_all_are_cancelled() -> None:
    closing: list[threading.Thread] = []

    def close(time: int, asked: set[str]) -> None:
        if not closing:
            closing.append(threading.Thread(target=session.close, kwargs={"cancel": True}))
            closing[0].start()
            until(lambda: session._cancel)
        raise NameError("name 'sloutions' is not defined")

    scorer = Recorded(close)
    with search.Session(policies.Scripted(reply)) as session:
        pending = shared(session, scorer, 6)
        until(lambda: all(waiting.cancelled() for waiting in pending))
    closing[0].join(LONGEST)
    assert len(scorer.asked) == 1


def test_a_cost_that_is_none_fails_its_rows_and_not_the_others() -> None:
    class Odd(policies.Scripted):
        def extend(self, problems: Sequence[Problem], *rest: Any, **options: Any) -> Extended:
            drawn = super().extend(problems, *rest, **options)
            spends: list[Any] = [None if p.id == "p1" else s for p, s in zip(problems, drawn.spend, strict=True)]
            return Extended(drawn.solutions, tuple(spends))

    alone = [comparable(r) for r in search.sample(problems(3), policies.Scripted(reply), n=4)]
    with search.Session(Odd(reply)) as session:
        pending = [session.sample(problem, n=4) for problem in problems(3)]
        with pytest.raises(BadArgument, match=r"spend\[0\]"):
            pending[1].result(LONGEST)
        assert [comparable(pending[place].result(LONGEST)) for place in (0, 2)] == [alone[0], alone[2]]


def test_an_error_that_is_raised_again_has_one_note() -> None:
    class Failing(policies.Scripted):
        def extend(self, *rest: Any, **options: Any) -> Extended:
            raise error

    error = ValueError("too long")
    error.add_note("of the policy's own")
    for problem in problems(3):
        with pytest.raises(ValueError, match="too long"):
            search.sample([problem], Failing(reply), n=2)
        told = f"the policy has failed on every row so far, last on problem {problem.id!r}"
        assert error.__notes__ == ["of the policy's own", told]
