"""Objects of one's own by name: an object, a class, and what is said of everything else."""

from pathlib import Path

import pytest

from verifiers.interface.own import object_named, own_name, value_named

_PARTS = """
class Named:
    def score(self, problems, solutions): ...

class Needy:
    def __init__(self, size): ...
    def score(self, problems, solutions): ...

named, number, nothing = Named(), 7, None

def plain(problem, solution):
    return 1.0
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_test_parts.py").write_text(_PARTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")


def test_an_object_or_a_class_of_the_current_folder() -> None:
    made, named = (object_named(f"own_test_parts:{name}", "score") for name in ("Named", "named"))
    assert type(made).__name__ == type(named).__name__ == "Named"
    assert value_named("own_test_parts:plain")(None, None) == 1.0


@pytest.mark.parametrize(
    "spec", ["orm:folder", "tiny:prm", "prm:a", "owner/name:split", "mine:a-b", "C:a", "chain", "nowhere_at_all:x"]
)
def test_what_names_nothing_of_ones_own(spec: str) -> None:
    assert object_named(spec, "score") is None


@pytest.mark.parametrize(
    ("spec", "method", "message"),
    [
        ("own_test_parts:plain", "score", "is a plain function: write @verifiers.from_function above it .*from_steps"),
        ("own_test_parts:plain", "extend", "is a plain function: write @policies.Scripted above it"),
        ("own_test_parts:number", "score", r"is a int, without the method .score\(\) of a scorer"),
        ("own_test_parts:Named", "extend", r"is a scorer, without the method .extend\(\) of a policy"),
        ("own_test_parts:Needy", "score", "is a class, and none can be made without arguments .*'size'"),
        ("own_test_parts:nothing", "score", "is None; name an object"),
        ("own_test_parts:absent", "score", "no 'absent' in .*own_test_parts.py"),
        ("own_test_parts.py:plain", "score", "cannot import it .*; write own_test_parts:plain"),
    ],
)
def test_what_is_said_of_another_thing(spec: str, method: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        object_named(spec, method)


def test_a_file_with_the_name_of_a_module_of_python_is_to_be_renamed(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("scorer = 1")
    with pytest.raises(ValueError, match=r"no 'scorer' in .*; rename .*json.py, whose name that module has"):
        object_named("json:scorer", "score")


def test_names() -> None:
    assert own_name("a.b:c") == ("a.b", "c")
    assert own_name("vllm:model") is None
