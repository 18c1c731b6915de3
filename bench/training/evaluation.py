"""How well a trained scorer judges held-out rows, in its folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.diagnostics.label_quality import Quality, judge, quality_of, quality_record
from bench.diagnostics.reliability import plot_reliability, reliability
from verifiers.genrm.critiqued import Critiqued
from verifiers.interface.files import replace_text
from verifiers.interface.scoring import Scorer
from verifiers.reward_models.labelled import Labelled, with_outcome


def evaluate_scorer(
    scorer: Scorer, rows: Sequence[Labelled] | Sequence[Critiqued], out: Path, *, name: str, file: str
) -> Quality:
    """Judge the rows, which are those of `file`, and write `evaluation.json` and `reliability.png` into `out`.

    Raises ValueError where no row has both a score and a label.
    """
    labelled = [r if isinstance(r, Labelled) else with_outcome(r.problem, r.solution, r.right) for r in rows]
    judged = judge(scorer, labelled)
    quality = quality_of(judged)
    replace_text(out / "evaluation.json", json.dumps(quality_record(quality, file), indent=2) + "\n")
    bins = reliability(judged.scores, judged.labels, groups=judged.problems)
    plot_reliability({name: bins}, out / "reliability.png", title=f"{name}, {file}")
    return quality
