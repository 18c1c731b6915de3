"""The work of `stepbeam reproduce genrm`: pools, trainings and scores, each kept in files of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.reproduce.folder import Unit, slug, unit
from bench.reproduce.genrm.arms import ARMS, Arm, GenRMPlan, Suite
from bench.reproduce.genrm.parts import judge_in_parts
from bench.reproduce.genrm.rehearsal import compared_lists, rehearsal
from bench.reproduce.genrm.rows import base_of, clean_solution, policy, rows_of, shown, training
from bench.tiny import load_task
from bench.tiny.worlds.worlds import WORLDS
from policies.backends.transformers import Transformers
from policies.policy import Sampling
from search.strategies.sample import sample
from verifiers.genrm.judge import GenRM, Judgement
from verifiers.genrm.llm_judge import LLMJudge
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem
from verifiers.reward_models.implicit_reward import ImplicitReward
from verifiers.reward_models.labelled import with_outcome
from verifiers.reward_models.orm import ORM

BETA = 0.1
ROOM = 256  # tokens of a solution and its rationale
REHEARSED = 4000  # different texts
_ALONE = 4  # solutions of its own a problem


def problems_of(plan: GenRMPlan, suite: Suite) -> tuple[Problem, ...]:
    """The held-out problems of a suite."""
    difficulty = None if suite.longer else max(WORLDS[suite.task].TRAIN_DIFFICULTY)
    return load_task(suite.task, count=plan.count(suite), seed=plan.test_seed, difficulty=difficulty).problems


def pool(plan: GenRMPlan, suite: Suite) -> Unit:
    """Samples of the policy for every problem of a suite, graded, and what they cost.

    `texts` (None for one without an end), `right` and `classes` have shape (problems, pool).
    """

    def compute() -> Unit:
        loaded, sampler = load_task(suite.task, count=1), policy()
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


def trained(plan: GenRMPlan, name: str, seed: int) -> Path | str:
    """The folder of an arm's weights; a finished training is not done again."""
    arm = ARMS[name]
    if not arm.trained:
        return base_of(plan)
    out, base, config = plan.out / "models" / f"{slug(name)}_{seed}", base_of(plan), training(plan, arm, seed=seed)
    rows = rows_of(plan, arm)
    texts = min(REHEARSED, plan.batch_size * (config.max_steps or 1)) if arm.rehearsal else 0
    outcomes = [with_outcome(r.problem, r.solution, r.right) for r in rows]
    if arm.kind == "orm":
        from verifiers.reward_models.train_orm import train_orm

        lists = compared_lists(len(rows) // 2, seed=plan.data_seed) if arm.drills else []
        train_orm(base, outcomes + lists, out=out, config=config)
    elif arm.kind == "dpo":
        from verifiers.reward_models.train_dpo import preference_pairs, train_dpo

        train_dpo(base, preference_pairs(outcomes, per_problem=4), out=out, beta=BETA, config=config)
    else:
        from verifiers.genrm.train import train_genrm

        train_genrm(
            base,
            rows,
            mode="direct" if arm.kind == "direct" else "cot",
            out=out,
            solution_weight=arm.solution_weight,
            rationales=arm.rationales,
            rehearsal=rehearsal(arm.rehearsal, count=texts, seed=plan.data_seed),
            format=plan.format,
            config=config,
        )
    return out


def scores(plan: GenRMPlan, name: str, seed: int, suite: Suite) -> Unit:
    """What an arm says of the first `n` samples of each of its problems of a suite, and what it solves itself.

    `votes[p][i]` are the probabilities (or the reward) for sample i, one a vote, None where a vote came to
    nothing; `flops[p][i]` has the cost before the votes and of each vote. Equal texts are scored once. `solves[p]` is
    the share of its rationales that begin with the right solution, `alone[p]` of its solutions without any to verify.
    """

    def compute() -> Unit:
        folder, (count, votes) = trained(plan, name, seed), plan.asked(name, suite)
        problems = problems_of(plan, suite)[:count]
        out = _verdicts(plan, ARMS[name], folder, votes, problems, [t[: plan.n] for t in pool(plan, suite)["texts"]])
        if ARMS[name].kind not in ("orm", "dpo") and not plan.base:
            out["alone"] = _alone(folder, suite, problems)
        return out

    return unit(plan.out, f"scores/{slug(name)}_{seed}_{slug(suite.name)}", compute)


def many_votes(plan: GenRMPlan, seed: int, suite: Suite) -> Unit:
    """The same of GenRM-CoT for the curve over K: many votes on few samples."""

    def compute() -> Unit:
        folder, problems = trained(plan, "genrm_cot", seed), problems_of(plan, suite)[: plan.curve]
        texts = [t[: plan.curve_n] for t in pool(plan, suite)["texts"]]
        return _verdicts(plan, ARMS["genrm_cot"], folder, plan.many, problems, texts)

    return unit(plan.out, f"curve/{seed}_{slug(suite.name)}", compute)


def judge_in_words(plan: GenRMPlan, suite: Suite) -> Unit:
    """The share of the untrained base's rationales that come to a verdict: 4 votes on each of 8 problems' solutions."""

    def compute() -> Unit:
        judge = LLMJudge(
            _untrained(plan), votes=4, format=plan.format, sampling=Sampling(max_tokens=ROOM), redraws=0
        ).as_genrm()
        drawn, problems = pool(plan, suite), problems_of(plan, suite)
        cases = [(p, t) for p, row in zip(problems[:8], drawn["texts"], strict=False) for t in row[:4] if t]
        asked = [shown(plan, p, t) for p, t in cases]
        said = [j.yes for j in judge.judge([p for p, _ in asked], [s for _, s in asked])]
        return {"verdicts": float(1 - np.isnan(said).mean())}

    return unit(plan.out, f"judge_in_words/{slug(suite.name)}", compute)


def _untrained(plan: GenRMPlan) -> Transformers:
    return Transformers.load(base_of(plan), dtype="float32", chat=False)


def _alone(folder: Path | str, suite: Suite, problems: Sequence[Problem]) -> list[float]:
    solver, world = Transformers.load(folder, dtype="float32", device="cpu"), WORLDS[suite.task]
    drawn = sample(problems, solver, n=_ALONE, sampling=load_task(suite.task, count=1).sampling, seed=6)
    return [float(np.mean([world.is_right(str(r.problem.prompt), s.text) for s in r.pool])) for r in drawn]


def _verdicts(
    plan: GenRMPlan,
    arm: Arm,
    folder: Path | str,
    votes: int,
    problems: Sequence[Problem],
    texts: Sequence[Sequence[str | None]],
) -> Unit:
    texts = texts[: len(problems)]
    cases = {(p, t): None for p, row in zip(problems, texts, strict=True) for t in row if t}
    asked, solutions = zip(*(shown(plan, p, t) for p, t in cases), strict=True)
    solves: dict[Problem, list[bool]] = {}
    judged: list[tuple[list[float | None], list[float]]]
    if arm.kind == "parts":
        judged = judge_in_parts(_untrained(plan), asked, solutions, votes=votes)
    elif isinstance(scorer := _scorer(plan, arm, folder, votes), GenRM):
        said = scorer.judge(asked, solutions)
        judged = [_shares_of_yes(j, scorer.probability) for j in said]
        for (problem, _), judgement in zip(cases, said, strict=True):
            own = f"{clean_solution(str(problem.prompt))}\n"
            solves.setdefault(problem, []).extend(text.startswith(own) for text in judgement.rationales)
    else:
        scored = scorer.score(asked, solutions)
        judged = [([float(v)], [s.scorer_flops, 0.0]) for v, s in zip(scored.values(), scored.spend, strict=True)]
    by_case = dict(zip(cases, judged, strict=True))
    silent: tuple[list[float | None], list[float]] = ([None], [0.0, 0.0])
    rows = [[by_case[p, t] if t else silent for t in row] for p, row in zip(problems, texts, strict=True)]
    out: Unit = {"votes": [[v for v, _ in row] for row in rows], "flops": [[f for _, f in row] for row in rows]}
    if arm.kind == "cot" and not plan.base:
        out["solves"] = [float(np.mean(solves[p])) if p in solves else None for p in problems]
    return out


def _shares_of_yes(judged: Judgement, probability: str) -> tuple[list[float | None], list[float]]:
    """P(yes) a vote, and the FLOPs of reading the solution and of each vote."""
    said = judged.yes / (judged.yes + judged.no) if probability == "normalised" else judged.yes
    votes = [None if np.isnan(p) else float(p) for p in said]
    return votes, [judged.read_flops, (judged.spend.scorer_flops - judged.read_flops) / len(votes)]


def _scorer(plan: GenRMPlan, arm: Arm, folder: Path | str, votes: int) -> Scorer:
    if arm.kind == "orm":
        return ORM.load(folder)
    if arm.kind == "dpo":
        return ImplicitReward(Transformers.load(folder, dtype="float32"), _untrained(plan), BETA)
    if arm.kind == "judge":
        # Left to its own words it comes to no verdict (`judge_in_words`), so the words of one are put into its mouth.
        return GenRM(_untrained(plan), format=plan.format, probability="normalised")
    return GenRM.load(folder, votes=1 if arm.kind == "direct" else votes)
