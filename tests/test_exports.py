"""The public names of each package: `__all__` is sorted, true and complete, and no order of imports hides a name."""

import importlib
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

PACKAGES = ["policies", "prms", "search", "verifiers"]
ROOT = Path(__file__).parents[1]
# Run with a folder and the orders, each as a package and the module or late name that comes first. What is not ours is
# imported once; then a fork for each package begins without any module of ours, and imports the package itself, which
# any order begins with; a fork of that goes on, for each order. What the first compile is kept in the folder.
ORDERS = """
import importlib, os, sys, types

def names_are_there(package, first):
    if "." in first:
        importlib.import_module(first)
    else:
        getattr(importlib.import_module(package), first)
    module = importlib.import_module(package)
    hidden = [name for name in module.__all__ if isinstance(vars(module).get(name), types.ModuleType)]
    assert not hidden, f"after {first}, {package} has a module in the place of {hidden}"

orders = [order.split(":") for order in sys.argv[2:]]
for order in orders:
    names_are_there(*order)
for name in [name for name in sys.modules if name.split(".")[0] in ("policies", "prms", "search", "verifiers")]:
    del sys.modules[name]
sys.pycache_prefix, sys.dont_write_bytecode = sys.argv[1], False
def in_a_fork(what, work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{what}: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, what

def in_each_order(package):
    importlib.import_module(package)
    for order in orders:
        if order[0] == package:
            in_a_fork(f"{order[1]} first", lambda: names_are_there(*order))

for package in dict(orders):
    in_a_fork(package, lambda: in_each_order(package))
print("orders:", len(orders))
"""


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_sorted_and_every_name_is_there(name: str) -> None:
    package = importlib.import_module(name)
    # The order that ruff wants: names in capitals, then classes, then functions.
    assert list(package.__all__) == sorted(set(package.__all__), key=lambda n: (not n.isupper(), n.islower(), n))
    for export in package.__all__:
        assert getattr(package, export) is not None


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_in_all(name: str) -> None:
    package = importlib.import_module(name)
    public = {
        key
        for key, value in vars(package).items()
        if not key.startswith("_") and not isinstance(value, types.ModuleType) and key not in ("TYPE_CHECKING", "Any")
    }
    ours = {key for key in public if getattr(vars(package)[key], "__module__", name).split(".")[0] in PACKAGES}
    assert ours - {"lazy_exports"} <= set(package.__all__)


@pytest.mark.parametrize("name", PACKAGES)
def test_public_things_have_docstrings(name: str) -> None:
    package = importlib.import_module(name)
    for export in package.__all__:
        value = getattr(package, export)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip(), f"{name}.{export} has no docstring"


@pytest.mark.parametrize("name", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module(name).no_such_name  # noqa: B018


def submodules(package: str) -> list[str]:
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    return [name for name in names if name != package]


def late_names(package: str) -> list[str]:
    """Those that are imported when they are first asked for."""
    module = importlib.import_module(package)
    return sorted(set(module.__all__) - set(vars(module)))


@pytest.mark.slow
def test_no_order_of_imports_hides_a_public_name(tmp_path: Path) -> None:
    orders = [f"{package}:{first}" for package in PACKAGES for first in [*submodules(package), *late_names(package)]]
    done = subprocess.run(
        [sys.executable, "-c", ORDERS, str(tmp_path), *orders], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["orders:", str(len(orders))]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_late_name_is_not_that_of_a_file_or_room(package: str) -> None:
    assert not set(late_names(package)) & {name.split(".")[1] for name in submodules(package)}
