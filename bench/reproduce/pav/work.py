"""The work of `stepbeam reproduce pav`: data, trainings and searches, each kept in a file of its own."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from bench.reproduce.folder import Unit, unit
from bench.reproduce.pav.planted import PlantedPlan
from bench.reproduce.scorer_training import scorer_training
from bench.runs.units import chunks
from bench.stats.estimators import best_at_k, distinct_curve, pass_at_k
from bench.tiny import load_task, weights_folder
from bench.tiny.making.examples.made_up import make_up_outcomes
from bench.tiny.making.examples.values import draw_solutions, read_labelled, value_solutions, write_labelled
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from policies.backends.transformers import Transformers
from policies.training.folder import is_finished
from prms.pav import PAV
from prms.prm import PRM
from prms.training import train_prm
from search.strategies.beam_search import beam_search
from search.strategies.sample import sample
from search.strategies.score import score
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution, Stop, failed, split_steps
from verifiers.reward_models.labelled import Labelled
from verifiers.reward_models.orm import ORM
from verifiers.reward_models.train_orm import train_orm

TASKS = ("chain", "countdown")


@dataclass(frozen=True, slots=True)
class Prover:
    """Whose progress is measured: a shipped language model at a temperature."""

    weights: str
    temperature: float
    share: float = 1.0  # of the data; a prover that is only there for comparison gets less


# The base LM never learned the policy's slips; hot, it makes errors of its own, which fall anywhere.
PROVERS = {
    "other": Prover("base", 1.5),
    "weaker": Prover("policy", 1.5, share=0.25),
    "stronger": Prover("base", 0.7, share=0.25),
}


PROVER = "best_of_4"  # what the paper found best for search; it costs one PRM, not two
SHIPPED = {"orm": "orm", "base": "prm", "other": "prover"}


@dataclass(frozen=True, slots=True)
class PAVPlan:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    problems: int = 200  # held-out problems a task
    tuning: int = 100  # problems a task of the train split, on which alpha and the prover are chosen
    seeds: tuple[int, ...] = tuple(range(8))
    pool: int = 128
    widths: tuple[tuple[int, ...], ...] = ((1, 2, 4), (1, 2, 4, 8))  # of the beams, for each task
    # Next steps drawn from each beam element, by task: chosen on the tuning problems, among 4 and 8.
    expand: tuple[int, ...] = (8, 4)
    data: tuple[int, ...] = (600, 1200)  # problems with values, one number a task
    rollouts: tuple[int, ...] = (8, 12)
    made_up: dict[str, int] = field(default_factory=lambda: {"chain": 3000, "chain_one_error": 3000, "countdown": 3000})
    steps: int = 300  # of each training
    batch_size: int = 128
    sweep_seeds: int = 1  # training seeds that the sweeps over alpha and provers take
    chunk: int = 50
    planted: PlantedPlan = field(default_factory=PlantedPlan)

    @classmethod
    def quick(cls, out: Path) -> Self:
        """The smallest sizes: all stages in minutes, and figures that mean nothing."""
        return cls(
            out, problems=3, tuning=2, seeds=(0, 1), pool=4, widths=((1, 2), (1, 2)), expand=(2, 2), data=(3, 4),
            rollouts=(2, 2), made_up={"chain": 4, "countdown": 4}, steps=2, batch_size=8, chunk=2,
            planted=PlantedPlan(problems=3, seeds=(0, 1)),
        )  # fmt: skip


def test_problems(plan: PAVPlan, task: str) -> tuple[Problem, ...]:
    """The held-out problems on which the claims are measured."""
    return load_task(task, count=plan.problems, seed=21).problems


def tuning_problems(plan: PAVPlan, task: str) -> tuple[Problem, ...]:
    """Problems of the train split as hard as the held-out ones: choices are made on these."""
    world = WORLDS[task]
    levels = world.TEST_DIFFICULTY
    counts = [plan.tuning // len(levels) + (i < plan.tuning % len(levels)) for i in range(len(levels))]
    prompts = [
        p for n, level in zip(counts, levels, strict=True) if n for p in draw_prompts(world, n, 31, "train", level)
    ]
    return tuple(Problem(f"{task}-tuning-{i:05d}", p, world.gold_answer(p)) for i, p in enumerate(prompts))


def policy_of(weights: str) -> Transformers:
    """A shipped language model."""
    return Transformers.load(weights_folder(weights), dtype="float32")


def values(plan: PAVPlan, task: str, prover: str | None) -> list[Labelled]:
    """Monte-Carlo values of the policy (or of a prover's policy) for the same prefixes of the train split."""
    path = plan.out / "values" / f"{task}_{prover or 'policy'}.jsonl.gz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        at = TASKS.index(task)
        solutions = draw_solutions(policy_of("policy"), task, count=plan.data[at], samples=4, made=2, seed=100)
        whose = PROVERS[prover] if prover else Prover("policy", 1.0)
        solutions = solutions[: round(whose.share * len(solutions))]
        rows = value_solutions(
            policy_of(whose.weights),
            task,
            solutions,
            rollouts=plan.rollouts[at],
            prefixes=3,
            seed=100,
            temperature=whose.temperature,
        )
        write_labelled(rows, path)
    return read_labelled(path)


def trainings(plan: PAVPlan) -> list[tuple[str, int]]:
    """Kind and seed of every verifier that is not shipped."""
    wanted = [(kind, seed) for kind in ("orm", "base") for seed in plan.seeds]
    wanted += [(prover, seed) for prover in PROVERS for seed in plan.seeds[: plan.sweep_seeds]]
    return [(kind, seed) for kind, seed in wanted if seed or kind not in SHIPPED]


def trained(plan: PAVPlan, kind: str, seed: int) -> Path:
    """The folder of a verifier: kind "orm", "base" (Q of the policy) or a prover's name.

    Seed 0 is the shipped one, where there is one. The others start from the shipped `prm_error` too; a seed
    draws four fifths of the problems, and the order of the batches.
    """
    if seed == 0 and kind in SHIPPED:
        return weights_folder(SHIPPED[kind])
    out = plan.out / "models" / f"{kind}_{seed}"
    if is_finished(out):
        return out
    prover = None if kind in ("orm", "base") else kind
    rows = [row for task in TASKS for row in values(plan, task, prover)]
    names = sorted({row.problem.id for row in rows})
    kept = set(random.Random(seed).sample(names, 4 * len(names) // 5))
    rows = [row for row in rows if row.problem.id in kept] + make_up_outcomes(plan.made_up, seed)
    start, config = weights_folder("prm_error"), scorer_training(plan.steps, seed, plan.batch_size)
    print(f"{kind}_{seed} ...", flush=True)
    if kind == "orm":  # its start is nearly there
        shorter = replace(config, max_steps=2 * plan.steps // 3, learning_rate=1.5e-4)
        train_orm(start, rows, out=out, config=shorter)
    else:
        train_prm(start, rows, target="value", out=out, config=config)
    return out


def pool(plan: PAVPlan, task: str) -> Unit:
    """Graded independent samples of every held-out problem: texts (None for one without an end), outcomes and FLOPs."""

    def compute() -> Unit:
        loaded, policy = load_task(task, count=1), policy_of("policy")
        texts: list[list[str | None]] = []
        right: list[list[float]] = []
        prompt, sampled = [], []
        for part in chunks(test_problems(plan, task), plan.chunk):
            for result in sample(part, policy, n=plan.pool, sampling=loaded.sampling, seed=5):
                texts.append([s.text if s.finished else None for s in result.pool])
                right.append(_grades(loaded.verifier, result.problem, result.pool))
                # The prompt is computed once; every sample pays for its own tokens.
                prompt.append(result.spend.prompt_flops)
                sampled.append(result.spend.policy_flops - result.spend.prompt_flops)
        return {"texts": texts, "right": right, "prompt_flops": prompt, "sampled_flops": sampled}

    return _told(plan, f"pool/{task}", compute)


def outcome_curve(plan: PAVPlan, task: str, seed: int, sizes: Sequence[int]) -> Unit:
    """Best-of-n with an ORM at every size, as expectations over subsets of the pool: chances and FLOPs, (P, K)."""

    def compute() -> Unit:
        drawn, orm = pool(plan, task), ORM.load(trained(plan, "orm", seed))
        problems = test_problems(plan, task)
        pools = [(p, [_solution(text) for text in texts]) for p, texts in zip(problems, drawn["texts"], strict=True)]
        out: Unit = {"correct": [], "flops": []}
        for result, right, prompt, sampled in zip(
            score(pools, orm), drawn["right"], drawn["prompt_flops"], drawn["sampled_flops"], strict=True
        ):
            scores = result.scores.values()
            out["correct"].append([best_at_k(right, scores, k) for k in sizes])
            texts = [solution.text for solution in result.pool]
            read = distinct_curve(texts, sizes) / len(set(texts)) * result.spend.scorer_flops  # equal ones once
            out["flops"].append([prompt + k * sampled / len(right) + r for k, r in zip(sizes, read, strict=True)])
        return out

    return _told(plan, f"best_of_n/{task}_{seed}", compute)


def any_right(plan: PAVPlan, task: str, sizes: Sequence[int]) -> Unit:
    """The chance that one of n independent samples is right, and what sampling them costs, (P, K)."""
    drawn = pool(plan, task)
    return {
        "correct": [[pass_at_k(right, k) for k in sizes] for right in drawn["right"]],
        "flops": [
            [prompt + k * sampled / plan.pool for k in sizes]
            for prompt, sampled in zip(drawn["prompt_flops"], drawn["sampled_flops"], strict=True)
        ],
    }


def scorer_of(plan: PAVPlan, seed: int, prover: str, alpha: float) -> tuple[Scorer, Scorer]:
    """The scorers of the search and of the final pick; `prover`: "none" (Q alone), "best_of_4" or one of `PROVERS`."""
    base = PRM.load(trained(plan, "base", seed))
    if prover == "none":
        return base, base
    if prover.startswith("best_of_"):
        pav = PAV.best_of_k(base, int(prover.removeprefix("best_of_")), alpha=alpha)
    else:
        pav = PAV(base, PRM.load(trained(plan, prover, seed)), alpha)
    return pav, pav.base


def beams(plan: PAVPlan, task: str, seed: int, prover: str, alpha: float, width: int, *, tuning: bool = False) -> Unit:
    """Beam search on every problem: whether the pick is right, whether any kept solution is, FLOPs; shape (P,) each."""
    name = f"{'tuning' if tuning else 'beam'}/{task}_{seed}_{prover}_{alpha:g}_w{width}"

    def compute() -> Unit:
        loaded, policy = load_task(task, count=1), policy_of("policy")
        scorer, final = scorer_of(plan, seed, prover, alpha)
        out: Unit = {"correct": [], "passed": [], "flops": [], "policy_flops": [], "scored": [], "seconds": 0.0}
        for part in chunks(tuning_problems(plan, task) if tuning else test_problems(plan, task), plan.chunk):
            results = beam_search(
                part,
                policy,
                scorer,
                width=width,
                expand=plan.expand[TASKS.index(task)],
                max_steps=12,
                final=None if final is scorer else final,
                answers=loaded.answers,
                sampling=loaded.sampling,
                seed=seed,
            )
            for result in results:
                grades = _grades(loaded.verifier, result.problem, result.pool)
                chosen = [] if result.solution is None else [result.solution]
                out["correct"].append(sum(_grades(loaded.verifier, result.problem, chosen)))
                out["passed"].append(max(grades, default=0.0))
                out["flops"].append(result.spend.flops)
                out["policy_flops"].append(result.spend.policy_flops)
                out["scored"].append(result.spend.scored_tokens)
                out["seconds"] += result.spend.seconds
        return out

    return _told(plan, name, compute)


def _told(plan: PAVPlan, name: str, compute: Callable[[], Unit]) -> Unit:
    if not (plan.out / f"{name}.json").exists():
        print(f"{name} ...", flush=True)
    return unit(plan.out, name, compute)


def _grades(verifier: Scorer, problem: Problem, solutions: Sequence[Solution]) -> list[float]:
    """1 for a right solution, 0 for a wrong or unfinished one."""
    grades = verifier.score([problem] * len(solutions), solutions).values()
    return [float(s.finished and grade == 1.0) for s, grade in zip(solutions, grades, strict=True)]


def _solution(text: str | None) -> Solution:
    return Solution(split_steps(text), Stop.EOS) if text else failed("no end of sequence within the task's tokens")
