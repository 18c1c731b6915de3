"""What a GRPO training's folder shows a person: plots of its metrics, its steps' credits, and the audit."""

import html
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from bench.files.drawing import COLOURS, new_figure, save_figure
from bench.training.audit import audit, audit_text, read_metrics
from verifiers.interface.errors import BadInput
from verifiers.interface.files import replace_text

# A panel: its title, and the metrics in it; "seconds." and "evaluation." reach into a row's parts.
_PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("reward", ("reward", "evaluation.*")),
    ("share of groups", ("all_wrong", "all_right", "dead")),
    ("share of |advantage| from the PRM", ("prm_share",)),
    ("scorers", ("prm", "held_out", "prm_of_wrong")),
    ("PRM against held-out scorer", ("gap", "rank_correlation")),
    ("steps a solution", ("steps",)),
    ("tokens a step", ("step_tokens",)),
    ("repeated steps, solutions cut off", ("repeated", "cut_off")),
    ("entropy (nats a token)", ("entropy",)),
    ("KL to the start, share of tokens clipped", ("kl", "clipped")),
    ("norm of the gradient", ("grad_norm",)),
    ("seconds a step", ("seconds.rollout", "seconds.scoring", "seconds.update")),
    ("tokens a second", ("tokens_a_second",)),
)
_GROUPS = 6  # of each step in the HTML view


def write_report(folder: Path) -> list[Path]:
    """Write `training.png`, `attributions.html` and `audit.md` into a training's folder; returns them.

    Raises BadInput where the folder holds no training.
    """
    rows = read_metrics(folder)
    if not rows:
        raise BadInput(f"{folder / 'metrics.jsonl'}: no step has been made yet")
    plot_training(rows, folder / "training.png")
    replace_text(folder / "audit.md", f"# Audit\n\n{audit_text(audit(rows))}")
    written = [folder / "training.png", folder / "audit.md"]
    if (credits_file := folder / "attributions.jsonl").exists():
        lines = credits_file.read_text(encoding="utf-8").splitlines()
        replace_text(folder / "attributions.html", attributions_page([json.loads(line) for line in lines]))
        written.append(folder / "attributions.html")
    return written


def plot_training(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel for each kind of metric that the rows have."""
    panels = [(title, series) for title, names in _PANELS if (series := _series(rows, names))]
    columns = 3
    figure, axes = new_figure(-(-len(panels) // columns), columns, size=(13, 2.6 * -(-len(panels) // columns)))
    for axis, (title, series) in zip(axes, panels, strict=False):
        for (name, points), colour in zip(series.items(), COLOURS * len(series), strict=False):
            steps, values = zip(*points, strict=True)
            marker = "." if len(points) < 9 else None
            axis.plot(steps, values, color=colour, linewidth=1.3, label=name, marker=marker)
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.25)
        if len(series) > 1:
            axis.legend(fontsize=8)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[max(0, len(panels) - columns) : len(panels)]:
        axis.set_xlabel("step")
    save_figure(figure, path, dpi=110)


def attributions_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The steps of some solutions, each as dark as its advantage, in one file without scripts."""
    steps = list(dict.fromkeys(row["step"] for row in rows))
    shown = dict.fromkeys((steps[0], steps[len(steps) // 2], steps[-1]) if steps else ())
    most = max((abs(row["advantage"]) for row in rows), default=0.0) or 1.0
    parts = [
        "<!doctype html><meta charset='utf-8'><title>Who got what credit</title><style>"
        "body{font:14px/1.5 sans-serif;margin:2em;max-width:70em}"
        ".s{padding:1px 4px;margin:1px;display:inline-block;border-radius:3px;white-space:pre-wrap}"
        ".w{color:#666}</style><h1>Who got what credit</h1>"
        "<p>Each box is a step; blue earns, orange costs, by its advantage. Point at one for its numbers.</p>"
    ]
    for step in shown:
        parts.append(f"<h2>Training step {step}</h2>")
        of_step = [row for row in rows if row["step"] == step]
        for number, (problem, group) in enumerate(groupby(of_step, key=lambda row: row["problem"])):
            if number == _GROUPS:
                parts.append("<p class='w'>(more groups are in attributions.jsonl)</p>")
                break
            listed = list(group)
            kind, signal = listed[0]["group"].replace("_", " "), listed[0]["signal"]
            parts.append(f"<h3>{html.escape(str(problem))} <span class='w'>{kind}; signal: {signal}</span></h3>")
            for _, solution in groupby(listed, key=lambda row: row["solution"]):
                boxes = list(solution)
                reward = "–" if boxes[0]["reward"] is None else f"{boxes[0]['reward']:g}"
                parts.append(f"<div>{reward} " + "".join(_box(row, most) for row in boxes) + "</div>")
    return "\n".join(parts) + "\n"


def summary(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """What a training came to, for a reader: first tenth of the steps against last, evaluations, the audit.

    >>> summary([{"step": 1, "reward": 0.25, "dead": 0.5}, {"step": 2, "reward": 0.5, "dead": 0.25}])
    ['- reward 0.250 -> 0.500, dead groups 0.500 -> 0.250']
    """
    steps = [row for row in rows if row["step"] != 0]
    few = max(1, len(steps) // 10)
    parts = []
    for name, what in (("reward", "reward"), ("dead", "dead groups"), ("prm_share", "share of the PRM")):
        known = [float(v) for row in steps if isinstance(v := row.get(name), (int, float))]
        if known:
            parts.append(f"{what} {np.mean(known[:few]):.3f} -> {np.mean(known[-few:]):.3f}")
    lines = [f"- {', '.join(parts)}"]
    evaluations = [(row["step"], e) for row in rows if isinstance(e := row.get("evaluation"), Mapping)]
    if evaluations:
        shown = ", ".join(f"{e['accuracy']:.3f} after {step}" for step, e in (evaluations[0], evaluations[-1]))
        lines.append(f"- held-out accuracy {shown} steps")
    if signs := audit(steps).signs:
        lines.append(f"- audit: {'; '.join(signs)}")
    return lines


def _box(row: Mapping[str, Any], most: float) -> str:
    colour = "0,114,178" if row["advantage"] > 0 else "213,94,0"
    score = "none" if row["score"] is None else f"{row['score']:.3f}"
    title = f"advantage {row['advantage']:+.3f}, score {score}, {row['tokens']} tokens"
    text = html.escape(row["text"].rstrip("\n")) or "&nbsp;"
    strength = 0.75 * abs(row["advantage"]) / most
    return f"<span class='s' style='background:rgba({colour},{strength:.2f})' title='{title}'>{text}</span>"


def _series(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name in names:
            part, _, inner = name.partition(".")
            value = row.get(part)
            pairs = (
                {part: value} if not inner else dict(value or {}) if inner == "*" else {inner: (value or {}).get(inner)}
            )
            for key, number in pairs.items():
                if number is not None:
                    series.setdefault(key, []).append((row["step"], float(number)))
    return series
