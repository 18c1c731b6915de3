"""Runs the strategies of many problems at once: merges their requests, counts what they spend.

Per round there is one call to the policy for all open extensions of a kind and one to each scorer,
however many problems there are. What a problem is sent depends on its own requests alone, so the
results for problems P and Q together equal those for P and for Q, in any batch size.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from policies.policy import Extended, Policy, Sampling, Until
from search.budget import Budget
from search.requests import Extend, OutOfBudget, Request, Score, Strategy
from search.result import SearchResult
from verifiers.interface.arguments import check_policy_argument, check_problems, check_scorer_argument
from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import EngineStoppedError, ScoresShapeError, check_whole
from verifiers.interface.scoring import ZERO, FloatArray, Reduce, Scorer, Scores, Spend, ask, silent_row
from verifiers.interface.seeds import check_unique_ids, seed_at
from verifiers.interface.solution import Problem, Solution, Stop, failed

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")


@dataclass(slots=True)
class _Search:
    """The state of one problem's search between calls."""

    problem: Problem
    strategy: Strategy
    request: Request | None = None
    result: SearchResult | None = None
    extensions: int = 0  # Extend requests so far: the first part of a row's place in the tree
    answered: list[Solution] = field(default_factory=list)  # rows of the open Extend request
    samples: int = 0
    tokens: float = 0
    spends: list[Spend] = field(default_factory=list)
    policy_seconds: float = 0.0
    scorer_seconds: float = 0.0

    def send(self, reply: tuple[Solution, ...] | Scores | None) -> None:
        self._advance(lambda: next(self.strategy) if reply is None else self.strategy.send(reply))

    def throw(self, error: OutOfBudget) -> None:
        self._advance(lambda: self.strategy.throw(error))

    def _advance(self, step: Callable[[], Request]) -> None:
        if isinstance(self.request, Extend):
            self.extensions += 1
        self.answered = []
        try:
            self.request = step()
        except StopIteration as stop:
            self.request = None
            spend = Spend.total(self.spends)
            timed = replace(spend, policy_seconds=self.policy_seconds, scorer_seconds=self.scorer_seconds)
            self.result = replace(stop.value, spend=timed)
            return
        if isinstance(self.request, Extend):
            n: Any = self.request.n
            if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
                raise ValueError(f"problem {self.problem.id!r}: {n} samples were asked for; ask for 1 or more")


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
    sampling, budget = sampling or Sampling(), budget or Budget()
    if policy is not None:
        check_policy_argument(policy)
    for name, scorer in scorers.items():
        check_scorer_argument(scorer, name="final" if name == "final" else "scorer")
    check_whole({"seed": seed})
    runs = [_Search(problem, strategy) for problem, strategy in searches]
    check_unique_ids(run.problem.id for run in runs)
    calls = _Calls(remembering(policy), scorers, sampling, seed)
    deadline = None if budget.seconds is None else time.monotonic() + budget.seconds
    bar = _progress_bar(len(runs)) if progress else None
    for run in runs:
        run.send(None)
    while active := [run for run in runs if run.result is None]:
        if bar is not None:
            bar.update(len(runs) - len(active) - bar.n)
        for until in ("step", "end"):
            asking = [r for r in active if isinstance(r.request, Extend) and r.request.until == until]
            if asking:
                _answer_extend(asking, until, calls, budget, deadline)
        for by in scorers:
            asking = [r for r in active if isinstance(r.request, Score) and r.request.by == by]
            if asking:
                calls.score(asking, by)
        unknown = [r for r in active if isinstance(r.request, Score) and r.request.by not in scorers]
        if unknown:
            raise ValueError(f"a strategy asked for the scorer {unknown[0].request!r}: there are {sorted(scorers)}")
    if bar is not None:
        bar.update(len(runs) - bar.n)
        bar.close()
    return [run.result for run in runs if run.result is not None]


def _progress_bar(total: int) -> "tqdm[NoReturn]":
    from tqdm import tqdm  # which starts a thread

    return tqdm(total=total, unit="problem", desc="search")


def _answer_extend(
    asking: list[_Search], until: Until, calls: "_Calls", budget: Budget, deadline: float | None
) -> None:
    """Answer what the budget covers; a search with rows still open asks again in the next round."""
    late = deadline is not None and time.monotonic() >= deadline
    granted: list[tuple[_Search, int]] = []
    for run in asking:
        rows = 0 if late else _affordable(run, budget, calls.sampling)
        if rows:
            granted.append((run, rows))
        else:
            limit = "seconds" if late else "samples" if run.samples == budget.samples else "tokens"
            reason = f"the budget of {getattr(budget, limit)} {limit} ended the search"
            run.throw(OutOfBudget(reason, tuple(run.answered)))
    calls.extend(granted, until)
    for run, _ in granted:
        if isinstance(run.request, Extend) and len(run.answered) == run.request.n * len(run.request.prefixes):
            run.send(tuple(run.answered))


