"""What a training step was like, in numbers: rewards, stalls, lengths, and the signs of a hacked PRM."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from policies.grpo.advantages import Floats
from policies.grpo.rollout import Group
from policies.training.skipped import NothingLearntWarning
from verifiers.interface.solution import Solution, Stop

Metrics: TypeAlias = dict[str, object]
_LONG = 10  # steps in a row


def group_metrics(groups: Sequence[Group]) -> Metrics:
    """Means over the solutions of a step, and shares of its groups; None where nothing could be averaged.

    A solution without a reward counts as one of 0: failures stay in the denominator.
    """
    solutions = [s for group in groups for s in group.solutions]
    rewards = np.concatenate([group.rewards for group in groups])
    kinds = [group.info.kind for group in groups]
    tokens = np.array([s.token_count for s in solutions])
    steps = np.array([len(s.steps) for s in solutions])
    weights = [float(sum(np.abs(row).sum() for row in group.advantages)) for group in groups]
    by_prm = sum(w * group.info.prm_share for w, group in zip(weights, groups, strict=True))
    return {
        "reward": float(np.nan_to_num(rewards).mean()),
        "ungraded": int(np.isnan(rewards).sum()),
        "unscored": sum(group.info.unscored for group in groups),
        "failed": sum(s.stop is Stop.FAILED for s in solutions),
        "cut_off": float(np.mean([s.stop is Stop.LENGTH for s in solutions])),
        **{kind: kinds.count(kind) / len(kinds) for kind in ("mixed", "all_wrong", "all_right")},
        "dead": sum(group.dead for group in groups) / len(groups),
        "prm_share": by_prm / sum(weights) if sum(weights) else None,
        "tokens": float(tokens.mean()),
        "steps": float(steps.mean()),
        "step_tokens": float(tokens.sum() / steps.sum()) if steps.sum() else None,
        "repeated": float(np.mean([repeated_steps(s) for s in solutions])),
    }


def update_metrics(values: Mapping[str, float] | None) -> Metrics:
    """The last update of a step: means over tokens, and the gradient's norm.

    None where all groups are dead, and of a KL to no reference.
    """
    if values is None:
        return dict.fromkeys(("loss", "entropy", "kl", "clipped", "grad_norm"))
    means = {name: values[name] / values["tokens"] if name in values else None for name in ("entropy", "kl", "clipped")}
    return {"loss": values["loss"], **means, "grad_norm": values["grad_norm"]}


def warn_of_nothing(row: Mapping[str, Any], dead_for: int) -> None:
    """Warn where no solution of a first step was graded, and where all groups of ten steps in a row were dead."""
    step = row["step"]
    if step == 1 and not any(row[kind] for kind in ("mixed", "all_wrong", "all_right")):
        told = f"step {step} taught nothing: the verifier had no opinion of any group ({row['ungraded']} solutions)"
    elif dead_for == _LONG:
        kinds = ", ".join(f"{row[kind]:.0%} {kind.replace('_', ' ')}" for kind in ("all_right", "all_wrong"))
        told = (
            f"steps {step - _LONG + 1} to {step} taught nothing: all their groups were dead (at last {kinds}, and "
            f"{row['cut_off']:.0%} of the solutions cut off); look at attributions.jsonl"
        )
    else:
        return
    warnings.warn(told, NothingLearntWarning, stacklevel=3)


def audit_metrics(groups: Sequence[Group]) -> Metrics:
    """How the PRM that is trained against compares with a held-out scorer on the same solutions.

    A PRM that is being hacked rises while the held-out scorer and the verifier do not: the gap grows and the
    rank correlation falls. `prm_of_wrong` is the PRM's mean value of the solutions that the verifier gives nothing.
    """
    pairs = [
        (float(row[-1]) if len(row) else np.nan, float(other), float(reward))
        for group in groups
        if group.step_scores is not None and group.held_out is not None
        for row, other, reward in zip(group.step_scores, group.held_out, group.rewards, strict=True)
    ]
    known = np.array([pair for pair in pairs if not np.isnan(pair[:2]).any()]).reshape(-1, 3)
    if not len(known):
        return {"prm": None, "held_out": None, "gap": None, "rank_correlation": None, "prm_of_wrong": None}
    prm, other, reward = known.T
    wrong = prm[np.nan_to_num(reward) <= 0]
    return {
        "prm": float(prm.mean()),
        "held_out": float(other.mean()),
        "gap": float(prm.mean() - other.mean()),
        "rank_correlation": rank_correlation(prm, other),
        "prm_of_wrong": float(wrong.mean()) if len(wrong) else None,
    }


def attributions(groups: Sequence[Group], *, step: int) -> Iterator[Metrics]:
    """For every step of every solution its score and its mean advantage, and why: the group's kind and signal."""
    for group in groups:
        for i, (solution, advantages) in enumerate(zip(group.solutions, group.advantages, strict=True)):
            scores = None if group.step_scores is None else group.step_scores[i]
            reward = float(group.rewards[i])
            at = 0
            for k, part in enumerate(solution.steps):
                of_part = advantages[at : at + len(part.tokens or ())]
                at += len(of_part)
                score = None if scores is None or np.isnan(scores[k]) else float(scores[k])
                yield {
                    "step": step,
                    "problem": group.problem.id,
                    "solution": i,
                    "place": k,
                    "text": part.text,
                    "tokens": len(of_part),
                    "reward": None if np.isnan(reward) else reward,
                    "score": score,
                    "advantage": float(of_part.mean()) if len(of_part) else 0.0,
                    "group": group.info.kind,
                    "signal": group.info.signal,
                }


def repeated_steps(solution: Solution) -> float:
    """The share of a solution's steps that say again what an earlier one said, white space aside.

    >>> from verifiers import Step
    >>> repeated_steps(Solution((Step("so\\n"), Step("so\\n"), Step("=4"), Step(" so"))))
    0.5
    """
    texts = [step.text.strip() for step in solution.steps]
    return 1.0 - len(set(texts)) / len(texts) if texts else 0.0


def rank_correlation(a: Floats, b: Floats) -> float | None:
    """Spearman's, None where either does not vary."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def best_steps(rows: Sequence[Mapping[str, Any]], name: str | None) -> list[int]:
    """The step, from 1, with the highest number of that name in its evaluation, the first of equals; none for no name.

    >>> rows = [{"step": step, "evaluation": {"accuracy": a}} for step, a in ((0, 0.9), (5, 0.2), (10, 0.6), (15, 0.6))]
    >>> best_steps(rows, "accuracy"), best_steps(rows, None)
    ([10], [])

    What is not finite is the best of nothing. Raises ValueError for a name that an evaluation does not have, also for
    one of the step 0, and for what is no number.
    """
    if name is None:
        return []
    evaluated = [row for row in rows if "evaluation" in row]
    for row in evaluated:
        if not isinstance(row["evaluation"].get(name), int | float):
            found = f"{name} {row['evaluation'][name]!r}" if name in row["evaluation"] else ""
            known = found or ", ".join(row["evaluation"]) or "nothing"
            told = "give a number" if found else "use one of these"
            raise ValueError(f"keep_best is {name!r}, and the evaluation of step {row['step']} has {known}: {told}")
    kept = [row for row in evaluated if row["step"] and math.isfinite(row["evaluation"][name])]
    return [max(kept, key=lambda row: row["evaluation"][name])["step"]] if kept else []
