"""The keys and values of the rows that are being decoded: one slot a row, all rows ending at one edge.

Rows of different lengths are aligned at their right ends, in columns `starts[row]` to `edge`. So a
forward pass writes one column, differences of columns are differences of positions (which sliding
windows need), a new row fits in wherever its length does, and a finished row's slot is refilled by
copying the last row into it.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from policies.decoding.prefix_cache import Planes

_HEADROOM = 64  # columns added when the buffers are full


@dataclass(frozen=True, slots=True)
class KVShape:
    """What a model's layers keep: for each distinct shape its (planes, heads, dim), and where each layer lies."""

    groups: tuple[tuple[int, int, int], ...]
    layers: tuple[tuple[tuple[int, int], tuple[int, int]], ...]  # ((group, plane) of keys, of values)
    dtype: torch.dtype

    @property
    def bytes_per_token(self) -> int:
        """Bytes of keys and values per token of a row."""
        return sum(p * h * d for p, h, d in self.groups) * self.dtype.itemsize

    @staticmethod
    def of(layers: Sequence[Any]) -> KVShape:
        """The shape of a cache's layers that have seen a token."""
        planes: dict[tuple[int, int], int] = {}

        def place(tensor: torch.Tensor) -> tuple[int, int]:
            shape = (tensor.shape[1], tensor.shape[3])
            plane = planes.setdefault(shape, 0)
            planes[shape] += 1
            return list(planes).index(shape), plane

        places = tuple((place(layer.keys), place(layer.values)) for layer in layers)
        return KVShape(tuple((count, *shape) for shape, count in planes.items()), places, layers[0].keys.dtype)


