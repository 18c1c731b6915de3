"""The house rules: which file may import which, and what importing costs."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "policies", "prms", "search", "verifiers")
FILES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = ("torch", "transformers", "vllm", "scipy", "datasets", "matplotlib", "sympy", "math_verify", "tqdm")


def floor(module: str) -> int | None:
    """The floor of one of our modules, None for others; a package's own file stands on its highest floor."""
    package, _, rest = module.partition(".")
    if package not in PACKAGES:
        return None
    if module == "verifiers.interface.solution":
        return 0
    if module.startswith("verifiers.interface.") or module in ("verifiers.laws", "policies.policy"):
        return 1
    if package == "bench":
        return 4
    if package == "search" or rest == "advantages" or rest.startswith("grpo") or module == "policies":
        return 3
    return 2


def imported(path: Path) -> set[str]:
    """The modules that a file names in its imports, those inside functions too."""
    tree = ast.parse((ROOT / path).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in members if (ROOT / name.replace(".", "/")).with_suffix(".py").exists()}
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_one_way(path: Path) -> None:
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    mine = floor(module)
    assert mine is not None
    for other in imported(path):
        theirs = floor(other)
        if theirs is None or other in PACKAGES:
            continue
        assert theirs <= mine, f"{path} (floor {mine}) imports {other} (floor {theirs})"
    if mine < 3:
        upper = {other for other in imported(path) if other.split(".")[0] in ("search", "bench")}
        assert not upper, f"{path} (floor {mine}) imports {upper}"


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", ["search", "verifiers", "prms", "policies"])
def test_importing_a_package_pulls_in_nothing_heavy(package: str) -> None:
    loaded = run_python(f"import sys, {package}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))").split()
    assert "numpy" in loaded or package == "prms"
    assert not set(HEAVY) & set(loaded)


@pytest.mark.alone
def test_import_search_takes_under_three_tenths_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import search; print(time.perf_counter() - t)"
    assert min(float(run_python(code)) for _ in range(5)) < 0.3


@pytest.mark.parametrize("package", ["bench", "policies", "prms", "search"])
def test_a_foreign_package_named_verifiers_is_noticed(package: str, tmp_path: Path) -> None:
    foreign = tmp_path / "verifiers"
    (foreign / "interface").mkdir(parents=True)  # as where it was installed over ours
    (foreign / "__init__.py").write_text("raise RuntimeError('must not be run')\n")
    output = run_python(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        try:
            import {package}
        except ImportError as error:
            print(error)
        """)
    assert f"'verifiers' at {foreign / '__init__.py'} is not stepbeam's" in output
    assert "pip uninstall verifiers" in output
