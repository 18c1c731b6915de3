"""The one rule by which a paper's claim is judged: a quantity, its margin, its interval, and one of three words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.stats.intervals import Estimate

Unit: TypeAlias = Literal["points", "%", "times", ""]
Verdict: TypeAlias = Literal["holds", "holds not", "open"]
_SCALE = {"points": 100.0, "%": 100.0}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a paper claims, as a quantity that is above its margin (or below it, `sense`), and what was measured.

    >>> gain = Claim("it is better by 8 points or more", Estimate(0.1, 0.05, 0.15), margin=0.08, unit="points")
    >>> gain.verdict, gain.measured, gain.interval
    ('open', '+10.0 points', '+5.0 to +15.0')

    It holds where the whole 95% interval is beyond the margin, holds not where the whole interval falls short of it,
    and is open where the interval contains it. A quantity that could not be measured is NaN, and open.
    """

    text: str
    estimate: Estimate
    margin: float = 0.0
    sense: Literal["above", "below"] = "above"
    unit: Unit = ""

    @property
    def verdict(self) -> Verdict:
        """By the interval alone, never by the figure."""
        e, sign = self.estimate, 1 if self.sense == "above" else -1
        if math.isnan(e.value) or math.isnan(e.low) or math.isnan(e.high):
            return "open"
        near, far = sorted((sign * (e.low - self.margin), sign * (e.high - self.margin)))
        return "holds" if near > 0 else "holds not" if far < 0 else "open"

    @property
    def measured(self) -> str:
        """The figure with its unit."""
        if math.isnan(self.estimate.value):
            return "not measured"
        if self.unit == "times" and self.estimate.value == 0:
            return "never"  # comes to what is compared
        return self._shown(self.estimate.value) + (self.unit if self.unit == "%" else f" {self.unit}" * bool(self.unit))

    @property
    def interval(self) -> str:
        """Its 95% interval."""
        if math.isnan(self.estimate.value):
            return ""
        if math.isnan(self.estimate.low) or math.isnan(self.estimate.high):
            return "none: too few problems or seeds"
        if self.estimate.high == math.inf:
            return f"{self._shown(self.estimate.low)} or more"
        return f"{self._shown(self.estimate.low)} to {self._shown(self.estimate.high)}"

    def _shown(self, value: float) -> str:
        scaled = _SCALE.get(self.unit, 1.0) * value
        return f"{scaled:+.1f}" if self.unit in _SCALE else f"{scaled:.2f}" if self.unit else f"{scaled:+.3f}"


def interval(e: Estimate, form: str) -> str:
    """The ends of an interval; nothing where there is none."""
    return "" if math.isnan(e.low) or math.isnan(e.high) else f"{e.low:{form}} to {e.high:{form}}"


def with_interval(e: Estimate, form: str, *, ends: str = "") -> str:
    """An estimate and its interval; it alone where it has none, and nothing where it was not measured.

    >>> with_interval(Estimate(0.5, 0.25, 0.75), ".3f", ends=".2f"), with_interval(Estimate(0.5, math.nan, 1), ".3f")
    ('0.500 (0.25 to 0.75)', '0.500')
    """
    if math.isnan(e.value):
        return ""
    between = interval(e, ends or form)
    return f"{e.value:{form}} ({between})" if between else f"{e.value:{form}}"


def claims_table(claims: Sequence[Claim]) -> str:
    """Claims as a Markdown table.

    >>> print(claims_table([Claim("it is better", Estimate(0.01, -0.02, 0.04), unit="points")]))
    | claim | measured | 95% interval | verdict |
    |---|---|---|---|
    | it is better | +1.0 points | -2.0 to +4.0 | open |
    """
    rows = ((c.text, c.measured, c.interval, c.verdict if c.verdict == "open" else f"**{c.verdict}**") for c in claims)
    return markdown_table(("claim", "measured", "95% interval", "verdict"), rows)


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
