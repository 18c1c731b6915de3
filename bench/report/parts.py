"""The parts of a page: texts of this folder, and data that a browser unpacks; a page is written whole or not at all."""

import base64
import html
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from bench.inputs.rows import real_path
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.files import Row, replacing

_LEVEL = 4  # of compression: a tenth larger than by default, in less than half of the time
_OURS = b"<title>stepbeam report: "


def part(name: str) -> str:
    """A file of this folder."""
    return resources.files("bench.report").joinpath(name).read_text(encoding="utf-8")


def blob(name: str, record: Row) -> str:
    """A record as compressed JSON in base64, which `data.js` reads back."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), _LEVEL)).decode()
    return f'<script type="text/plain" id="{name}">{packed}</script>\n'


def names_of(folders: Sequence[Path]) -> list[str]:
    """Each folder's own name, with as much of the path before it as tells it from the others.

    Raises BadInput for one that is given twice.
    """
    paths = [real_path(folder) for folder in folders]
    if twice := [folder for folder, path in zip(folders, paths, strict=True) if paths.count(path) > 1]:
        raise BadInput(f"{twice[0]}: given twice; name each folder once")
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different paths have different names")


def page_pieces(
    title: str, sections: Mapping[str, tuple[str, str]], *, style: str, scripts: Sequence[str], data: Iterable[str]
) -> Iterator[str]:
    """The pieces of a page, for `write_page`: `sections` has of each, by its id, what leads to it and its title."""
    texts = {
        "TITLE": html.escape(title),
        "STYLE": style,
        "LINKS": "\n".join(f'    <li><a href="#{name}">{link}</a></li>' for name, (link, _) in sections.items()),
        "SECTIONS": "\n".join(
            f'  <section id="{name}" aria-labelledby="{name}-title">\n    <h2 id="{name}-title">{heading}</h2>\n'
            '    <div class="content"></div>\n  </section>'
            for name, (_, heading) in sections.items()
        ),
        "SCRIPT": "\n".join(map(part, scripts)),
    }
    for piece in re.split(r"<!--([A-Z]+)-->", part("page.html")):
        if piece == "DATA":
            yield from data
        else:
            yield texts.get(piece, piece)


def check_page(out: Path) -> None:
    """Raise BadArgument where a file lies that is no report."""
    if out.is_file() and _OURS not in out.read_bytes()[:2000]:
        raise BadArgument("out", out, "a file that is no report is there; choose another, or move it away")


def write_page(out: Path, pieces: Iterable[str]) -> None:
    """Write a page; raises BadArgument where that cannot be, and BadInput for what the pieces cannot read."""
    check_page(out)
    try:
        with replacing(out) as draft, open(draft, "w", encoding="utf-8") as file:
            file.writelines(_read(pieces))
    except OSError as error:
        raise BadArgument("out", out, f"cannot write the report there ({error.strerror}); choose another") from None


def _read(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces; that a file cannot be read is no fault of the page's place."""
    try:
        yield from pieces
    except OSError as error:
        raise BadInput(f"{error.filename or 'a file of the report'}: cannot be read ({error.strerror})") from None
