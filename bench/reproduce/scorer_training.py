"""How the reproductions train their scorers."""

from policies.training.config import TrainConfig


def scorer_training(steps: int, seed: int, batch_size: int) -> TrainConfig:
    """On a CPU, so that everyone gets the same weights."""
    return TrainConfig(
        max_steps=steps,
        batch_size=batch_size,
        learning_rate=2e-4,
        weight_decay=0.05,
        seed=seed,
        device="cpu",
        save_every=0,
    )