def _affordable(run: _Search, budget: Budget, sampling: Sampling) -> int:
    """How many further rows of the open request the budget covers, each at its worst case."""
    if not isinstance(run.request, Extend):
        return 0
    request, start = run.request, len(run.answered)
    rows = request.n * len(request.prefixes) - start
    if budget.samples is not None:
        rows = min(rows, budget.samples - run.samples)
    if budget.tokens is None:
        return rows
    left = budget.tokens - run.tokens
    for i in range(rows):
        left -= max(1, sampling.max_tokens - request.prefixes[(start + i) // request.n].token_count)
        if left < 0:
            return i
    return rows


@dataclass(frozen=True, slots=True)
class _Calls:
    """The merged calls to the policy and the scorers."""

    policy: Policy | None
    scorers: Mapping[str, Scorer]
    sampling: Sampling
    seed: int
    worked: set[str] = field(default_factory=set)  # who has answered at least one row

    def extend(self, granted: Sequence[tuple[_Search, int]], until: Until) -> None:
        if not granted:
            return
        policy = self.policy
        if policy is None:
            raise ValueError("a strategy asked for samples, and there is no policy to draw them from")
        problems: list[Problem] = []
        prefixes: list[Solution] = []
        seeds: list[int] = []
        for run, rows in granted:
            assert isinstance(run.request, Extend)
            request, start = run.request, len(run.answered)
            for row in range(start, start + rows):
                at, sample = divmod(row, request.n)
                prefixes.append(request.prefixes[at])
                seeds.append(seed_at(self.seed, run.problem.id, run.extensions, at, sample))
            problems.extend([run.problem] * rows)

        def call(i: int, j: int) -> list[tuple[Solution, Spend]]:
            reply: Extended = policy.extend(
                problems[i:j], prefixes[i:j], until=until, sampling=self.sampling, seeds=seeds[i:j]
            )
            return list(zip(reply.solutions, reply.spend, strict=True))

        def fail(i: int, reason: str) -> tuple[Solution, Spend]:
            return failed(reason, prefixes[i].steps), Spend(policy_calls=1)

        started = time.perf_counter()
        extended = iter(self._row_by_row("policy", call, fail, problems))
        seconds = (time.perf_counter() - started) / len(problems)
        for run, rows in granted:
            answers = list(islice(extended, rows))
            run.answered.extend(solution for solution, _ in answers)
            run.spends.extend(spend for _, spend in answers)
            run.samples += rows
            run.tokens += sum(spend.sampled_tokens for _, spend in answers)
            run.policy_seconds += rows * seconds

    def score(self, asking: Sequence[_Search], by: str) -> None:
        """One call for all; failed solutions are not sent: their score is NaN with their own reason."""
        scorer = self.scorers[by]
        problems: list[Problem] = []
        solutions: list[Solution] = []
        for run in asking:
            assert isinstance(run.request, Score)
            alive = [s for s in run.request.solutions if s.stop is not Stop.FAILED]
            problems.extend([run.problem] * len(alive))
            solutions.extend(alive)
        reduces: list[Reduce] = []

        def call(i: int, j: int) -> list[tuple[FloatArray, Spend, str | None]]:
            scores = ask(scorer, problems[i:j], solutions[i:j])
            reduces.append(scores.reduce)
            return list(zip(scores.steps, scores.spend, scores.reasons, strict=True))

        def fail(i: int, reason: str) -> tuple[FloatArray, Spend, str | None]:
            return silent_row(len(solutions[i].steps)), Spend(scorer_calls=1), reason

        started = time.perf_counter()
        scored = iter(self._row_by_row(f"scorer {by!r}", call, fail, problems) if problems else [])
        seconds = (time.perf_counter() - started) / max(1, len(problems))
        for run in asking:
            assert isinstance(run.request, Score)
            rows: list[tuple[FloatArray, Spend, str | None]] = []
            for solution in run.request.solutions:
                if solution.stop is Stop.FAILED:
                    rows.append((silent_row(len(solution.steps)), ZERO, solution.reason))
                else:
                    rows.append(next(scored))
                    run.scorer_seconds += seconds
            steps, spends, reasons = zip(*rows, strict=True) if rows else ((), (), ())
            run.spends.extend(spends)
            run.send(Scores(steps, spends, reasons, reduces[0] if reduces else "last"))

    def _row_by_row(
        self,
        who: str,
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
                raise _WrongLengthError(f"the {who} answered {len(rows)} rows where {j - i} were asked for")
            self.worked.add(who)
            return rows

        errors: list[Exception] = []
        rows = attempt(0, len(problems))
        if errors and who not in self.worked:
            errors[-1].add_note(f"the {who} has failed on every row so far, last on problem {problems[-1].id!r}")
            raise errors[-1]
        return rows


class _WrongLengthError(ValueError):
    """A reply that cannot be matched with its rows: raised through, never a row's failure."""
