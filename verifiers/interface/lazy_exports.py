"""Names that a package hands on, and imports when they are first asked for: torch takes seconds to import."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package, for names and the modules that define them.

    No name may be that of a file or room of the package: importing that would put the module in the name's place.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name in modules:
            return getattr(import_module(modules[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
