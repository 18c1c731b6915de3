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
from verifiers.interface.errors import BadArgument, EngineStoppedError, is_a_rows, reason_of
from verifiers.interface.scoring import ZERO, FloatArray, Reduce, Scorer, Scores, Spend, ask, silent_row
from verifiers.interface.solution import Problem, Solution, Stop, failed

T = TypeVar("T")
POLICY = 0  # stands for the policy where a scorer has its id


def guarded(searches: Sequence[Search], call: Callable[[Sequence[Search]], None]) -> None:
    """One call for the searches; where it raises, halves of halves, so that only those at fault end.

    Those that were started together end together, as whoever waits for them is told of the first error.
    """
    try:
        call(searches)
    except Exception as error:  # noqa: BLE001  (it is raised to whoever waits for these searches)
        together: dict[int, list[Search]] = {}
        for search in searches:
            together.setdefault(id(search.company), []).append(search)
        parts = list(together.values())
        if len(parts) == 1 or isinstance(error, EngineStoppedError):
            for search in searches:
                search.fail(error)
            return
    else:
        return
    half = len(parts) // 2
    for part in (parts[:half], parts[half:]):
        guarded(list(chain.from_iterable(part)), call)


def extend(policy: Policy, rows: Sequence[Row], until: Until, sampling: Sampling) -> None:
    """Answer the rows, which may be of many searches."""
    problems = [row.search.problem for row in rows]
    prefixes = [row.prefix for row in rows]
    seeds = [row.seed for row in rows]

    def call(i: int, j: int) -> list[tuple[Solution, Spend]]:
        reply: object = policy.extend(problems[i:j], prefixes[i:j], until=until, sampling=sampling, seeds=seeds[i:j])
        if not isinstance(reply, Extended):
            told = f"its extend returned {shown(reply)}; return policies.Extended, with a solution for each prefix"
            raise BadArgument("policy", shown(policy), told)
        return list(zip(reply.solutions, reply.spend, strict=True))

    def fail(i: int, reason: str) -> tuple[Solution, Spend]:
        return failed(reason, prefixes[i].steps), Spend(policy_calls=1)

    started = time.perf_counter()
    answers = row_by_row(POLICY, "policy", call, fail, [row.search for row in rows])
    seconds = (time.perf_counter() - started) / len(rows)
    for row, (solution, spend) in zip(rows, answers, strict=True):
        row.answer(solution, spend)
        row.search.policy_seconds += seconds


def score(scorer: Scorer, asking: Sequence[Search], by: str) -> None:
    """Answer searches; failed solutions are not sent: their score is NaN with their own reason."""
    problems: list[Problem] = []
    solutions: list[Solution] = []
    searches: list[Search] = []
    pools: list[tuple[Solution, ...]] = []
    for search in asking:
        assert isinstance(search.request, Score)
        pools.append(search.request.solutions)
        alive = [s for s in search.request.solutions if s.stop is not Stop.FAILED]
        problems.extend([search.problem] * len(alive))
        searches.extend([search] * len(alive))
        solutions.extend(alive)
    reduces: list[Reduce] = []  # of calls with a score, then of the others

    def call(i: int, j: int) -> list[tuple[FloatArray, Spend, str | None]]:
        scores = ask(scorer, problems[i:j], solutions[i:j])
        reduces.insert(0 if not all(scores.reasons) else len(reduces), scores.reduce)
        return list(zip(scores.steps, scores.spend, scores.reasons, strict=True))

    def fail(i: int, reason: str) -> tuple[FloatArray, Spend, str | None]:
        return silent_row(len(solutions[i].steps)), Spend(scorer_calls=1), reason

    started = time.perf_counter()
    scored = iter(row_by_row(id(scorer), f"scorer {by!r}", call, fail, searches) if searches else [])
    seconds = (time.perf_counter() - started) / max(1, len(problems))
    for search, pool in zip(asking, pools, strict=True):
        rows: list[tuple[FloatArray, Spend, str | None]] = []
        for solution in pool:
            if solution.stop is Stop.FAILED:
                rows.append((silent_row(len(solution.steps)), ZERO, solution.reason))
            else:
                rows.append(next(scored))
                search.scorer_seconds += seconds
        steps, spends, reasons = zip(*rows, strict=True) if rows else ((), (), ())
        search.spends.extend(spends)
        if not search.over:
            search.send(Scores(steps, spends, reasons, reduces[0] if reduces else "last"))


def row_by_row(
    key: int,
    who: str,
    call: Callable[[int, int], list[T]],
    fail: Callable[[int, str], T],
    searches: Sequence[Search],
) -> list[T]:
    """One call for all rows; where it raises, halves of halves, until only the rows at fault fail.

    `searches[i]` is whose row i is, and `key` stands for who is called; a search all of whose rows fail so ends.
    """
    errors: dict[int, Exception] = {}
    rows: list[T] = []
    parts = [(0, len(searches))]
    while parts:
        i, j = parts.pop()
        try:
            part = call(i, j)
        except Exception as error:  # whatever a model or a server raises is this row's reason
            if not is_a_rows(error):
                raise
            if j - i > 1:
                middle = (i + j) // 2
                parts += [(middle, j), (i, middle)]
                continue
            errors[i] = error
            part = [fail(i, reason_of(error))]
        if len(part) != j - i:
            raise _WrongLengthError(f"the {who} answered {len(part)} rows where {j - i} were asked for")
        rows += part
    for i, search in enumerate(searches):
        if i not in errors:
            search.company.add(key)
    lost = {i: searches[i] for i in errors if key not in searches[i].company}
    if lost:
        last = max(lost)
        errors[last].add_note(f"the {who} has failed on every row so far, last on problem {lost[last].problem.id!r}")
        for search in dict.fromkeys(lost.values()):
            search.fail(errors[last])
    errors.clear()  # their tracebacks hold this frame: a circle that would hold the policy, and all that it had made
    return rows


class _WrongLengthError(ValueError):
    """A reply that cannot be matched with its rows: raised through, never a row's failure."""
