"""Keys and values of a search's live prefixes, kept between its calls in one radix tree per problem."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch

Planes = list[torch.Tensor]
"""Keys and values of consecutive tokens: for each shape of layer, a tensor (planes, heads, tokens, dim)."""

Ids = tuple[int, ...]


class Node:
    """Some consecutive tokens with their keys and values; `children` by their first token."""

    __slots__ = ("call", "children", "ids", "made", "planes")

    def __init__(self, ids: Ids, planes: Planes, made: int, call: int) -> None:
        self.ids = ids
        self.planes = planes
        self.made = made  # the call that computed it
        self.call = call  # the last call that used it
        self.children: dict[int, Node] = {}


class PrefixCache:
    """The trees of many problems, least recently used first, in at most `max_bytes` between calls.

    >>> cache = PrefixCache(max_bytes=1 << 20)
    >>> kv = [torch.arange(3.0).reshape(1, 1, 3, 1)]
    >>> with cache.call():
    ...     cache.insert(cache.open("p1"), (5, 6, 7), 0, kv)
    >>> with cache.call():
    ...     [piece[0].flatten().tolist() for piece in cache.match(cache.open("p1"), (5, 6, 9))]
    [[0.0, 1.0]]
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.calls = 0  # that have ended
        self._trees: OrderedDict[Hashable, Node] = OrderedDict()
        self._bytes: dict[Hashable, int] = {}
        self._opened: set[Hashable] = set()  # by the call that is running
        self._busy = threading.Lock()

    @property
    def bytes(self) -> int:
        """Bytes held, as of the end of the last call."""
        return sum(self._bytes.values())

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call: of the problems that it opens what it used is kept, and of all problems what fits.

        A call that raises leaves nothing behind, so that what another try costs does not depend on it. Raises
        RuntimeError where a call of another thread is running.
        """
        if not self._busy.acquire(blocking=False):
            raise RuntimeError(
                "two threads use one memory of prefixes: give each search its own, by calling remembering()"
            )
        try:
            yield
        except BaseException:
            self._close(lambda node: node.made < self.calls)
            raise
        else:
            self._close(lambda node: node.call == self.calls)
        finally:
            self._busy.release()

    def open(self, key: Hashable) -> Node:
        """The tree of a problem, an empty one where there is none."""
        tree = self._trees.setdefault(key, Node((), [], self.calls, self.calls))
        self._trees.move_to_end(key)
        self._opened.add(key)
        return tree

    def match(self, tree: Node, ids: Ids) -> list[Planes]:
        """Keys and values of the longest known prefix of `ids`, in pieces."""
        pieces, node, at = [], tree, 0
        while at < len(ids) and (child := node.children.get(ids[at])) is not None:
            child.call = self.calls
            shared = _shared(child.ids, ids, at)
            if shared < len(child.ids):
                pieces.append(_cut(child.planes, 0, shared))
                break
            pieces.append(child.planes)
            node, at = child, at + shared
        return pieces

    def insert(self, tree: Node, ids: Ids, start: int, planes: Planes) -> None:
        """Keep a copy of the keys and values of `ids[start:]`; those of `ids[:start]` are known already."""
        node, at = tree, 0
        while at < len(ids):
            child = node.children.get(ids[at])
            if child is None:
                if at < start:
                    raise LookupError(f"tokens {at} to {start} are not in the cache: insert them first")
                new = _cut(planes, at - start, len(ids) - start)
                node.children[ids[at]] = Node(ids[at:], _copied(new), self.calls, self.calls)
                return
            child.call = self.calls
            shared = _shared(child.ids, ids, at)
            if shared < len(child.ids) and at + shared < len(ids):
                child = _split(node, child, shared)
            node, at = child, at + shared

    def _close(self, keep: Callable[[Node], bool]) -> None:
        for key in self._opened:
            self._bytes[key] = _swept(self._trees[key], keep)
        self._opened.clear()
        total = self.bytes
        while total > self.max_bytes and self._trees:
            key, _ = self._trees.popitem(last=False)
            total -= self._bytes.pop(key, 0)
        self.calls += 1


def _swept(tree: Node, keep: Callable[[Node], bool]) -> int:
    """The bytes of a tree, from which the nodes that are not to be kept are dropped."""
    size, stack = 0, [tree]
    while stack:
        node = stack.pop()
        size += sum(p.numel() * p.element_size() for p in node.planes)
        node.children = {token: child for token, child in node.children.items() if keep(child)}
        stack.extend(node.children.values())
    return size


def length(pieces: Sequence[Planes]) -> int:
    """How many tokens the pieces hold."""
    return sum(piece[0].size(2) for piece in pieces)


def _shared(a: Ids, ids: Ids, at: int) -> int:
    part = ids[at : at + len(a)]
    if a == part:
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, part, strict=False)) if x != y), min(len(a), len(part)))


def _split(parent: Node, child: Node, at: int) -> Node:
    upper = Node(child.ids[:at], _copied(_cut(child.planes, 0, at)), child.made, child.call)
    child.planes = _copied(_cut(child.planes, at, len(child.ids)))
    child.ids = child.ids[at:]
    upper.children[child.ids[0]] = child
    parent.children[upper.ids[0]] = upper
    return upper


def _cut(planes: Planes, start: int, end: int) -> Planes:
    return [p[:, :, start:end] for p in planes]


def _copied(planes: Planes) -> Planes:
    # A view would keep the whole batch's tensor alive.
    return [p.clone(memory_format=torch.contiguous_format) for p in planes]
