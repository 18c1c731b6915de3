"""One call to a policy or a scorer for the rows of many searches, and what becomes of rows that fail."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from policies.policy import Extended, Policy, Sampling, Until
from search.requests import Score
from search.searching import Row, Search
from verifiers.interface.errors import EngineStoppedError, ScoresShapeError
from verifiers.interface.scoring import ZERO, FloatArray, Reduce, Scorer, Scores, Spend, ask, silent_row
from verifiers.interface.solution import Problem, Solution, Stop, failed

T = TypeVar("T")


class Calls:
    """Calls that are cut down to the rows at fault where they raise.

    An exception fails the rows that cause it, with its text as the reason, and the others go on; one that has struck
    every row so far is a mistake in the program and is raised.
    """

    def __init__(self) -> None:
        self._worked: dict[int, object] = {}  # who has answered at least one row; held, as ids are used again

    def extend(self, policy: Policy, rows: Sequence[Row], until: Until, sampling: Sampling) -> None:
        """Answer the rows, which may be of many searches."""
        problems = [row.search.problem for row in rows]
        prefixes = [row.prefix for row in rows]
        seeds = [row.seed for row in rows]

        def call(i: int, j: int) -> list[tuple[Solution, Spend]]:
            reply: Extended = policy.extend(
                problems[i:j], prefixes[i:j], until=until, sampling=sampling, seeds=seeds[i:j]
            )
            return list(zip(reply.solutions, reply.spend, strict=True))

        def fail(i: int, reason: str) -> tuple[Solution, Spend]:
            return failed(reason, prefixes[i].steps), Spend(policy_calls=1)

        started = time.perf_counter()
        answers = self.row_by_row(Policy, "policy", call, fail, problems)
        seconds = (time.perf_counter() - started) / len(rows)
        for row, (solution, spend) in zip(rows, answers, strict=True):
            row.answer(solution, spend)
            row.search.policy_seconds += seconds

    def score(self, scorer: Scorer, asking: Sequence[Search], by: str) -> None:
        """Answer searches; failed solutions are not sent: their score is NaN with their own reason."""
        problems: list[Problem] = []
        solutions: list[Solution] = []
        for search in asking:
            assert isinstance(search.request, Score)
            alive = [s for s in search.request.solutions if s.stop is not Stop.FAILED]
            problems.extend([search.problem] * len(alive))
            solutions.extend(alive)
        reduces: list[Reduce] = []

        def call(i: int, j: int) -> list[tuple[FloatArray, Spend, str | None]]:
            scores = ask(scorer, problems[i:j], solutions[i:j])
            reduces.append(scores.reduce)
            return list(zip(scores.steps, scores.spend, scores.reasons, strict=True))

        def fail(i: int, reason: str) -> tuple[FloatArray, Spend, str | None]:
            return silent_row(len(solutions[i].steps)), Spend(scorer_calls=1), reason

        started = time.perf_counter()
        scored = iter(self.row_by_row(scorer, f"scorer {by!r}", call, fail, problems) if problems else [])
        seconds = (time.perf_counter() - started) / max(1, len(problems))
        for search in asking:
            assert isinstance(search.request, Score)
            rows: list[tuple[FloatArray, Spend, str | None]] = []
            for solution in search.request.solutions:
                if solution.stop is Stop.FAILED:
                    rows.append((silent_row(len(solution.steps)), ZERO, solution.reason))
                else:
                    rows.append(next(scored))
                    search.scorer_seconds += seconds
            steps, spends, reasons = zip(*rows, strict=True) if rows else ((), (), ())
            search.spends.extend(spends)
            search.send(Scores(steps, spends, reasons, reduces[0] if reduces else "last"))

    def row_by_row(
        self,
        who: object,
        name: str,
        call: Callable[[int, int], list[T]],
        fail: Callable[[int, str], T],
        problems: Sequence[Problem],
    ) -> list[T]:
        """One call for all rows; where it raises, halves of halves, until only the rows at fault fail."""

        def attempt(i: int, j: int) -> list[T]:
            try:
                rows = call(i, j)
            except (EngineStoppedError, ScoresShapeError):
                raise
            except Exception as error:  # noqa: BLE001  (whatever a model or a server raises is this row's reason)
                errors.append(error)
                if j - i == 1:
                    return [fail(i, f"{type(error).__name__}: {error}")]
                middle = (i + j) // 2
                return attempt(i, middle) + attempt(middle, j)
            if len(rows) != j - i:
                raise _WrongLengthError(f"the {name} answered {len(rows)} rows where {j - i} were asked for")
            self._worked[id(who)] = who
            return rows

        errors: list[Exception] = []
        rows = attempt(0, len(problems))
        if errors and id(who) not in self._worked:
            errors[-1].add_note(f"the {name} has failed on every row so far, last on problem {problems[-1].id!r}")
            raise errors[-1]
        return rows


class _WrongLengthError(ValueError):
    """A reply that cannot be matched with its rows: raised through, never a row's failure."""
