"""`__all__` of each package: sorted, true, and complete."""

import importlib
import inspect
import types

import pytest

PACKAGES = ["policies", "prms", "search", "verifiers"]


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
