"""The pages tell the truth: their Python runs, their commands exist, their pictures are there."""

import re
import shlex
from pathlib import Path

import pytest

import policies
import prms
import search
import verifiers
from bench.commands.cli import _parser
from bench.tiny import load_task, weights_folder

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_its_python_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    codes = blocks(page.read_text(), "python")
    assert len(codes) >= 4
    namespace: dict[str, object] = {"__name__": "readme"}
    for code in codes:
        exec(compile(code, page.name, "exec"), namespace)


def test_the_python_of_the_page_on_grading_runs() -> None:
    codes = blocks((ROOT / "docs" / "grading.md").read_text(), "python")
    assert len(codes) >= 2
    for code in codes:
        exec(compile(code, "grading.md", "exec"), {"__name__": "grading"})


def test_the_python_of_the_page_on_live_searches_runs() -> None:
    codes = blocks((ROOT / "docs" / "live.md").read_text(), "python")
    assert codes
    for code in codes:
        exec(compile(code, "live.md", "exec"), {"__name__": "live"})


def test_the_python_of_the_page_on_scorers_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    task = load_task("chain", count=8)
    policy = policies.Transformers.load(weights_folder("policy"))
    drawn = search.sample(task.problems, policy, n=4, sampling=task.sampling)
    finished = [(result.problem, solution) for result in drawn for solution in result.pool if solution.finished]
    outcomes = task.verifier.score(*zip(*finished, strict=True)).values()
    namespace: dict[str, object] = {
        "policy": policy,
        "problems": task.problems[:1],
        "prm": prms.PRM.load(weights_folder("prm")),
        "other_prm": prms.PRM.load(weights_folder("prover")),
        "orm": verifiers.ORM.load(weights_folder("orm")),
        "held_out_rows": [
            verifiers.with_outcome(*row, right == 1) for row, right in zip(finished, outcomes, strict=True)
        ],
        **{package.__name__: package for package in (prms, search, verifiers)},
    }
    codes = blocks((ROOT / "docs" / "scorers.md").read_text(), "python")
    assert len(codes) >= 2
    for code in codes:
        exec(compile(code, "docs/scorers.md", "exec"), namespace)


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
