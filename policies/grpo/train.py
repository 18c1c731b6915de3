"""`grpo_train`: group-relative policy optimisation on the scorers that search uses, gated by the verifier."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from policies.backends.transformers import Transformers
from policies.grpo.arguments import check_evaluate, check_refresh, check_scorers, check_trained, evaluated
from policies.grpo.config import GRPOConfig
from policies.grpo.identity import RECORD, claim_training
from policies.grpo.metrics import (
    Metrics,
    attributions,
    audit_metrics,
    best_steps,
    group_metrics,
    update_metrics,
    warn_of_nothing,
)
from policies.grpo.rollout import Group, judge_groups, sample_groups
from policies.grpo.update import check_lm_head, part_values, parts, rows_of
from policies.models.attention import attention_for
from policies.policy import Policy
from policies.training.base import add_lora, before_training
from policies.training.config import TrainConfig
from policies.training.folder import save_merged
from policies.training.hooks import OnMetrics
from policies.training.loop import Loop, processes, seeded
from policies.training.schedule import rate_at
from verifiers.interface.arguments import check_config, check_problems, check_scorer_argument, path_argument
from verifiers.interface.files import held, replacing, whole_rows
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem

Evaluate: TypeAlias = Callable[[Policy], Mapping[str, float]]
RefreshPRM: TypeAlias = Callable[[Transformers | None, Path], Scorer]
_METRICS, _ATTRIBUTIONS = "metrics.jsonl", "attributions.jsonl"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A trained policy, the folder of its training, and a row of metrics for every step (`metrics.jsonl`)."""

    policy: Transformers
    out: Path
    metrics: tuple[Metrics, ...]

    def __repr__(self) -> str:
        return f"<TrainResult of {len(self.metrics)} steps in {self.out}>"


