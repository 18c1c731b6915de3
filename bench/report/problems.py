"""The problems of a run, one by one: a line each for the list, and everything there is on it."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bench.files.rows import SampleRow, ScoreRow, TreeRow, grouped, json_number
from bench.report.curves import Curve
from bench.report.failures import trouble_of
from bench.report.folder import Folder
from bench.report.shown import ProblemRows
from verifiers.grading.thinking import Marks, thought_steps
from verifiers.interface.files import Row

_SNIPPET = 140  # characters of a prompt in the list


def last_chances(folder: Folder, curves: Sequence[Curve]) -> list[dict[int, float]]:
    """How right each problem is at each curve's largest N, by the problem's number."""
    chances: list[dict[int, float]] = []
    for curve in curves:
        point = folder.results.points.get(curve.key, {}).get(curve.points[-1].n)
        pairs = () if point is None else zip(point.problems.tolist(), point.correct.tolist(), strict=True)
        chances.append(dict(pairs))
    return chances


def list_record(rows: ProblemRows, chances: Sequence[float | None]) -> Row:
    """A problem's line in the list: its `chances` at each curve's largest N, and `gaps`, how far scorers are misled."""
    drawn = [row for row in rows.samples if row.strategy == "sample"]
    right = sum(row.correct is True for row in drawn)
    unknown = sum(trouble_of(row) == "ungraded" for row in drawn)
    return {
        "id": rows.problem.id,
        "prompt": " ".join(prompt_text(rows.problem.prompt).split())[:_SNIPPET],
        "right": right,
        "wrong": len(drawn) - right - unknown,
        "unknown": unknown,
        "curves": list(chances),
        "gaps": _gaps(drawn, rows.scores),
    }


def prompt_text(prompt: Any) -> str:
    """A prompt's text, of all its messages where it is a conversation.

    >>> prompt_text([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2"}])
    'Be brief. 2+2'
    """
    if isinstance(prompt, list):
        return " ".join(str(message.get("content", "")) for message in prompt)
    return "" if prompt is None else str(prompt)


def _gaps(drawn: Iterable[SampleRow], scores: Iterable[ScoreRow]) -> dict[str, float | str | None]:
    """How much higher each scorer puts the best wrong solution than the best right one."""
    right = {(row.n, row.index): row.correct for row in drawn if row.stop == "eos"}
    best: dict[str, dict[bool, float]] = defaultdict(dict)
    for row in scores:
        kind = right.get((row.n, row.index)) if row.strategy == "sample" else None
        if kind is not None and not math.isnan(row.value):
            best[row.scorer][kind] = max(row.value, best[row.scorer].get(kind, row.value))
    gaps = {name: of[False] - of[True] for name, of in best.items() if len(of) == 2}
    return {name: _short(gap) for name, gap in gaps.items() if not math.isnan(gap)}


def detail_record(rows: ProblemRows) -> Row:
    """All of a problem; texts stand once in `texts`, and steps are places in it."""
    texts: dict[str, int] = {}  # beam searches repeat the same steps over and over
    samples = grouped(rows.samples, lambda row: (row.strategy, row.scorer, row.n))
    trees = grouped(rows.trees, lambda node: (node.strategy, node.scorer, node.n))
    return {
        "prompt": _prompt_record(rows.problem.prompt),
        "answer": rows.problem.answer,
        "pools": [_pool_record(key, pool, rows, texts) for key, pool in samples.items()],
        "trees": [_tree_record(key, nodes, texts) for key, nodes in trees.items()],
        "texts": list(texts),
    }


def _prompt_record(prompt: Any) -> list[list[str]]:
    """Rows of role and text; a bare prompt has no role."""
    if isinstance(prompt, list):
        return [[str(message.get("role", "")), str(message.get("content", ""))] for message in prompt]
    return [] if prompt is None else [["", str(prompt)]]


def _pool_record(
    key: tuple[str, str | None, int], pool: Sequence[SampleRow], rows: ProblemRows, texts: dict[str, int]
) -> dict[str, Any]:
    strategy, scorer, n = key
    place = {row.index: i for i, row in enumerate(pool)}
    said: dict[str, Row] = {}
    for row in rows.scores:
        mine = row.strategy == strategy and row.n == n and row.index in place
        if mine and (strategy == "sample" or row.scorer == scorer):
            if (record := said.get(row.scorer)) is None:
                # Of a scorer that was silent there is no row: its place stays empty.
                record = {"steps": [None] * len(pool), "values": [None] * len(pool), "reasons": {}}
                said[row.scorer] = record
            i = place[row.index]
            record["steps"][i] = [_short(score) for score in row.steps]
            record["values"][i] = _short(row.value)
            if row.reason:
                record["reasons"][i] = row.reason
    return {
        "strategy": strategy,
        "scorer": scorer,
        "n": n,
        "solutions": [_solution_record(row, rows.marks, texts) for row in pool],
        "scores": said,
    }


def _solution_record(row: SampleRow, marks: Sequence[Marks], texts: dict[str, int]) -> dict[str, Any]:
    tokens = row.tokens
    return {
        "index": row.index,
        "steps": [texts.setdefault(text, len(texts)) for text in row.steps],
        "thought": thought_steps(row.steps, marks),
        "stop": row.stop,
        "reason": row.reason,
        "answer": row.answer,
        "correct": row.correct,
        "trouble": trouble_of(row),
        "chosen": row.chosen,
        "tokens": None if tokens is None else sum(map(len, tokens)),
        "logprob": _short(row.logprob),
    }


def _tree_record(key: tuple[str, str | None, int], nodes: Sequence[TreeRow], texts: dict[str, int]) -> dict[str, Any]:
    place = {row.node: i for i, row in enumerate(nodes)}
    return {
        "strategy": key[0],
        "scorer": key[1],
        "n": key[2],
        "parent": [place.get(row.parent, -1) for row in nodes],
        "depth": [row.depth for row in nodes],
        "text": [texts.setdefault(row.text, len(texts)) for row in nodes],
        "stop": [row.stop for row in nodes],
        "value": [_short(row.value) for row in nodes],
        "fate": [row.fate for row in nodes],
    }


def _short(number: float) -> float | str | None:
    """Four figures are more than a colour or a read-out shows, and keep the page small."""
    return json_number(float(f"{number:.4g}") if math.isfinite(number) else number)
