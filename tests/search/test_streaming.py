"""Rows of a policy that streams, where they are not as they should be: whose search ends, and whose goes on."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import policies
import search
from search.driver import Driver
from search.searching import Search
from search.strategies.sample import sample_strategy
from tests.search.streaming_policy import Rows, Streaming
from tests.search.test_calls import DONE, joined
from tests.search.test_driver import comparable, problems, reply
from tests.waiting import LONGEST
from verifiers import Problem, Solution, Spend


def test_a_stream_that_starts_too_few_rows_is_told_of_and_has_none_left() -> None:
    class Short(Rows):
        def add(self, *rest: Any, **options: Any) -> list[int]:
            return super().add(*rest, **options)[:-1]

    streaming = Streaming(policies.Scripted(reply), rows=Short, holds=lambda problem: True)
    told = "the policy answered 3 rows where 4 were asked for"
    with search.Session(streaming) as session, pytest.raises(ValueError, match=told):
        session.sample(problems(1)[0], n=4).result(LONGEST)
    assert streaming.cancelled == ["p0"] * 4  # each once: three at once, and the one that nobody knew of at the end


def sampling(policy: Streaming, count: int, n: int) -> tuple[Driver, list[Search]]:
    driver = Driver(policy)
    return driver, joined(driver, lambda p: sample_strategy(p, n), count)


def run(driver: Driver) -> None:
    end = time.monotonic() + LONGEST
    while driver.active:
        assert time.monotonic() < end
        driver.turn(wait=1)
    assert driver._streamed is not None
    assert not driver._streamed._rows
    assert not driver._streamed._of


class Held(Rows):
    """Rows of which some never end, by their numbers."""

    never: tuple[int, ...] = ()

    def add(self, problems: Sequence[Problem], *rest: Any, **options: Any) -> list[int]:
        numbers = super().add(problems, *rest, **options)
        self.held |= {number: p.id for number, p in zip(numbers, problems, strict=True) if number in self.never}
        self.ready = [row for row in self.ready if row[0] not in self.held]
        return numbers


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_that_ends_what_is_no_row_is_told_of_and_those_that_come_later_go_on(seed: int) -> None:
    class Odd(Held):
        never = (3,)

        def ended(self, *, seconds: float | None = None) -> list[Any]:
            given = super().ended(seconds=seconds)
            return [(99 if one.error is None and number == 0 else number, *rest) for number, *rest in given]

    streaming = Streaming(policies.Scripted(reply), rows=Odd, seed=seed)
    driver, (one,) = sampling(streaming, 1, 4)
    run(driver)
    assert str(one.error) == "the policy's stream says that row 99 has ended, and it is not under way"
    assert streaming.cancelled == ["p0"]
    Odd.never = ()
    (later,) = joined(driver, lambda p: sample_strategy(p, 4), 1)
    run(driver)
    assert later.result is not None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda number, solution, spend: (number, "4", spend), "ended row 0 with '4' and Spend"),
        (lambda number, solution, spend: (number, solution, None), "ended row 0 with <Solution .*> and None; give"),
    ],
)
def test_a_stream_whose_answer_is_none_fails_that_search_alone(made: Callable[..., Any], told: str, seed: int) -> None:
    class Odd(Held):
        never = (6, 7)

        def ended(self, *, seconds: float | None = None) -> list[Any]:
            return [made(*row) if row[0] == 4 else row for row in super().ended(seconds=seconds)]

    alone = [comparable(r) for r in search.sample(problems(4), policies.Scripted(reply), n=4)]
    streaming = Streaming(policies.Scripted(reply), rows=Odd, seed=seed)
    driver, searches = sampling(streaming, 4, 4)
    run(driver)
    with pytest.raises(ValueError, match=f"^problem 'p1': the policy {told}"):
        raise searches[1].error or AssertionError
    assert streaming.cancelled == ["p1", "p1"]
    assert [comparable(s.result) for s in searches if s.result is not None] == [alone[0], alone[2], alone[3]]
    (later,) = joined(driver, lambda p: sample_strategy(p, 4), 1)
    run(driver)
    assert later.result is not None


def test_a_stopped_row_whose_cost_is_none_fails_that_search_alone() -> None:
    class Odd(Rows):
        def cancel(self, rows: Sequence[int]) -> list[Any]:
            return [(number, None) for number, _ in super().cancel(rows)]

        def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
            time.sleep(0.01)
            return super().ended(seconds=seconds) if self.policy.cancelled else []  # the others are at work then

    streaming = Streaming(policies.Scripted(reply), rows=Odd, holds=lambda problem: problem.id == "p1")
    driver, searches = sampling(streaming, 3, 4)
    searches[1].deadline = time.monotonic() + 0.05
    run(driver)
    assert "the policy ended row" in str(searches[1].error)
    assert [s.result is not None for s in searches] == [True, False, True]


def test_a_stream_that_gives_a_number_twice_is_told_of_and_the_row_under_way_goes_on() -> None:
    class Twice(Rows):
        def add(self, problems: Sequence[Problem], *rest: Any, **options: Any) -> list[int]:
            numbers = super().add(problems, *rest, **options)
            known = self.ready[0][0]  # one of p0's
            return [known if problem.id == "p1" else number for number, problem in zip(numbers, problems, strict=True)]

    streaming = Streaming(policies.Scripted(reply), rows=Twice, holds=lambda problem: problem.id == "p1")
    driver, searches = sampling(streaming, 2, 4)
    run(driver)
    assert str(searches[1].error) == "the policy answered 0 rows where 4 were asked for"
    assert searches[0].result is not None


def test_each_search_is_told_of_the_first_that_went_wrong_with_it() -> None:
    class Odd(Rows):
        def ended(self, *, seconds: float | None = None) -> list[Any]:
            first, second, *_ = self.held
            return [(first, "4", Spend()), (second, "5", Spend()), (999, DONE, Spend())]

    streaming = Streaming(policies.Scripted(reply), rows=Odd, holds=lambda problem: problem.id == "p0")
    driver, searches = sampling(streaming, 2, 3)
    driver.turn(wait=1)
    assert str(searches[0].error).startswith("problem 'p0': the policy ended row 0 with '4' and Spend(")
    assert str(searches[1].error) == "the policy's stream says that row 999 has ended, and it is not under way"


def test_a_stream_that_cannot_be_closed_is_given_up_as_well() -> None:
    class Stuck(Rows):
        def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
            if self.policy.inner is refusing:
                raise OSError("it died")
            return super().ended(seconds=seconds)

        def close(self) -> None:
            raise OSError("it is dead")

    refusing = policies.Scripted(reply)
    streaming = Streaming(refusing, rows=Stuck)
    driver, searches = sampling(streaming, 2, 3)
    run(driver)
    assert [str(s.error) for s in searches] == ["it died"] * 2
    streaming.inner = policies.Scripted(reply)
    [later] = joined(driver, lambda p: sample_strategy(p, 3), 1)
    run(driver)
    assert later.result is not None
