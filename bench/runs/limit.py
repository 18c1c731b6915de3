"""How much of a unit may fail."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from verifiers.interface.errors import BadArgument, EngineStoppedError

Place: TypeAlias = tuple[str, int]  # a row's problem, and its place there


@dataclass(frozen=True, slots=True)
class Limit:
    """How many of a unit's `rows` may fail: a `share`, or, where it is None, all but the last.

    Of a unit that was kept before, whatever had failed may fail again: some of it can never be done.
    """

    share: float | None
    rows: int
    kept_before: bool = False

    def check(self, bad: Mapping[Place, str | None], stood: Collection[Place], what: str) -> None:
        """Raise EngineStoppedError where too much failed, or anything that `stood` before; `bad` has the reasons."""
        if lost := [place for place in bad if place in stood]:
            raise EngineStoppedError(
                f"{what}: {len(lost)} rows that stood before failed now, the first with {bad[lost[0]]!r} (problem "
                f"{lost[0][0]!r}); the unit stays as it was: mend that and run the same command again"
            )
        all_failed = len(bad) >= self.rows and not self.kept_before
        if bad and (all_failed if self.share is None else len(bad) > self.share * self.rows):
            place, reason = next(iter(bad.items()))
            raise EngineStoppedError(
                f"{what}: {len(bad)} of {self.rows} rows failed, the first with {reason!r} (problem {place[0]!r}); "
                "nothing new of this unit was kept: mend that and run the same command again, or give --max-failed 1 "
                "where such rows may count as wrong"
            )


def check_share(max_failed: float | None) -> None:
    """Raise BadArgument for what is no share."""
    if max_failed is not None and not 0 <= max_failed <= 1:
        raise BadArgument("max_failed", max_failed, "it is a share of rows, from 0 to 1")
