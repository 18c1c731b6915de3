"""What serves one thread at a time: a model while it runs, and every tokenizer."""

import threading
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
