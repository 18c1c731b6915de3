"""The README tells the truth: its Python runs, its commands exist, its pictures are there."""

import re
import shlex
from pathlib import Path

import pytest

from bench.commands.cli import _parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_its_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = blocks(README, "python")
    assert len(found) >= 4
    namespace: dict[str, object] = {"__name__": "readme"}
    for code in found:
        exec(compile(code, "README.md", "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist_and_take_their_options(page: Path) -> None:
    text = "\n".join(blocks(page.read_text(), "(?:sh|bash|console)")).replace("\\\n", " ")
    for line in text.splitlines():
        for command in line.removeprefix("$ ").split("&&"):
            words = shlex.split(command, comments=True)
            if words[:1] == ["stepbeam"]:
                _parser().parse_args(words[1:])
            if words[:1] == ["python"] and words[1].endswith(".py") and not words[1].startswith(".."):
                assert (ROOT / words[1]).exists(), words[1]


def test_the_two_commands_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    for command in (
        "pip install -c constraints.txt . && stepbeam demo",
        "pip install -c constraints.txt -e '.[test]' && pytest",
    ):
        assert command in README
        install, _, then = command.partition(" && ")
        assert install.replace("pip install", "pip install -q") in ci
        assert then in ci


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
