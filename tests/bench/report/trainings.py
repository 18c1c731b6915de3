"""Folders of made-up trainings."""

import json
from pathlib import Path

import numpy as np


def make_training(
    path: Path, *, steps: int = 20, hacked: bool = False, credited: bool = True, text: str = "so {}\n", groups: int = 8
) -> Path:
    """A folder as `stepbeam train grpo` leaves it, without the model: rewards that rise, or a PRM's alone."""
    rng = np.random.default_rng(0)
    path.mkdir(parents=True)
    record = {"policy": "dice", "problems": ["a", "b"], "verifier": "right", "prm": "prm", "held_out": "orm"}
    (path / "training.json").write_text(
        json.dumps(record | {"config": {"gate": "always", "steps": 500, "sampling": {"top_p": 1.0}}})
    )
    rows: list[dict[str, object]] = [{"step": 0, "evaluation": {"accuracy": 0.25}}]
    for step in range(1, steps + 1):
        rise = step / steps
        row = {
            "step": step,
            "reward": 1 - rise if hacked else rise,
            "prm": rise,
            "dead": 0.5,
            "kl": None,
            "loss": 1e-5 * rise,
        }
        row |= {"seconds": {"rollout": 1.0, "update": 0.5}, "tokens_a_second": 12345.0}
        rows.append(row | ({"evaluation": {"accuracy": rise}} if step % 5 == 0 else {}))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = (
        {
            "step": step, "problem": f"problem-{group}", "solution": solution, "place": place,
            "text": text.format(place), "tokens": 3, "reward": None if solution == 2 else float(solution),
            "score": None if place else 0.5,
            "advantage": float(rng.normal()), "group": "mixed" if group % 2 else "all_wrong", "signal": "both",
        }
        for step in range(1, steps + 1) for group in range(groups) for solution in range(3) for place in range(2)
    )  # fmt: skip
    if credited:
        (path / "attributions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    return path


def make_scorer_training(path: Path) -> Path:
    """A folder as `stepbeam train prm` leaves it, without the model."""
    path.mkdir(parents=True)
    rows = [
        {"step": step, "loss": 1 / step, "grad_norm": 0.5, "learning_rate": 1e-4 / step} for step in range(10, 60, 10)
    ]
    (path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (path / "training.json").write_text(
        json.dumps({"kind": "prm", "target": "value", "base": "ab12", "config": {"seed": 3}, "planned_steps": 80})
    )
    quality = {"file": "test.jsonl", "labels": 40, "silent": 0, "accuracy": 0.75, "auc": None}
    (path / "evaluation.json").write_text(json.dumps(quality))
    return path
