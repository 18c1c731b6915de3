"""PAV in search where Q is small and estimated, and the prover is another policy: the planted subsequence.

Nothing is trained: Q is counted in rollouts of the policy, as a value PRM's labels are, or exact, and the prover's
value is known. So what differs between rows is the score that the beams were kept by.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.reproduce.claim import Claim, claims_table, markdown_table
from bench.reproduce.folder import Unit, unit
from bench.reproduce.over_seeds import difference, estimate
from bench.reproduce.workers import carry_out
from bench.stats.arrays import Floats
from bench.tiny.worlds.planted import ROOM, CountedValue, ExactValue, Planted, Writer, chance, planted_task
from prms.best_of_k import BestOfK
from prms.pav import PAV
from search.result import Fate, SearchResult
from search.strategies.beam_search import beam_search
from verifiers.interface.scoring import Scorer

ALPHA = 0.5  # the paper's for its small models
EXPAND = 3
PROVER = "gamma 20"
ALONE = "its prover's value alone"
Q, BEST_OF_4 = "Q alone", "best of 4"


@dataclass(frozen=True, slots=True)
class Beam:
    """A search: how many letters are planted, the policy's strength, rollouts a value (0: exact), and the width."""

    letters: int = 6
    base: float = 3.0
    rollouts: int = 20
    width: int = 4


@dataclass(frozen=True, slots=True)
class PlantedPlan:
    """How large the part of the planted subsequence is."""

    problems: int = 60
    seeds: tuple[int, ...] = tuple(range(8))


