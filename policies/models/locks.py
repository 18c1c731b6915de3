"""What serves one thread at a time: a model while it runs, an engine, and every tokenizer."""

import threading
import time
from typing import Any
from weakref import WeakKeyDictionary

# A tokenizer's options are switched for a call, and a Rust one refuses that while another thread uses it.
TOKENIZING = threading.RLock()

_RUNNING: WeakKeyDictionary[Any, threading.RLock] = WeakKeyDictionary()
_MAKING = threading.Lock()


def running(model: Any) -> threading.RLock:
    """The lock to hold while a model runs: its mode and its attention are switched for that time.

    It is the model's, so that all who run one share it; other models run beside it.
    """
    with _MAKING:
        return _RUNNING.setdefault(model, threading.RLock())


class Turns:
    """A lock that a thread may take several times at once, and take again and again without shutting others out."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: set[int] = set()

    def __enter__(self) -> None:
        me = threading.get_ident()
        self._waiting.add(me)
        try:
            self._lock.acquire()
        finally:
            self._waiting.discard(me)

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def let_others_pass(self) -> None:
        """Wait until nobody waits for it; it must not be held. A lock by itself goes to whoever has just had it."""
        while self._waiting:
            time.sleep(1e-4)
