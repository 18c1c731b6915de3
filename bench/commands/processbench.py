"""`stepbeam processbench`: a file or a hub name, a scorer, a table."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import path_of
from bench.files.run_folder import check_folder
from bench.inputs.specs import load_scorer
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import replace_text, whole_rows
from verifiers.interface.lines import json_line
from verifiers.interface.scoring import Scorer, Scores, Spend

if TYPE_CHECKING:
    from bench.diagnostics.processbench import Case, Interval, Report

_FILE = "processbench.jsonl"
_COLUMNS = {"id", "label", "prediction", "scores", "reason"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam processbench`."""
    parser.add_argument(
        "file", metavar="FILE", help="ProcessBench rows (.json, .jsonl, .gz), or its hub name and split"
    )
    parser.add_argument(
        "--scorer",
        required=True,
        metavar="SPEC",
        help="prm:MODEL, tiny:prm, or module:name of your own, as in 'stepbeam run'",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.5, metavar="T", help="a step that scores below it is wrong"
    )
    parser.add_argument(
        "--fit-on", metavar="FILE", help="take the threshold that is best on these other rows; default: --threshold"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first so many rows; default: all")
    parser.add_argument(
        "--out",
        type=path_of,
        metavar="FOLDER",
        help="where each row's scores and prediction are written; default: nowhere",
    )


def run(options: argparse.Namespace) -> None:
    """Score the file and print its three figures."""
    processbench(
        options.file,
        options.scorer,
        threshold=options.threshold,
        fit_on=options.fit_on,
        limit=options.limit,
        out=options.out,
    )


def processbench(
    spec: str,
    scorer: str,
    *,
    threshold: float = 0.5,
    fit_on: str | None = None,
    limit: int | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> Report:
    """Score a ProcessBench file and print its three figures.

    `spec` is as `read_cases` takes it, `scorer` as the command line's `--scorer`. With `fit_on`,
    another file or split, the threshold is the best one there and `threshold` is not used. With
    `out`, each row's scores and prediction are written to `processbench.jsonl` in that folder.

    Raises BadInput for bad rows, a scorer that judges no step, or rows that stand in both files.
    """
    from bench.diagnostics.processbench import evaluate, fit_threshold, read_cases

    if not math.isfinite(threshold):
        raise BadInput(f"--threshold {threshold}: it must be a finite number")
    if out is not None:
        check_folder(out)
        _check_ours(out / _FILE)
    cases = read_cases(spec, limit=limit)
    judge = load_scorer(scorer)
    rule = f"fixed at {threshold:g}"
    if fit_on is not None:
        held_out = read_cases(fit_on)
        both = {c.problem.prompt for c in cases} & {c.problem.prompt for c in held_out}
        if both:
            raise BadInput(
                f"--fit-on {fit_on}: {len(both)} of its problems are also in {spec}; fit the threshold on other ones"
            )
        threshold = fit_threshold(held_out, _scores(held_out, judge, scorer, progress))
        rule = f"{threshold:.4g}, the best on the {len(held_out)} rows of {fit_on}"
    scores = _scores(cases, judge, scorer, progress)
    report = evaluate(cases, scores, threshold=threshold)
    for line in _lines(cases, scores, report, rule):
        print(line)
    if out is not None:
        file = out / _FILE
        out.mkdir(parents=True, exist_ok=True)
        replace_text(file, "".join(map(json_line, _rows(cases, scores, report))))
        print(f"- files: {file}")
    return report


def _check_ours(path: Path) -> None:
    """Raise BadInput for a file that is not one of ours, which would be replaced."""
    if any(row.keys() != _COLUMNS for row in whole_rows(path)):
        raise BadInput(f"{path}: a file of something else; choose another folder")


def _scores(cases: Sequence[Case], judge: Scorer, name: str, progress: bool) -> Scores:
    from bench.diagnostics.processbench import score_cases

    try:
        scores = score_cases(cases, judge, progress=progress)
    except BadInput:
        raise
    except Exception as error:  # whatever a scorer of one's own raises
        raise BadInput(f"--scorer {name}: {type(error).__name__}: {first_line(error)}") from error
    if not any(len(row) and not math.isnan(row[0]) for row in scores.steps):
        reason = next((r for r in scores.reasons if r), "it speaks at the end of a solution only")
        raise BadInput(f"--scorer {name}: it judges no first step, so it cannot find the first error ({reason})")
    return scores


def _lines(cases: Sequence[Case], scores: Scores, report: Report, rule: str) -> list[str]:
    from bench.runs.table import short

    erroneous = sum(case.label != -1 for case in cases)
    unknown = [i for i, predicted in enumerate(report.predictions) if predicted is None]
    spent = Spend.total(scores.spend)
    lines = [
        f"{'':24}{'rows':>6}{'accuracy':>10}   95% interval",
        _line("with an error", erroneous, report.on_erroneous),
        _line("all steps right", len(cases) - erroneous, report.on_correct),
        _line("F1", len(cases), report.f1),
        "",
        f"- threshold: {rule}; predicted is the first step that scores below it, -1 where none does",
        "- F1 is the harmonic mean of the two accuracies; intervals draw whole problems",
        f"- scored: {short(spent.scored_tokens)} tokens, {short(spent.scorer_flops)} FLOPs",
    ]
    if unknown:
        reason = next((scores.reasons[i] for i in unknown if scores.reasons[i]), "a step has no score")
        lines.append(f"- {len(unknown)} rows have no prediction and count as wrong; the first: {reason}")
    return lines


def _line(name: str, rows: int, figure: Interval) -> str:
    if math.isnan(figure[0]):
        return f"{name:24}{rows:>6}{'none':>10}"
    return f"{name:24}{rows:>6}{figure[0]:>10.1%}   {figure[1]:.1%} to {figure[2]:.1%}"


def _rows(cases: Sequence[Case], scores: Scores, report: Report) -> list[dict[str, object]]:
    return [
        {
            "id": case.problem.id,
            "label": case.label,
            "prediction": predicted,
            "scores": [None if math.isnan(s) else float(s) for s in row],
            "reason": reason,
        }
        for case, predicted, row, reason in zip(cases, report.predictions, scores.steps, scores.reasons, strict=True)
    ]
