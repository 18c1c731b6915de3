"""One call to a policy or a scorer for the rows of many searches, and what becomes of rows that fail.

An exception fails the rows that cause it, with its text as the reason, and the others go on. One that has struck every
row so far, of a search and of those that were started with it, is a mistake in the program, and is theirs to be raised.
"""

import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

from policies.policy import Extended, Policy, Sampling, Until
from search.requests import Score
from search.searching import Row, Search
from verifiers.interface.arguments import shown
from verifiers.interface.errors import BadArgument, EngineStoppedError, is_a_rows, note_problem, reason_of
from verifiers.interface.scoring import ZERO, FloatArray, Reduce, Scorer, Scores, Spend, ask, silent_row
from verifiers.interface.solution import Solution, Stop, failed

R = TypeVar("R")
T = TypeVar("T")
POLICY = 0  # stands for the policy where a scorer has its id


def guarded(searches: Sequence[Search], call: Callable[[Sequence[Search]], None]) -> None:
    """One call for the searches; where it raises, halves of halves, so that only those at fault end.

    Those that were started together end together, as whoever waits for them is told of the first error; an engine that
    has stopped ends all that are left.
    """
    together: dict[int, list[Search]] = {}
    for search in searches:
        together.setdefault(id(search.company), []).append(search)
    parts = [list(together.values())]
    while parts:
        part = parts.pop()
        try:
            call(list(chain.from_iterable(part)))
        except Exception as error:  # noqa: BLE001  (it is raised to whoever waits for these searches)
            ended = part if len(part) == 1 else []
            if isinstance(error, EngineStoppedError):
                ended, parts = list(chain(part, *parts)), []
            elif not ended:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
            for search in chain.from_iterable(ended):
                search.fail(error)


def extend(policy: Policy, rows: Sequence[Row], until: Until, sampling: Sampling) -> None:
    """Answer the rows, which may be of many searches."""

    def call(asked: Sequence[Row]) -> list[tuple[Solution, Spend]]:
        problems = [row.search.problem for row in asked]
        prefixes = [row.prefix for row in asked]
        seeds = [row.seed for row in asked]
        reply: object = policy.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
        if not isinstance(reply, Extended):
            told = f"its extend returned {shown(reply)}; return policies.Extended, with a solution for each prefix"
            raise BadArgument("policy", shown(policy), told)
        return list(zip(reply.solutions, reply.spend, strict=True))

    def fail(row: Row, reason: str) -> tuple[Solution, Spend]:
        return failed(reason, row.prefix.steps), Spend(policy_calls=1)

    started = time.perf_counter()
    answers = row_by_row(POLICY, "policy", call, fail, rows, [row.search for row in rows])
    seconds = (time.perf_counter() - started) / len(rows)
    for row, answer in zip(rows, answers, strict=True):
        if answer is None:
            row.drop()
        else:
            row.answer(*answer)
        row.search.policy_seconds += seconds


def score(scorer: Scorer, asking: Sequence[Search], by: str) -> None:
    """Answer searches; failed solutions are not sent: their score is NaN with their own reason."""
    searches: list[Search] = []
    solutions: list[Solution] = []
    pools: list[tuple[Solution, ...]] = []
    for search in asking:
        assert isinstance(search.request, Score)
        pools.append(search.request.solutions)
        alive = [s for s in search.request.solutions if s.stop is not Stop.FAILED]
        searches.extend([search] * len(alive))
        solutions.extend(alive)
    reduces: list[Reduce] = []  # of calls with a score, then of the others

    def call(asked: Sequence[int]) -> list[tuple[FloatArray, Spend, str | None]]:
        scores = ask(scorer, [searches[i].problem for i in asked], [solutions[i] for i in asked])
        reduces.insert(0 if not all(scores.reasons) else len(reduces), scores.reduce)
        return list(zip(scores.steps, scores.spend, scores.reasons, strict=True))

    def fail(i: int, reason: str) -> tuple[FloatArray, Spend, str | None]:
        return silent_row(len(solutions[i].steps)), Spend(scorer_calls=1), reason

    started = time.perf_counter()
    scored = iter(row_by_row(id(scorer), f"scorer {by!r}", call, fail, range(len(searches)), searches))
    seconds = (time.perf_counter() - started) / max(1, len(searches))
    for search, pool in zip(asking, pools, strict=True):
        rows: list[tuple[FloatArray, Spend, str | None]] = []
        for solution in pool:
            if solution.stop is Stop.FAILED:
                rows.append((silent_row(len(solution.steps)), ZERO, solution.reason))
            elif (row := next(scored)) is not None:
                rows.append(row)
                search.scorer_seconds += seconds
        steps, spends, reasons = zip(*rows, strict=True) if rows else ((), (), ())
        search.spends.extend(spends)
        if not search.over and len(rows) == len(pool):
            search.send(Scores(steps, spends, reasons, reduces[0] if reduces else "last"))


def row_by_row(
    key: int,
    who: str,
    call: Callable[[Sequence[R]], Sequence[T]],
    fail: Callable[[R, str], T],
    rows: Sequence[R],
    searches: Sequence[Search],
) -> list[T | None]:
    """One call for all rows; where it raises, halves of halves, until only the rows at fault fail.

    `searches[i]` is whose row i is, and `key` stands for who is called; a search all of whose rows fail so ends. Rows
    whose search does not wait any more are asked for no more: their answer is None.
    """
    errors: dict[int, Exception] = {}
    answers: list[T | None] = [None] * len(rows)
    parts: list[Sequence[int]] = [range(len(rows))]
    try:
        while parts:
            asked = [i for i in parts.pop() if searches[i].waits]
            if not asked:
                continue
            try:
                part = call([rows[i] for i in asked])
            except Exception as error:  # whatever a model or a server raises is this row's reason
                if not is_a_rows(error):
                    raise
                if len(asked) > 1:
                    middle = len(asked) // 2
                    parts += [asked[middle:], asked[:middle]]
                    continue
                errors[asked[0]] = error
                part = [fail(rows[asked[0]], reason_of(error))]
            if len(part) != len(asked):
                raise _WrongLengthError(f"the {who} answered {len(part)} rows where {len(asked)} were asked for")
            for i, answer in zip(asked, part, strict=True):
                answers[i] = answer
        for i, search in enumerate(searches):
            if i not in errors and answers[i] is not None:
                search.company.add(key)
        lost = {i: searches[i] for i in errors if key not in searches[i].company}
        if lost:
            last = max(lost)
            note_problem(errors[last], f"the {who} has failed on every row so far, last on", lost[last].problem.id)
            for search in dict.fromkeys(lost.values()):
                search.fail(errors[last])
    finally:  # their tracebacks hold this frame: a circle that would hold the policy, and all that it had made
        errors.clear()
    return answers


class _WrongLengthError(ValueError):
    """A reply that cannot be matched with its rows: raised through, never a row's failure."""
