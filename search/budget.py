"""How much a search may spend."""

from dataclasses import dataclass

from verifiers.interface.errors import check_finite, check_whole


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on what each problem may spend, and on the time of the whole call; None is no limit.

    `samples` counts continuations asked of the policy (a beam step of 16 candidates is 16), `tokens`
    counts sampled tokens. Both hold for every problem by itself, so a problem's result does not
    depend on its neighbours, and are never exceeded: a row is asked for only while its worst case,
    `Sampling.max_tokens` less its prefix, is covered; a row whose tokens a policy does not tell counts as
    that. `seconds` is wall-clock time of the call: once it is over, no further call to the policy starts,
    and rows that stream are stopped.

    >>> Budget(samples=64, tokens=10_000)
    Budget(samples=64, tokens=10000, seconds=None)

    Raises ValueError for a limit that is not positive.
    """

    samples: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        limits = {name: limit for name in self.__slots__ if (limit := getattr(self, name)) is not None}
        check_whole({name: limit for name, limit in limits.items() if name != "seconds"}, who="Budget")
        check_finite({name: limit for name, limit in limits.items() if name == "seconds"}, who="Budget")
        for name, limit in limits.items():
            if limit <= 0:
                raise ValueError(f"Budget({name}={limit}): a limit must be positive, or None for none")