class Workspace:
    """Memory for the buffers of one `Slots` at a time, used again by the next.

    Fresh memory costs a CPU a page fault for every 4 kB, which took a fifth of a beam search's time. A
    GPU's allocator keeps memory by itself.
    """

    def __init__(self) -> None:
        self._flat: list[torch.Tensor] = []

    def take(self, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype, device: torch.device) -> list[torch.Tensor]:
        """Buffers of these shapes, holding anything; those of the last call are no longer valid."""
        if device.type != "cpu":
            return [torch.empty(shape, dtype=dtype, device=device) for shape in shapes]
        sizes = [math.prod(shape) for shape in shapes]
        if len(self._flat) != len(sizes) or any(f.numel() < n for f, n in zip(self._flat, sizes, strict=True)):
            self._flat = []  # first, so that the two are never held together
            # The prefixes of a step-wise search grow with every call.
            self._flat = [torch.empty(n + n // 2, dtype=dtype) for n in sizes]
        return [flat[:n].view(shape) for flat, n, shape in zip(self._flat, sizes, shapes, strict=True)]

    def release(self) -> None:
        """Give the memory back."""
        self._flat = []


class Slots:
    """Buffers for `capacity` rows; rows 0 to `n` are in use.

    `edge` is the column where the next token goes and must be at least the length of every row that is
    placed; `floor` is the longest row that is still to come.
    """

    def __init__(
        self, shape: KVShape, device: torch.device, *, capacity: int, edge: int, columns: int, space: Workspace
    ) -> None:
        self.n, self.lo, self.edge, self.floor = 0, edge, edge, edge
        self.starts: npt.NDArray[np.int64] = np.full(capacity, edge)
        self.buffers = space.take([(p, capacity, h, columns, d) for p, h, d in shape.groups], shape.dtype, device)
        self.visible = torch.zeros(capacity, columns, dtype=torch.bool, device=device)
        self.layers = [_SlotLayer(self, k, v) for k, v in shape.layers]
        self.cache = Cache(layers=list(self.layers))

    def place(self, pieces: Sequence[Planes], start_row: int, rows: int) -> int:
        """Write one prefix's keys and values into `rows` slots from `start_row` on, up to the edge; its length."""
        length = sum(piece[0].size(2) for piece in pieces)
        start = self.edge - length
        rows_end = start_row + rows
        lo = min(self.lo, start) if self.n else start
        for buffer, *parts in zip(self.buffers, *pieces, strict=True):
            # Columns in view that hold no token are zero: masked they have weight 0, but 0 times NaN is NaN.
            buffer[:, : self.n, :, lo : self.lo] = 0
            buffer[:, start_row:rows_end, :, lo:start] = 0
            column = start
            for part in parts:
                buffer[:, start_row:rows_end, :, column : column + part.shape[2]] = part[:, None]
                column += part.shape[2]
        self.visible[start_row:rows_end, :start] = False
        self.visible[start_row:rows_end, start:] = True
        self.starts[start_row:rows_end] = start
        self.n = max(self.n, rows_end)
        self.lo = lo
        return length

    def read(self, row: int, start: int, end: int) -> Planes:
        """The keys and values of a row's columns, as views."""
        return [buffer[:, row, :, start:end] for buffer in self.buffers]

    def positions(self, new: int) -> npt.NDArray[np.int64]:
        """Positions of the next `new` tokens of each row in use, shape (n, new)."""
        return (self.edge - self.starts[: self.n])[:, None] + np.arange(new)

    def mask(self, new: int) -> torch.Tensor | None:
        """Which of the columns in use each row may see, shape (n, edge - lo + new); None where all may see all."""
        if (self.starts[: self.n] == self.lo).all():
            return None
        return self.visible[: self.n, self.lo : self.edge + new]

    def advance(self) -> None:
        """Take the column just written into use, and make sure that there is a next one."""
        self.edge += 1
        if self.edge == self.visible.shape[1]:
            self._make_room()

    def keep(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """Keep these rows (ascending) and close up the gaps; returns which rows moved, and where to."""
        kept = len(rows)
        gaps = sorted(set(range(kept)).difference(rows))
        movers = [row for row in rows if row >= kept]
        for a, b in zip(movers, gaps, strict=True):
            # Row by row: to gather the rows first would copy each of them twice.
            for buffer in self.buffers:
                buffer[:, b, :, self.lo : self.edge] = buffer[:, a, :, self.lo : self.edge]
            self.visible[b] = self.visible[a]
        self.starts[gaps] = self.starts[movers]
        self.n = kept
        self.lo = int(self.starts[:kept].min(initial=self.edge))
        return movers, gaps

    def _make_room(self) -> None:
        used = self.edge - self.lo
        edge = max(used, self.floor)
        columns = max(edge + _HEADROOM, edge + edge // 4)
        shift = edge - self.edge
        for i, old in enumerate(self.buffers):
            new = torch.empty(*old.shape[:3], columns, old.shape[4], dtype=old.dtype, device=old.device)
            new[:, : self.n, :, edge - used : edge] = old[:, : self.n, :, self.lo : self.edge]
            self.buffers[i] = new
        visible = torch.zeros(len(self.visible), columns, dtype=torch.bool, device=self.visible.device)
        visible[: self.n, edge - used : edge] = self.visible[: self.n, self.lo : self.edge]
        visible[: self.n, edge:] = True
        self.visible = visible
        self.starts += shift
        self.edge, self.lo = edge, self.lo + shift
        for layer in self.layers:
            layer.bind()


class _SlotLayer(CacheLayerMixin):
    """One layer's view of the slots, in the shape that transformers asks of a cache layer."""

    is_sliding = False  # the whole past is kept; the model's own mask hides what lies outside a window

    def __init__(self, slots: Slots, keys: tuple[int, int], values: tuple[int, int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Weak, so that the buffers go with the slots: in a circle they would wait for a garbage collection.
        self.slots: Slots = weakref.proxy(slots)
        self.at_keys, self.at_values = keys, values
        self.is_initialized = True
        self.bind()

    def bind(self) -> None:
        """Look the buffers up again, after they were replaced."""
        self.all_keys = self.slots.buffers[self.at_keys[0]][self.at_keys[1]]
        self.all_values = self.slots.buffers[self.at_values[0]][self.at_values[1]]

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing is left to do: the buffers exist."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new columns at the edge; all visible keys and values, shape (n, heads, columns, dim)."""
        slots = self.slots
        n, lo, end = slots.n, slots.lo, slots.edge + key_states.shape[2]
        self.all_keys[:n, :, slots.edge : end] = key_states
        self.all_values[:n, :, slots.edge : end] = value_states
        return self.all_keys[:n, :, lo:end], self.all_values[:n, :, lo:end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that the attention will see, and the first of them."""
        return self.slots.edge - self.slots.lo + query_length, 0

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.slots.edge - self.slots.lo

    def get_max_length(self) -> int:
        """No maximum."""
        return -1
