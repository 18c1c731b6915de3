"""The work of `stepbeam reproduce genrm`: data, trainings and scores, each kept in files of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from bench.reproduce.folder import Unit, slug, unit
from bench.reproduce.genrm import words
from bench.tiny import load_task, weights_folder
from bench.tiny.making.examples.critiqued import SETTINGS, critiqued
from bench.tiny.making.examples.rationales import FORMAT
from bench.tiny.worlds.worlds import WORLDS
from policies.backends.transformers import Transformers
from policies.policy import Sampling
from policies.training.config import TrainConfig
from search.strategies.sample import sample
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.format import GenRMFormat
from verifiers.genrm.judge import GenRM, Judgement
from verifiers.genrm.llm_judge import LLMJudge
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution, Stop, split_steps
from verifiers.reward_models.implicit_reward import ImplicitReward
from verifiers.reward_models.labelled import with_outcome
from verifiers.reward_models.orm import ORM

TASKS = ("last_letter", "word_sort")


@dataclass(frozen=True, slots=True)
class Suite:
    """Held-out problems of one task: as long as the longest that were verified in training, or longer."""

    task: str
    longer: bool

    @property
    def name(self) -> str:
        return f"{self.task}, {'5-6' if self.longer else '4'} words"


SUITES = tuple(Suite(task, longer) for longer in (False, True) for task in TASKS)
BETA = 0.1
ROOM = 256  # tokens of a solution and its rationale
Kind: TypeAlias = Literal["orm", "direct", "cot", "dpo", "judge"]


@dataclass(frozen=True, slots=True)
class Rival:
    """A verifier of the table: what it is and how it is trained. All see one data set."""

    kind: Kind
    steps: float = 1.0  # share of the plan's `steps`; a row without a rationale is shorter, so there is time for more
    solution_weight: float = 1 / 3
    rationales: int | None = None
    variant: bool = False  # of GenRM-CoT, measured on problems as long as those of the training


RIVALS: dict[str, Rival] = {
    "orm": Rival("orm", steps=1.5),
    "genrm": Rival("direct", steps=1.5),
    "genrm_cot": Rival("cot"),
    "genrm_cot, lambda 0": Rival("cot", solution_weight=0.0, variant=True),
    "genrm_cot, lambda 1": Rival("cot", solution_weight=1.0, variant=True),
    "genrm_cot, one rationale": Rival("cot", rationales=1, variant=True),
    "dpo": Rival("dpo", steps=0.5),
    "judge": Rival("judge"),
}


@dataclass(frozen=True, slots=True)
class GenRMPlan:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    problems: int = 100  # held-out problems a task
    longer: int = 60  # the same of longer problems
    seeds: tuple[int, ...] = (0, 1, 2)  # of the trainings
    suites: tuple[Suite, ...] = SUITES
    rivals: tuple[str, ...] = tuple(RIVALS)
    base: str = ""  # a pretrained LM's folder or hub name, for verifiers to start from; else the shipped LM
    n: int = 32  # solutions of each problem that are verified
    pool: int = 64  # solutions of each problem for self-consistency
    rows: int = 4000  # solutions a task to learn from
    steps: int = 240  # of a training of GenRM-CoT; the others' are shares of it
    batch_size: int = 48
    learning_rate: float = 1e-3
    votes: int = 4  # rationales a solution
    longer_votes: int = 2  # the same on longer problems
    many: int = 32  # rationales a solution for the first `few` problems
    few: int = 12
    compared: int = 30  # problems a task on which the variants of GenRM-CoT are measured
    data_seed: int = 41
    test_seed: int = 42

    @property
    def format(self) -> GenRMFormat:
        """How the verifiers are asked."""
        return words.FORMAT if self.base else FORMAT

    @classmethod
    def quick(cls, out: Path) -> Self:
        """The smallest sizes: all stages in minutes, and figures that mean nothing."""
        return cls(
            out, problems=3, longer=2, seeds=(0,), n=4, pool=8, rows=24, steps=2, votes=2, many=4, few=2,
            longer_votes=1, compared=2, batch_size=4,
        )  # fmt: skip


def pretrained_plan(out: Path, base: str) -> GenRMPlan:
    """The length test for verifiers that start from a pretrained LM: minutes of a GPU, or days of a CPU."""
    return GenRMPlan(
        out,
        suites=tuple(suite for suite in SUITES if suite.longer),
        rivals=tuple(name for name, rival in RIVALS.items() if rival.kind != "dpo" and not rival.variant),
        base=base,
        steps=400,
        learning_rate=1e-4,
    )


def data(plan: GenRMPlan) -> list[Critiqued]:
    """Solutions of train problems of 2 to 4 words, half of them right, with their rationales."""

    def compute() -> Unit:
        rows = critiqued(policy("policy").model, dict.fromkeys(TASKS, plan.rows), seed=plan.data_seed)
        return {"rows": [[r.problem.prompt, r.solution.text, r.right, r.rationales] for r in rows]}

    rows = []
    for prompt, text, right, written in unit(plan.out, "data", compute)["rows"]:
        why = words.rationales_in_words(prompt, text, right=right) if plan.base else tuple(written)
        rows.append(Critiqued(*_shown(plan, Problem(prompt.strip(), prompt), text), right, why))
    return rows


def count_of(plan: GenRMPlan, suite: Suite) -> int:
    """How many held-out problems a suite has."""
    return plan.longer if suite.longer else plan.problems


def votes_of(plan: GenRMPlan, suite: Suite) -> int:
    """How many rationales a solution of a suite gets."""
    return plan.longer_votes if suite.longer else plan.votes


def problems_of(plan: GenRMPlan, suite: Suite) -> tuple[Problem, ...]:
    """The held-out problems of a suite."""
    difficulty = None if suite.longer else max(WORLDS[suite.task].TRAIN_DIFFICULTY)
    return load_task(suite.task, count=count_of(plan, suite), seed=plan.test_seed, difficulty=difficulty).problems


def pool(plan: GenRMPlan, suite: Suite) -> Unit:
    """Samples of the policy for every problem of a suite, graded, and what they cost.

    `texts` (None for one without an end), `right` and `classes` have shape (problems, pool).
    """

    def compute() -> Unit:
        loaded, sampler = load_task(suite.task, count=1), policy("policy")
        out: Unit = {"texts": [], "right": [], "classes": [], "prompt_flops": [], "sample_flops": []}
        for result in sample(problems_of(plan, suite), sampler, n=plan.pool, sampling=loaded.sampling, seed=5):
            texts = [s.text if s.finished else None for s in result.pool]
            prompt = str(result.problem.prompt)
            out["texts"].append(texts)
            out["right"].append([float(t is not None and WORLDS[suite.task].is_right(prompt, t)) for t in texts])
            answers = [loaded.answers.extract(t) if t else None for t in texts]
            out["classes"].append([int(c) for c in loaded.answers.classes(answers)])
            spent = result.spend
            out["prompt_flops"].append(spent.prompt_flops)
            out["sample_flops"].append((spent.policy_flops - spent.prompt_flops) / plan.pool)
        return out

    return unit(plan.out, f"pool/{slug(suite.name)}", compute)


def trained(plan: GenRMPlan, name: str, seed: int, rows: Sequence[Critiqued]) -> Path:
    """The folder of a rival's weights; a finished training is not done again."""
    rival = RIVALS[name]
    base = Path(plan.base) if plan.base else weights_folder("drilled")
    if rival.kind == "judge":
        return base
    out = plan.out / "models" / f"{slug(name)}_{seed}"
    steps = max(1, round(rival.steps * plan.steps))
    # The embedded models are trained on a CPU, so that everyone gets the same weights.
    device = "auto" if plan.base else "cpu"
    changes = {"balance": rival.kind != "dpo", "learning_rate": plan.learning_rate, "device": device}
    config = TrainConfig(
        max_steps=steps, batch_size=plan.batch_size, seed=seed, save_dtype="bfloat16", **(SETTINGS | changes)
    )
    outcomes = [with_outcome(r.problem, r.solution, r.right) for r in rows]
    if rival.kind == "orm":
        from verifiers.reward_models.train_orm import train_orm

        train_orm(base, outcomes, out=out, config=config)
    elif rival.kind == "dpo":
        from verifiers.reward_models.train_dpo import preference_pairs, train_dpo

        train_dpo(base, preference_pairs(outcomes, per_problem=4), out=out, beta=BETA, config=config)
    else:
        from verifiers.genrm.train import train_genrm

        train_genrm(
            base,
            rows,
            mode=rival.kind,
            out=out,
            solution_weight=rival.solution_weight,
            rationales=rival.rationales,
            format=plan.format,
            config=config,
        )
    return out


