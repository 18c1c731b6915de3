"""What a call leaves to the garbage collector, which commands of ours ask seldom (`bench.files.memory`)."""

import gc
from collections.abc import Callable

import torch

_OURS = ("bench", "policies", "prms", "search", "verifiers")


def left_in_circles(call: Callable[[], object]) -> list[str]:
    """The types of the tensors and of the objects of ours that are still there when nobody can reach them any more."""
    gc.collect()
    gc.freeze()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        call()
        gc.collect()
        return sorted({type(x).__qualname__ for x in gc.garbage if isinstance(x, torch.Tensor) or _is_ours(x)})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()


def _is_ours(x: object) -> bool:
    # A function's module is its own, an object's is that of its type.
    return str(getattr(x, "__module__", "")).split(".")[0] in _OURS
