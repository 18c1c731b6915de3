"""Monte-Carlo values of prefixes, collected into a data set to train PRMs on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from policies.backends.load import load
from policies.policy import Policy, Sampling
from policies.replicas.workers import Job, Replicas, Workers, work_off, workers
from prms.rollouts import State, Tally, check_counts, figures, grade, roll_out, sample, settled, state_of
from prms.value_rows import dataset_of, root_row, solution_rows
from verifiers.interface.arguments import (
    check_kind,
    check_policy_argument,
    check_problems,
    check_scorer_argument,
    path_argument,
)
from verifiers.interface.capabilities import remembering
from verifiers.interface.checksums import CHECKSUMS, check_checksums, write_checksums
from verifiers.interface.digests import digest_of
from verifiers.interface.errors import BadInput, check_flags, check_least, check_whole
from verifiers.interface.files import Row, append_rows, check_identity, held, replace_text, replacing, whole_rows
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import Scorer, Spend
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Stop

if TYPE_CHECKING:
    from datasets import Dataset

_KIND = "prms.collect_values"


def collect_values(
    policy: Policy | str,
    problems: Sequence[Problem],
    verifier: Scorer,
    *,
    coverage: int,
    rollouts: int,
    out: str | PathLike[str],
    first_pit: bool = False,
    sampling: Sampling | None = None,
    seed: int = 0,
    chunk: int = 16,
    replicas: Replicas | None = None,
    progress: bool = False,
) -> Dataset:
    r"""Sample `coverage` solutions of each problem, then `rollouts` completions of each of their prefixes.

    The value of a prefix is the fraction of its rollouts that the verifier finds right (Setlur et al. 2024,
    arXiv 2410.08146). With a low budget the paper takes `coverage` > `rollouts`, with a high one
    `rollouts` > `coverage`; its own data have 20 rollouts. `first_pit=True` is its filter: of a wrong
    solution only the steps up to the first of value 0 are kept, and nothing is rolled out beyond it.

    >>> import tempfile
    >>> import policies
    >>> from verifiers import Problem, from_function
    >>> policy = policies.Scripted(lambda problem, prefix, seed: f"2+2={3 + seed % 2}\nso"[len(prefix.text):])
    >>> right = from_function(lambda problem, solution: float("=4" in solution.text))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     values = collect_values(
    ...         policy, [Problem("p1", "2+2?")], right, coverage=2, rollouts=4, out=f"{folder}/values")
    >>> list(values["step"]), values["prefix"][1]
    ([0, 1, 2, 1, 2], ['2+2=4\n'])

    The columns are those of `prms.value_rows`: a row with step 0 for the value of each problem, then one row
    a step of every sampled solution, with successes and rollouts, so that `prms.best_of_k_value` can be had
    from them. `prms.labelled` makes training data of the rows. Equal prefixes of a problem share their
    rollouts; the last step of an ended solution needs none, as its outcome is known (a cut one is wrong).
    A rollout that failed counts as wrong, one of unknown grade not at all; where no outcome is known the
    value is None. A sampled solution that failed has no rows of its own.

    `policy` may be a text that `policies.load` takes; so it must be, with `replicas` that work side by side on a chunk
    each, where it cannot be sent to other processes, as no engine can.

    `out` is a folder: `dataset/` as `Dataset.save_to_disk` writes it, `summary.json` with what was done,
    what failed and the whole spend, and `journal.jsonl`, one line a chunk of problems. A collection that was
    killed at any point and is started again with the same arguments (and policy, which is not checked)
    ends with the same rows. No row depends on `chunk`, the number of problems whose prefixes are completed
    in one call to the policy.

    Raises ValueError for no problems, a count below 1, problem ids that occur twice, outcomes other than 0 and
    1, and a folder with other contents; BlockingIOError where another process is writing there.
    """
    check_least(1, {"coverage": coverage, "rollouts": rollouts, "chunk": chunk}, who="collect_values")
    problems = check_problems(problems)
    if not problems:
        raise ValueError("collect_values was given no problems")
    check_whole({"seed": seed}, who="collect_values")
    sampling = Sampling() if sampling is None else sampling
    check_kind("sampling", sampling, Sampling, "write policies.Sampling(temperature=...)")
    folder = path_argument("out", out)
    check_flags({"first_pit": first_pit, "progress": progress})
    check_scorer_argument(verifier, name="verifier")
    if not isinstance(policy, str):
        check_policy_argument(policy)
    plan = _Plan(coverage, rollouts, bool(first_pit), sampling, seed)
    chunks = [problems[i : i + chunk] for i in range(0, len(problems), chunk)]
    with held(folder, owner="journal.jsonl"):
        config = plan.config(verifier, problems, chunk)
        records = _records(folder / "journal.jsonl", config, chunks)
        if todo := chunks[len(records) :]:
            with workers(partial(_models, policy, verifier), replicas) as them:
                _begin(folder / "journal.jsonl", config)  # only now: what is refused before leaves nothing
                records += _work_off(plan, todo, them, folder / "journal.jsonl", len(problems), progress)
        return _finish(folder, records)


@dataclass(frozen=True, slots=True)
class _Plan:
    coverage: int
    rollouts: int
    first_pit: bool
    sampling: Sampling
    seed: int

    def config(self, verifier: Scorer, problems: Sequence[Problem], chunk: int) -> Row:
        """What must be equal for a collection to be gone on with."""
        return {
            "kind": _KIND,
            **asdict(self),
            "chunk": chunk,
            "verifier": name_of(verifier),
            "problems": len(problems),
            "content": digest_of(problems),
        }


@dataclass(frozen=True, slots=True)
class _Models:
    policy: Policy
    verifier: Scorer


@contextmanager
def _models(policy: Policy | str, verifier: Scorer) -> Iterator[_Models]:
    """Both; a policy that is loaded here is closed in the end, where it has an engine."""
    with ExitStack() as stack:
        if isinstance(policy, str):
            policy = load(policy)
            if isinstance(policy, AbstractContextManager):
                stack.enter_context(policy)
        yield _Models(policy, verifier)


def _records(journal: Path, config: Row, chunks: Sequence[Sequence[Problem]]) -> list[Row]:
    """The records in a journal, whose first line is the `config`; none where there is no journal."""
    rows = whole_rows(journal, mend=True, sealed=True)
    if rows and rows[0].get("kind") != _KIND:
        raise ValueError(f"{journal}: not the journal of collected values; choose another folder")
    if rows:
        check_identity(journal, rows[0], config, kind="collected values")
    for number, record in enumerate(rows[1:]):
        if record.get("problems") != _ids(chunks[number] if number < len(chunks) else ()):
            raise BadInput(
                f"{journal}:{number + 2}: not of the problems that were due: lines were lost, doubled or swapped, or "
                "an earlier version wrote them; put a whole copy in its place, or choose another folder"
            )
    return rows[1:]


def _begin(journal: Path, config: Row) -> None:
    """Write the first line of a journal that has none."""
    if not journal.exists() or not journal.stat().st_size:
        append_rows(journal, [config], sealed=True)


def _ids(problems: Sequence[Problem]) -> list[str]:
    return [problem.id for problem in problems]


def _work_off(
    plan: _Plan,
    chunks: Sequence[Sequence[Problem]],
    them: Workers[_Models, Row],
    journal: Path,
    total: int,
    progress: bool,
) -> list[Row]:
    """The record of each chunk, appended to the journal as it is made."""
    from tqdm import tqdm

    def prepared(problems: Sequence[Problem], _: object) -> Callable[[_Models], Row]:
        return partial(_collect, plan, problems)

    records: list[Row] = []
    jobs = [Job(f"the values of {problems[0].id!r} and on", partial(prepared, problems)) for problems in chunks]
    done = total - sum(map(len, chunks))
    with tqdm(total=total, initial=done, unit="problem", desc="values", disable=not progress) as bar:

        def commit(_: object, record: Row) -> None:
            append_rows(journal, [record], sealed=True)
            bar.update(len(chunks[len(records)]))
            records.append(record)

        work_off(jobs, them, commit)
    return records


def _collect(plan: _Plan, problems: Sequence[Problem], models: _Models) -> Row:
    """Sampled solutions, rollouts and rows of one chunk."""
    started = time.perf_counter()
    asked = [problem for problem in problems for _ in range(plan.coverage)]
    seeds = [seed_at(plan.seed, problem.id, "seed", i % plan.coverage) for i, problem in enumerate(asked)]
    solutions, spend = sample(
        models.policy, [(State(p), s) for p, s in zip(asked, seeds, strict=True)], sampling=plan.sampling
    )
    outcomes, reasons, grading = grade(models.verifier, asked, solutions)
    spend += grading
    branches = [
        _branch(problem, solution, settled(outcome, plan.rollouts, reason))
        for problem, solution, outcome, reason in zip(asked, solutions, outcomes, reasons, strict=True)
    ]
    tallies: dict[State, Tally] = {}
    policy = remembering(models.policy)
    for states in _rounds(branches, [State(problem) for problem in problems], tallies, plan.first_pit):
        new, policy_spend, verifier_spend = roll_out(
            policy, models.verifier, states, n=plan.rollouts, sampling=plan.sampling, seed=plan.seed
        )
        tallies.update(zip(states, new, strict=True))
        spend += [*policy_spend, *verifier_spend]

    rows: list[Row] = []
    for i, problem in enumerate(problems):
        root = tallies[State(problem)]
        check_counts(problem, models.verifier, [root])
        rows.append(root_row(problem, root))
        for number in range(plan.coverage):
            j = i * plan.coverage + number
            kept = _kept(branches[j], tallies, plan.first_pit)
            check_counts(problem, models.verifier, kept)
            rows += solution_rows(problem, number, solutions[j], outcomes[j], kept)
    done = figures(solutions, outcomes, reasons, list(tallies.values()))
    spent, seconds = asdict(Spend.total(spend)), time.perf_counter() - started
    return {"problems": _ids(problems), "rows": rows, "done": done, "spend": spent, "seconds": seconds}


@dataclass(frozen=True, slots=True)
class _Branch:
    """A sampled solution on its way to labels: the prefixes that need rollouts, and the tally of its last step."""

    states: tuple[State, ...]
    end: Tally
    steps: int

    @property
    def wrong(self) -> bool:
        return self.end.value == 0


def _branch(problem: Problem, solution: Solution, end: Tally) -> _Branch:
    # A failed solution has no labels, and what came of it is counted in the summary.
    steps = () if solution.stop is Stop.FAILED else solution.steps
    return _Branch(tuple(state_of(problem, steps[:k]) for k in range(1, len(steps))), end, len(steps))


def _rounds(
    branches: Sequence[_Branch], roots: Sequence[State], tallies: dict[State, Tally], first_pit: bool
) -> Iterator[list[State]]:
    """What to roll out, call by call: everything at once, but on the way to first pits a depth at a time."""
    searching = [b for b in branches if first_pit and b.wrong]
    at_once = [state for b in branches if not (first_pit and b.wrong) for state in b.states]
    depth = 0
    while True:
        searching = [b for b in searching if len(b.states) > depth]
        states = dict.fromkeys([*(roots if depth == 0 else []), *at_once, *(b.states[depth] for b in searching)])
        if new := [state for state in states if state not in tallies]:
            yield new
        if not searching:
            return
        searching = [b for b in searching if tallies[b.states[depth]].value != 0]
        depth += 1


def _kept(branch: _Branch, tallies: dict[State, Tally], first_pit: bool) -> list[Tally]:
    """The tallies of a solution's steps, up to the first pit where that is asked for and the solution is wrong."""
    out: list[Tally] = []
    for state in branch.states:
        out.append(tallies[state])
        if first_pit and branch.wrong and out[-1].value == 0:
            return out
    return [*out, branch.end] if branch.steps else []


