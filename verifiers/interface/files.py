"""Durable files: a folder that one process holds and one owner claims, files replaced whole, rows appended to stay.

It lies on the lowest floor because searches' journals, collected values, trainings and runs all stand on it.
"""

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from verifiers.interface.errors import BadInput
from verifiers.interface.lines import Row as Row
from verifiers.interface.lines import json_line, json_object, read_line, sealed_line

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_AGAIN = "make room and give the same command again"
_LISTED = 5  # entries of a list that an error shows as it is
_FILES = {".jsonl", ".json", ".toml", ".txt", ".md", ".html", ".png", ".safetensors"}  # never a folder of ours

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held(folder: Path, *, owner: str | None = None) -> Iterator[Path]:
    """Make the folder where there is none and keep every other process, and thread, out of it meanwhile.

    With an `owner`, a file's name, a folder is taken that has this file, or is empty. At an error what was made here is
    gone again (this file if it is no journal, the lock, the folder), where the folder holds nothing else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, held(Path(place) / "out") as out:
    ...     with held(out):
    ...         pass
    Traceback (most recent call last):
    BlockingIOError: ...out: another process is writing there; wait for it, or choose another folder

    Raises BlockingIOError where another has it, OSError where nothing can be written there, BadInput where it
    holds other files and no `owner`, or a link or a device in the place of a file.
    """
    made: list[Path] = []
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        owned, unlocked = bool(owner and (folder / owner).exists()), not os.path.lexists(folder / ".lock")
        check_ours(folder, owner=owner)
        file = _open_lock(folder / ".lock")
    except OSError as error:
        _remove(made)
        raise OSError(f"{folder}: cannot write results there ({error.strerror}); choose another folder") from None
    with file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # what flock and msvcrt say of a file that is locked
            raise BlockingIOError(
                f"{folder}: another process is writing there; wait for it, or choose another folder"
            ) from None
        if not _stands_at(folder / ".lock", file):  # who held it has failed and removed it: others would make a new one
            with held(folder, owner=owner):
                yield folder
            return
        try:
            yield folder
        except BaseException:
            says_only_whose = owner is not None and Path(owner).suffix != ".jsonl"  # a journal holds work
            if owner and says_only_whose and not owned and set(os.listdir(folder)) == {".lock", owner}:
                (folder / owner).unlink()
            if unlocked and os.listdir(folder) == [".lock"]:
                (folder / ".lock").unlink()
                _remove(made)
            raise


def check_ours(folder: Path, *, owner: str | None) -> None:
    """Raise BadInput for a folder with files and no `owner` among them, or with what is neither a file nor a folder."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    names = {entry.name for entry in entries}
    if owner and owner not in names and names - {".lock", _draft_of(folder / owner).name}:
        raise BadInput(f"{folder}: this folder holds other files and no {owner}; choose another folder")
    for entry in entries:  # a link to a folder on another disk may stand for a folder
        if not (entry.is_dir() or entry.is_file(follow_symlinks=False)):
            raise BadInput(f"{entry.path}: a link or a device, where files are written; choose another folder")
        if entry.is_dir() and Path(entry.name).suffix in _FILES:
            raise BadInput(f"{entry.path}: a folder, where a file is written; choose another folder")


def _open_lock(path: Path) -> IO[str]:
    """The file to lock, made where there is none; never what a link leads to, and no pipe that waits for a reader."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return open(os.open(path, flags, 0o666), "a", encoding="utf-8")


def _stands_at(path: Path, file: IO[str]) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    return False


def _remove(folders: Iterable[Path]) -> None:
    """Remove these folders, the deepest first, where they are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def claim(
    path: Path, identity: Mapping[str, object], *, kind: str, begun: bool = True, free: Collection[str] = ()
) -> None:
    """Write what a folder is for into its JSON file `path`, or check that it is for this.

    What has not `begun` may still change its mind, but for its "kind", and the options named in `free` may always.
    Raises BadInput where the folder belongs to something else.
    """
    written = read_record(path) if path.exists() else None
    if written is not None and (begun or written.get("kind") != identity.get("kind")):
        check_identity(path, written, identity, kind=kind, free=free)
    else:
        replace_text(path, json.dumps(_as_read(identity), indent=2) + "\n")


def _as_read(identity: Mapping[str, object]) -> Row:
    """As `read_record` gives it, with &#55296; for half a character, which a name may hold and no UTF-8 does."""
    return json_object(json.dumps(identity, ensure_ascii=False).encode("utf-8", "xmlcharrefreplace"))


def read_record(path: Path) -> Row:
    """The JSON object in a file of `claim`; BadInput where it holds something else."""
    try:
        return json_object(_bytes(path))
    except (OSError, ValueError):
        told = "damaged, or not a file that was written here; choose another folder, or remove it"
        raise BadInput(f"{path}: {told}") from None


def _bytes(path: Path) -> bytes:
    """What a file holds; BadInput for what is none."""
    check_file(path)
    return path.read_bytes()


def check_file(path: Path) -> None:
    """Raise BadInput for what is no file, such as a pipe, which would wait."""
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: not a file; move it away, or choose another folder")


