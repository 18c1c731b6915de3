"""What Inspect AI finds under `stepbeam/`: strategies as solvers, the reading of answers and any scorer as scorers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from math import inf
from typing import Any, TypedDict, TypeVar, Unpack

import anyio
from anyio.from_thread import BlockingPortal
from inspect_ai.model import ChatMessageAssistant, GenerateConfig, ModelOutput, get_model
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Target, accuracy, mean, scorer, stderr
from inspect_ai.scorer import Scorer as InspectScorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from bench.harnesses.inspect_model import InspectModel, Place, PlacedProblem, failure_in, stop_in
from bench.harnesses.inspect_pool import METADATA, about
from bench.inputs.specs import load_answers, load_policy, load_scorer, named_scorers
from bench.pools.fields import golds_in
from bench.serve.limits import Limits
from bench.serve.strategies import read_any_strategy, start
from policies.policy import Sampling
from search import Budget, Pending, SearchResult, Session
from verifiers.interface.capabilities import separator_of
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Message, Problem, Solution, Step, Stop, split_steps

T = TypeVar("T", bound=Callable[..., Any])
_LIMITS = Limits(n=100_000)
_LOADING = threading.Lock()  # many samples begin at once, and a model is loaded by the first of them
_WAITING = partial(anyio.CapacityLimiter, inf)  # a thread a sample: Inspect says how many there are


class Options(TypedDict, total=False):
    """What every solver takes beside its strategy."""

    policy: str  # a spec of `policies.load`; without one Inspect's model samples
    answers: str  # how answers are read and compared: math, gsm8k, exact, or module:name
    temperature: float
    max_tokens: int
    separator: str
    seed: int
    cache: bool  # whether calls go through Inspect's cache
    continues: bool  # whether Inspect's model goes on from an assistant's message, as beam search asks


def search(strategy: str, scorer: str | Sequence[str] = (), **options: Unpack[Options]) -> Solver:
    """Any strategy: `search("best_of_n:orm,n=16", scorer="orm=orm:models/orm")`; see `stepbeam serve` for the forms.

    The answer becomes the sample's output; all solutions, their scores, what was spent and why a search failed or
    ended early stand in the sample's metadata under "stepbeam". Samples are drawn by Inspect's model, with its limits
    and its cache, or by `policy`. Raises BadArgument for an unknown strategy, scorer or option.
    """
    if unknown := sorted(options.keys() - Options.__annotations__.keys()):
        raise BadArgument(unknown[0], options.get(unknown[0]), f"use {', '.join(Options.__annotations__)}")
    specs = named_scorers([scorer] if isinstance(scorer, str) else _specs(scorer))
    how = read_any_strategy(strategy, dict.fromkeys(specs, _Named()), _LIMITS)
    load_answers(options.get("answers", "math"))
    # Of Inspect's model temperature and length are Inspect's to say, unless they are given here.
    given: dict[str, Any] = {name: v for name, v in options.items() if name in ("temperature", "max_tokens")}
    sampling = Sampling(**given, separator=options.get("separator", "\n"))

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001  (Inspect gives it)
        session, scorers = await anyio.to_thread.run_sync(partial(_at_work, options, specs))

        def begin(problem: Problem) -> Pending:
            seed = options.get("seed", 0)
            return start(session, how, scorers, problem, sampling=sampling, budget=Budget(), seed=seed)

        if "policy" in options:
            result = await _result(begin(_problem(state)))
        else:
            result = await _with_inspects_model(state, begin, GenerateConfig(**given), options)
        state.metadata[METADATA] = about(result, how.scorer)
        text = "" if result.solution is None else result.solution.text
        state.output = ModelOutput.from_message(ChatMessageAssistant(content=text, model=str(state.model)))
        if result.solution is None:
            were_cut = _all_cut([solution.stop for solution in result.pool])
            state.output.choices[0].stop_reason = "max_tokens" if were_cut else "unknown"
            state.output.error = result.reason
        state.messages.append(state.output.message)
        return state

    return solve


def _specs(scorers: Any) -> list[str]:
    """Specs of scorers; raises BadArgument for what is none, since Inspect logs what a solver is given as text."""
    given: list[Any] = list(scorers) if isinstance(scorers, list | tuple) else [scorers]
    for one in given:
        if not isinstance(one, str):
            write = 'give its spec, a text such as "orm:models/orm" or "mine:length" of a mine.py in this folder'
            raise BadArgument("scorer", f"a {type(one).__name__}", write)
    return given


class _Named:
    """Stands for a scorer that is not loaded yet, where only its name counts."""

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Any:
        raise NotImplementedError("this scorer is loaded with the first sample")


def best_of_n(scorer: str, n: int = 16, **options: Unpack[Options]) -> Solver:
    """The solution that `scorer` likes best of `n`."""
    return search(f"best_of_n:n={n}", scorer, **options)


def weighted_majority(scorer: str, n: int = 16, **options: Unpack[Options]) -> Solver:
    """The answer with the highest sum of scores, of `n` solutions."""
    return search(f"weighted_majority:n={n}", scorer, **options)


def self_consistency(n: int = 16, **options: Unpack[Options]) -> Solver:
    """The answer that most of `n` solutions give."""
    return search(f"self_consistency:n={n}", (), **options)


def beam_search(
    scorer: str, width: int = 4, expand: int = 4, max_steps: int = 64, **options: Unpack[Options]
) -> Solver:
    """Step by step the `width` prefixes that `scorer` likes best."""
    return search(f"beam_search:width={width},expand={expand},max_steps={max_steps}", scorer, **options)


def answer(answers: str = "math") -> InspectScorer:
    """Whether the answer that was chosen, or else that of the output, is one of the targets.

    Unscored, with the reason, are samples in which nothing was chosen, unless all their solutions were cut, outputs
    that failed, and answers that cannot be compared. What was cut has no answer, which is wrong.
    """
    read = load_answers(answers)

    async def score(state: TaskState, target: Target) -> Score:
        pool = state.metadata.get(METADATA)
        judged, failure = _judged(state, "\n")
        if judged is None and not (pool and _all_cut([Stop(each["stop"]) for each in pool["pool"]])):
            return Score.unscored(reason="no_response", explanation=failure)
        if pool is not None:
            given = pool["answer"]
        else:
            given = read.extract(state.output.completion) if judged and judged.finished else None
        if given is None:
            return Score(value=INCORRECT, reason="no_response", explanation=failure)
        golds = golds_in(f"sample {state.sample_id!r}", {"answer": list(target)}, of_a_run=False)
        verdicts = await anyio.to_thread.run_sync(read.equal, [(given, gold) for gold in golds])
        if True not in verdicts and None in verdicts:
            told = f"it could not be told whether {given!r} is {' or '.join(map(repr, golds))}"
            return Score.unscored(reason="scoring_failed", answer=given, explanation=told)
        return Score(value=CORRECT if True in verdicts else INCORRECT, answer=given)

    return score


def verifier(scorer: str) -> InspectScorer:
    """What a scorer of stepbeam's says of the output; unscored, with the reason, where it has no opinion."""
    [(name, spec)] = named_scorers(_specs(scorer)).items()

    async def score(state: TaskState, target: Target) -> Score:
        loaded = await anyio.to_thread.run_sync(partial(_guarded, _scorer, spec))
        judged, failure = _judged(state, separator_of(loaded) or "\n")
        if judged is None:
            return Score.unscored(reason="no_response", explanation=failure)
        session = await anyio.to_thread.run_sync(partial(_guarded, _session, None, "math"))
        result = await _result(session.score(_problem(state, target), [judged], scorer=loaded))
        [value], [reason] = result.scores.values().tolist(), result.scores.reasons
        if value != value:
            return Score.unscored(reason="scoring_failed", explanation=reason or f"{name} has no opinion of it")
        return Score(value=value)

    return score


