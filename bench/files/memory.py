"""How the allocator treats freed memory, for processes of our own."""

import ctypes
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt(3)


def keep_freed_memory() -> None:
    """Keep large freed blocks in the process; does nothing outside Linux.

    glibc gives them back at once, and a training on a CPU that asks for the same blocks in every step
    spends up to half of its time on page faults.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