def grpo_train(
    policy: Transformers,
    problems: Sequence[Problem],
    verifier: Scorer,
    prm: Scorer | None = None,
    *,
    out: str | PathLike[str],
    config: GRPOConfig | None = None,
    evaluate: Evaluate | None = None,
    held_out: Scorer | None = None,
    refresh_prm: RefreshPRM | None = None,
    on_metrics: OnMetrics | None = None,
) -> TrainResult:
    """Train a policy by its own samples; the PRM speaks where the verifier's rewards tell nothing (VeriGate).

    Any scorers do: `verifier` rewards whole solutions, `prm` their steps, in the groups that `config.gate` opens to
    it (see `gated_advantages`); without a PRM this is GRPO (Shao et al. 2024). PAV-RL (Setlur et al. 2024) is
    `prm=PAV(...)` with `gate="always", credit="advantage", scale="none", prm_coef=alpha`. A solution that was cut off
    has reward 0.

    `evaluate(policy)` gives named numbers, such as the accuracy of a search on held-out problems; they go into the
    metrics, before the first step and every `config.evaluate_every`. A `held_out` scorer, which is not trained
    against, shows whether the PRM is being hacked; with it both are asked about every solution.

    After every `config.refresh_every` steps `refresh_prm(policy, folder)` makes the PRM of the next ones, for one that
    has learnt from the policy at the start knows less and less of its errors: it may sample the policy, label the
    samples and train (`prms.collect_values`, `prms.train_prm`), and keeps in the folder, `out/prms/STEP`, what it needs
    to load the PRM again: where `policy` is None, as after a kill, it is to do that.

    >>> import tempfile, verifiers
    >>> from policies import GRPOConfig, Sampling, Transformers, grpo_train
    >>> from policies.models.tiny_example import tiny_model
    >>> short = verifiers.from_function(lambda problem, solution: float(len(solution.text) < 4))
    >>> config = GRPOConfig(steps=2, groups=2, group_size=4, sampling=Sampling(max_tokens=8), learning_rate=1e-3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = grpo_train(
    ...         Transformers(*tiny_model()), [verifiers.Problem("p", "1+1=")], short, out=folder, config=config
    ...     )
    >>> [row["step"] for row in result.metrics]
    [1, 2]

    `on_metrics` is told each row of `metrics.jsonl` as it is written (steps that are made again after a kill once
    more); where it fails there is a warning, and the training goes on without it.

    The policy is trained in place. The folder `out` has `metrics.jsonl`, `attributions.jsonl` (which step of which
    solution got what advantage, and why), checkpoints, and at the end `model/`, for `policies.load`, with the low-rank
    updates in `model/adapter/`. The same
    call with a policy as it was at the start goes on from the latest checkpoint and ends with the same weights:
    what is sampled depends on seeds and weights alone. With a constant learning rate `steps` may be raised.

    Several processes (`accelerate launch`) share the groups and add up their gradients.

    Raises ImportError without the extra `train`, TypeError for a policy without weights or tokens, ValueError for no
    problems, problem ids that occur twice, weights that are not float32 without LoRA, a PRM that is none, and a folder
    of another training, FloatingPointError where the gradient is no number (the last checkpoint stays as it is),
    BlockingIOError where another process trains in the folder.
    """
    config = GRPOConfig() if config is None else config
    check_config(config, GRPOConfig)
    check_trained(policy, config)
    problems = check_problems(problems)
    if not problems:
        raise ValueError("problems is empty: give the problems to train on")
    folder, state = path_argument("out", out), processes()
    first = state.is_main_process
    scorers = _Scorers(verifier, prm, held_out)
    check_scorers(verifier, prm, held_out, config)
    check_evaluate(evaluate, config)
    check_refresh(refresh_prm, prm, config, processes=state.num_processes)
    with held(folder, owner=RECORD) if first else nullcontext(), seeded(config.seed):
        if first:
            claim_training(
                folder, policy, problems, {f.name: getattr(scorers, f.name) for f in fields(scorers)}, config
            )
        state.wait_for_everyone()
        model: Any = policy.model
        updates = add_lora(
            model,
            TrainConfig(lora_rank=config.lora_rank, lora_alpha=config.lora_alpha, lora_targets=config.lora_targets),
        )
        if updates is None:
            model.requires_grad_(True)
        check_lm_head(model)
        reference = before_training(model, updates) if config.beta else None
        loop = Loop(
            model=model,
            optimizer=torch.optim.AdamW(
                [p for p in model.parameters() if p.requires_grad],
                lr=config.learning_rate,
                weight_decay=config.weight_decay,
            ),
            steps=config.steps,
            rate=lambda step: config.learning_rate * _share(step, config),
            max_grad_norm=config.max_grad_norm,
            bf16=config.bf16,
            out=folder,
            logs=(_METRICS, _ATTRIBUTIONS),
            save_every=config.save_every,
            keep_last=config.keep_last,
            keep=lambda: best_steps(whole_rows(folder / _METRICS), config.keep_best),
            on_metrics=on_metrics,
            title="grpo",
            state={"cursor": 0},  # groups sampled so far
        )
        dead_for = 0  # steps in a row, since this process began
        refreshed = 0  # the step after which the PRM was made; 0: the one that was given
        for step in loop:
            if step == 1 and first and (folder / "prms").exists():
                shutil.rmtree(folder / "prms")  # of a training that was begun and has no checkpoint
            if step == 1 and evaluate is not None and config.evaluate_every:
                loop.write([{"step": 0, "evaluation": evaluated(evaluate, policy)}], _METRICS)
                _ = first and loop.keep()  # which refuses an unknown name before anything is trained
            if refresh_prm is not None and (last := _last_refresh(step, config)) != refreshed:
                refreshed = last
                scorers = replace(scorers, prm=_refreshed(refresh_prm, policy, folder / "prms" / str(last)))
            clock = _Clock()
            groups = _rollout(loop, policy, problems, scorers, config, clock)
            policy.forget()
            with clock.of("update"):
                values = _update(loop, policy, groups, reference, config)
            tokens = sum(s.token_count for group in groups for s in group.solutions)
            row: Metrics = {
                "step": step,
                "sampled_groups": len(groups),
                **group_metrics(groups),
                **(audit_metrics(groups) if held_out is not None else {}),
                **update_metrics(values),
                "learning_rate": loop.rate(step - 1),
                "sampled_tokens": tokens,
                "seconds": clock.seconds,
                "tokens_a_second": tokens / max(sum(clock.seconds.values()), 1e-9),
            }
            if evaluate is not None and config.evaluate_every and step % config.evaluate_every == 0:
                row["evaluation"] = evaluated(evaluate, policy)
            if config.attribute_every and step % config.attribute_every == 0:
                loop.write(attributions(groups, step=step), _ATTRIBUTIONS)
            loop.write([row], _METRICS)
            dead_for = dead_for + 1 if values is None else 0
            warn_of_nothing(row, dead_for)
            if step == config.steps or (first and "evaluation" in row and step in loop.keep()):
                loop.save()
            loop.bar.set_postfix(reward=f"{row['reward']:.3f}", dead=f"{row['dead']:.0%}")
        with replacing(folder / "model") if first else nullcontext() as draft:
            save_merged(model, updates, policy.tokenizer, draft)
        state.wait_for_everyone()
    return TrainResult(policy, folder, tuple(whole_rows(folder / _METRICS)))


