"""What may end a process of ours amid its work, as tests bring it about inside of it: a kill, a full disk."""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree"}


class Touches:
    """How often files of a folder were written to, moved or removed."""

    def __init__(self, folder: str, last: int) -> None:
        self.folder, self.last, self.count = folder, last, 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """An audit hook: it is called before the thing is done."""
        if event not in _EVENTS or (event == "open" and not _writes(arguments[2])):
            return
        place = arguments[0]
        if isinstance(place, str | os.PathLike) and os.path.abspath(os.fspath(place)).startswith(self.folder):
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


def die_at_touch(folder: str, number: int) -> Touches:
    """Have this process killed when it is about to touch a file of the folder for the `number`-th time; 0: never."""
    touches = Touches(folder, number)
    sys.addaudithook(touches)
    return touches


def no_room(size: int) -> None:
    """Let no file grow beyond this size in bytes, as on a disk that is full."""
    sys.dont_write_bytecode = True  # Python would leave cut files of it, which every later process stumbles over
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def no_pictures() -> None:
    """Have matplotlib write files of a byte."""
    from matplotlib.figure import Figure

    def savefig(_: Figure, place: str | Path, **options: Any) -> None:
        Path(place).write_bytes(b".")

    Figure.savefig = savefig


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
