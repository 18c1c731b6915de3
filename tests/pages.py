"""The pages of README and docs as what a reader does with them: their blocks of code, from top to bottom.

Comments in a page, which readers do not see, say what is not the rule:
`<!-- tier: slow -->` anywhere: the page runs in that tier (`vllm`, or `slow` where it takes over three seconds);
`<!-- not run: why -->` above a block: it is not run, and the reason is listed.
A block with `title="NAME"` is a file that the reader writes, or goes on with. Shell and Python are run, other
languages show something. A notebook is a page too.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path

from tests.processes import start_command

ROOT = Path(__file__).parents[1]
_DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(_DOCS.rglob("*.md")), *sorted(_DOCS.rglob("*.ipynb"))]
RUN, SHOWN = {"python", "sh"}, {"", "json", "text", "toml"}
_NOT_RUN, _TITLE = r"(?:<!-- not run: ([^>]+) -->\n)?", r"(?: title=\"([^\"\n]+)\")?"
_BLOCK = re.compile(rf"^{_NOT_RUN}```(\w*){_TITLE}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PLAIN = re.compile(r"(?:stepbeam [^&|<>;$`*\n]+\n)+")  # nothing that only a shell can do


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int
    not_run: str | None
    title: str | None


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        return text
    cells = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in json.loads(text)["cells"]]
    return "\n\n".join(f"```python\n{source}\n```" if code else source for source, code in cells)


def blocks(page: Path) -> list[Block]:
    text = text_of(page)
    return [
        Block(found[2], found[4], text[: found.start(4)].count("\n") + 1, found[1], found[3])
        for found in _BLOCK.finditer(text)
    ]


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if (block.language in RUN or block.title) and block.not_run is None]


def tier(page: Path) -> str:
    found = re.search(r"^<!-- tier: (\w+) -->$", text_of(page), flags=re.MULTILINE)
    return found[1] if found else "fast"


def pages_of(wanted: str) -> list[Path]:
    return [page for page in PAGES if tier(page) == wanted and runnable(page)]


def run(page: Path, folder: Path) -> None:
    """Does all that a page says in an empty folder, the current one; what it leaves running is ended with it."""
    namespace: dict[str, object] = {"__name__": "page"}
    started: list[int] = []
    try:
        for block in runnable(page):
            if block.title:
                with (folder / block.title).open("a", encoding="utf-8") as file:
                    file.write(block.code)
            elif block.language == "python":
                # Errors tell the line of the page.
                exec(compile("\n" * (block.line - 1) + block.code, name(page), "exec"), namespace)
            elif _PLAIN.fullmatch(commands := block.code.replace("\\\n", " ")):
                _commands(page, block, commands.splitlines())
            else:
                _shell(page, block, folder, started)
    finally:
        for group in started:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _commands(page: Path, block: Block, lines: list[str]) -> None:
    """What bash would do, in forks of a process that has imported what takes seconds."""
    for line in lines:
        heard, said = Pipe(duplex=False)
        process = start_command(shlex.split(line, comments=True)[1:], said=said, HF_HUB_OFFLINE="1")
        said.close()
        with open(heard.fileno(), encoding="utf-8", closefd=False) as file:
            text = file.read()
        process.join()
        assert process.exitcode == 0, f"{name(page)}, line {block.line}: {line}\n{text}"


def _shell(page: Path, block: Block, folder: Path, started: list[int]) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "agg",
    }
    # A file, as a server that a block leaves running would keep a pipe open.
    with (folder / ".said").open("w+") as said:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block.code],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append(process.pid)
        code = process.wait(timeout=600)
        said.seek(0)
        assert code == 0, f"{name(page)}, line {block.line}: exit code {code}\n{said.read()}"