class _Clock:
    """Seconds by kind of work."""

    def __init__(self) -> None:
        self.seconds = {"rollout": 0.0, "scoring": 0.0, "update": 0.0}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class _Scorers:
    verifier: Scorer
    prm: Scorer | None
    held_out: Scorer | None


def _rollout(
    loop: Loop,
    policy: Transformers,
    problems: Sequence[Problem],
    scorers: _Scorers,
    config: GRPOConfig,
    clock: _Clock,
) -> list[Group]:
    """All groups of a step, sampled and scored; dead ones are replaced as often as `resample` says."""
    groups: list[Group] = []
    wanted = config.groups
    for _ in range(1 + config.resample):
        positions = range(loop.state["cursor"], loop.state["cursor"] + wanted)
        loop.state["cursor"] += wanted
        mine = loop.mine(positions)
        drawn = [_problem_at(problems, config.seed, position) for position in mine]
        with clock.of("rollout"):
            pools = sample_groups(policy, drawn, config, positions=mine)
        with clock.of("scoring"):
            judged = judge_groups(drawn, pools, scorers.verifier, scorers.prm, config, held_out=scorers.held_out)
        by_position = dict(loop.gathered(list(zip(mine, judged, strict=True))))
        groups += [by_position[position] for position in positions]
        wanted = sum(by_position[position].dead for position in positions)
        if not wanted:
            break
    return groups


def _last_refresh(step: int, config: GRPOConfig) -> int:
    """The last step before this one after which the PRM was made anew."""
    return (step - 1) // config.refresh_every * config.refresh_every


def _refreshed(refresh_prm: RefreshPRM, policy: Transformers, folder: Path) -> Scorer:
    """The PRM of the next steps, made without a trace in random states, so that a resumed training goes on alike."""
    mark = folder.with_suffix(".made")
    with seeded(0):
        scorer = refresh_prm(None if mark.exists() else policy, folder)
    policy.forget()
    check_scorer_argument(scorer, name="refresh_prm(policy, folder)")
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return scorer


def _update(
    loop: Loop,
    policy: Transformers,
    groups: Sequence[Group],
    reference: Callable[[], AbstractContextManager[Any]] | None,
    config: GRPOConfig,
) -> dict[str, float] | None:
    """The last of the updates from these groups; None, and nothing moves, where all of them are dead."""
    rows = rows_of(groups, policy, config)
    if not rows:
        return None
    device = policy.model.device.type
    tokens = config.part_tokens or (2048 if device == "cpu" else 16384)
    # Evaluation mode, so that no dropout parts the policy from its samples; checkpointing needs the other one.
    mode = _checkpointing(policy.model) if config.gradient_checkpointing else nullcontext()
    with mode, attention_for(max(len(row.ids) for row in rows), device):
        for _ in range(config.updates):
            values = loop.update(
                parts(loop.mine(rows), tokens),
                lambda part: part_values(policy.model, part, config, reference=reference),
            )
    return values


@contextmanager
def _checkpointing(model: Any) -> Iterator[None]:
    model.train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
        model.eval()


def _problem_at(problems: Sequence[Problem], seed: int, position: int) -> Problem:
    """Every epoch has its own order."""
    epoch, place = divmod(position, len(problems))
    return problems[int(np.random.default_rng([seed, epoch]).permutation(len(problems))[place])]


def _share(step: int, config: GRPOConfig) -> float:
    """Of the learning rate, at a step counted from 0; the first step of a warm-up learns already."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    return rate_at(step, steps=config.steps, warmup=config.warmup, schedule=config.schedule)