def scores(plan: GenRMPlan, name: str, seed: int, suite: Suite) -> Unit:
    """What a rival says of the first `n` samples of each problem of a suite.

    `votes[p][i]` are the probabilities (or the reward) for sample i, one a vote, None where a vote came to
    nothing; `flops[p][i]` has the cost before the votes and of each vote. Equal texts are scored once.
    """

    def compute() -> Unit:
        folder = trained(plan, name, seed, data(plan) if RIVALS[name].kind != "judge" else ())
        drawn, problems = pool(plan, suite), problems_of(plan, suite)
        out: Unit = {"votes": [], "flops": []}
        for start, stop, votes in _parts(plan, name, suite):
            texts = [t[: plan.n] for t in drawn["texts"][start:stop]]
            verdicts = _verdicts(plan, RIVALS[name].kind, folder, votes, problems[start:stop], texts)
            for key, rows in verdicts.items():
                out[key] += rows
        return out

    return unit(plan.out, f"scores/{slug(name)}_{seed}_{slug(suite.name)}", compute)


def judge_in_words(plan: GenRMPlan, suite: Suite) -> Unit:
    """The share of the untrained base's rationales that come to a verdict: 4 votes on each of 8 problems' solutions."""

    def compute() -> Unit:
        judge = LLMJudge(
            _untrained(plan), votes=4, format=plan.format, sampling=Sampling(max_tokens=ROOM), redraws=0
        ).as_genrm()
        drawn, problems = pool(plan, suite), problems_of(plan, suite)
        cases = [(p, t) for p, row in zip(problems[:8], drawn["texts"], strict=False) for t in row[:4] if t]
        shown = [_shown(plan, p, t) for p, t in cases]
        said = [j.yes for j in judge.judge([p for p, _ in shown], [s for _, s in shown])]
        return {"verdicts": float(1 - np.isnan(said).mean())}

    return unit(plan.out, f"judge_in_words/{slug(suite.name)}", compute)


