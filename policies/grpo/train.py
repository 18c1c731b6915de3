"""`grpo_train`: group-relative policy optimisation on the scorers that search uses, gated by the verifier."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from tqdm import tqdm

from policies.backends.transformers import Transformers
from policies.grpo.config import GRPOConfig
from policies.grpo.metrics import Row, attributions, audit_metrics, group_metrics
from policies.grpo.processes import Processes
from policies.grpo.rollout import Group, judge_groups, sample_groups
from policies.grpo.update import Head, Updated, lm_head, rows_of, update
from policies.policy import Policy
from policies.training.base import quiet
from policies.training.loop import own_randomness
from policies.training.resume import (
    latest_checkpoint,
    restore_optimizer,
    restore_randomness,
    restore_weights,
    write_checkpoint,
)
from verifiers.interface.files import claim, held, replace_text, replacing, whole_rows
from verifiers.interface.naming import name_of, policy_name
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem

Evaluate: TypeAlias = Callable[[Policy], Mapping[str, float]]
_RECORD, _METRICS, _ATTRIBUTIONS = "training.json", "metrics.jsonl", "attributions.jsonl"
# Options that change no weight: a resumed training may have others.
_FREE = ("save_every", "evaluate_every", "attribute_every", "part_tokens")


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A trained policy, the folder of its training, and a row of metrics for every step (`metrics.jsonl`)."""

    policy: Transformers
    out: Path
    metrics: tuple[Row, ...]


def grpo_train(
    policy: Transformers,
    problems: Sequence[Problem],
    verifier: Scorer,
    prm: Scorer | None = None,
    *,
    out: str | Path,
    config: GRPOConfig | None = None,
    evaluate: Evaluate | None = None,
    held_out: Scorer | None = None,
) -> TrainResult:
    """Train a policy by its own samples; the PRM speaks where the verifier's rewards tell nothing (VeriGate).

    Any scorers do: `verifier` rewards whole solutions, `prm` their steps, in the groups that `config.gate` opens to
    it (see `gated_advantages`); without a PRM this is GRPO (Shao et al. 2024). PAV-RL (Setlur et al. 2024) is
    `prm=PAV(...)` with `gate="always", credit="advantage", scale="none", prm_coef=alpha`. A solution that was cut off
    has reward 0.

    `evaluate(policy)` gives named numbers, such as the accuracy of a search on held-out problems; they go into the
    metrics, before the first step and every `config.evaluate_every`. A `held_out` scorer, which is not trained
    against, shows whether the PRM is being hacked; with it both are asked about every solution.

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

    The policy is trained in place. The folder `out` has `metrics.jsonl`, `attributions.jsonl` (which step of which
    solution got what advantage, and why), checkpoints, and at the end `model/`, for `policies.load`. The same
    call with a policy as it was at the start goes on from the latest checkpoint and ends with the same weights:
    what is sampled depends on seeds and weights alone. With a constant learning rate `steps` may be raised.

    Several processes (`accelerate launch`) share the groups and add up their gradients.

    Raises TypeError for a policy without weights or tokens, ValueError for no problems, problem ids that occur
    twice, weights that are not float32 without LoRA, a PRM that is none, and a folder of another training,
    FloatingPointError where the gradient is no number (the last checkpoint stays as it is), BlockingIOError where
    another process trains in the folder.
    """
    config = config or GRPOConfig()
    problems = _checked(policy, problems, config)
    folder, processes = Path(out), Processes.here()
    first = processes.rank == 0
    with held(folder, owner=_RECORD) if first else nullcontext(), own_randomness(config.seed):
        if first:
            _claim(folder, policy, problems, verifier, prm, held_out, config)
        processes.wait()
        trainer = _Trainer(policy, config, processes)
        done = trainer.restore(folder / "checkpoints")
        if first:
            _trim(folder, done)
        with tqdm(total=config.steps, initial=done, desc="grpo", unit="step", disable=None) as bar:
            if not done and evaluate is not None and config.evaluate_every:
                _append(folder / _METRICS, [{"step": 0, "evaluation": dict(evaluate(policy))}], processes)
            for step in range(done + 1, config.steps + 1):
                groups, row = trainer.step(step, problems, verifier, prm, held_out)
                if evaluate is not None and config.evaluate_every and step % config.evaluate_every == 0:
                    row["evaluation"] = dict(evaluate(policy))
                    policy.forget()
                if config.attribute_every and step % config.attribute_every == 0:
                    _append(folder / _ATTRIBUTIONS, attributions(groups, step=step), processes)
                _append(folder / _METRICS, [row], processes)
                if first and (step == config.steps or (config.save_every and step % config.save_every == 0)):
                    trainer.save(folder / "checkpoints", step)
                bar.set_postfix(reward=f"{row['reward']:.3f}", dead=f"{row['dead']:.0%}")
                bar.update()
        trainer.finish(folder / "model")
    return TrainResult(policy, folder, tuple(whole_rows(folder / _METRICS)))


