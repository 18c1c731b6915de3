"""Searches that join a running driver: results, joining, cancelling, limits, failures, and rows that stream."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
import search
from search.driver import Driver
from search.live.session import Pending
from search.searching import Search
from search.selection import selector
from search.strategies.best_of_n import best_of_n_strategy
from search.strategies.sample import sample_strategy
from tests.search.streaming_policy import Rows, Streaming
from tests.search.test_driver import FailsOn, StepCounter, comparable, problems, reply
from tests.waiting import LONGEST, until
from verifiers import EXACT, MATH, Problem, Scores, Solution, Step, Stop
from verifiers.interface.errors import BadArgument, EngineStoppedError

BEAM = {"width": 2, "expand": 3, "max_steps": 5}


def session_on(policy: Any = None, **options: Any) -> search.Session:
    return search.Session(policy or policies.Scripted(reply), StepCounter(), **options)


Plain = Callable[[Sequence[Problem], Any], list[search.SearchResult]]
METHODS: dict[str, tuple[Plain, Callable[[search.Session, Problem], Pending]]] = {
    "best_of_n": (
        lambda ps, policy: search.best_of_n(ps, policy, StepCounter(), n=9, select="soft", seed=3),
        lambda session, p: session.best_of_n(p, n=9, select="soft", seed=3),
    ),
    "weighted_majority": (
        lambda ps, policy: search.weighted_majority(ps, policy, StepCounter(), n=9),
        lambda session, p: session.weighted_majority(p, n=9),
    ),
    "self_consistency": (
        lambda ps, policy: search.self_consistency(ps, policy, n=9, answers=EXACT),
        lambda session, p: session.self_consistency(p, n=9, answers=EXACT),
    ),
    "sample": (
        lambda ps, policy: search.sample(ps, policy, n=5, budget=search.Budget(samples=3)),
        lambda session, p: session.sample(p, n=5, budget=search.Budget(samples=3)),
    ),
    "beam_search": (
        lambda ps, policy: search.beam_search(ps, policy, StepCounter(), final=StepCounter(), **BEAM),
        lambda session, p: session.beam_search(p, final=StepCounter(), **BEAM),
    ),
}


@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
@pytest.mark.parametrize("name", METHODS)
def test_a_session_gives_what_the_plain_function_gives(name: str, streams: bool) -> None:
    plain, method = METHODS[name]
    expected = [comparable(r) for r in plain(problems(6), policies.Scripted(reply))]
    with session_on(Streaming(policies.Scripted(reply)) if streams else None) as session:
        pending = [method(session, problem) for problem in problems(6)]
        assert [comparable(p.result(LONGEST)) for p in pending] == expected


@pytest.mark.parametrize("name", METHODS)
def test_the_plain_functions_stream_where_the_policy_does(name: str) -> None:
    plain, _ = METHODS[name]
    expected = [comparable(r) for r in plain(problems(6), policies.Scripted(reply))]
    assert [comparable(r) for r in plain(problems(6), Streaming(policies.Scripted(reply)))] == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), tokens=st.integers(100, 2500), samples=st.integers(1, 40))
def test_streamed_in_any_order_is_what_calls_give_within_any_budget(seed: int, tokens: int, samples: int) -> None:
    options: dict[str, Any] = {
        "budget": search.Budget(tokens=tokens, samples=samples),
        "sampling": policies.Sampling(max_tokens=100),
    }
    calls, streamed = (
        [comparable(r) for r in search.beam_search(problems(3), policy, StepCounter(), **BEAM, **options)]
        for policy in (policies.Scripted(reply), Streaming(policies.Scripted(reply), seed=seed))
    )
    assert calls == streamed


def test_saved_pools_are_scored_and_reranked() -> None:
    saved = [Solution((Step(f"The answer is {i}."),), Stop.EOS) for i in (1, 2, 2)]
    [judged] = search.score([(Problem("a", "?"), saved)], StepCounter())
    [ranked] = search.rerank([(Problem("a", "?"), saved)], StepCounter(), select="weighted")
    with search.Session(scorer=StepCounter()) as session:
        assert comparable(session.score(Problem("a", "?"), saved).result(LONGEST)) == comparable(judged)
        assert comparable(session.rerank(Problem("a", "?"), saved, select="weighted").result(LONGEST)) == comparable(
            ranked
        )


def test_threads_and_coroutines_share_one_session() -> None:
    expected = [comparable(r) for r in search.best_of_n(problems(40), policies.Scripted(reply), StepCounter(), n=4)]

    async def gather(session: search.Session, part: Sequence[Problem]) -> list[search.SearchResult]:
        return list(await asyncio.gather(*[session.best_of_n(p, n=4) for p in part]))

    with session_on() as session, ThreadPoolExecutor(8) as pool:
        by_threads = [pool.submit(lambda p=p: session.best_of_n(p, n=4).result(LONGEST)) for p in problems(40)[:20]]
        by_coroutines = asyncio.run(gather(session, problems(40)[20:]))
        results = [thread.result() for thread in by_threads] + by_coroutines
    assert [comparable(r) for r in results] == expected


def test_what_joins_meanwhile_shares_the_calls() -> None:
    joined = threading.Event()

    class Waits(policies.Scripted):
        def extend(self, problems, prefixes, *, until, sampling, seeds):
            joined.wait(LONGEST)
            return super().extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)

    policy = Waits(reply)
    with session_on(policy) as session:
        under_way = [session.beam_search(p, **BEAM) for p in problems(30)]
        joined.set()
        for pending in under_way:
            pending.result(LONGEST)
    assert len(policy.calls) <= 6  # three steps of the first alone, at most, and three of all others
    assert sum(len(call) for call in policy.calls) == sum(
        r.spend.policy_calls for r in search.beam_search(problems(30), policies.Scripted(reply), StepCounter(), **BEAM)
    )


@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
def test_options_are_a_search_s_own(streams: bool) -> None:
    one, other = policies.Sampling(max_tokens=100), policies.Sampling(max_tokens=20)
    [long] = search.sample(problems(1), policies.Scripted(reply), n=3, sampling=one, seed=1)
    [short] = search.sample(problems(1), policies.Scripted(reply), n=3, sampling=other, seed=2)
    assert long.pool != short.pool
    with session_on(Streaming(policies.Scripted(reply)) if streams else None, sampling=one, seed=1) as session:
        first = session.sample(problems(1)[0], n=3)
        second = session.sample(problems(1)[0], n=3, sampling=other, seed=2)
        assert (first.result(LONGEST).pool, second.result(LONGEST).pool) == (long.pool, short.pool)


def test_a_time_limit_ends_a_search_with_its_best_so_far_and_stops_its_rows() -> None:
    class LastHeld(Rows):
        def add(self, problems, *args, **options):
            numbers = super().add(problems, *args, **options)
            self.held[numbers[-1]] = "held"
            self.ready = [row for row in self.ready if row[0] != numbers[-1]]
            return numbers

    policy = Streaming(policies.Scripted(reply), rows=LastHeld)
    started = time.monotonic()
    with session_on(policy) as session:
        result = session.best_of_n(problems(1)[0], n=5, budget=search.Budget(seconds=0.3)).result(LONGEST)
    assert 0.3 <= time.monotonic() - started < 5
    assert result.reason == "the budget of 0.3 seconds ended the search"
    assert result.answer is not None
    assert [s.stop for s in result.pool] == [Stop.EOS] * 4 + [Stop.FAILED]
    assert result.spend.policy_calls == 5
    assert policy.cancelled == ["held"]


@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
def test_a_cancelled_search_ends_and_the_others_do_not_notice(streams: bool) -> None:
    policy = Streaming(policies.Scripted(reply), holds=lambda p: p.id == "p0") if streams else Endless()
    expected = search.best_of_n(problems(3)[1:], policies.Scripted(reply), StepCounter(), n=4)
    with session_on(policy) as session:
        held = session.submit(problems(1)[0], one_step_after_another(), sampling=policies.Sampling(max_tokens=10**9))
        others = [session.best_of_n(p, n=4) for p in problems(3)[1:]]
        assert [comparable(p.result(LONGEST)) for p in others] == [comparable(r) for r in expected]
        assert not held.done()
        assert held.cancel()
        with pytest.raises(CancelledError):
            held.result(1)
    if isinstance(policy, Streaming):
        assert policy.cancelled == ["p0"]


class Endless(policies.Scripted):
    """Steps without an end for p0, what `reply` says for the others."""

    def __init__(self) -> None:
        super().__init__(lambda p, prefix, seed: "again\n" if p.id == "p0" else reply(p, prefix, seed))


def one_step_after_another() -> search.Strategy:
    prefix = Solution()
    while True:
        [prefix] = yield search.Extend((prefix,), 1, "step")


# A hung-up client's search stops within a second, where the machine has the time.
@pytest.mark.parametrize("seconds", [LONGEST, pytest.param(1.0, marks=pytest.mark.alone)])
def test_a_task_that_is_cancelled_cancels_its_search(seconds: float) -> None:
    policy = Streaming(policies.Scripted(reply), holds=lambda p: True)

    async def hang_up(session: search.Session) -> None:
        async def ask() -> None:
            await session.best_of_n(problems(1)[0], n=4)

        asking = asyncio.create_task(ask())
        while policy.held < 4:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with session_on(policy) as session:
        asyncio.run(asyncio.wait_for(hang_up(session), LONGEST))
        until(lambda: len(policy.cancelled) == 4, seconds)
        assert policy.cancelled == ["p0"] * 4


def test_an_error_is_that_of_its_search() -> None:
    def broken() -> search.Strategy:
        yield search.Extend((Solution(),), 1, "end")
        raise LookupError("a mistake in a strategy")

    with session_on(FailsOn("p3")) as session:
        good = session.best_of_n(problems(1)[0], n=4)
        assert good.result(LONGEST).answer is not None
        bad, broke, after = (
            session.best_of_n(problems(4)[3], n=4),
            session.submit(problems(2)[1], broken()),
            session.best_of_n(problems(3)[2], n=4),
        )
        with pytest.raises(ConnectionError, match="HTTP 500"):
            bad.result(LONGEST)
        with pytest.raises(LookupError, match="a mistake in a strategy"):
            broke.result(LONGEST)
        assert after.result(LONGEST).answer is not None
        with pytest.raises(ValueError, match="ask for 1 or more"):
            session.sample(problems(1)[0], n=0).result(LONGEST)


def test_an_engine_that_stops_ends_the_searches_that_need_it_and_not_the_session() -> None:
    class Dying(Streaming):
        def stream(self):
            rows = super().stream()

            def die(*, seconds):
                raise RuntimeError("the engine has stopped")

            rows.ended = die
            return rows

    with session_on(Dying(policies.Scripted(reply))) as session:
        lost = session.sample(problems(1)[0], n=2)
        saved = session.score(problems(2)[1], [Solution((Step("a"),), Stop.EOS)])
        with pytest.raises(RuntimeError, match="the engine has stopped"):
            lost.result(LONGEST)
        assert len(saved.result(LONGEST).pool) == 1


def test_what_is_no_search_is_told_before_anything_is_spent() -> None:
    with search.Session(policies.Scripted(reply)) as session:
        with pytest.raises(BadArgument, match="this Session has none: give one to it or to the call"):
            session.best_of_n(problems(1)[0], n=2)
        with pytest.raises(BadArgument, match="give a verifiers"):
            session.sample("1+1?", n=2)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="width"):
            session.beam_search(problems(1)[0], scorer=StepCounter(), width=0, expand=1, max_steps=1)
    with pytest.raises(RuntimeError, match="this Session is closed"):
        session.sample(problems(1)[0], n=2)
    with pytest.raises(BadArgument, match="policy"):
        search.Session("tiny:policy")  # type: ignore[arg-type]


def test_leaving_by_an_exception_cancels_what_is_under_way() -> None:
    policy = Streaming(policies.Scripted(reply), holds=lambda p: True)
    threads = set(threading.enumerate())
    started: list[Pending] = []

    def leave() -> None:
        with session_on(policy) as session:
            started.append(session.sample(problems(1)[0], n=2))
            raise KeyError("a mistake outside")

    with pytest.raises(KeyError):
        leave()
    assert started[0].cancelled()
    assert set(threading.enumerate()) <= threads


def test_the_first_answer_may_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    session = session_on(Streaming(policies.Scripted(reply), holds=lambda problem: problem.id != "p0"))
    pending = [session.sample(problem, n=2) for problem in problems(3)]
    pending[0].add_done_callback(lambda _: session.close(cancel=True))
    assert len(pending[0].result(LONGEST).pool) == 2
    until(lambda: all(waiting.cancelled() for waiting in pending[1:]))
    session.close()
    assert not caplog.records  # a callback that raises is logged


def test_what_is_remembered_is_forgotten_between_searches() -> None:
    class Remembering(StepCounter):
        made = 0

        def remembering(self) -> "Remembering":
            Remembering.made += 1
            return Remembering()

    both_joined = threading.Event()

    def waits(problem: Problem, prefix: Solution, seed: int) -> str:
        both_joined.wait(LONGEST)
        return reply(problem, prefix, seed)

    scorer = Remembering()
    with search.Session(policies.Scripted(waits), scorer) as session:
        for _ in range(2):
            both_joined.clear()
            both = [session.beam_search(p, **BEAM) for p in problems(2)]
            both_joined.set()
            for pending in both:
                pending.result(LONGEST)
            until(lambda: not session._judges)
    assert Remembering.made == 2


def test_scores_of_many_searches_are_one_call() -> None:
    joined = threading.Event()

    class Waiting(StepCounter):
        def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
            joined.wait(LONGEST)
            return super().score(problems, solutions)

    scorer = Waiting()
    with search.Session(policies.Scripted(reply), scorer) as session:
        under_way = [session.best_of_n(p, n=2) for p in problems(50)]
        joined.set()
        for pending in under_way:
            pending.result(LONGEST)
    assert sum(scorer.calls) == 100
    assert len(scorer.calls) <= 4


def test_a_row_that_cannot_be_started_is_its_own_failure() -> None:
    class Refusing(Rows):
        def add(self, problems, *args, **options):
            if any(problem.id == "p1" for problem in problems):
                raise ValueError("temperature 3 is too hot")
            return super().add(problems, *args, **options)

    expected = search.best_of_n(problems(4), policies.Scripted(reply), StepCounter(), n=4)
    results = search.best_of_n(problems(4), Streaming(policies.Scripted(reply), rows=Refusing), StepCounter(), n=4)
    assert [comparable(r) for i, r in enumerate(results) if i != 1] == [
        comparable(r) for i, r in enumerate(expected) if i != 1
    ]
    assert [s.reason for s in results[1].pool] == ["ValueError: temperature 3 is too hot"] * 4
    with session_on(Streaming(policies.Scripted(reply), rows=Refusing)) as session:
        with pytest.raises(ValueError, match="too hot"):  # on every row so far: a mistake
            session.best_of_n(problems(2)[1], n=4).result(LONGEST)
        assert comparable(session.best_of_n(problems(1)[0], n=4).result(LONGEST)) == comparable(expected[0])


class Stubborn:
    """A strategy that does not end in good order."""

    def __iter__(self):
        return self

    def __next__(self):
        return search.Extend((Solution(),), 1, "end")

    send = throw = lambda self, *_: next(self)

    def close(self):
        raise RuntimeError("it will not close")


def returns_nothing(asks: bool) -> search.Strategy:
    if asks:
        yield search.Extend((Solution(),), 1, "end")
    return None  # type: ignore[return-value]


def yields_anything() -> search.Strategy:
    yield "a step, please"  # type: ignore[misc]
    raise AssertionError


@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
def test_a_slip_in_a_strategy_is_its_search_s_alone(streams: bool) -> None:
    with session_on(Streaming(policies.Scripted(reply)) if streams else None) as session:
        slips = [
            session.submit(problems(1)[0], strategy)
            for strategy in (returns_nothing(True), returns_nothing(False), yields_anything())
        ]
        stubborn = session.submit(problems(1)[0], Stubborn())  # type: ignore[arg-type]
        after = session.best_of_n(problems(2)[1], n=4)
        for slip, words in zip(slips, ["returned None", "returned None", "yielded 'a step, please'"], strict=True):
            with pytest.raises(TypeError, match=words):
                slip.result(LONGEST)
        assert after.result(LONGEST).answer is not None
        stubborn.cancel()
        assert session.best_of_n(problems(3)[2], n=4).result(LONGEST).answer is not None


def test_a_search_whose_rows_all_fail_raises_whatever_worked_before() -> None:
    with session_on(FailsOn("p3")) as session:
        for _ in range(2):
            with pytest.raises(ConnectionError, match="HTTP 500"):
                session.best_of_n(problems(4)[3], n=4).result(LONGEST)
            assert session.best_of_n(problems(1)[0], n=4).result(LONGEST).answer is not None


def test_a_policy_that_cannot_even_cancel_ends_the_searches_with_its_first_error() -> None:
    class Broken(Streaming):
        def stream(self):
            rows = super().stream()

            def die(*, seconds):
                raise RuntimeError("the engine has stopped")

            def lost(numbers):
                raise KeyError(3)

            rows.ended, rows.cancel = die, lost
            rows.close = lambda: None
            return rows

    with session_on(Broken(policies.Scripted(reply))) as session:
        both = [session.sample(p, n=2) for p in problems(2)]
        for pending in both:
            with pytest.raises(RuntimeError, match="the engine has stopped"):
                pending.result(LONGEST)
        assert session.score(problems(1)[0], []).result(LONGEST).pool == ()


def test_a_session_holds_no_scorer_of_searches_that_are_over() -> None:
    class Remembering(StepCounter):
        def remembering(self) -> "Remembering":
            made = Remembering()
            alive.add(made)
            return made

    alive: weakref.WeakSet[Remembering] = weakref.WeakSet()
    with search.Session(policies.Scripted(reply), Remembering()) as session:
        for p in problems(6):
            session.beam_search(p, **BEAM).result(LONGEST)
            until(lambda: not session.under_way)
        until(lambda: gc.collect() >= 0 and len(alive) <= 1)


def test_rows_go_on_however_many_scores_are_asked_for() -> None:
    class Lazy(Streaming):
        """Computes only while it is waited for, a tick a call at the least."""

        def stream(self):
            rows = super().stream()
            ended, ticks = rows.ended, iter(range(10**9))
            rows.ended = lambda *, seconds: ended(seconds=0) if next(ticks) % 5 == 4 else []
            return rows

    with session_on(Lazy(policies.Scripted(reply))) as session:
        drawn = session.sample(problems(1)[0], n=6)
        done = Solution((Step("a"),), Stop.EOS)
        deadline = time.monotonic() + LONGEST
        while not drawn.done() and time.monotonic() < deadline:
            session.score(problems(2)[1], [done])
            time.sleep(0.001)
        assert len(drawn.result(1).pool) == 6


class _Mistaken(StepCounter):
    """A scorer whose code is wrong for some problems."""

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        if any(problem.id in ("p1", "p4") for problem in problems):
            raise NameError("name 'sloutions' is not defined")
        return super().score(problems, solutions)


@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
def test_a_mistake_in_a_scorer_ends_the_searches_whose_rows_it_was(streams: bool) -> None:
    alone = [comparable(r) for r in search.best_of_n(problems(6), policies.Scripted(reply), StepCounter(), n=4)]
    policy: Any = Streaming(policies.Scripted(reply)) if streams else policies.Scripted(reply)
    with search.Session(policy, _Mistaken()) as session:
        pending = [session.best_of_n(problem, n=4) for problem in problems(6)]
        for place, (waiting, expected) in enumerate(zip(pending, alone, strict=True)):
            if problems(6)[place].id in ("p1", "p4"):
                with pytest.raises(NameError, match="sloutions"):
                    waiting.result(60)
            else:
                assert comparable(waiting.result(60)) == expected


@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
def test_a_mistake_in_a_policy_ends_the_searches_whose_rows_it_was(streams: bool) -> None:
    def mistaken(problem: Problem, prefix: Solution, seed: int) -> str | Solution:
        if problem.id == "p1":
            raise NotImplementedError("no images")
        return reply(problem, prefix, seed)

    alone = [comparable(r) for r in search.sample(problems(3), policies.Scripted(reply), n=4)]
    policy: Any = Streaming(policies.Scripted(mistaken)) if streams else policies.Scripted(mistaken)
    with search.Session(policy) as session:
        pending = [session.sample(problem, n=4) for problem in problems(3)]
        with pytest.raises(NotImplementedError, match="no images"):
            pending[1].result(60)
        assert [comparable(pending[place].result(60)) for place in (0, 2)] == [alone[0], alone[2]]


@pytest.mark.parametrize("streams", [False, True], ids=["calls", "streams"])
@pytest.mark.parametrize("row_first", [False, True], ids=["at once", "after a row that failed by itself"])
@pytest.mark.parametrize("fails", ["scorer", "policy", "strategy"])
def test_a_search_that_failed_holds_no_session_and_no_policy(fails: str, streams: bool, row_first: bool) -> None:
    def held() -> list[weakref.ref[Any]]:
        rows_own = iter([ValueError("too long")] * 3 if row_first else ())  # of four rows, two, and one

        def mistaken(*asked: Any, **options: Any) -> Any:
            raise next(rows_own, NotImplementedError("no images"))

        policy: Any = policies.Scripted(mistaken if fails == "policy" else reply)
        policy = Streaming(policy) if streams else policy
        problem = problems(2)[1]
        scorer = StepCounter()
        scorer.score = mistaken  # type: ignore[method-assign]
        with search.Session(policy, scorer) as session:
            no_strategy: Any = (request for request in ["hello"])
            failed = session.submit(problem, no_strategy) if fails == "strategy" else session.best_of_n(problem, n=4)
            assert isinstance(failed.exception(LONGEST), NotImplementedError | TypeError)
        return [weakref.ref(session), weakref.ref(policy)]

    gc.collect()
    gc.disable()
    try:
        refs = held()
        until(lambda: not any(ref() for ref in refs), seconds=5)
    finally:
        gc.enable()


def test_an_engine_that_stopped_is_asked_once_for_all() -> None:
    asked: list[int] = []

    class Stopped(StepCounter):
        def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
            asked.append(len(problems))
            raise EngineStoppedError("it died")

    driver = Driver(policies.Scripted(reply))
    for problem in problems(3):
        strategy = best_of_n_strategy(problem, 2, selector("best", seed=0), MATH)
        driver.join(Search(problem, strategy, {"search": Stopped()}, policies.Sampling(), search.Budget(), 0))
    shared = Stopped()
    for one in driver.active:
        one.scorers = {"search": shared}
    ended = driver.turn()
    assert [str(one.error) for one in ended] == ["it died"] * 3
    assert asked == [6]


def test_rows_that_are_asked_for_again_are_answered_once_and_none_is_left_at_work() -> None:
    class Rowwise(Rows):
        """Takes one row at a time, of which that of p1 is a mistake, and those of p0 and p4 cannot be started."""

        def add(self, problems: Sequence[Problem], *rest: Any, **options: Any) -> list[int]:
            if len(problems) > 1 or (problems[0].id in ("p0", "p4") and options["seeds"][0] % 2):
                raise ValueError("too many")
            if problems[0].id == "p1":
                raise NotImplementedError("no images")
            return super().add(problems, *rest, **options)

    policy = Streaming(policies.Scripted(reply), rows=Rowwise)
    driver = Driver(policy)
    for problem in problems(6):
        strategy = best_of_n_strategy(problem, 8, selector("best", seed=0), MATH)
        driver.join(Search(problem, strategy, {"search": StepCounter()}, policies.Sampling(), search.Budget(), 0))
    ended: list[Search] = []
    while driver.active:
        ended += driver.turn()
    told = {one.problem.id: one for one in ended}
    assert [name for name, one in told.items() if one.error] == ["p1"]
    for name, one in told.items():
        if one.result:
            assert one.under_way == 0
            assert len(one.result.pool) == one.result.spend.policy_calls == 8
            assert any(s.reason for s in one.result.pool) == (name in ("p0", "p4"))
    streamed = driver._streamed
    assert streamed is not None
    assert not streamed._rows
    assert not streamed._of


def test_rows_are_found_for_their_searches_at_once() -> None:
    """Each turn looks a row's search up in a set: in a list, thousands of searches would take seconds a turn."""

    class Counting(Search):
        __slots__ = ()
        compared = 0
        __hash__ = Search.__hash__

        def __eq__(self, other: object) -> bool:
            Counting.compared += 1
            return self is other

    driver = Driver(policies.Scripted(reply))
    for problem in problems(50):
        driver.join(Counting(problem, sample_strategy(problem, 4), {}, policies.Sampling(), search.Budget(), 0))
    while driver.active:
        driver.turn()
    assert Counting.compared < 50 * 4
