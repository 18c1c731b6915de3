"""What a GRPO training is of, in its folder's `training.json`: another one is refused there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from policies.backends.transformers import Transformers
from policies.grpo.config import GRPOConfig
from policies.training.folder import digest_of_base, digest_of_models
from policies.training.resume import latest_checkpoint, step_of
from verifiers.grading.answers import ANSWERS
from verifiers.interface.digests import digest_of
from verifiers.interface.errors import BadInput
from verifiers.interface.files import claim, read_record
from verifiers.interface.naming import name_of, policy_name
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem

RECORD = "training.json"
# Options that change no weight: a resumed training may have others.
_FREE = ("base", "save_every", "keep_last", "keep_best", "evaluate_every", "attribute_every", "part_tokens")


def claim_training(
    folder: Path,
    policy: Transformers,
    problems: Sequence[Problem],
    scorers: Mapping[str, Scorer | None],
    config: GRPOConfig,
) -> None:
    """Write what is trained here, or compare it with what is; raises BadInput for another training."""
    identity = {
        "kind": "grpo",
        "policy": policy_name(policy),
        "base": digest_of_base(policy.model),
        "problems": [problem.id for problem in problems],
        **{key: None if scorer is None else name_of(scorer) for key, scorer in scorers.items()},
        "config": asdict(config),
    }
    told = {
        "prompts": digest_of([problem.prompt for problem in problems]),
        "right_answers": digest_of([problem.answer for problem in problems]),
        "answers": _name_of_answers(scorers["verifier"]),
        **{f"{key}_weights": digest_of_models(scorer) for key, scorer in scorers.items()},
    }
    latest = latest_checkpoint(folder / "checkpoints")
    free = {*_FREE, *(("steps",) if config.schedule == "constant" else ())}
    if latest is not None:  # a folder of an earlier version tells less, and so does a model that is loaded late
        before = read_record(folder / RECORD)
        free |= {key for key, value in told.items() if not (value and before.get(key))}
    identity |= {key: value for key, value in told.items() if value}
    claim(folder / RECORD, identity, kind="a training", begun=latest is not None, free=free)
    if latest is not None and step_of(latest) > config.steps:
        raise BadInput(
            f"{latest}: the training in this folder is beyond the {config.steps} steps that were asked for; choose "
            "another folder, or give more steps"
        )


def _name_of_answers(verifier: Scorer | None) -> str | None:
    """How a verifier reads answers: a name, or of others what they are made of; None where it has no answers."""
    answers = getattr(verifier, "answers", None)
    if answers is None:
        return None
    name = next((name for name, known in ANSWERS.items() if known == answers), None)
    return name or re.sub(r" at 0x[0-9a-fA-F]+", "", repr(answers))  # another process has other addresses
