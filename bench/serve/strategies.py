"""The strategy of a request, written as `best_of_n:orm,n=16`, and the search that it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from bench.runs.own_strategy import Make, load_strategy
from bench.serve.limits import Limits
from policies.policy import Sampling
from search import Budget, Pending, Session
from verifiers.interface.errors import BadArgument
from verifiers.interface.own import own_name
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem
from verifiers.interface.spec_parts import spec_parts

Method: TypeAlias = Literal["best_of_n", "weighted_majority", "self_consistency", "beam_search"]


@dataclass(frozen=True, slots=True)
class ServedStrategy:
    """How a request is answered; `scorer` is the name of one that the server has loaded."""

    method: str
    scorer: str | None
    n: int = 16
    width: int = 4
    expand: int = 4
    max_steps: int = 64
    make: Make | None = None  # of one's own


def read_own_strategy(text: str, scorers: Mapping[str, Scorer], limits: Limits) -> ServedStrategy | None:
    """What `module:name:SCORER,n=N` says of a strategy of one's own, None for another; no request is to choose it.

    Raises BadArgument for one that cannot be loaded, or is not written so.
    """
    head, *options = text.split(",")
    module, _, rest = head.partition(":")
    name, _, asked = rest.partition(":")
    if module in get_args(Method) or own_name(f"{module}:{name}") is None:
        return None
    spec = spec_parts(f"{module}:{','.join(options)}")
    if spec.names or spec.options.keys() - {"n"}:
        raise BadArgument("strategy", text, f"write {module}:{name}, or {module}:{name}:SCORER,n=16")
    try:
        n = spec.count("n") or 16
    except ValueError as error:
        raise BadArgument("strategy", text, str(error).rpartition(": ")[2]) from None
    scorer = _scorer_of(text, f"{module}:{name}", (asked,), scorers) if asked else None
    if n > limits.n:
        raise BadArgument("strategy", text, f"it draws {n} samples at a time; this server allows {limits.n}")
    return ServedStrategy(f"{module}:{name}", scorer, n=n, make=load_strategy(f"{module}:{name}"))


def read_any_strategy(text: str, scorers: Mapping[str, Scorer], limits: Limits) -> ServedStrategy:
    """What a text says of a strategy of one's own, or else of ours; see `read_own_strategy` and `read_strategy`."""
    return read_own_strategy(text, scorers, limits) or read_strategy(text, scorers, limits)


def read_strategy(text: str, scorers: Mapping[str, Scorer], limits: Limits) -> ServedStrategy:
    """What `METHOD:SCORER,n=N` says; a beam has `width`, `expand` and `max_steps`, self-consistency no scorer.

    Where one scorer is loaded, it need not be named.

    >>> read_strategy("self_consistency:n=8", {}, Limits()).n
    8

    Raises BadArgument for an unknown method, scorer or option, and for more samples than the limits allow.
    """
    if not isinstance(text, str):
        raise BadArgument("strategy", text, "write a text, such as best_of_n:orm,n=16")
    spec = spec_parts(text if ":" in text else f"{text}:")
    method = spec.kind
    if method not in get_args(Method):
        raise BadArgument("strategy", text, f"unknown method {method!r}; use one of {', '.join(get_args(Method))}")
    counts = ("width", "expand", "max_steps") if method == "beam_search" else ("n",)
    if unknown := sorted(spec.options.keys() - set(counts)):
        raise BadArgument("strategy", text, f"{method} has no {unknown[0]}; it has {', '.join(counts)}")
    try:
        given: dict[str, Any] = {key: count for key in counts if (count := spec.count(key)) is not None}
    except ValueError as error:
        raise BadArgument("strategy", text, str(error).rpartition(": ")[2]) from None
    scorer = _scorer_of(text, method, spec.names, scorers)
    chosen = ServedStrategy(method, scorer, **given)
    samples = chosen.width * chosen.expand if method == "beam_search" else chosen.n
    if samples > limits.n:
        raise BadArgument("strategy", text, f"it draws {samples} samples at a time; this server allows {limits.n}")
    return chosen


def _scorer_of(text: str, method: str, names: tuple[str, ...], scorers: Mapping[str, Scorer]) -> str | None:
    if method == "self_consistency":
        if names:
            raise BadArgument("strategy", text, "self_consistency votes without a scorer; leave it out")
        return None
    known = ", ".join(scorers) or "none: start the server with --scorer"
    if len(names) > 1:
        raise BadArgument("strategy", text, f"it names {len(names)} scorers; give one of {known}")
    if not names and len(scorers) != 1:
        raise BadArgument("strategy", text, f"{method} needs a scorer, as in {method}:NAME; there are {known}")
    name = names[0] if names else next(iter(scorers))
    if name not in scorers:
        raise BadArgument("strategy", text, f"no scorer {name!r} is loaded; there are {known}")
    return name


def start(
    session: Session,
    how: ServedStrategy,
    scorers: Mapping[str, Scorer],
    problem: Problem,
    *,
    sampling: Sampling,
    budget: Budget,
    seed: int,
) -> Pending:
    """Begin the search of a request."""
    scorer = None if how.scorer is None else scorers[how.scorer]
    if how.make is not None:
        strategy = how.make(problem, how.n, session.answers)
        judges = {} if scorer is None else {"search": scorer, "final": scorer}
        return session.submit(problem, strategy, scorers=judges, sampling=sampling, budget=budget, seed=seed)
    match how.method:
        case "self_consistency":
            return session.self_consistency(problem, n=how.n, sampling=sampling, budget=budget, seed=seed)
        case "best_of_n":
            return session.best_of_n(problem, n=how.n, scorer=scorer, sampling=sampling, budget=budget, seed=seed)
        case "weighted_majority":
            return session.weighted_majority(
                problem, n=how.n, scorer=scorer, sampling=sampling, budget=budget, seed=seed
            )
        case _:
            return session.beam_search(
                problem,
                width=how.width,
                expand=how.expand,
                max_steps=how.max_steps,
                scorer=scorer,
                sampling=sampling,
                budget=budget,
                seed=seed,
            )
