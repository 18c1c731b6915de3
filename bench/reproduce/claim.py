"""A paper's claim beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """What the paper's claim says here, what was measured with its interval, and whether it holds."""

    text: str
    measured: str
    interval: str
    holds: bool


def claims_table(claims: Sequence[Claim]) -> str:
    """Claims as a Markdown table.

    >>> print(claims_table([Claim("it is better", "+1.0 points", "-2.0 to 4.0", False)]))
    | claim | measured | 95% interval | holds |
    |---|---|---|---|
    | it is better | +1.0 points | -2.0 to 4.0 | **no** |
    """
    lines = ["| claim | measured | 95% interval | holds |", "|---|---|---|---|"]
    lines += [f"| {c.text} | {c.measured} | {c.interval} | {'yes' if c.holds else '**no**'} |" for c in claims]
    return "\n".join(lines)
