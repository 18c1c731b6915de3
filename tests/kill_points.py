"""Ends work at any of the points where it touches a folder's files, as a kill would."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree"}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


class _Watch:
    def __init__(self) -> None:
        self.folder, self.left, self.seen, self.on = "", 0, 0, False
        sys.addaudithook(self._hook)  # stays, and does nothing but inside `_watched`

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on or event not in _EVENTS or not self._touches(event, arguments):
            return
        self.seen += 1
        if self.seen == self.left:
            self.on = False
            raise Killed(f"{event} {arguments[0]}")

    def _touches(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return False
        place = arguments[0]
        return isinstance(place, str | os.PathLike) and self.folder in os.path.abspath(os.fspath(place))


_WATCH = _Watch()


@contextmanager
def _watched(folder: Path, kill_at: int) -> Iterator[_Watch]:
    _WATCH.folder, _WATCH.left, _WATCH.seen, _WATCH.on = str(folder.resolve()), kill_at, 0, True
    try:
        yield _WATCH
    finally:
        _WATCH.on = False


def points(work: Callable[[Path], object], folder: Path) -> int:
    """How many points there are when work is done in a folder undisturbed."""
    with _watched(folder, 0) as watch:
        work(folder)
        return watch.seen


def kill(work: Callable[[Path], object], folder: Path, at: int) -> None:
    """Do the work up to the point `at`, counted from 1."""
    try:
        with _watched(folder, at):
            work(folder)
    except Killed:
        return
    raise AssertionError(f"it ended before point {at}")
