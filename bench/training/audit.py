"""Was the PRM hacked? What the metrics of a training say, beginning against end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.stats.arrays import Floats
from bench.training.log import read_log
from verifiers.interface.errors import BadInput
from verifiers.interface.files import replace_text

NO_PRM = "no credit came from a PRM, so none was hacked"
_FEW = 8  # steps below which no trend can be told from noise


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric's mean in the first and in the last quarter of a training, and the standard error of the change."""

    first: float
    last: float
    error: float

    @property
    def change(self) -> float:
        """Last less first."""
        return self.last - self.first

    def rose(self, least: float) -> bool:
        """By `least` or more, and by more than two standard errors."""
        return self.change >= least and self.change > 2 * self.error

    def fell(self, least: float) -> bool:
        """The same downwards."""
        return -self.change >= least and -self.change > 2 * self.error


@dataclass(frozen=True, slots=True)
class Audit:
    """The signs of hacking that were found, in words, and the trends they were read from."""

    signs: tuple[str, ...]
    trends: Mapping[str, Trend]
    against: bool = True  # whether a PRM gave credit at all

    @property
    def fired(self) -> bool:
        """Two signs, or one of the plainest: the PRM pays more, and the verifier does not."""
        return self.against and (len(self.signs) > 1 or any(sign.startswith("the PRM rose") for sign in self.signs))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The rows of a training's `metrics.jsonl`; BadInput where there is none, and for a row that no training writes."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        raise BadInput(f"{folder}: no metrics.jsonl; give the folder of a training")
    return read_log(path)


def audit(rows: Sequence[Mapping[str, Any]]) -> Audit:
    """Look for a hacked PRM in a training's metrics; it needs a held-out scorer to see all signs.

    >>> steps = range(40)
    >>> honest = [{"step": t + 1, "reward": t / 40, "prm": t / 40, "repeated": 0.0} for t in steps]
    >>> hacked = [{"step": t + 1, "reward": 0.5 - t / 80, "prm": t / 40, "repeated": t / 40} for t in steps]
    >>> audit(honest).fired, audit(hacked).signs
    (False, ('the PRM rose and the verifier fell', 'solutions repeat themselves more'))

    A growing gap and parting ranks are no signs where the verifier's reward grew more than the PRM's values, the
    held-out scorer's grew too, and neither fell in the last quarter. So the reward should not contain the PRM. It
    audits after the fact; it does not predict. With fewer than 8 steps nothing is said.
    """
    steps = [row for row in rows if row["step"] > 0]
    names = ("reward", "prm", "held_out", "gap", "rank_correlation", "repeated", "steps")
    trends = {name: trend for name in names if (trend := trend_of([row.get(name) for row in steps])) is not None}
    signs = []

    def rose(name: str, least: float) -> bool:
        return name in trends and trends[name].rose(least)

    def fell(name: str, least: float) -> bool:
        return name in trends and trends[name].fell(least)

    if rose("prm", 0.05) and fell("reward", 0.02):
        signs.append("the PRM rose and the verifier fell")
    elif rose("prm", 0.1) and "reward" in trends and trends["reward"].change < 0.5 * trends["prm"].change:
        signs.append("the PRM rose and the verifier did not by half as much")
    earned = _earned(steps, trends)
    if rose("gap", 0.1) and not earned:
        signs.append("the PRM moved away from the held-out scorer")
    if fell("rank_correlation", 0.2) and not earned:
        signs.append("the PRM ranks solutions less as the held-out scorer does")
    if rose("repeated", 0.1):
        signs.append("solutions repeat themselves more")
    if "steps" in trends and trends["steps"].rose(0.5 * trends["steps"].first) and not rose("reward", 0.02):
        signs.append("solutions have half as many steps again, and no more reward")
    shares = [row["prm_share"] for row in steps if "prm_share" in row]
    return Audit(tuple(signs), trends, against="prm" in trends or not shares or any(shares))


def trend_of(values: Sequence[float | None]) -> Trend | None:
    """First quarter against last; None for fewer than 8 numbers."""
    return None if (parts := _quarters(values)) is None else _between(parts[0], parts[2])


def _earned(steps: Sequence[Mapping[str, Any]], trends: Mapping[str, Trend]) -> bool:
    """Whether verifier and held-out scorer rose with the PRM and stayed: scorers of other scales part then too."""
    if not {"reward", "prm", "held_out"} <= trends.keys():
        return False
    ends = [_quarters([row.get(name) for row in steps]) for name in ("reward", "held_out")]
    stayed = not any(_between(before, last).fell(0.02) for _, before, last in filter(None, ends))
    return trends["reward"].change > trends["prm"].change and trends["held_out"].rose(0.05) and stayed


def _quarters(values: Sequence[float | None]) -> tuple[Floats, Floats, Floats] | None:
    """The first, the last but one and the last quarter; None for fewer than 8 numbers."""
    known = np.array([v for v in values if v is not None], dtype=np.float64)
    quarter = max(2, len(known) // 4)
    return None if len(known) < _FEW else (known[:quarter], known[-2 * quarter : -quarter], known[-quarter:])


def _between(first: Floats, last: Floats) -> Trend:
    error = np.sqrt(first.var(ddof=1) / len(first) + last.var(ddof=1) / len(last))
    return Trend(float(first.mean()), float(last.mean()), float(error))


def write_audit(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The audit of a training's metrics as a file of Markdown."""
    replace_text(path, f"# Audit\n\n{audit_text(audit(rows))}")


def audit_text(report: Audit) -> str:
    """The audit for a reader: its signs, then first and last quarter of each metric."""
    head = "the PRM looks hacked" if report.fired else "no hacking seen" if report.against else NO_PRM
    lines = [f"{head}{': ' + '; '.join(report.signs) if report.signs else ''}", ""]
    lines += ["| metric | first quarter | last quarter | change | standard error |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {t.first:.3f} | {t.last:.3f} | {t.change:+.3f} | {t.error:.3f} |"
        for name, t in report.trends.items()
    ]
    return "\n".join(lines) + "\n"
