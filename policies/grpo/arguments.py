"""What `grpo_train` is given, checked before anything is sampled; and what an evaluation says."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from policies.grpo.config import GRPOConfig
from policies.policy import Policy
from verifiers.interface.arguments import check_policy_argument, check_scorer_argument, shown
from verifiers.interface.errors import BadArgument
from verifiers.interface.naming import name_of


def check_trained(policy: Any, config: GRPOConfig) -> None:
    """Raise for what is no policy, one without weights (TypeError), and one whose weights swallow small updates."""
    check_policy_argument(policy)
    if not hasattr(policy, "model") or not hasattr(policy, "prompt_ids"):
        raise TypeError(
            f"{name_of(policy)} has no weights and token ids to train with: use policies.Transformers "
            "(a server's model can only be searched with)"
        )
    dtype = next(policy.model.parameters()).dtype
    if not config.lora_rank and dtype != torch.float32:
        raise ValueError(
            f"the policy's weights are {str(dtype).removeprefix('torch.')}: small updates vanish in them; load it with "
            "dtype='float32' (bf16=True computes in bfloat16 all the same), or train low-rank updates with lora_rank"
        )


def check_scorers(verifier: object, prm: object, held_out: object, config: GRPOConfig) -> None:
    """Raise BadArgument for what is no scorer, and for a gate that was chosen for a PRM that is not there."""
    for name, scorer in (("verifier", verifier), ("prm", prm), ("held_out", held_out)):
        if scorer is not None or name == "verifier":
            check_scorer_argument(scorer, name=name)
    if prm is None and config.gate in ("all_wrong", "always"):
        raise BadArgument(
            "gate", config.gate, "it lets a PRM speak, and none is given; give prm, or leave gate out for GRPO alone"
        )


def check_evaluate(evaluate: object, config: GRPOConfig) -> None:
    """Raise ValueError where there is something to evaluate by and never an evaluation, or the reverse."""
    if config.keep_best is not None and evaluate is None:
        raise ValueError(f"config.keep_best is {config.keep_best!r} and evaluate is not given: give both, or none")
    _check_both({"evaluate": evaluate is not None, "config.evaluate_every": config.evaluate_every > 0})


def check_refresh(refresh_prm: object, prm: object, config: GRPOConfig, *, processes: int) -> None:
    """Raise ValueError where a PRM cannot be made anew, or never would be."""
    _check_both({"refresh_prm": refresh_prm is not None, "config.refresh_every": config.refresh_every > 0})
    if refresh_prm is not None and prm is None:
        raise ValueError("refresh_prm needs a prm for the first steps")
    if refresh_prm is not None and processes > 1:
        raise ValueError(f"refresh_prm in {processes} processes: scorers are trained in one")


def _check_both(options: Mapping[str, bool]) -> None:
    given, missing = ([name for name, value in options.items() if value is wanted] for wanted in (True, False))
    if given and missing:
        raise ValueError(f"{given[0]} is given and {missing[0]} is not: give both, or none")


def evaluated(evaluate: Callable[[Policy], Mapping[str, float]], policy: Policy) -> dict[str, float]:
    """The named numbers of an evaluation; raises BadArgument for anything else."""
    found: object = evaluate(policy)
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise BadArgument("evaluate(policy)", shown(found), 'give named numbers, such as {"accuracy": 0.5}')
    return dict(found)
