"""Importing this file fails, with what to do, where the package `verifiers` is not stepbeam's.

A distribution named `verifiers` on the package index installs a package of that name too. Each of our other
packages imports this file before anything of `verifiers`.
"""

from importlib.util import find_spec
from pathlib import Path


def require_own_verifiers() -> None:
    """Raise ImportError unless the package `verifiers` that Python finds is stepbeam's."""
    spec = find_spec("verifiers")  # finds without importing: a foreign package may fail in its own ways
    if spec is None or spec.origin is None:
        raise ImportError("stepbeam's package 'verifiers' is missing: install stepbeam again")
    # Its text, not the files beside it: where both were installed, those of both lie there.
    if "stepbeam" not in Path(spec.origin).read_text(encoding="utf-8"):
        raise ImportError(
            f"the package 'verifiers' at {spec.origin} is not stepbeam's: the distribution 'verifiers' has the same "
            "package name. Run 'pip uninstall verifiers' and install stepbeam again, or keep the two in separate "
            "virtual environments"
        )


require_own_verifiers()
