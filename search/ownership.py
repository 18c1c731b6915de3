"""The distribution `verifiers` installs a package of our name: notice when it has overwritten ours."""

from importlib.util import find_spec
from pathlib import Path


def require_own_verifiers() -> None:
    """Raise ImportError, with what to do, unless the package `verifiers` is stepbeam's."""
    spec = find_spec("verifiers")  # finds without importing: a foreign package may fail in its own ways
    if spec is None or spec.origin is None:
        raise ImportError("stepbeam's package 'verifiers' is missing: install stepbeam again")
    if not Path(spec.origin).with_name("interface").exists():
        raise ImportError(
            f"the package 'verifiers' at {spec.origin} is not stepbeam's: the distribution 'verifiers' has the same "
            "package name. Run 'pip uninstall verifiers' and install stepbeam again, or keep the two in separate "
            "virtual environments"
        )