SETTINGS = (Beam(rollouts=0), Beam(), Beam(rollouts=8, width=16), Beam(letters=7, width=16))
SWEPT = Beam()
GAMMAS = (3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
KS = (2, 4, 8, 16, 32)
OF_K = tuple(Beam(rollouts=max(KS), width=width) for width in (2, 4, 8, 16))  # fewer rollouts cannot tell the best of K
_SHARES = {
    "Q alone keeps steps of negative progress more often": ("negative", "kept"),
    "Q alone drops steps of progress in a round that keeps a negative one more often": ("displaced", "promising"),
}
BASES, GRID = (2.0, 3.0, 5.0, 8.0), (3.0, 5.0, 20.0, 1000.0)


def planted_jobs(out: Path, plan: PlantedPlan) -> list[partial[Unit]]:
    """All searches, seed by seed."""
    wanted = dict.fromkeys(
        (
            *((beam, prover) for beam in SETTINGS for prover in (Q, PROVER, BEST_OF_4, ALONE)),
            *((SWEPT, prover) for prover in _sweep()),
            *((beam, prover) for beam in OF_K for prover in _sweep_of_k()),
            *((Beam(base=base), prover) for base in BASES for prover in (Q, *(f"gamma {gamma:g}" for gamma in GRID))),
        )
    )
    return [partial(beams, out, plan, beam, prover, seed) for seed in plan.seeds for beam, prover in wanted]


def beams(out: Path, plan: PlantedPlan, beam: Beam, prover: str, seed: int) -> Unit:
    """A search of every problem: whether the pick is right, whether any beam is, its steps, and letters drawn.

    Progress is that of the chance of the prover of gamma 20. `kept` counts the steps that are kept and `negative` those
    by which it falls, `promising` the steps by which it rises and `displaced` those that are dropped in a round that
    keeps a negative one.
    """
    name = f"l{beam.letters}_g{beam.base:g}_r{beam.rollouts}_w{beam.width}_{prover.replace(' ', '_')}_{seed}"

    def compute() -> Unit:
        task = planted_task(plan.problems, letters=beam.letters)
        base: Scorer = CountedValue(beam.base, beam.rollouts, seed) if beam.rollouts else ExactValue(beam.base)
        scorer = _scorer(base, prover)
        results = beam_search(
            task.problems,
            Writer(beam.base),
            scorer,
            width=beam.width,
            expand=EXPAND,
            max_steps=ROOM + 1,
            final=scorer.base if isinstance(scorer, PAV) else None,
            answers=task.answers,
            sampling=task.sampling,
            seed=seed,
        )
        steps = [_steps(result) for result in results]
        return {
            "right": [float(_right(r)[0]) for r in results],
            "any": [float(_right(r)[1]) for r in results],
            **{count: [of_problem[count] for of_problem in steps] for count in steps[0]},
            "sampled": [r.spend.sampled_tokens for r in results],
            "rolled_out": [r.spend.judged_tokens for r in results],
        }

    return unit(out, f"planted_beams/{name}", compute)


def planted_section(out: Path, plan: PlantedPlan) -> tuple[list[Claim], str]:
    """The claims, and the part of the page."""

    def right(beam: Beam, prover: str, what: str = "right") -> Floats:
        return np.array([beams(out, plan, beam, prover, seed)[what] for seed in plan.seeds], dtype=np.float64)

    def share(beam: Beam, prover: str, part: str, whole: str) -> Floats:
        shares: Floats = right(beam, prover, part) / np.maximum(right(beam, prover, whole), 1)
        return shares

    def gain(base: float, gamma: float) -> str:
        e = difference(right(Beam(base=base), f"gamma {gamma:g}"), right(Beam(base=base), Q))
        return f"{100 * e.value:+.0f} ({100 * e.low:+.0f} to {100 * e.high:+.0f})"

    claims = _claims(right, share)
    parts = [
        "### a planted subsequence\n",
        f"A word of up to {ROOM} letters of 14 is right where the planted ones occur in it in their order. The policy "
        f"draws the next one 3 times as likely as any other, {EXPAND} next letters from each beam element; its Q is "
        f"exact or counted in rollouts, the prover that of gamma 20, alpha {ALPHA:g}. {plan.problems} problems, "
        f"{len(plan.seeds)} seeds of rollouts and samples. A kept right word is always the pick, so accuracy is that "
        "any beam is right.\n",
        claims_table(claims) + "\n",
        markdown_table(
            ("letters", "Q from", "width", "Q alone", "PAV", "best of 4 of the same Q as prover", ALONE),
            (
                (beam.letters, f"{beam.rollouts} rollouts" if beam.rollouts else "exact", beam.width,
                 *(estimate(right(beam, prover)) for prover in (Q, PROVER, BEST_OF_4, ALONE)))
                for beam in SETTINGS
            ),
        )
        + "\n",
        markdown_table(
            ("any of the beams right: letters, Q from, width", "Q alone", "PAV", "as many independent samples"),
            (
                (f"{beam.letters}, {beam.rollouts or 'exact'}, {beam.width}",
                 *(estimate(right(beam, prover, "any")) for prover in (Q, PROVER)), f"{_independent(beam):.3f}")
                for beam in SETTINGS
            ),
        )
        + "\n",
        markdown_table(
            (f"prover of PAV; {SWEPT.letters} letters, {SWEPT.rollouts} rollouts, width {SWEPT.width}", "accuracy"),
            ((prover, estimate(right(SWEPT, prover))) for prover in _sweep()),
        )
        + "\n",
        markdown_table(
            ("prover of PAV; 6 letters, 32 rollouts", *(f"width {beam.width}" for beam in OF_K)),
            ((prover, *(estimate(right(beam, prover)) for beam in OF_K)) for prover in _sweep_of_k()),
        )
        + "\n",
        markdown_table(
            ("gain over Q alone, points: policy", *(f"prover of gamma {gamma:g}" for gamma in GRID)),
            (
                (f"gamma {base:g} (Q alone: {right(Beam(base=base), Q).mean():.3f})", *(gain(base, g) for g in GRID))
                for base in BASES
            ),
        )
        + "\n",
        markdown_table(
            ("letters, Q from, width", "kept steps of negative progress: Q alone", "PAV",
             "steps of progress that are dropped in a round that keeps a negative one: Q alone", "PAV"),
            (
                (f"{beam.letters}, {beam.rollouts or 'exact'}, {beam.width}",
                 *(estimate(share(beam, p, *counts)) for counts in _SHARES.values() for p in (Q, PROVER)))
                for beam in SETTINGS
            ),
        )
        + "\n",
    ]  # fmt: skip
    return claims, "\n".join(parts)


def _claims(right: Callable[..., Floats], share: Callable[..., Floats]) -> list[Claim]:
    claims = []
    for beam in SETTINGS:
        source = f"{beam.rollouts} rollouts" if beam.rollouts else "exact Q"
        where = f"{beam.letters} letters, {source}, width {beam.width}"
        q, pav = right(beam, Q), right(beam, PROVER)
        claims.append(_more(f"beam search with PAV is above beam search on Q alone ({where})", pav, q))
        independent = np.full_like(pav, _independent(beam))
        text = f"its beams hold a right word more often than as many independent samples ({where})"
        claims.append(_more(text, right(beam, PROVER, "any"), independent))
        for text, counts in _SHARES.items():
            claims.append(_more(f"{text} ({where})", *(share(beam, prover, *counts) for prover in (Q, PROVER))))
    best, strong = right(SWEPT, PROVER), right(SWEPT, "gamma 1000")
    claims += [
        _more("a prover that is too weak (gamma 5) helps less than one of gamma 20", best, right(SWEPT, "gamma 5")),
        _more("one that is too strong (gamma 1000) helps less than one of gamma 20", best, strong),
        _more("PAV is above its prover's value without Q", best, right(SWEPT, ALONE)),
    ]
    for beam in OF_K:
        for rival in (Q, "best of 2", "best of 32"):
            text = f"best of 4 is a better prover than {'none' if rival == Q else rival} (width {beam.width})"
            claims.append(_more(text, right(beam, BEST_OF_4), right(beam, rival)))
    # Of the strongest policy Q alone finds every word. The swept policy's provers are judged above: its own value finds
    # the same words as gamma 5's, since advantages so small only break ties of a Q that is counted in rollouts.
    weak, _, able, sated = (Beam(base=base) for base in BASES)
    text = f"the policy itself (gamma {able.base:g}, its value exact) helps less as its prover than one of gamma 20"
    claims.append(_more(text, right(able, PROVER), right(able, f"gamma {able.base:g}")))
    for beam in (weak, able):
        text = f"the policy of gamma {beam.base:g} is helped more by a prover of gamma 20 than by one of 1000"
        claims.append(_more(text, right(beam, PROVER), right(beam, "gamma 1000")))
    gains = [right(b, "gamma 1000") - right(b, PROVER) for b in (weak, sated)]
    text = "the stronger prover is worth more to the weakest policy than to the strongest"
    claims.append(Claim(text, difference(*gains, bounds=(-2.0, 2.0)), unit="points"))
    return claims


def _more(text: str, one: Floats, other: Floats) -> Claim:
    return Claim(text, difference(one, other), unit="points")


def _sweep() -> tuple[str, ...]:
    return Q, *(f"gamma {gamma:g}" for gamma in GAMMAS), ALONE


def _sweep_of_k() -> tuple[str, ...]:
    return Q, *(f"best of {k}" for k in KS)


def _scorer(base: Scorer, prover: str) -> Scorer:
    kind, _, size = prover.rpartition(" ")
    if prover == Q:
        return base
    if prover == ALONE:
        return ExactValue(20.0)
    return PAV(base, ExactValue(float(size)) if kind == "gamma" else BestOfK(base, int(size)), ALPHA)


def _right(result: SearchResult) -> tuple[bool, bool]:
    """Whether the pick is right, and whether any kept solution is."""
    chosen = [] if result.solution is None else [result.solution]
    solutions = [*chosen, *result.pool]
    grades = Planted().score([result.problem] * len(solutions), solutions).values() == 1.0
    return bool(grades[: len(chosen)].any()), bool(grades.any())


def _steps(result: SearchResult) -> dict[str, int]:
    """How many steps were kept and of progress, and how many not as they should; an end is a step of its own."""
    prover = ExactValue(20.0)
    root = float(prover.root_values([result.problem]).values()[0])
    rows = prover.score([result.problem] * len(result.tree), [node.solution for node in result.tree]).steps
    values = [float(row[-1]) if len(row) else 0.0 for row in rows]
    gains = [
        value - (values[node.parent] if node.parent >= 0 else root)
        for node, value in zip(result.tree, values, strict=True)
    ]
    kept = {
        node.solution: (node.depth, gain)
        for node, gain in zip(result.tree, gains, strict=True)
        if node.fate in (Fate.KEPT, Fate.DONE)
    }
    # Equal candidates are one: where one of them is kept none is dropped.
    promising = {node.solution: node.depth for node, gain in zip(result.tree, gains, strict=True) if gain > 0}
    behind = {depth for depth, gain in kept.values() if gain < 0}
    return {
        "kept": len(kept),
        "negative": sum(gain < 0 for _, gain in kept.values()),
        "promising": len(promising),
        "displaced": sum(depth in behind for solution, depth in promising.items() if solution not in kept),
    }


def _independent(beam: Beam) -> float:
    """The chance that one of so many independent samples is right."""
    return 1 - (1 - chance(beam.base, beam.letters, ROOM)) ** beam.width


def reproduce_planted(out: Path, plan: PlantedPlan, *, processes: int) -> tuple[list[Claim], str]:
    """Do the searches that are not done yet."""
    carry_out(planted_jobs(out, plan), processes=processes, title="planted subsequence")
    return planted_section(out, plan)
