"""Freed memory is given back to the system where too much of it lies about."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from policies.training import heap, loop

SCRIPT = """
import ctypes
from bench.files.memory import keep_freed_memory
from policies.training import heap

heap._memory = lambda: 400 << 20
keep_freed_memory()
looked_after = heap.Heap()
least = heap._held()
blocks = [b"x" * (1 << 20) for _ in range(200)]
full = heap._held()
blocks = blocks[::20]  # what stays keeps the rest from the end of the heap
freed = heap._held()
looked_after.give_back()
print(least >> 20, full >> 20, freed >> 20, heap._held() >> 20, int(hasattr(ctypes.CDLL(None), "malloc_trim")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux")
def test_what_a_process_keeps_beyond_its_least_goes_back():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    least, full, freed, after, gives_back = map(int, done.stdout.split())
    assert full - least >= 190
    if not gives_back:
        pytest.skip("a C library without malloc_trim")
    assert freed - least >= 180  # they are kept, since asking the system for them again takes half of the time
    assert after - least < 30


def test_it_gives_back_after_a_part_that_leaves_more_than_an_eighth_of_the_machine(monkeypatch):
    gave, held = [], {"is": 1 << 30}
    monkeypatch.setattr(heap, "_memory", lambda: 24 << 30)
    monkeypatch.setattr(heap, "_held", lambda: held["is"])

    def trim(pad):
        gave.append(held["is"] >> 30)
        held["is"] = 2 << 30

    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=trim))
    looked_after = heap.Heap()
    for part in (2, 4, 5, 3, 5, 6, 5):
        held["is"] = part << 30
        looked_after.give_back()
    assert gave == [5, 6]


def test_a_system_that_does_not_say_what_is_held_is_left_alone(monkeypatch):
    def unreadable(self, encoding):
        raise FileNotFoundError

    monkeypatch.setattr(heap.Path, "read_text", unreadable)
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: pytest.fail("it was given back"))
    heap.Heap().give_back()


def test_the_loop_looks_after_each_part(monkeypatch):
    seen = []
    monkeypatch.setattr(heap.Heap, "give_back", lambda self: seen.append(self))
    model = torch.nn.Linear(1, 1)
    steps = loop.Loop(
        model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), steps=2, rate=lambda step: 0.1
    )
    for _ in steps:
        steps.update([torch.ones(1, 1)] * 2, lambda part: {"loss": model(part).sum()})
    assert seen == [steps.heap] * 4
