"""What a run is to do: parsed and checked before anything is spent."""

from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from bench.stats.contest import Contest
from policies.models.engine_options import DType, without_resources
from policies.policy import Sampling
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.own import own_name

POOLED = ("self_consistency", "best_of_n", "weighted_majority")  # all read off one pool of samples
SELECTORS = ("best_of_n", "weighted_majority", "pessimistic", "soft")  # ways to choose from a scored pool
STRATEGIES = (*POOLED, "beam_search")
_MOST = 100_000  # samples of a problem: a unit's rows are held in memory


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run's settings, as they stand in its `config.toml`; `scorers` maps names to specs."""

    task: str
    policy: str
    scorers: dict[str, str]
    strategies: tuple[str, ...]
    n: int
    limit: int | None = None
    seed: int = 0
    expand: int = 4
    max_steps: int = 64
    chunk: int = 16
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    logprobs: bool | None = None  # of engines that ask a price for them
    dtype: DType = "auto"
    thinking: tuple[str, ...] = ()  # further marks of thoughts, each "BEGIN,END"
    # How the task's problems are read and asked, where it is not the task's own way; see `bench.tasks.tasks.load_task`.
    columns: dict[str, str] = field(default_factory=dict)
    system: str | None = None
    instruction: str | None = None
    shots: str | None = None
    answers: str | None = None
    separator: str | None = None

    def __post_init__(self) -> None:
        for name in ("n", "expand", "max_steps", "chunk"):
            if getattr(self, name) < 1:
                raise BadArgument(name, getattr(self, name), "it must be 1 or more")
        for name in ("n", "expand"):
            check_most(name, getattr(self, name))

    def config(self) -> dict[str, object]:
        """The settings as flat values for `config.toml`; what was left to its default is left out.

        So is what a machine gives the engines: a run that ran out of memory goes on with `share=0.4`.
        """
        specs = [f"{name}={without_resources(spec)}" for name, spec in self.scorers.items()]
        flat: dict[str, object] = {"scorers": specs}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, dict):
                value = tuple(f"{ours}={theirs}" for ours, theirs in value.items())
            if name != "scorers" and value not in (None, ()):
                flat[name] = list(value) if isinstance(value, tuple) else value
        return flat | {"policy": without_resources(self.policy)}

    def with_default_strategies(self) -> "RunPlan":
        """All that can be read off one pool: every strategy but beam search."""
        return replace(self, strategies=POOLED if self.scorers else ("self_consistency",))

    def contests(self) -> list[Contest]:
        """The curves asked for. `best_of_n` means one for every scorer, `best_of_n:orm` the one named.

        One of a person's own, `mine:name`, asks no scorer but one that is named behind it, `mine:name:orm`. Raises
        BadArgument for a strategy or scorer that does not exist, and for one that needs a scorer where there is none.
        """
        contests: list[Contest] = []
        for text in self.strategies:
            strategy, colon, scorer = text.partition(":")
            if strategy not in STRATEGIES:
                strategy, colon, scorer = _own_strategy(text)
            if strategy == "self_consistency":
                if colon:
                    raise BadArgument("strategies", text, "self_consistency asks no scorer; leave out what follows it")
                contests.append(Contest(strategy, None))
                continue
            if colon and scorer not in self.scorers:
                names = ", ".join(self.scorers) or "none"
                raise BadArgument(
                    "strategies", text, f"no scorer is named {scorer!r} (there is {names}); add a scorer of that name"
                )
            if strategy not in STRATEGIES and not colon:
                contests.append(Contest(strategy, None))
                continue
            if not self.scorers:
                raise BadArgument("strategies", text, "it needs a scorer; add one")
            contests += [Contest(strategy, name) for name in ([scorer] if colon else self.scorers)]
        return list(dict.fromkeys(contests))

    def beams(self) -> list[tuple[int, int, int]]:
        """(candidates a step, width, expand) of each beam; as many candidates a step as there are samples.

        >>> RunPlan("chain", "tiny:policy", {}, (), 16).beams()
        [(1, 1, 1), (2, 1, 2), (4, 1, 4), (8, 2, 4), (16, 4, 4)]
        """
        shapes = [(n, max(1, n // self.expand), min(n, self.expand)) for n in sizes_to(self.n)]
        return [(n, width, expand) for n, width, expand in shapes if n == width * expand]

    def sizes(self, contest: Contest) -> list[int]:
        """The numbers of samples, or of candidates a step, at which a contest is held."""
        return [n for n, _, _ in self.beams()] if contest.strategy == "beam_search" else sizes_to(self.n)

    def sampling(self, default: Sampling) -> Sampling:
        """The task's sampling with what the plan sets in its place; raises BadInput for a value out of range."""
        names = ("temperature", "top_p", "top_k", "max_tokens", "logprobs")
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        try:
            return replace(default, **changes)
        except ValueError as error:
            raise BadInput(f"sampling: {error}") from None


def searches(contest: Contest) -> bool:
    """Whether a contest draws samples of its own; the others are read off one pool."""
    return contest.strategy not in (*POOLED, "pass@n")


def is_own(contest: Contest) -> bool:
    """Whether a contest is of a strategy of a person's own, `module:name`."""
    return searches(contest) and contest.strategy != "beam_search"


def _own_strategy(text: str) -> tuple[str, str, str]:
    """`module:name`, a colon and a scorer, where there is one; raises BadArgument for an unknown strategy."""
    module, _, rest = text.partition(":")
    name, colon, scorer = rest.partition(":")
    if own_name(f"{module}:{name}") is None:
        near = get_close_matches(text, STRATEGIES, n=1)
        if text == "pass@n":
            use = "every table has its row; leave it out"
        elif text in SELECTORS:
            use = f"'stepbeam rerank RUN --select {text}' chooses so among a run's samples; leave it out here"
        else:
            meant = f"did you mean {near[0]}? " if near else ""
            use = f"unknown strategy; {meant}use {', '.join(STRATEGIES)}, or module:name of your own, such as mine:name"
        raise BadArgument("strategies", text, use)
    return f"{module}:{name}", colon, scorer


def check_most(name: str, count: int) -> None:
    """Raise BadArgument for more samples of a problem than a run holds."""
    if count > _MOST:
        raise BadArgument(name, count, f"it must be at most {_MOST}")


def sizes_to(n: int) -> list[int]:
    """The numbers of samples on a run's curves: powers of two up to n, and n.

    >>> sizes_to(12)
    [1, 2, 4, 8, 12]

    Raises BadArgument for more than a curve can have.
    """
    check_most("n", n)
    return sorted({1 << i for i in range(n.bit_length()) if 1 << i <= n} | {n})
