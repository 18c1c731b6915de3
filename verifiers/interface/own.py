"""Objects of one's own by `module:name`: of the current folder, where the command line looks too, or of a package."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from importlib.util import find_spec
from typing import Any

from verifiers.interface.arguments import check_kind
from verifiers.interface.errors import first_line
from verifiers.interface.spec_parts import LOADED_BY, shown

_KINDS = {*LOADED_BY, "tiny"}
_WRAPPERS = {  # what makes an object with a method of a plain function
    "score": "write @verifiers.from_function above it where it gives one number for a finished solution, or "
    "@verifiers.from_steps where it gives one for each step",
    "extend": "write @policies.Scripted above it where it gives a text from (problem, prefix, seed), or name a class "
    "with the method .extend()",
    "extract": "make verifiers.Answers(extract, equal) of it and of one that compares answers",
}


def own_name(spec: str) -> tuple[str, str] | None:
    """The module and the name that a spec has, None where it does not look like `module:name`.

    >>> own_name("mine:length"), own_name("pkg.mine:length"), own_name("orm:folder"), own_name("mine:a-b")
    (('mine', 'length'), ('pkg.mine', 'length'), None, None)
    """
    check_kind("spec", spec, str, "give a text, such as tiny:policy or module:name")
    module, _, name = spec.partition(":")
    parts = module.split(".")
    named = name.isidentifier() and all(part.isidentifier() for part in parts)
    return (module, name) if named and module not in _KINDS and len(module) > 1 else None


def object_named(spec: str, method: str) -> Any:
    """The object with a method that `module:name` names; one made of it, where it is a class; None for another spec.

    Raises ValueError where it cannot be imported or made, or has no such method.
    """
    value = value_named(spec)
    if value is None or hasattr(value, method):
        return value
    if inspect.isroutine(value):
        raise ValueError(f"{shown(spec)!r} is a plain function: {_WRAPPERS[method]}")
    kinds = {"score": "a scorer", "extend": "a policy", "extract": "verifiers.Answers"}
    other = next((kind for name, kind in kinds.items() if hasattr(value, name)), f"a {type(value).__name__}")
    raise ValueError(f"{shown(spec)!r} is {other}, without the method .{method}() of {kinds[method]}")


def value_named(spec: str) -> Any:
    """What `module:name` names, an object made of it where it is a class; None for another spec.

    Raises ValueError where it cannot be imported or made.
    """
    named = own_name(spec)
    if named is None or ("." not in named[0] and not _is_there(named[0])):
        return None
    module, name = named
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        stem, is_file, _ = module.rpartition(".py")
        todo = f"; write {stem}:{name}" if is_file and os.path.exists(module) else ""
        raise ValueError(f"{shown(spec)!r}: cannot import it ({first_line(error)}){todo}") from None
    except (Exception, SystemExit) as error:  # whatever the module does as it is imported
        said = f"{type(error).__name__}: {first_line(error)}"
        raise ValueError(f"{spec!r}: cannot import it ({said})") from error
    try:
        value = getattr(imported, name)
    except AttributeError:
        raise ValueError(f"{shown(spec)!r}: cannot import it ({_lacks(imported, name)})") from None
    if value is None:
        raise ValueError(f"{shown(spec)!r} is None; name an object")
    if not inspect.isclass(value):
        return value
    try:
        return value()
    except Exception as error:
        raise ValueError(
            f"{shown(spec)!r} is a class, and none can be made without arguments ({first_line(error)}); name an "
            "object made of it"
        ) from error


def _is_there(module: str) -> bool:
    try:
        return module in sys.modules or find_spec(module) is not None
    except ValueError:  # a module that was made by hand
        return False


def _lacks(module: Any, name: str) -> str:
    where = getattr(module, "__file__", None) or "what Python has of that name"
    here = os.path.abspath(f"{module.__name__}.py")
    shadowed = os.path.exists(here) and where != here
    return f"no {name!r} in {where}" + f"; rename {here}, whose name that module has" * shadowed
