"""How a learning rate goes over the steps of a training."""

from math import cos, pi
from typing import Literal


def rate_at(step: int, *, steps: int, warmup: int, schedule: Literal["cosine", "linear", "constant"]) -> float:
    """The share of the full learning rate at a step, counted from 0: a ramp from 0 over `warmup` steps, then the rest.

    >>> [rate_at(step, steps=5, warmup=1, schedule="linear") for step in range(5)]
    [0.0, 1.0, 0.75, 0.5, 0.25]
    """
    if step < warmup:
        return step / warmup
    if schedule == "constant":
        return 1.0
    room = max(1, steps - warmup)
    return (steps - step) / room if schedule == "linear" else 0.5 * (1.0 + cos(pi * ((step - warmup) / room)))
