"""The policies with which the trainings of `stepbeam reproduce verigate` begin."""

import random
from collections.abc import Iterator

import torch

from bench.reproduce.folder import Unit, slug, unit
from bench.reproduce.verigate.arms import Setting, VeriGatePlan
from bench.tiny import weights_folder
from bench.tiny.making.lm import LMBatch, counted, fit, lm_batch, next_token_sum
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from policies.backends.transformers import Transformers
from policies.training.folder import save_model
from policies.training.loop import seeded

_SEED, _ROWS, _PROMPTS = 600, 40, 4000


def start_policy(plan: VeriGatePlan, setting: Setting) -> Transformers:
    """The policy as every training of a setting begins with it."""
    start = Transformers.load(weights_folder("policy"), dtype="float32", device="cpu")
    if setting.layers is not None:
        return _smaller(plan, setting, start)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for matrix in start.model.parameters():
            if setting.noise and matrix.ndim == 2:
                matrix.add_(setting.noise * matrix.std() * torch.randn(matrix.shape, generator=draw))
    return start


def _smaller(plan: VeriGatePlan, setting: Setting, whole: Transformers) -> Transformers:
    """The first layers of a policy, which have learnt to do without the others from a careless pupil's solutions."""
    name = f"models/{slug(setting.name)}_policy"

    def compute() -> Unit:
        model = whole.model
        model.model.layers = model.model.layers[: setting.layers]
        model.config.num_hidden_layers = setting.layers
        steps = setting.healing_steps(plan.prm_steps)
        with seeded(_SEED):
            fit(
                model,
                map(counted, _batches(setting)),
                lambda part: next_token_sum(model(input_ids=part[0], use_cache=False).logits, part[1]),
                steps=steps,
                learning_rate=1e-3,
                log=lambda _: None,
                title=name,
            )
        save_model(model, whole.tokenizer, plan.out / name)
        return {"steps": steps}

    unit(plan.out, name, compute)
    return Transformers.load(plan.out / name, dtype="float32", device="cpu")


def _batches(setting: Setting) -> Iterator[list[LMBatch]]:
    world, rng = WORLDS[setting.task], random.Random(_SEED)
    prompts = [p for level in world.TRAIN_DIFFICULTY for p in draw_prompts(world, _PROMPTS, _SEED, "train", level)]
    while True:
        chosen = rng.choices(prompts, k=_ROWS)
        yield [lm_batch([(prompt, world.demonstrate(prompt, rng, slips=True)) for prompt in chosen])]
