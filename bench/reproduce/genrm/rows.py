"""The rows that all verifiers of `stepbeam reproduce genrm` learn from, and models that write rationales for them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.reproduce.folder import Unit, unit
from bench.reproduce.genrm import words
from bench.reproduce.genrm.arms import ARMS, TASKS, Arm, GenRMPlan, Writer
from bench.tiny import weights_folder
from bench.tiny.making.examples.critiqued import SETTINGS, critiqued
from bench.tiny.worlds.worlds import WORLDS
from policies.backends.transformers import Transformers
from policies.training.config import TrainConfig
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.judge import GenRM
from verifiers.interface.solution import Problem, Solution, Stop, split_steps

WRITTEN = slice(1, None, 4)  # the rows for which a model writes, and what it learns from itself
LEARNT = slice(0, None, 2)  # and those from which that model learns, where their problem is none that it writes for
DRAWN = 4  # rationales a row


def policy() -> Transformers:
    """The shipped policy, on the CPU, so that everyone gets the same samples."""
    return Transformers.load(weights_folder("policy"), dtype="float32", device="cpu")


def base_of(plan: GenRMPlan) -> str | Path:
    """What every verifier starts from."""
    return plan.base or weights_folder("drilled")


def training(plan: GenRMPlan, arm: Arm, *, seed: int) -> TrainConfig:
    """How an arm is trained; embedded models on a CPU, so that everyone gets the same weights."""
    changes = {
        "balance": arm.kind != "dpo",
        "learning_rate": arm.rate * plan.learning_rate,
        "device": "auto" if plan.base else "cpu",
    }
    return TrainConfig(
        max_steps=max(1, round(arm.steps * plan.steps)),
        batch_size=plan.batch_size,
        lora_rank=arm.lora_rank,
        seed=seed,
        save_dtype="bfloat16" if plan.base else "float32",
        **(SETTINGS | changes),
    )


def data(plan: GenRMPlan) -> list[Critiqued]:
    """Solutions of train problems of 2 to 4 words, half of them right, with their rationales by program."""

    def compute() -> Unit:
        rows = critiqued(policy().model, dict.fromkeys(TASKS, plan.rows), seed=plan.data_seed)
        return {"rows": [[r.problem.prompt, r.solution.text, r.right, r.rationales] for r in rows]}

    rows = []
    for prompt, text, right, written in unit(plan.out, "data", compute)["rows"]:
        why = words.rationales_in_words(prompt, text, right=right) if plan.base else tuple(written)
        rows.append(Critiqued(*shown(plan, Problem(prompt.strip(), prompt), text), right, why))
    return rows


def rows_of(plan: GenRMPlan, arm: Arm) -> list[Critiqued]:
    """What an arm learns from."""
    rows = data(plan)[arm.first :: arm.every]
    if not arm.writer:
        return rows
    texts = written(plan, arm.writer)["rationales"]
    return [replace(row, rationales=tuple(said)) for row, said in zip(rows, texts, strict=True)]


def written(plan: GenRMPlan, how: Writer) -> Unit:
    """A model's rationales, four a row of `data(plan)[WRITTEN]`: `rationales`, and the share of `faulty` ones.

    The model is a GenRM-CoT that learnt from other problems' rows for half as long and is sampled; "guided" it learnt,
    and is asked, with a clean solution behind the problem. As everywhere, rationales with a wrong verdict are not
    learnt from; a faulty one has the right verdict, and is not what a program would write.
    """

    def compute() -> Unit:
        from verifiers.genrm.train import train_genrm

        rows = data(plan)
        asked = [_guided(row) for row in rows] if how == "guided" else rows
        config = replace(training(plan, ARMS["genrm_cot"], seed=plan.data_seed), max_steps=plan.writer_steps)
        folder = plan.out / "models" / f"writer_{how}"
        learnt = for_writer(asked)
        train_genrm(base_of(plan), learnt, mode="cot", out=folder, format=plan.format, config=config)
        writer = GenRM.load(folder, votes=DRAWN, seed=plan.data_seed, device=config.device)
        judged = writer.judge([row.problem for row in asked[WRITTEN]], [row.solution for row in asked[WRITTEN]])
        out, right, faulty = [], 0, 0
        for row, said in zip(rows[WRITTEN], judged, strict=True):
            verdicts = (said.yes > said.no).tolist()
            spoken = [k for k, y in enumerate(said.yes.tolist()) if y == y]
            words = [plan.format.yes if v else plan.format.no for v in verdicts]
            out.append([said.rationales[k] + words[k] for k in spoken])
            agreed = [out[-1][i] for i, k in enumerate(spoken) if verdicts[k] == row.right]
            right += len(agreed)
            faulty += sum(text not in row.rationales for text in agreed)
        return {"rationales": out, "right": right / (DRAWN * len(out)), "faulty": faulty / max(1, right)}

    return unit(plan.out, f"written/{how}", compute)


def for_writer(rows: Sequence[Critiqued]) -> list[Critiqued]:
    """What a model that is to write for `rows[WRITTEN]` learns from: no solution of their problems is among it."""
    known = {row.problem.id for row in rows[WRITTEN]}
    return [row for row in rows[LEARNT] if row.problem.id not in known]


def shown(plan: GenRMPlan, problem: Problem, text: str) -> tuple[Problem, Solution]:
    """A problem and a solution as the verifiers see them."""
    if not plan.base:
        return problem, Solution(split_steps(text), Stop.EOS)
    prompt = str(problem.prompt)
    solution = words.solution_in_words(prompt, text)
    return replace(problem, prompt=words.problem_in_words(prompt)), Solution(split_steps(solution), Stop.EOS)


def clean_solution(prompt: str) -> str:
    """The solution without a slip."""
    [world] = [world for world in WORLDS.values() if prompt.startswith(world.LETTER)]
    return world.demonstrate(prompt, random.Random(0), slips=False)


def _guided(row: Critiqued) -> Critiqued:
    prompt = str(row.problem.prompt)
    return replace(row, problem=replace(row.problem, prompt=f"{prompt.strip()}\n{clean_solution(prompt)}"))
