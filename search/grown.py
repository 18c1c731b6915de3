"""The tree of a search whose strategy tells of none: what was drawn from what, and what became of it."""

import math
from collections.abc import Sequence

from search.requests import Extend, Reply, Request
from search.result import Fate, Node
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Solution, Stop


def grows(request: Request) -> bool:
    """Whether what answers a request may belong to a tree: whole solutions that begin at the root do not."""
    return not isinstance(request, Extend) or request.until != "end" or any(prefix.steps for prefix in request.prefixes)


def grown(told: Sequence[tuple[Request, Reply]], pool: Sequence[Solution]) -> tuple[Node, ...]:
    """The candidates that a search was sent, as they came; none where it drew nothing but whole solutions.

    >>> from search.requests import Score
    >>> from verifiers import Step
    >>> good, bad = Solution((Step("2+2"),)), Solution((Step("2-2"),))
    >>> end = Solution((*good.steps, Step("=4")), Stop.EOS)
    >>> asked = [Extend((Solution(),), 2, "step"), Score((good, bad)), Extend((good,), 1, "end")]
    >>> sent = [(good, bad), Scores(([0.5], [0.25])), (end,)]
    >>> [(node.parent, node.depth, node.value, node.fate.value) for node in grown([*zip(asked, sent)], [end])]
    [(-1, 0, 0.5, 'kept'), (-1, 0, 0.25, 'pruned'), (0, 1, nan, 'done')]

    A value is the last score by the scorer of the search, or by that of the final pick where there is none else.
    """
    places: dict[int, int] = {}  # of candidates by who they are
    by_text: dict[str, int] = {}  # where a prefix was made anew
    drawn: list[Solution] = []
    parents: list[int] = []
    values: list[float] = []
    extended: set[int] = set()
    unscored: set[int] = set()

    def place_of(solution: Solution) -> int:
        if id(solution) in places:
            return places[id(solution)]
        return by_text.get(solution.text, -1) if solution.steps else -1

    for request, reply in told:
        if isinstance(request, Extend) and not isinstance(reply, Scores):
            if not grows(request):
                continue
            before = [place_of(prefix) for prefix in request.prefixes]
            extended.update(before)
            for row, solution in enumerate(reply):
                places.setdefault(id(solution), len(drawn))
                by_text.setdefault(solution.text, len(drawn))
                drawn.append(solution)
                parents.append(before[row // request.n])
                values.append(math.nan)
        elif drawn and isinstance(reply, Scores) and not isinstance(request, Extend):
            for solution, value, reason in zip(request.solutions, reply.values(), reply.reasons, strict=True):
                if (place := place_of(solution)) >= 0 and (request.by == "search" or math.isnan(values[place])):
                    values[place] = float(value)
                    (unscored.add if reason else unscored.discard)(place)
    taken = {place_of(solution) for solution in pool}
    depths: list[int] = []
    nodes: list[Node] = []
    for place, (solution, parent) in enumerate(zip(drawn, parents, strict=True)):
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
        fate = _fate(solution, extended=place in extended, taken=place in taken, unscored=place in unscored)
        nodes.append(Node(parent, depths[place], solution, values[place], fate))
    return tuple(nodes)


def _fate(solution: Solution, *, extended: bool, taken: bool, unscored: bool) -> Fate:
    if solution.stop is Stop.LENGTH:
        return Fate.CUT
    if solution.stop is Stop.FAILED or unscored:
        return Fate.FAILED
    if solution.finished and taken:
        return Fate.DONE
    return Fate.KEPT if extended or taken else Fate.PRUNED
