"""Groups of solutions with their rewards, step scores and advantages: all that an update needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.grpo.advantages import Floats, GroupInfo, gate_opens, gated_advantages
from policies.grpo.config import GRPOConfig
from policies.policy import Policy
from verifiers.interface.capabilities import advantages_of, root_values_of
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Scorer, ask
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Stop


@dataclass(frozen=True, slots=True)
class Group:
    """A problem's solutions and what is said of them.

    `rewards` has shape (G,), NaN where the verifier has no opinion; `advantages[i]` one number for each token of
    solution i. `step_scores[i]` has shape (S_i,), None for the whole group where the PRM was not asked; `held_out`
    the values of a scorer that is not trained against, shape (G,), None where there is none.
    """

    problem: Problem
    solutions: tuple[Solution, ...]
    rewards: FloatArray
    step_scores: tuple[FloatArray, ...] | None
    advantages: tuple[Floats, ...]
    info: GroupInfo
    held_out: FloatArray | None = None

    @property
    def dead(self) -> bool:
        """Whether no token of it has a signal."""
        return self.info.signal == "none"


def sample_groups(
    policy: Policy, problems: Sequence[Problem], config: GRPOConfig, *, positions: Sequence[int]
) -> list[tuple[Solution, ...]]:
    """`group_size` solutions of each problem, with their exact tokens.

    Seeds come from (seed, problem, position, place), the positions counting all groups of the training.

    Raises TypeError where the policy does not tell the tokens of what it sampled.
    """
    size = config.group_size
    rows = [problem for problem in problems for _ in range(size)]
    seeds = [
        seed_at(config.seed, p.id, "grpo", at, i)
        for p, at in zip(problems, positions, strict=True)
        for i in range(size)
    ]
    reply = policy.extend(rows, [Solution()] * len(rows), until="end", sampling=config.sampling, seeds=seeds)
    for problem, solution in zip(rows, reply.solutions, strict=True):
        if solution.stop is not Stop.FAILED and any(s.tokens is None for s in solution.steps):
            raise TypeError(
                f"problem {problem.id!r}: {name_of(policy)} gave a solution without its tokens; a training needs the "
                "exact ids that were sampled: use policies.Transformers"
            )
    return [reply.solutions[i : i + size] for i in range(0, len(rows), size)]


def judge_groups(
    problems: Sequence[Problem],
    pools: Sequence[Sequence[Solution]],
    verifier: Scorer,
    prm: Scorer | None,
    config: GRPOConfig,
    *,
    held_out: Scorer | None = None,
) -> list[Group]:
    """Score sampled groups, and give every token its advantage.

    A solution that was cut off, and of which the verifier therefore has no opinion, has reward 0: to come to an end
    is part of being right. The PRM is asked in one call about the groups that it may speak in, or about all where
    a `held_out` scorer is to be compared with it. Raises ValueError where its scores are those of an outcome scorer
    or do not fit the steps.
    """
    if not pools:
        return []  # there are more processes than groups
    rewards = _each(_rewards(verifier, *_flat(problems, pools)), pools)
    plain = [_advantages(pool, r, None, None, config, gate="never") for pool, r in zip(pools, rewards, strict=True)]
    speaks = [prm is not None and gate_opens(config.gate, info.kind) for _, info in plain]
    asked = [i for i, open_ in enumerate(speaks) if open_ or (prm is not None and held_out is not None)]
    said = dict(
        zip(asked, _step_scores([problems[i] for i in asked], [pools[i] for i in asked], prm, config), strict=True)
    )
    audited = None if held_out is None else _each(ask(held_out, *_flat(problems, pools)).values(), pools)
    groups = []
    for i, (problem, pool) in enumerate(zip(problems, pools, strict=True)):
        scores, roots = said.get(i, (None, None))
        advantages, info = plain[i]
        if speaks[i]:
            try:
                advantages, info = _advantages(pool, rewards[i], scores, roots, config, gate=config.gate)
            except ValueError as error:
                raise ValueError(f"problem {problem.id!r}, {name_of(prm)}: {error}") from None
        other = None if audited is None else audited[i]
        groups.append(Group(problem, tuple(pool), rewards[i], scores, advantages, info, other))
    return groups


def step_ends(solution: Solution) -> list[int]:
    """The position of each step's last token among the solution's; a failed one has none.

    >>> from verifiers import Step
    >>> step_ends(Solution((Step("a", (1, 2)), Step("b", (3,)))))
    [1, 2]
    """
    if solution.stop is Stop.FAILED:
        return []
    return [int(end) - 1 for end in np.cumsum([len(step.tokens or ()) for step in solution.steps])]


def _advantages(
    pool: Sequence[Solution],
    rewards: FloatArray,
    scores: Sequence[FloatArray] | None,
    roots: Sequence[float] | None,
    config: GRPOConfig,
    *,
    gate: str,
) -> tuple[tuple[Floats, ...], GroupInfo]:
    graded = [float("nan") if s.stop is Stop.FAILED else float(r) for s, r in zip(pool, rewards, strict=True)]
    ends = [step_ends(s) for s in pool]
    return gated_advantages(
        graded,
        None if scores is None else [row[: len(e)] for row, e in zip(scores, ends, strict=True)],
        ends,
        gate=gate,  # type: ignore[arg-type]
        credit=config.credit,
        scale=config.scale,
        weight=config.weight,
        baseline=config.baseline,
        prm_coef=config.prm_coef,
        roots=roots,
        right_above=config.right_above,
        error_below=config.error_below,
    )


def _step_scores(
    problems: Sequence[Problem], pools: Sequence[Sequence[Solution]], prm: Scorer | None, config: GRPOConfig
) -> list[tuple[tuple[FloatArray, ...], list[float] | None]]:
    """For each pool its solutions' step scores, and the values before the first step where the credit asks for them."""
    if prm is None or not pools:
        return []
    (asked, solutions), roots = _flat(problems, pools), None
    by_gain = config.credit in ("progress", "advantage")
    if by_gain and (ask_advantages := advantages_of(prm)):
        # A PAV knows the prover's progress itself: summed up from 0, its advantages telescope to it.
        gains = ask_advantages(asked, solutions)
        steps, roots = tuple(np.cumsum(row, dtype=np.float32) for row in gains.steps), [0.0] * len(problems)
    else:
        steps = ask(prm, asked, solutions).steps
        if by_gain and (ask_roots := root_values_of(prm)):
            roots = [float(v) for v in ask_roots(problems).values()]
    per_pool, at = [], 0
    for i, pool in enumerate(pools):
        per_pool.append((tuple(steps[at : at + len(pool)]), None if roots is None else [roots[i]] * len(pool)))
        at += len(pool)
    return per_pool


def _rewards(verifier: Scorer, problems: Sequence[Problem], solutions: Sequence[Solution]) -> FloatArray:
    rewards = ask(verifier, problems, solutions).values()
    if (endless := np.flatnonzero(np.isinf(rewards))).size:
        where = f"problem {problems[endless[0]].id!r}, {name_of(verifier)}"
        raise ValueError(f"{where}: the reward is {rewards[endless[0]]}; give a finite number, or NaN for no opinion")
    cut_off = np.array([solution.stop is Stop.LENGTH for solution in solutions], dtype=np.bool_)
    return np.where(cut_off & np.isnan(rewards), np.float32(0.0), rewards)


def _flat(problems: Sequence[Problem], pools: Sequence[Sequence[Solution]]) -> tuple[list[Problem], list[Solution]]:
    """A problem a solution, and the solutions of all pools in a row."""
    asked = [problem for problem, pool in zip(problems, pools, strict=True) for _ in pool]
    return asked, [solution for pool in pools for solution in pool]


def _each(values: FloatArray, pools: Sequence[Sequence[Solution]]) -> list[FloatArray]:
    return np.split(values, np.cumsum([len(pool) for pool in pools])[:-1])
