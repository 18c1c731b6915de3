"""Where random numbers come from: a place in a search, not an order of events."""

from collections.abc import Iterable
from hashlib import blake2b


def seed_at(seed: int, problem_id: str, *place: int | str) -> int:
    """The seed of one place in one problem's search: 63 bits from (run seed, problem id, place).

    It depends on nothing else, so a problem's samples are the same whatever is solved beside it,
    and the first 8 of 64 samples are the 8 samples of a smaller run.

    >>> seed_at(0, "p1", 0, 0, 3) == seed_at(0, "p1", 0, 0, 3) != seed_at(0, "p2", 0, 0, 3)
    True
    """
    text = "\x1f".join((str(seed), problem_id, *map(str, place)))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def check_unique_ids(ids: Iterable[str]) -> None:
    """Raise ValueError for an id of a problem that occurs twice: the seeds of both would be equal."""
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise ValueError(f"problem id {name!r} occurs twice: seeds derive from ids, so make them unique")
        seen.add(name)
