"""Prints the public API, a line a name: `python scripts/api.py > docs/api.txt` where a change of it is meant.

Public is what the packages' `__all__` list, and of a class each member whose name has no leading underscore. All is
read from the source, and nothing is imported.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("policies", "prms", "search", "verifiers")
Definition = tuple[str, ast.stmt]  # the module that holds it, and what defines the name there


def body(module: str) -> list[ast.stmt]:
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    checking = [s for s in statements if isinstance(s, ast.If) and ast.unparse(s.test) == "TYPE_CHECKING"]
    return statements + [inner for statement in checking for inner in statement.body]


def exports(package: str) -> list[str]:
    for statement in body(package):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return list(ast.literal_eval(statement.value))
    raise SystemExit(f"{package} has no __all__")


def definition(module: str, name: str) -> Definition | None:
    """Where a name of a module is defined, through all that hands it on; None outside our packages."""
    for statement in body(module):
        match statement:
            case ast.ImportFrom(module=str(source), names=names):
                for alias in names:
                    if (alias.asname or alias.name) == name:
                        return definition(source, alias.name) if source.split(".")[0] in PACKAGES else None
            case ast.FunctionDef() | ast.ClassDef() if statement.name == name:
                return module, statement
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                if target == name:
                    return module, statement
    return None


def signature(function: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"({ast.unparse(function.args)}){returns}"


def members(module: str, statement: ast.ClassDef, public: set[str]) -> Iterator[str]:
    """The members of a class and, before them, of its bases that are not public themselves."""
    for base in statement.bases:
        inherited = definition(module, ast.unparse(base).partition("[")[0])
        if inherited and isinstance(inherited[1], ast.ClassDef) and inherited[1].name not in public:
            yield from members(inherited[0], inherited[1], public)
    for part in statement.body:
        match part:
            case ast.FunctionDef(name=name) if not name.startswith("_") or name in ("__init__", "__call__"):
                kinds = [f"@{ast.unparse(decorator)} " for decorator in part.decorator_list]
                yield f".{name}{signature(part)}{'  ' if kinds else ''}{''.join(kinds)}".rstrip()
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if not name.startswith("_") or ast.unparse(part) == "_: KW_ONLY":
                    yield f".{ast.unparse(part)}"


def lines(package: str, name: str, public: set[str]) -> Iterator[str]:
    known = definition(package, name)
    if known is None:
        raise SystemExit(f"{package}.{name} is not defined in {', '.join(PACKAGES)}")
    module, statement = known
    full = f"{package}.{name}"
    match statement:
        case ast.FunctionDef():
            yield f"{full}{signature(statement)}"
        case ast.ClassDef():
            bases = ", ".join(ast.unparse(base) for base in [*statement.bases, *(k.value for k in statement.keywords)])
            frozen = "".join(f"  @{ast.unparse(decorator)}" for decorator in statement.decorator_list)
            yield f"class {full}{f'({bases})' if bases else ''}{frozen}"
            # A class's member comes after the base's of that name, and takes its place.
            named = {re.split(r"[(:]", line)[0]: line for line in members(module, statement, public)}
            yield from (full + line for line in named.values())
        case ast.AnnAssign():
            yield f"{full}: {ast.unparse(statement.annotation)}"
        case ast.Assign(value=ast.Call(func=kind)):
            yield f"{full}: {ast.unparse(kind)}"
        case ast.Assign(value=value):
            yield f"{full} = {ast.unparse(value)}"


def main() -> None:
    public = {name for package in PACKAGES for name in exports(package)}
    for package in PACKAGES:
        for name in exports(package):
            print(*lines(package, name, public), sep="\n")


if __name__ == "__main__":
    main()
