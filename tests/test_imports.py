"""The house rules: which room may import which, how large a room may be, and what importing costs."""

import ast
import runpy
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from setuptools import find_namespace_packages

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "policies", "prms", "search", "verifiers")
FLOORS = (  # every folder with Python files, from the ground up: a file imports from its own and from those before it
    "verifiers/interface",
    "bench/stats",
    "policies",
    "policies/replicas",
    "verifiers/grading/notation",
    "verifiers/grading",
    "search",
    "search/strategies",
    "search/live",
    "policies/models",
    "policies/decoding",
    "policies/training",
    "policies/backends/servers",
    "policies/backends",
    "policies/grpo",
    "verifiers/reward_models",
    "verifiers/genrm",
    "verifiers/combinators",
    "verifiers",
    "prms",
    "bench",
    "bench/inputs",
    "bench/files",
    "bench/diagnostics",
    "bench/training",
    "bench/tiny",
    "bench/tiny/worlds",
    "bench/tiny/making/examples",
    "bench/tiny/making",
    "bench/tasks",
    "bench/report",
    "bench/runs",
    "bench/pools/shapes",
    "bench/pools",
    "bench/reproduce",
    "bench/reproduce/genrm",
    "bench/reproduce/pav",
    "bench/reproduce/verigate",
    "bench/serve",
    "bench/harnesses",
    "bench/commands",
    "bench/commands/train",
)
MOST_LINES, MOST_FILES = 350, 16
HEAVY = ("torch", "transformers", "vllm", "scipy", "datasets", "matplotlib", "sympy", "math_verify", "tqdm", "openai")


def imports_that_run_up(root: Path, floors: Sequence[str]) -> list[str]:
    """What stands on a floor below what it imports, at its top, in a function or for a type checker.

    A package's `__init__` and `__main__` are its doors, to all rooms behind them: they stand on the highest of these.
    """
    height = {folder: i for i, folder in enumerate(floors)}
    paths = {module_of(path.relative_to(root)): path.relative_to(root) for path in python_files(root)}

    def floor_of(path: Path) -> int:
        folder = path.parent.as_posix()
        if path.name not in ("__init__.py", "__main__.py"):
            return height[folder]
        return max(i for room, i in height.items() if f"{room}/".startswith(f"{folder}/"))

    return [
        f"{path} imports {paths[name]}"
        for module, path in paths.items()
        for name in sorted(names_in((root / path).read_text(encoding="utf-8"), paths.keys()))
        if name != module and floor_of(paths[name]) > floor_of(path)
    ]


def names_in(source: str, modules: Collection[str]) -> set[str]:
    """Those of the modules that a source names: in imports, and in calls such as `import_module("search.driver")`."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= {name if name in modules else str(node.module) for name in members}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            named |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return named & set(modules)


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def python_files(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def test_imports_run_down() -> None:
    assert imports_that_run_up(ROOT, FLOORS) == []


def test_every_folder_has_its_floor() -> None:
    assert sorted(FLOORS) == sorted({path.parent.relative_to(ROOT).as_posix() for path in python_files(ROOT)})


@pytest.mark.parametrize(
    "upward",
    [
        "import search.driver",
        "from search.driver import drive",
        "from search import driver",
        "import search",
        "def late():\n    from search.driver import drive",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from search.driver import drive",
        "from importlib import import_module\nimport_module('search.driver')",
    ],
)
def test_an_import_that_runs_up_is_seen(tmp_path: Path, upward: str) -> None:
    for name, source in {
        "prms/__init__.py": "",
        "prms/prm.py": upward,
        "prms/pav.py": "from prms.prm import PRM\nimport numpy\nfrom prms.rooms.deep import x",
        "prms/rooms/deep.py": "",
        "search/__init__.py": "from search.driver import drive",
        "search/driver.py": "from prms.prm import PRM\n'search'",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    where = "__init__" if upward == "import search" else "driver"
    assert imports_that_run_up(tmp_path, ("prms/rooms", "prms", "search")) == [f"prms/prm.py imports search/{where}.py"]
    assert imports_that_run_up(tmp_path, ("search", "prms", "prms/rooms")) == [
        "prms/pav.py imports prms/rooms/deep.py",
        "search/driver.py imports prms/prm.py",
    ]


def test_no_file_and_no_folder_is_large() -> None:
    lines = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(ROOT)}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}
    assert {folder for folder in FLOORS if len(list((ROOT / folder).glob("*.py"))) > MOST_FILES} == set()


def test_the_wheel_holds_every_room_but_how_the_embedded_models_were_made() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    shipped = {package.replace(".", "/") for package in find_namespace_packages(str(ROOT), **settings["find"])}
    assert {folder for folder in shipped if list((ROOT / folder).glob("*.py"))} == {*FLOORS} - {"bench/tiny/making"}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_finds_what_it_imports(path: Path) -> None:
    if path.stem == "peers":
        pytest.importorskip("its_hub", reason="the extra 'bench' is not installed")
    assert "main" in runpy.run_path(str(path), run_name="imported")


def test_a_peer_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    anything = ModuleType("its_hub")
    anything.__getattr__ = lambda name: type(name, (), {})  # type: ignore[method-assign]
    parts = ("algorithms.beam_search", "algorithms.bon", "lms.step_generation", "orchestrator")
    for name in ("its_hub.api", *(f"its_hub.core.{part}" for part in parts)):
        monkeypatch.setitem(sys.modules, name, anything)
    monkeypatch.setattr(sys, "argv", ["peers.py", "--only", "xyz"])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(ROOT / "benchmarks/peers.py"))["main"]()
    assert "'xyz' (choose from" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["search", "verifiers", "prms", "policies"])
def test_importing_a_package_pulls_in_nothing_heavy(package: str) -> None:
    loaded = run_python(f"import sys, {package}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))").split()
    assert "numpy" in loaded or package == "prms"
    assert not set(HEAVY) & set(loaded)


@pytest.mark.alone
def test_import_search_takes_under_three_tenths_of_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # compiled by the first, as an installation is
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    code = "import time; t = time.perf_counter(); import search; print(time.perf_counter() - t)"
    assert min(float(run_python(code)) for _ in range(5)) < 0.3


def test_import_search_reads_no_notation_of_answers() -> None:
    loaded = run_python("import sys, search; print(*sys.modules)").split()
    assert not [name for name in loaded if name.startswith("verifiers.grading.notation")]


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