def _judged(state: TaskState, separator: str) -> tuple[Solution | None, str | None]:
    """The solution that was chosen, or else that of the output; None where there is none, and why."""
    pool = state.metadata.get(METADATA)
    if pool is None:
        failure = failure_in(state.output)
        steps = () if failure else split_steps(state.output.completion, separator)
        return (None, failure) if failure else (Solution(steps, stop_in(state.output)), None)
    if pool["chosen"] is None:
        return None, pool["reason"]
    chosen = pool["pool"][pool["chosen"]]
    return Solution(tuple(map(Step, chosen["steps"])), Stop(chosen["stop"])), pool["reason"]


async def _with_inspects_model(
    state: TaskState, begin: Callable[[Problem], Pending], config: GenerateConfig, options: Options
) -> SearchResult:
    """A search whose rows are drawn in the sample's own task; what they meet of its limits ends the sample."""
    raised: Exception | None = None
    result: SearchResult | None = None
    cache, continues = options.get("cache", False), options.get("continues", False)
    async with BlockingPortal() as portal:  # which wraps what is raised in it
        place = Place(get_model(), list(state.messages), config, cache, continues, portal)
        plain = _problem(state, images=True)
        try:
            result = await _result(begin(PlacedProblem(plain.id, plain.prompt, plain.answer, place)))
        except Exception as error:  # noqa: BLE001  (raised outside of the portal)
            raised = error
    if place.limit is not None:
        raise place.limit
    if result is None:
        raise raised or AssertionError("a search ends with a result or an error")
    return result