class _Trainer:
    """The weights and what moves them."""

    def __init__(self, policy: Transformers, config: GRPOConfig, processes: Processes) -> None:
        self.policy, self.config, self.processes = policy, config, processes
        self.model: Any = policy.model
        self.cursor = 0  # groups sampled so far
        self.peft = _add_lora(self.model, config) if config.lora_rank else None
        if self.peft is None:
            self.model.requires_grad_(True)
        self.head = lm_head(self.model)
        self.reference = self._reference() if config.beta else None
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)

    def step(
        self,
        step: int,
        problems: Sequence[Problem],
        verifier: Scorer,
        prm: Scorer | None,
        held_out: Scorer | None,
    ) -> tuple[list[Group], Row]:
        """Sample, score and update; all sampled groups, and the step's metrics."""
        config, clock = self.config, _Clock()
        groups: list[Group] = []
        wanted = config.groups
        for _ in range(1 + config.resample):
            at = range(self.cursor, self.cursor + wanted)
            self.cursor += wanted
            mine = self.processes.mine([_problem_at(problems, config.seed, position) for position in at])
            with clock.of("rollout"):
                pools = sample_groups(self.policy, mine, config, positions=self.processes.mine(at))
            with clock.of("scoring"):
                judged = judge_groups(mine, pools, verifier, prm, config, held_out=held_out)
            judged = self.processes.gathered(judged)
            groups += judged
            wanted = sum(group.dead for group in judged)
            if not wanted:
                break
        self.policy.forget()
        rate = config.learning_rate * _rate(step - 1, config)
        for part in self.optimizer.param_groups:
            part["lr"] = rate
        with clock.of("update"):
            made = self._update(groups)
        tokens = sum(s.token_count for group in groups for s in group.solutions)
        row: Row = {
            "step": step,
            "sampled_groups": len(groups),
            **group_metrics(groups),
            **(audit_metrics(groups) if held_out is not None else {}),
            **(_no_update() if made is None else asdict(made)),
            "learning_rate": rate,
            "sampled_tokens": tokens,
            "seconds": clock.seconds,
            "tokens_a_second": tokens / max(sum(clock.seconds.values()), 1e-9),
        }
        return groups, row

    def _update(self, groups: Sequence[Group]) -> Updated | None:
        """The last of the updates from these groups; None, and nothing moves, where all of them are dead."""
        rows = rows_of(groups, self.policy, self.config)
        if not rows:
            return None
        with self._training():
            for _ in range(self.config.updates):
                made = update(
                    self.model,
                    self.head,
                    rows,
                    self.optimizer,
                    self.config,
                    processes=self.processes,
                    reference=self.reference,
                )
        return made

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Evaluation mode, so that no dropout parts the policy from its samples; checkpointing needs the other one."""
        if not self.config.gradient_checkpointing:
            yield
            return
        self.model.train()
        self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        try:
            yield
        finally:
            self.model.gradient_checkpointing_disable()
            self.model.eval()

    def _reference(self) -> Callable[[], AbstractContextManager[tuple[Any, Head]]]:
        """The model as it is now and its LM head: a frozen copy, or under LoRA the base without its updates."""
        frozen = None if self.peft is not None else deepcopy(self.model).requires_grad_(False)
        head = self.head if frozen is None else lm_head(frozen)

        @contextmanager
        def before() -> Iterator[tuple[Any, Head]]:
            if frozen is not None:
                yield frozen, head
                return
            assert self.peft is not None
            with self.peft.disable_adapter():
                yield self.model, head

        return before

    def restore(self, checkpoints: Path) -> int:
        """Go back to the latest checkpoint; how many steps it has seen."""
        latest = latest_checkpoint(checkpoints)
        if latest is None:
            return 0
        restore_weights(latest, self.model)
        restore_optimizer(latest, self.optimizer, _ByStep())
        restore_randomness(latest)
        state = json.loads((latest / "trainer_state.json").read_text(encoding="utf-8"))
        self.cursor = state["cursor"]
        self.policy.forget()
        return int(state["global_step"])

    def save(self, checkpoints: Path, step: int) -> None:
        """A checkpoint that appears whole or not at all."""
        try:
            write_checkpoint(checkpoints, self.model, self.optimizer, _ByStep(), _State(step, self.cursor))
        except OSError as error:
            raise OSError(
                f"{checkpoints}: the checkpoint of step {step} could not be written ({error}); the one before it is "
                "whole, and the same call goes on from there"
            ) from error

    def finish(self, place: Path) -> None:
        """Merge LoRA into the policy's weights, and save model and tokenizer."""
        if self.peft is not None:
            self.peft.merge_and_unload()
        self.policy.forget()
        if self.processes.rank == 0:
            with replacing(place) as draft:
                with quiet():
                    self.model.save_pretrained(draft)
                self.policy.tokenizer.save_pretrained(draft)
        self.processes.wait()


