"""What a policy of the didactic environment can do: Pass@N, the entropy of its next step, and beam search with it."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from bench.reproduce.claim import Claim, markdown_table, with_interval
from bench.reproduce.over_seeds import difference, estimate
from bench.reproduce.pav.didactic import SAMPLING, draw, next_ids, problem_of
from bench.stats.arrays import Floats
from bench.stats.estimators import pass_curve
from bench.stats.intervals import Estimate
from bench.tiny.worlds.planted import ROOM, CountedValue, ExactValue, Planted, planted_task
from policies.backends.transformers import Transformers
from prms.pav import PAV
from search.strategies.beam_search import beam_search
from verifiers.interface.solution import Solution

Looks: TypeAlias = list[list[dict[str, float]]]  # what was measured in each training: at the start, then on

NS = (1, 2, 4, 8, 16, 32, 64, 128)
READ = 64  # words whose next steps are looked at
TRIES = 256  # of the start, after which a word counts as one that it does not find
CANDIDATES = (16, 32)  # a round of beam search
ALPHA, ROLLOUTS, TAUGHT, PROVER = 0.5, 20, 5.0, 10.0  # of its PAV: the imitator was taught by gamma 5
MARGIN, GAINS = 0.07, (0.11, 0.15)  # over outcome-only RL, and over the start: the paper's
JUDGED = (1, 16, 128)  # of `NS`


def measured(policy: Transformers, word: str, *, seed: int, drawn: int) -> dict[str, float]:
    """`pass@N`, `entropy` in nats, and what search finds.

    `found` says whether any of the first 256 of the words drawn is right, and `beam N` whether beam search with PAV and
    N candidates a round comes to a right word: Q is counted in rollouts of the imitator's teacher, as in `planted`.
    """
    words = draw(policy, word, drawn, seed=seed, what="measured")
    right = Planted().score([problem_of(word)] * drawn, words).values() == 1.0
    return {
        **dict(zip((f"pass@{n}" for n in NS), pass_curve(right.astype(np.float64), NS).tolist(), strict=True)),
        "entropy": next_step_entropy(policy, word, words[:READ]),
        "found": float(right[:TRIES].any()),
        **{f"beam {n}": float(_finds(policy, word, n, seed=seed)) for n in CANDIDATES},
    }


def next_step_entropy(policy: Transformers, word: str, drawn: Sequence[Solution]) -> float:
    """The mean entropy of the next letter or the end, in nats, over all prefixes of these words."""
    prefixes = [Solution(solution.steps[:k]) for solution in drawn for k in range(len(solution.steps))]
    said = policy.next_token_probs([problem_of(word)] * len(prefixes), prefixes, tokens=next_ids(policy))
    p = said.probs.astype(np.float64).clip(1e-12)
    return float(-(p * np.log(p)).sum(axis=1).mean())


def _finds(policy: Transformers, word: str, candidates: int, *, seed: int) -> bool:
    q = CountedValue(TAUGHT, ROLLOUTS, seed)
    [result] = beam_search(
        [problem_of(word)],
        policy,
        PAV(q, ExactValue(PROVER), ALPHA),
        width=candidates // 4,
        expand=4,
        max_steps=ROOM + 1,
        final=q,
        answers=planted_task(1).answers,
        sampling=SAMPLING,
        seed=seed,
    )
    return bool((Planted().score([result.problem] * len(result.pool), result.pool).values() == 1.0).any())


def claims_of(pav: Looks, outcome: Looks, when: Mapping[str, int]) -> list[Claim]:
    """PAV-RL's policies beside those of outcome-only RL from the same starts, at the looks of these names."""
    claims = []
    for name, look in when.items():
        for n in JUDGED:
            one, other = (_table(looks, look, f"pass@{n}") for looks in (pav, outcome))
            text = f"Pass@{n} of PAV-RL's policy is 7 points or more above that of outcome-only RL's {name}"
            claims.append(Claim(text, difference(one, other), MARGIN, unit="points"))
        grown = [_table(looks, look, f"pass@{NS[-1]}") - _table(looks, look, "pass@1") for looks in (pav, outcome)]
        text = f"from N = 1 to {NS[-1]} its Pass@N grows by more {name}"
        claims.append(Claim(text, difference(*grown), unit="points"))
        entropy = difference(*(_table(x, look, "entropy") for x in (pav, outcome)), bounds=(-np.inf, np.inf))
        claims.append(Claim(f"its next steps have more entropy {name}, in nats", entropy))
    unfound = [i for i, looks in enumerate(pav) if not looks[0]["found"]]
    for n in CANDIDATES:
        found = [_table([looks[i] for i in unfound], -1, f"beam {n}") for looks in (pav, outcome)]
        before = _table([pav[i] for i in unfound], 0, f"beam {n}")
        for rival, theirs in (("the start", before), ("outcome-only RL's policy", found[1])):
            text = (
                f"with beam search of {n} candidates a round it finds the word more often than {rival} does, where "
                f"{TRIES} samples of the start do not ({len(unfound)} of {len(pav)} starts)"
            )
            gap = difference(found[0], theirs) if len(unfound) > 1 else Estimate(np.nan, np.nan, np.nan)
            claims.append(Claim(text, gap, unit="points"))
    return claims


def claims_of_start(pav: Looks) -> list[Claim]:
    """PAV-RL from a start that was fine-tuned on right samples, beside that start."""
    gain = difference(*(_table(pav, look, "pass@1") for look in (-1, 0)))
    text = "PAV-RL from a start that was fine-tuned on right samples ends {:.0f} points or more above it"
    return [Claim(text.format(100 * least), gain, least, unit="points") for least in GAINS]


def claims_over(pav: Looks, outcome: Looks, when: Mapping[str, int]) -> list[Claim]:
    """PAV-RL from such starts beside outcome-only RL from the same ones."""
    return [
        Claim(
            f"it is 7 points or more above outcome-only RL from the same start {name}",
            difference(*(_table(looks, look, "pass@1") for looks in (pav, outcome))),
            MARGIN,
            unit="points",
        )
        for name, look in when.items()
    ]


def looks_table(arms: Mapping[str, Looks], when: Mapping[str, int]) -> str:
    """What the policies of each arm could do at the start and at the looks of these names."""
    shown = (*(f"pass@{n}" for n in JUDGED), "entropy", *(f"beam {n}" for n in CANDIDATES))
    rows = []
    for arm, looks in arms.items():
        for name, look in {"at the start": 0, **when}.items():
            figures = (
                estimate(_table(looks, look, what), bounds=(-np.inf, np.inf) if what == "entropy" else (0.0, 1.0))
                for what in shown
            )
            rows.append((arm, name, *(with_interval(e, ".3f") for e in figures)))
    return markdown_table(("policy", "when", *shown), rows)


def _table(looks: Looks, look: int, what: str) -> Floats:
    """One figure a training, (S, 1)."""
    return np.array([[of_training[look][what]] for of_training in looks]).reshape(-1, 1)
