"""What a curve is of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contest:
    """One curve of a run: a strategy with the scorer that it uses, if any."""

    strategy: str
    scorer: str | None

    def __str__(self) -> str:
        return self.strategy if self.scorer is None else f"{self.strategy} ({self.scorer})"
