"""What the tiny models can do: verifiers on labelled rollouts, then every way to pick from pools of 64."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import LlamaForCausalLM

from bench.diagnostics.label_quality import auc
from bench.stats.estimators import best_at_k, pass_at_k, pessimistic_at_k, weighted_at_k
from bench.tiny.making.examples.rollouts import sample
from bench.tiny.making.lm import Log
from bench.tiny.making.reward import Rollout
from bench.tiny.worlds.tasks import load_task
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from prms.prm import PRM
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution, Stop, failed, split_steps
from verifiers.reward_models.orm import ORM

PRMS = ("prm", "prm_error", "prover")
SAMPLES = 64
BUDGETS = (1, 2, 4, 8, 16, 32, 64)
PROBLEMS = {"chain": 200, "countdown": 200, "last_letter": 100, "word_sort": 100}
ALPHAS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)


def measure_labels(weights: Path, rollouts: Sequence[Rollout], log: Log) -> None:
    """Log accuracy and AUC of each verifier on held-out labelled rollouts, per task."""
    for name in ("prm_error", "prm", "prover", "orm", "orm_overfit"):
        scorer = load_scorer(weights, name)
        for task in WORLDS:
            rows = [r for r in rollouts if r.task == task]
            steps = scorer.score([_problem(r.prompt) for r in rows], [_solution("".join(r.steps)) for r in rows]).steps
            ends = np.array([row[-1] for row in steps])
            right = np.array([r.right for r in rows])
            figures = {
                "rollouts": len(rows),
                "right": float(right.mean()),
                "outcome_accuracy": float(((ends > 0.5) == right).mean()),
                "outcome_auc": auc(ends, right),
            }
            if name in PRMS:
                scores = np.concatenate(steps)
                labels = np.concatenate([r.labels for r in rows])
                figures |= {"step_accuracy": float(((scores > 0.5) == labels).mean()), "step_auc": auc(scores, labels)}
                # Steps after the first error are easy once it was seen; these are the steps that decide.
                fresh = np.concatenate([np.cumsum(1 - np.array(r.labels)) <= 1 for r in rows])
                figures["first_error_auc"] = auc(scores[fresh], labels[fresh])
            log({"stage": "figures", "verifier": name, "task": task, **_rounded(figures)})


def measure_pools(weights: Path, log: Log, *, problems: dict[str, int] | None = None, seed: int = 8) -> None:
    """Log, per task and number of samples, the accuracy of every way to pick from the policy's pools."""
    policy = LlamaForCausalLM.from_pretrained(weights / "policy", dtype=torch.float32)
    scorers = {name: load_scorer(weights, name) for name in ("orm", "prm", "orm_overfit")}
    for task, count in (problems or PROBLEMS).items():
        world, answers = WORLDS[task], load_task(task, count=1).answers
        prompts = draw_prompts(world, count, seed, "test")
        pools = sample(policy, prompts, SAMPLES, seed=seed, max_tokens=world.MAX_TOKENS, title=f"pools {task}")
        correct = [
            [text is not None and world.is_right(p, text) for text in pool]
            for p, pool in zip(prompts, pools, strict=True)
        ]
        classes = [answers.classes([world.extract(text) if text else None for text in pool]) for pool in pools]
        values = {name: pool_values(scorer, prompts, pools) for name, scorer in scorers.items()}
        within = {f"within_problem_auc_{n}": _mean(_pool_aucs(correct, rows)) for n, rows in values.items()}
        log({"stage": "figures", "task": task, "problems": count, **_rounded(within)})
        for k in BUDGETS:
            figures: dict[str, float] = {
                "pass": _mean(pass_at_k(c, k) for c in correct),
                "self_consistency": _mean(
                    weighted_at_k(c, np.ones(SAMPLES), g, k)[0] for c, g in zip(correct, classes, strict=True)
                ),
            }
            for name, rows in values.items():
                figures[f"best_{name}"] = _mean(best_at_k(c, v, k) for c, v in zip(correct, rows, strict=True))
                figures[f"weighted_{name}"] = _mean(
                    weighted_at_k(c, v, g, k)[0] for c, v, g in zip(correct, rows, classes, strict=True)
                )
            for alpha in ALPHAS:
                figures[f"pessimistic_{alpha}_orm_overfit"] = _mean(
                    pessimistic_at_k(c, v, g, k, alpha=alpha)[0]
                    for c, v, g in zip(correct, values["orm_overfit"], classes, strict=True)
                )
            log({"stage": "figures", "task": task, "problems": count, "n": k, **_rounded(figures)})


def pool_values(scorer: Scorer, prompts: Sequence[str], pools: Sequence[Sequence[str | None]]) -> npt.NDArray[Any]:
    """The scorer's last word on each solution, shape (prompts, samples); NaN for one that did not end."""
    problems = [_problem(prompt) for prompt, pool in zip(prompts, pools, strict=True) for _ in pool]
    values = scorer.score(problems, [_solution(text) for pool in pools for text in pool]).values()
    return values.reshape(len(prompts), -1)


def load_scorer(weights: Path, name: str) -> Scorer:
    """A PRM or an ORM of a folder of weights."""
    return PRM.load(weights / name) if name in PRMS else ORM.load(weights / name)


def _pool_aucs(correct: Sequence[Sequence[bool]], values: npt.NDArray[Any]) -> list[float]:
    """The AUC inside each pool that holds both right and wrong solutions: all that Best-of-N can use."""
    out = []
    for right, row in zip(np.asarray(correct), values, strict=True):
        ended = ~np.isnan(row)
        if 0 < right[ended].sum() < ended.sum():
            out.append(auc(row[ended], right[ended]))
    return out


def _problem(prompt: str) -> Problem:
    return Problem(prompt.strip(), prompt)


def _solution(text: str | None) -> Solution:
    return failed("no end of sequence within the task's tokens") if not text else Solution(split_steps(text), Stop.EOS)


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