async def _result(pending: Pending) -> SearchResult:
    try:
        return await anyio.to_thread.run_sync(pending.result, abandon_on_cancel=True, limiter=_WAITING())
    finally:
        pending.cancel()


def _at_work(options: Options, specs: Mapping[str, str]) -> tuple[Session, dict[str, Scorer]]:
    session = _guarded(_session, options.get("policy", "inspect"), options.get("answers", "math"))
    return session, {name: _guarded(_scorer, spec) for name, spec in specs.items()}


def _guarded(load: Callable[..., Any], *given: Any) -> Any:
    with _LOADING:
        return load(*given)


@cache
def _session(policy: str | None, answers: str) -> Session:
    """One for all samples, so that what they ask for at a time is one call; it ends with the process."""
    made = None if policy is None else InspectModel() if policy == "inspect" else load_policy(policy)
    return Session(made, answers=load_answers(answers))


@cache
def _scorer(spec: str) -> Scorer:
    return load_scorer(spec)


def _problem(state: TaskState, target: Target | None = None, *, images: bool = False) -> Problem:
    """A sample as a problem; another epoch of it is another problem, so that it draws other solutions."""
    name = str(state.sample_id) if state.epoch == 1 else f"{state.sample_id} (epoch {state.epoch})"
    for message in state.messages:
        odd = [] if isinstance(message.content, str) else [part.type for part in message.content if part.type != "text"]
        if odd and not images:
            raise BadInput(f"sample {name!r}: its messages hold {odd[0]}, and policies and scorers read text alone")
    if state.tools:
        raise BadInput(f"sample {name!r}: it has tools, which a search of solutions does not call; leave them out")
    turns = tuple(Message(message.role, message.text) for message in state.messages)
    if target is not None and turns and turns[-1].role == "assistant":
        turns = turns[:-1]  # the output that is to be judged
    prompt = turns[0].content if len(turns) == 1 and turns[0].role == "user" else turns
    return Problem(name, prompt, None if target is None else target.text)


def _all_cut(stops: Sequence[Stop]) -> bool:
    """Whether there are solutions, and all of them came to no end, which is wrong and no failure."""
    return bool(stops) and all(stop in (Stop.LENGTH, Stop.OPEN) for stop in stops)


def _ours(made: T) -> T:
    """A function as one of the package `stepbeam`: Inspect else takes the first part of its module, `bench`."""
    made.__module__ = "stepbeam"
    return made


search, best_of_n, weighted_majority, self_consistency, beam_search = (
    solver(f"stepbeam/{make.__name__}")(_ours(make))
    for make in (search, best_of_n, weighted_majority, self_consistency, beam_search)
)
answer = scorer(metrics=[accuracy(), stderr()], name="stepbeam/answer")(_ours(answer))
verifier = scorer(metrics=[mean(), stderr()], name="stepbeam/verifier")(_ours(verifier))
