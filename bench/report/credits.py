"""The credits of a training, step by step, as its page shows them."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from bench.files.rows import CreditRow, json_number
from bench.report.parts import blob
from bench.training.log import checked
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row, each_row

_STEPS, _GROUPS = 100, 6  # steps of a training, and groups of each


class Credits:
    """The credits in a training's folder: which steps have them, and those shown of some steps from first to last.

    The file, which may be large, is read twice, and what is not shown is never packed. Raises BadInput for a row that
    is none, or of a step before that of the row before.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "attributions.jsonl"
        self._most = 0.0
        steps: list[int] = []
        for row in self._rows():
            self._most = max(self._most, abs(row.advantage))
            if not steps or row.step > steps[-1]:
                steps.append(row.step)
        last = len(steps) - 1
        places = sorted({i * last // (_STEPS - 1) for i in range(_STEPS)}) if last >= _STEPS else range(last + 1)
        self._recorded = len(steps)
        self._shown = [steps[i] for i in places]

    def _rows(self) -> Iterator[CreditRow]:
        before = 0
        for number, (_, row) in enumerate(each_row(self._path), 1):
            where = f"{self._path}, line {number}"
            made = checked(CreditRow, row, where=where)
            if made.step < before:
                raise BadInput(f"{where}: 'step' is {made.step} after {before}; put the rows in the order of steps")
            before = made.step
            yield made

    @property
    def record(self) -> Row:
        """What the summary has of them."""
        return {"steps": self._shown, "recorded": self._recorded, "most": self._most or 1.0}

    def blobs(self, name: str) -> Iterator[str]:
        """The steps shown, each packed on its own under `name` and its number."""
        shown = set(self._shown)
        for step, rows in groupby(self._rows(), key=lambda row: row.step):
            if step in shown:
                yield blob(f"{name}-{step}", credits_record(list(rows)))


def credits_record(rows: Sequence[CreditRow]) -> Row:
    """The credits of a training step: its first groups with their solutions, and means by the place in a solution.

    >>> from dataclasses import replace
    >>> row = CreditRow(step=3, problem="p", solution=0, place=0, text="so", tokens=2, reward=1.0, score=0.25,
    ...                 advantage=0.5, group="mixed", signal="outcome")
    >>> made = credits_record([row, replace(row, solution=1, advantage=-0.5, reward=0.0)])
    >>> made["places"], len(made["groups"][0]["solutions"]), made["left"]
    ({'right': [[1, 0.5]], 'wrong': [[1, -0.5]], 'size': [[1, 0.5]]}, 2, 0)
    """
    groups: list[Row] = []
    sums: dict[str, dict[int, list[float]]] = {"right": {}, "wrong": {}, "size": {}}
    before: CreditRow | None = None
    for row in rows:
        # A problem may be drawn twice, one group after the other: solutions, or places in one, begin anew.
        if before is None or row.problem != before.problem or not _at(before) < _at(row):
            groups.append({"problem": row.problem, "kind": row.group, "signal": row.signal, "solutions": []})
            before = None
        solutions = groups[-1]["solutions"]
        if before is None or row.solution != before.solution:
            solutions.append({"reward": json_number(row.reward), "steps": []})
        solutions[-1]["steps"].append([row.text, row.tokens, json_number(row.score), row.advantage])
        before = row
        sums["size"].setdefault(row.place, []).append(abs(row.advantage))
        if row.reward == row.reward:  # one that has none is neither right nor wrong
            sums["right" if row.reward else "wrong"].setdefault(row.place, []).append(row.advantage)
    return {
        "step": rows[0].step,
        "groups": groups[:_GROUPS],
        "left": len(groups[_GROUPS:]),
        "places": {
            name: [[place + 1, sum(values) / len(values)] for place, values in sorted(of.items())]
            for name, of in sums.items()
            if of
        },
    }


def _at(row: CreditRow) -> tuple[int, int]:
    return row.solution, row.place
