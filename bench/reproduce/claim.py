"""A paper's claim beside what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.stats.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Claim:
    """What the paper's claim says here, what was measured with its interval, and whether it holds."""

    text: str
    measured: str
    interval: str
    holds: bool


def in_points(text: str, gain: Estimate, *, holds: bool) -> Claim:
    """A claim about a gain in accuracy.

    >>> in_points("it is better", Estimate(0.01, -0.02, 0.04), holds=False)
    Claim(text='it is better', measured='+1.0 points', interval='-2.0 to +4.0', holds=False)
    """
    return Claim(text, f"{100 * gain.value:+.1f} points", f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}", holds)


def claims_table(claims: Sequence[Claim]) -> str:
    """Claims as a Markdown table.

    >>> print(claims_table([Claim("it is better", "+1.0 points", "-2.0 to 4.0", False)]))
    | claim | measured | 95% interval | holds |
    |---|---|---|---|
    | it is better | +1.0 points | -2.0 to 4.0 | **no** |
    """
    rows = ((c.text, c.measured, c.interval, "yes" if c.holds else "**no**") for c in claims)
    return markdown_table(("claim", "measured", "95% interval", "holds"), rows)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Cells under their heads.

    >>> print(markdown_table(("N", "accuracy"), [(1, "0.25"), (2, "0.5")]))
    | N | accuracy |
    |---|---|
    | 1 | 0.25 |
    | 2 | 0.5 |
    """
    lines = [heads, *rows]
    shown = [f"| {' | '.join(map(str, cells))} |" for cells in lines]
    return "\n".join([shown[0], "|---" * len(heads) + "|", *shown[1:]])
