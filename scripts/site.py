"""What mkdocs is told beside mkdocs.yml: pages that lie elsewhere, and a reference of every public name."""

import ast
import re
from pathlib import Path
from typing import Any

from api import PACKAGES, body, exports  # type: ignore[import-not-found]
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
MOVED = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
OTHERS = ("LICENSE", "SUPPORT.md", "SECURITY.md", "CITATION.cff")  # read in the repository


def on_files(files: Any, config: Any) -> Any:
    for source, target in MOVED.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, target, content=text))
    for package in PACKAGES:
        files.append(File.generated(config, f"reference/{package}.md", content=reference(package)))
    return files


def reference(package: str) -> str:
    first = next(s for s in body(package) if isinstance(s, ast.Expr))
    about = ast.literal_eval(first.value).partition("\n")[0]
    names = "\n\n".join(f"::: {package}.{name}" for name in exports(package))
    return f"# {package}\n\n{about}\n\n{names}\n"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """With links to what is a folder higher in the repository, and without those to what only it has."""
    markdown = re.sub(r"\]\(\.\./((?:\.\./)*(?:CONTRIBUTING|CHANGELOG)\.md)", r"](\1", markdown)
    for name in OTHERS:
        markdown = re.sub(rf"\[([^\]]+)\]\((?:\.\./)*{re.escape(name)}\)", rf"\1 (`{name}`)", markdown)
    return markdown
