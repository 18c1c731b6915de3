"""The pages tell the truth: their code runs, their commands exist, their links and pictures lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from bench.commands.cli import _parser
from tests.pages import PAGES, ROOT, RUN, SHOWN, blocks, name, pages_of, run, tier

pages = pytest.mark.parametrize("page", PAGES, ids=name)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("page", pages_of("fast"), ids=name)
def test_its_code_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    run(page, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_of("slow"), ids=name)
def test_its_code_that_takes_longer_runs(page: Path, tmp_path: Path) -> None:
    run(page, tmp_path)


@pytest.mark.vllm
@pytest.mark.parametrize("page", pages_of("vllm"), ids=name)
def test_its_code_that_needs_vllm_runs(page: Path, tmp_path: Path) -> None:
    run(page, tmp_path)


@pages
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    found = blocks(page)
    assert 2 * len(found) == len(re.findall(r"^\s*```", page.read_text(), flags=re.MULTILINE))
    assert {block.language for block in found} <= RUN | SHOWN
    assert tier(page) in ("fast", "slow", "vllm")
    not_run = [(block.line, block.not_run) for block in found if block.not_run]
    assert page.read_text().count("<!-- not run") == len(not_run)
    for line, why in not_run:  # pytest -rP -k says_why lists them
        print(f"{name(page)}:{line}: {why}")


@pages
def test_commands_exist_and_take_their_options(page: Path) -> None:
    text = "\n".join(block.code for block in blocks(page) if block.language == "sh").replace("\\\n", " ")
    for line in text.splitlines():
        for command in line.removesuffix("&").split("&&"):
            words = shlex.split(command.partition(" > ")[0].partition(" | ")[0], comments=True)
            if words[:1] == ["stepbeam"]:
                _parser().parse_args(words[1:])
            if words[:1] == ["python"] and words[1].startswith(("benchmarks/", "scripts/")):
                assert (ROOT / words[1]).exists(), words[1]


def test_the_two_commands_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    for command in (
        "pip install -c constraints.txt . && stepbeam demo",
        "pip install -c constraints.txt -e '.[test]' && pytest",
    ):
        assert command in PAGES[0].read_text()
        install, _, then = command.partition(" && ")
        assert install.replace("pip install", "pip install -q") in ci
        assert then in ci


@pages
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