@dataclass(frozen=True, slots=True)
class _State:
    """What a checkpoint says beside weights, moments and random generators."""

    global_step: int
    cursor: int

    def save_to_json(self, json_path: str) -> None:
        Path(json_path).write_text(json.dumps(asdict(self)), encoding="utf-8")


class _ByStep:
    """A learning rate that is decided by the step alone: a checkpoint has nothing to keep of it."""

    def state_dict(self) -> dict[str, object]:
        return {}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Nothing to go back to."""


class _Clock:
    """Seconds by kind of work."""

    def __init__(self) -> None:
        self.seconds = {"rollout": 0.0, "scoring": 0.0, "update": 0.0}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


def _problem_at(problems: Sequence[Problem], seed: int, position: int) -> Problem:
    """Every epoch has its own order."""
    epoch, place = divmod(position, len(problems))
    return problems[int(np.random.default_rng([seed, epoch]).permutation(len(problems))[place])]


def _rate(step: int, config: GRPOConfig) -> float:
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "constant":
        return 1.0
    left = (config.steps - step) / max(1, config.steps - config.warmup)
    return left if config.schedule == "linear" else (1 - cos(pi * left)) / 2


def _no_update() -> Row:
    return {"loss": None, "entropy": None, "kl": None, "clipped": None, "grad_norm": None}


def _add_lora(model: Any, config: GRPOConfig) -> Any:
    from policies.training.base import lora_config
    from policies.training.config import TrainConfig

    options = lora_config(
        TrainConfig(lora_rank=config.lora_rank, lora_alpha=config.lora_alpha, lora_targets=config.lora_targets)
    )
    from peft import get_peft_model

    return get_peft_model(model, options)


def _checked(policy: Transformers, problems: Sequence[Problem], config: GRPOConfig) -> list[Problem]:
    if not hasattr(policy, "model") or not hasattr(policy, "prompt_ids"):
        raise TypeError(
            f"{name_of(policy)} has no weights and token ids to train with: use policies.Transformers "
            "(a server's model can only be searched with)"
        )
    if not problems:
        raise ValueError("problems is empty: give the problems to train on")
    counted: dict[str, int] = {}
    for problem in problems:
        counted[problem.id] = counted.get(problem.id, 0) + 1
    if twice := [name for name, n in counted.items() if n > 1]:
        raise ValueError(f"problem {twice[0]!r} occurs {counted[twice[0]]} times: ids tell samples apart")
    dtype = next(policy.model.parameters()).dtype
    if not config.lora_rank and dtype != torch.float32:
        raise ValueError(
            f"the policy's weights are {str(dtype).removeprefix('torch.')}: small updates vanish in them; load it with "
            "dtype='float32' (bf16=True computes in bfloat16 all the same), or train low-rank updates with lora_rank"
        )
    return list(problems)


def _claim(
    folder: Path,
    policy: Transformers,
    problems: Sequence[Problem],
    verifier: Scorer,
    prm: Scorer | None,
    held_out: Scorer | None,
    config: GRPOConfig,
) -> None:
    """Write what is trained here, or compare it with what is."""
    names = {"verifier": verifier, "prm": prm, "held_out": held_out}
    identity = {
        "policy": policy_name(policy),
        "problems": [problem.id for problem in problems],
        **{key: None if scorer is None else name_of(scorer) for key, scorer in names.items()},
        "config": asdict(config),
    }
    begun = latest_checkpoint(folder / "checkpoints") is not None
    free = {*_FREE, *(("steps",) if config.schedule == "constant" else ())}
    claim(folder / _RECORD, identity, kind="a training", begun=begun, free=free)


def _trim(folder: Path, done: int) -> None:
    """Drop the rows of steps after the checkpoint, and a torn last line."""
    for name in (_METRICS, _ATTRIBUTIONS):
        path = folder / name
        kept = [row for row in whole_rows(path) if done and row["step"] <= done]
        replace_text(path, "".join(json.dumps(row) + "\n" for row in kept))


def _append(path: Path, rows: Sequence[Row] | Iterator[Row], processes: Processes) -> None:
    if processes.rank == 0:
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
