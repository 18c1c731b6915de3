"""Process reward models: scorers that judge every step."""

from typing import TYPE_CHECKING, Any

from prms.load import load

if TYPE_CHECKING:
    from prms.prm import PRM

__all__ = ["PRM", "load"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, so it waits until a model is asked for.
    if name == "PRM":
        from prms.prm import PRM

        return PRM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
