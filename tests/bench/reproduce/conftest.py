"""What the tests of reproductions share."""

import os
import shutil
from pathlib import Path

import pytest

from tests.bench.reproduce.quick_runs import LONGEST, Quick, finish


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Quick:
    """The folder of an uninterrupted `stepbeam reproduce NAME --quick`, run once for the tests of all processes."""
    from filelock import FileLock

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def folder(name: str) -> Path:
        out = shared / f"whole-{name}"
        with FileLock(shared / f"{name}.lock"):
            if not list(out.glob("*.md")):
                took = finish(name, out)
                assert took < LONGEST, f"reproduce {name} --quick took {took:.0f} s"
        return out

    return folder


@pytest.fixture(scope="session")
def quick(whole: Quick, tmp_path_factory: pytest.TempPathFactory) -> Quick:
    """A copy of such a folder, in which a test may do what it likes."""

    def folder(name: str) -> Path:
        out = tmp_path_factory.mktemp(name) / "out"
        shutil.copytree(whole(name), out, ignore=shutil.ignore_patterns("checkpoints"))
        return out

    return folder


@pytest.fixture
def work_again():
    """Stands where work is done: a test in which it is called fails."""

    def called(*_, **__):
        raise AssertionError("this was done before")

    return called
