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
KS = (2, 4, 8, 16)
BASES, GRID = (2.0, 3.0, 5.0, 8.0), (3.0, 5.0, 20.0, 1000.0)


def planted_jobs(out: Path, plan: PlantedPlan) -> list[partial[Unit]]:
    """All searches, seed by seed."""
    wanted = dict.fromkeys(
        (
            *((beam, prover) for beam in SETTINGS for prover in (Q, PROVER, BEST_OF_4, ALONE)),
            *((SWEPT, prover) for prover in _sweep()),
            *((Beam(base=base), prover) for base in BASES for prover in (Q, *(f"gamma {gamma:g}" for gamma in GRID))),
        )
    )
    return [partial(beams, out, plan, beam, prover, seed) for seed in plan.seeds for beam, prover in wanted]


def beams(out: Path, plan: PlantedPlan, beam: Beam, prover: str, seed: int) -> Unit:
    """A search of every problem: whether the pick is right, whether any beam is, steps kept, and letters drawn.

    `negative` counts the kept steps by which the chance of the prover of gamma 20 falls, and `kept` all of them.
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
        kept = [_progress(result) for result in results]
        return {
            "right": [float(_right(r)[0]) for r in results],
            "any": [float(_right(r)[1]) for r in results],
            "negative": [int((gains < 0).sum()) for gains in kept],
            "kept": [len(gains) for gains in kept],
            "sampled": [r.spend.sampled_tokens for r in results],
            "rolled_out": [r.spend.judged_tokens for r in results],
        }

    return unit(out, f"planted/{name}", compute)


def planted_section(out: Path, plan: PlantedPlan) -> tuple[list[Claim], str]:
    """The claims, and the part of the page."""

    def right(beam: Beam, prover: str, what: str = "right") -> Floats:
        return np.array([beams(out, plan, beam, prover, seed)[what] for seed in plan.seeds], dtype=np.float64)

    def gain(base: float, gamma: float) -> str:
        e = difference(right(Beam(base=base), f"gamma {gamma:g}"), right(Beam(base=base), Q))
        return f"{100 * e.value:+.0f} ({100 * e.low:+.0f} to {100 * e.high:+.0f})"

    claims = _claims(right)
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
            ("gain over Q alone, points: policy", *(f"prover of gamma {gamma:g}" for gamma in GRID)),
            (
                (f"gamma {base:g} (Q alone: {right(Beam(base=base), Q).mean():.3f})", *(gain(base, g) for g in GRID))
                for base in BASES
            ),
        )
        + "\n",
        markdown_table(
            ("letters, Q from, width", "kept steps of negative progress: Q alone", "PAV"),
            (
                (f"{beam.letters}, {beam.rollouts or 'exact'}, {beam.width}",
                 *(estimate(_shares(right(beam, p, "negative"), right(beam, p, "kept"))) for p in (Q, PROVER)))
                for beam in SETTINGS
            ),
        )
        + "\n",
    ]  # fmt: skip
    return claims, "\n".join(parts)


def _claims(right: Callable[..., Floats]) -> list[Claim]:
    claims = []
    for beam in SETTINGS:
        source = f"{beam.rollouts} rollouts" if beam.rollouts else "exact Q"
        where = f"{beam.letters} letters, {source}, width {beam.width}"
        q, pav = right(beam, Q), right(beam, PROVER)
        claims.append(_more(f"beam search with PAV is above beam search on Q alone ({where})", pav, q))
        independent = np.full_like(pav, _independent(beam))
        text = f"its beams hold a right word more often than as many independent samples ({where})"
        claims.append(_more(text, right(beam, PROVER, "any"), independent))
        shares = [_shares(right(beam, prover, "negative"), right(beam, prover, "kept")) for prover in (Q, PROVER)]
        claims.append(_more(f"Q alone keeps steps of negative progress more often ({where})", *shares))
    best, q = right(SWEPT, PROVER), right(SWEPT, Q)
    claims += [
        _more("best of 4 of the same Q is a prover that helps", right(SWEPT, BEST_OF_4), q),
        _more("a prover that is too weak (gamma 5) helps less than one of gamma 20", best, right(SWEPT, "gamma 5")),
        _more("one that is too strong (gamma 1000) helps less than one of gamma 20", best, right(SWEPT, "gamma 1000")),
        _more("best of 4 is a better prover than best of 2", right(SWEPT, BEST_OF_4), right(SWEPT, "best of 2")),
        _more("and than best of 16", right(SWEPT, BEST_OF_4), right(SWEPT, "best of 16")),
    ]
    weak, strong = Beam(base=BASES[0]), Beam(base=BASES[-1])
    gains = [right(b, "gamma 1000") - right(b, "gamma 20") for b in (weak, strong)]
    worth = difference(*gains, bounds=(-2.0, 2.0))
    text = "the stronger prover is worth more to the weakest policy than to the strongest"
    claims.append(Claim(text, worth, unit="points"))
    return claims


def _more(text: str, one: Floats, other: Floats) -> Claim:
    return Claim(text, difference(one, other), unit="points")


def _sweep() -> tuple[str, ...]:
    return Q, *(f"gamma {gamma:g}" for gamma in GAMMAS), *(f"best of {k}" for k in KS), ALONE


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


def _progress(result: SearchResult) -> Floats:
    """The gain of each kept step, its end as a step of its own, in the chance of the prover of gamma 20."""
    prover = ExactValue(20.0)
    root = float(prover.root_values([result.problem]).values()[0])
    rows = prover.score([result.problem] * len(result.tree), [node.solution for node in result.tree]).steps
    values = [float(row[-1]) if len(row) else 0.0 for row in rows]
    gains = [
        value - (values[node.parent] if node.parent >= 0 else root)
        for node, value in zip(result.tree, values, strict=True)
        if node.fate in (Fate.KEPT, Fate.DONE)
    ]
    return np.array(gains, dtype=np.float64)


def _shares(part: Floats, whole: Floats) -> Floats:
    shares: Floats = part / np.maximum(whole, 1)
    return shares


def _independent(beam: Beam) -> float:
    """The chance that one of so many independent samples is right."""
    return 1 - (1 - chance(beam.base, beam.letters, ROOM)) ** beam.width


def reproduce_planted(out: Path, plan: PlantedPlan, *, processes: int) -> tuple[list[Claim], str]:
    """Do the searches that are not done yet."""
    carry_out(planted_jobs(out, plan), processes=processes, title="planted subsequence")
    return planted_section(out, plan)
