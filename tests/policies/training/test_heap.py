"""Freed memory is given back to the system where too much of it lies about."""

import subprocess
import sys

import pytest
import torch

from policies.training import heap, loop

SCRIPT = """
import ctypes, sys
from bench.files.memory import keep_freed_memory
from policies.training import heap

heap._MOST = 50 << 20
keep_freed_memory()
least = heap.bounded_heap(sys.maxsize)
blocks = [b"x" * (1 << 20) for _ in range(200)]
full = heap._held()
blocks = blocks[::20]  # what stays keeps the rest from the end of the heap
freed = heap._held()
after = heap.bounded_heap(least)
print(least >> 20, full >> 20, freed >> 20, heap._held() >> 20)
print(after == sys.maxsize, 0, hasattr(ctypes.CDLL(None), "malloc_trim"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux")
def test_what_a_process_keeps_beyond_its_least_goes_back():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    figures, told = done.stdout.splitlines()
    least, full, freed, bounded = map(int, figures.split())
    assert full - least >= 190
    if told.split()[2] != "True":
        pytest.skip("a C library without malloc_trim")
    assert freed - least >= 180  # they are kept, since asking the system for them again takes half of the time
    assert bounded - least < 30
    assert told.split()[0] == "True"


def test_equal_parts_give_back_nothing(monkeypatch):
    monkeypatch.setattr(heap, "_held", lambda: 7 << 30)
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: pytest.fail("it was given back"))
    least = sys.maxsize
    for _ in range(3):
        least = heap.bounded_heap(least)
    assert least == 7 << 30


def test_a_system_that_does_not_say_what_is_held_is_left_alone(monkeypatch):
    def unreadable(self, encoding):
        raise FileNotFoundError

    monkeypatch.setattr(heap.Path, "read_text", unreadable)
    assert heap.bounded_heap(sys.maxsize) == 0
    assert heap.bounded_heap(0) == 0


def test_the_loop_looks_after_each_part(monkeypatch):
    seen = []
    monkeypatch.setattr(loop, "bounded_heap", lambda least: seen.append(least) or len(seen))
    model = torch.nn.Linear(1, 1)
    steps = loop.Loop(
        model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), steps=2, rate=lambda step: 0.1
    )
    for _ in steps:
        steps.update([torch.ones(1, 1)] * 2, lambda part: {"loss": model(part).sum()})
    assert seen == [sys.maxsize, 1, 2, 3]