def check_identity(
    path: Path,
    held: Mapping[str, object],
    asked: Mapping[str, object],
    *,
    kind: str,
    free: Collection[str] = (),
    instead: Mapping[str, str] | None = None,
) -> None:
    """Raise BadInput, with the first option that differs, where `path` names another owner than the one that asks.

    `instead` says of an option by what else one comes to what was asked.
    """
    old, new = _flat(held), _flat(_as_read(asked))
    for name in sorted(old.keys() | new.keys()):
        option = name.rpartition(".")[2]
        if option not in free and old.get(name) != new.get(name):
            was, wanted = _apart(old.get(name), new.get(name))
            has = f"without {option}" if old.get(name) is None else f"with {option} = {was}"
            wanted = "none" if new.get(name) is None else wanted
            way = f"; {instead[option]}" if instead and option in instead else ""
            raise BadInput(
                f"{path}: this folder holds {kind} {has}, and {wanted} was asked for; choose another folder, or remove "
                f"this one{way}"
            )


def _apart(old: object, new: object) -> tuple[str, str]:
    """Two values in the words of an error: of long lists how many entries they have, and the first that differs."""
    if not (isinstance(old, list) and isinstance(new, list) and max(len(old), len(new)) > _LISTED):
        return repr(old), repr(new)
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return _entry(old, at), _entry(new, at)


def _entry(rows: list[object], at: int) -> str:
    return f"{len(rows)} of them" + (f" (number {at + 1} is {rows[at]!r})" if at < len(rows) else "")


def _flat(identity: Mapping[str, Any]) -> Row:
    flat: Row = {}
    for name, value in identity.items():
        flat |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft of a file or folder, which takes the place of `path` at the end, so that none sees half of it.

    A file takes a file's place in one move; a folder's, after what was there is removed. A link to a folder stays, and
    what it leads to is replaced. Raises OSError where a file would take the place of a folder, a link or a device, or
    a folder that of others' files behind a link.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as draft:
    ...         _ = draft.write_text("whole")
    ...     [p.name for p in Path(folder).iterdir()]
    ['a.txt']
    """
    linked = path.is_symlink()
    if linked and path.is_dir():
        path = path.resolve()
    elif linked or (path.exists() and not path.is_dir() and not path.is_file()):
        raise FileExistsError(errno.EEXIST, "a link or a device stands there", str(path))
    draft = _draft_of(path)
    _clear(draft)
    try:
        with room_for(path):
            yield draft
        if path.is_dir() and draft.is_file():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    except BaseException:
        _clear(draft)  # it may be what has filled the disk
        raise
    if draft.is_dir() and path.is_dir():
        if linked and (others := set(os.listdir(path)) - set(os.listdir(draft))):
            raise FileExistsError(errno.EEXIST, f"other files are there, such as {min(others)}", str(path))
        shutil.rmtree(path)
    os.replace(draft, path)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Inside, a disk that is full is an OSError that names the file which has no room, and says what to do."""
    try:
        yield
    except Exception as error:
        # Libraries written in Rust, such as safetensors, say the number in an exception of their own.
        told = re.search(r"\(os error (\d+)\)", str(error))
        number = error.errno if isinstance(error, OSError) else int(told[1]) if told else None
        if number is None or number not in _FULL or (isinstance(error, OSError) and _AGAIN in str(error.strerror)):
            raise
        said = f"{os.strerror(number)}; {_AGAIN}"
        raise OSError(number, said, str(path)) from None


def _clear(draft: Path) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    draft.unlink(missing_ok=True)


def _draft_of(path: Path) -> Path:
    return path.parent / f".{path.name}.draft"


def replace_text(path: Path, text: str) -> None:
    """Replace a text file in one move."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]], *, sealed: bool = False) -> tuple[int, int]:
    """Append JSON lines, on disk when this returns; returns where in the file they start and end, in bytes.

    `sealed` lines end with a checksum, "crc". Raises OSError where the disk is full; the file is then as it was.
    """
    lines = map(json_line, rows)
    text = "".join(map(sealed_line, lines) if sealed else lines).encode()
    start = path.stat().st_size if path.exists() else 0
    if not text:
        return start, start  # a file without a row is none: what reads rows stumbles over empty ones
    try:
        with room_for(path), open(path, "ab") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            os.truncate(path, start)
        raise
    return start, start + len(text)


def whole_rows(path: Path, *, mend: bool = False, sealed: bool = False) -> list[Row]:
    """The rows of a file of `append_rows`, without the torn line that a kill may have left at its end.

    `mend=True` cuts that line off, so that more can be appended. Raises BadInput for a line that is not such a row:
    something else than a kill has damaged the file, or written it.
    """
    found = list(each_row(path, sealed=sealed))
    if mend:
        cut_at(path, found[-1][0] if found else 0)
    return [row for _, row in found]


def each_row(path: Path, *, sealed: bool = False) -> Iterator[tuple[int, Row]]:
    """The rows of `whole_rows` one by one, each with the byte at which its line ends."""
    if not path.exists():
        return
    check_file(path)
    end = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            whole = line.endswith(b"\n")
            if not whole and not line.strip(b"\0"):  # blocks that a crash left unwritten
                return
            end += len(line)
            try:
                if not line.startswith((b"{", b"\n")):
                    raise ValueError("no object")
                if whole:
                    yield end, read_line(line, sealed=sealed)
            except ValueError as error:
                said = f"not a line that was written here ({error}); mend or remove it, or choose another folder"
                raise BadInput(f"{path}:{number}: {said}") from None


def cut_at(path: Path, end: int) -> None:
    """Cut off what a file has behind a byte."""
    if path.exists() and path.stat().st_size > end:
        os.truncate(path, end)
