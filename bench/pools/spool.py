"""Rows on disk while others are read, given back owner by owner, such as those of a problem that a file scatters."""

import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from verifiers.interface.files import room_for

_HELD = 64 << 20  # bytes that stay in memory: most pools never touch the disk


class Spool:
    """Whatever is added for each owner, a number; what was added first comes first.

    >>> spool = Spool()
    >>> for owner, row in [(0, "a"), (1, "b"), (0, "c")]:
    ...     spool.add(owner, row)
    >>> list(spool.of(0)), spool.size(1) > 0
    (['a', 'c'], True)

    Beyond 64 MiB it is a file without a name in the folder for temporary files, gone when the process ends. Raises
    OSError where that is full.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_HELD)  # noqa: SIM115  (closed with this)
        weakref.finalize(self, self._file.close)
        self._ends = array("Q", [0])
        self._owners = array("L")
        self._order: np.ndarray[Any, Any] | None = None

    def add(self, owner: int, row: object) -> None:
        """Keep one more."""
        kept = pickle.dumps(row, pickle.HIGHEST_PROTOCOL)
        if self._order is not None:  # something was read meanwhile
            self._file.seek(self._ends[-1])
        try:
            self._file.write(kept)
        except OSError:  # only now is it asked where that would have been
            with room_for(Path(tempfile.gettempdir())):
                raise
        self._ends.append(self._ends[-1] + len(kept))
        self._owners.append(owner)
        self._order = None

    def of(self, owner: int) -> Iterator[Any]:
        """What was added for one."""
        for place in self._places(owner):
            start, end = self._ends[place], self._ends[place + 1]
            self._file.seek(start)
            yield pickle.loads(self._file.read(end - start))  # noqa: S301  (written here)

    def size(self, owner: int) -> int:
        """The bytes that are kept for one."""
        return sum(self._ends[place + 1] - self._ends[place] for place in self._places(owner))

    def _places(self, owner: int) -> list[int]:
        if self._order is None:
            owners = np.array(self._owners, dtype=np.int64)
            self._order = np.argsort(owners, kind="stable")
            self._firsts = np.searchsorted(owners[self._order], np.arange(owners.max(initial=-1) + 2))
        if owner + 1 >= len(self._firsts):
            return []
        places: list[int] = self._order[self._firsts[owner] : self._firsts[owner + 1]].tolist()
        return places
