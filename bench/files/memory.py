"""How freed memory is treated, for processes of our own."""

import ctypes
import gc
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt(3)


def keep_freed_memory() -> None:
    """Keep large freed blocks in the process, on Linux, and look for unreachable circles of objects seldom.

    glibc gives the blocks back at once, and a training on a CPU that asks for the same ones in every step
    spends up to half of its time on page faults. What a search makes is freed without looking for circles.
    """
    gc.set_threshold(50_000, 20, 50)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if not libc.mallopt(_MMAP_THRESHOLD, 1 << 30):
            libc.mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that an earlier glibc takes
        libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
