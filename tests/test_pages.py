"""The pages tell the truth: their code runs, their commands exist, their links and pictures lead somewhere."""

import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from bench.commands.cli import _parser
from tests.pages import PAGES, ROOT, RUN, SHOWN, blocks, name, pages_of, run, text_of, tier

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
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", pages_of("vllm"), ids=name)
def test_its_code_that_needs_vllm_runs(page: Path, tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="the extra 'vllm' is not installed")
    run(page, tmp_path)


@pages
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    found = blocks(page)
    assert 2 * len(found) == len(re.findall(r"^\s*```", text_of(page), flags=re.MULTILINE))
    assert {block.language for block in found} <= RUN | SHOWN
    assert tier(page) in ("fast", "slow", "vllm")
    marks = re.findall(r"^<!-- not run", text_of(page), flags=re.MULTILINE)
    assert len(marks) == sum(block.not_run is not None for block in found)


def test_what_is_not_run_is_listed() -> None:
    """A block more or fewer here is meant: each is one that no machine has tried."""
    not_run = Counter(name(page) for page in PAGES for block in blocks(page) if block.not_run)
    assert not_run == {
        "README.md": 2,
        "CONTRIBUTING.md": 1,
        "docs/commands.md": 2,
        "docs/harnesses.md": 4,
        "docs/howto/prm_format.md": 1,
        "docs/live.md": 2,
        "docs/pools.md": 1,
        "docs/report.md": 1,
        "docs/results.md": 6,
        "docs/scaling.md": 4,
        "docs/scorers.md": 2,
        "docs/servers.md": 2,
        "docs/start.md": 2,
        "docs/tiny.md": 1,
        "docs/training.md": 1,
        "docs/tutorials/prm.md": 1,
        "docs/tutorials/vllm.md": 2,
        "docs/vllm.md": 2,
    }


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
        assert command in text_of(PAGES[0])
        install, _, then = command.partition(" && ")
        assert install.replace("pip install", "pip install -q") in ci
        assert then in ci


@pages
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(page)):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_notebook_keeps_its_pictures() -> None:
    [notebook] = [page for page in PAGES if page.suffix == ".ipynb"]
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    drawing = [cell for cell in cells if any("plt.show" in line for line in cell["source"])]
    kept = [cell for cell in cells for output in cell["outputs"] if "image/png" in output.get("data", {})]
    assert drawing
    assert kept == drawing