def _finish(folder: Path, records: Sequence[Row]) -> Dataset:
    """Write the data set and the summary from the journal's records, where they are not there as they were written."""
    from datasets import Dataset, load_from_disk
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    ready = folder / "dataset"
    if not _is_whole(folder):
        bars = not are_progress_bars_disabled()
        disable_progress_bars()  # theirs would be drawn whatever `progress` says
        try:
            with replacing(ready) as draft:
                dataset_of(record["rows"] for record in records).save_to_disk(draft)
        finally:
            if bars:
                enable_progress_bars()
        replace_text(folder / "summary.json", json.dumps(_summary(records), indent=2) + "\n")
        files = sorted(str(path.relative_to(folder)) for path in ready.rglob("*") if path.is_file())
        write_checksums(folder, ["summary.json", *files])
    loaded = load_from_disk(ready)
    assert isinstance(loaded, Dataset)
    return loaded


def _is_whole(folder: Path) -> bool:
    try:
        check_checksums(folder)
    except BadInput:
        return False
    return (folder / CHECKSUMS).exists()


def _summary(records: Sequence[Row]) -> Row:
    done = [record["done"] for record in records]
    numbers = [key for key in (done[0] if done else {}) if key != "first_reason"]
    spend = Spend.total(Spend(**record["spend"]) for record in records)
    return {
        **{key: sum(d[key] for d in done) for key in numbers},
        "first_reason": next((d["first_reason"] for d in done if d["first_reason"]), None),
        "seconds": sum(record["seconds"] for record in records),
        "spend": {key: value for key, value in asdict(spend).items() if value},
    }
