"""What a call leaves to the garbage collector, which commands of ours ask seldom (`bench.files.memory`)."""

import gc
import sys
from collections.abc import Callable

_OURS = ("bench", "policies", "prms", "search", "verifiers")


def left_in_circles(call: Callable[[], object]) -> list[str]:
    """The types of the tensors and of the objects of ours that are still there when nobody can reach them any more."""
    torch = sys.modules.get("torch")  # where it is not there, there are no tensors
    tensors = () if torch is None else torch.Tensor
    gc.collect()
    gc.freeze()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        call()
        gc.collect()
        return sorted({type(x).__qualname__ for x in gc.garbage if isinstance(x, tensors) or _is_ours(x)})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()


def _is_ours(x: object) -> bool:
    # A function's module is its own, an object's is that of its type.
    return str(getattr(x, "__module__", "")).split(".")[0] in _OURS