def policy(name: str) -> Transformers:
    """A shipped language model, on the CPU, so that everyone gets the same samples."""
    return Transformers.load(weights_folder(name), dtype="float32", device="cpu")


def _parts(plan: GenRMPlan, name: str, suite: Suite) -> list[tuple[int, int, int]]:
    """Ranges of problems, and the votes for each."""
    count = count_of(plan, suite)
    if RIVALS[name].variant:
        return [(0, min(plan.compared, count), plan.votes)]
    few = min(plan.few, count)
    if name == "genrm_cot" and not suite.longer:
        return [(0, few, plan.many), (few, count, plan.votes)]
    return [(0, count, votes_of(plan, suite) if RIVALS[name].kind == "cot" else 1)]


def _shown(plan: GenRMPlan, problem: Problem, text: str) -> tuple[Problem, Solution]:
    """A problem and a solution as the verifiers see them."""
    if not plan.base:
        return problem, Solution(split_steps(text), Stop.EOS)
    prompt = str(problem.prompt)
    solution = words.solution_in_words(prompt, text)
    return replace(problem, prompt=words.problem_in_words(prompt)), Solution(split_steps(solution), Stop.EOS)


def _untrained(plan: GenRMPlan) -> Transformers:
    return Transformers.load(plan.base or weights_folder("drilled"), dtype="float32", chat=False)


def _verdicts(
    plan: GenRMPlan,
    kind: Kind,
    folder: Path,
    votes: int,
    problems: Sequence[Problem],
    texts: Sequence[Sequence[str | None]],
) -> dict[str, list[Any]]:
    cases = {(p, t): None for p, row in zip(problems, texts, strict=True) for t in row if t}
    shown = [_shown(plan, p, t) for p, t in cases]
    asked, solutions = [p for p, _ in shown], [s for _, s in shown]
    scorer = _scorer(plan, kind, folder, votes)
    judged: list[tuple[list[float | None], list[float]]]
    if isinstance(scorer, GenRM):
        judged = [_shares_of_yes(j, scorer.probability) for j in scorer.judge(asked, solutions)]
    else:
        said = scorer.score(asked, solutions)
        judged = [([float(v)], [s.scorer_flops, 0.0]) for v, s in zip(said.values(), said.spend, strict=True)]
    by_case = dict(zip(cases, judged, strict=True))
    silent: tuple[list[float | None], list[float]] = ([None], [0.0, 0.0])
    rows = [[by_case[p, t] if t else silent for t in row] for p, row in zip(problems, texts, strict=True)]
    return {"votes": [[v for v, _ in row] for row in rows], "flops": [[f for _, f in row] for row in rows]}


def _shares_of_yes(judged: Judgement, probability: str) -> tuple[list[float | None], list[float]]:
    """P(yes) a vote, and the FLOPs of reading the solution and of each vote, told apart by their tokens."""
    spend = judged.spend
    read = spend.scorer_flops * spend.scored_tokens / (spend.scored_tokens + spend.judged_tokens)
    said = judged.yes / (judged.yes + judged.no) if probability == "normalised" else judged.yes
    votes = [None if np.isnan(p) else float(p) for p in said]
    return votes, [read, (judged.spend.scorer_flops - read) / len(votes)]


def _scorer(plan: GenRMPlan, kind: Kind, folder: Path, votes: int) -> Scorer:
    if kind == "orm":
        return ORM.load(folder)
    if kind == "dpo":
        return ImplicitReward(Transformers.load(folder, dtype="float32"), _untrained(plan), BETA)
    if kind == "judge":
        # Left to its own words it comes to no verdict (`judge_in_words`), so the words of one are put into its mouth.
        return GenRM(_untrained(plan), format=plan.format, probability="normalised")
    return GenRM.load(folder, votes=1 if kind == "direct" else votes, dtype="bfloat16")
