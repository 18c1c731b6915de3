"""Keys and values of live prefixes, kept between calls in one radix tree per problem."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

import torch

Planes = list[torch.Tensor]
"""Keys and values of consecutive tokens: for each shape of layer, a tensor (planes, heads, tokens, dim)."""

Ids = tuple[int, ...]


class Node:
    """Some consecutive tokens with their keys and values; `children` by their first token."""

    __slots__ = ("call", "children", "ids", "planes")

    def __init__(self, ids: Ids, planes: Planes, call: int) -> None:
        self.ids = ids
        self.planes = planes
        self.call = call  # the last call that used it
        self.children: dict[int, Node] = {}


class PrefixCache:
    """The trees of many problems, least recently used first, in at most `max_bytes`.

    >>> cache = PrefixCache(max_bytes=1 << 20)
    >>> tree = cache.open("p1", fresh=True)
    >>> kv = [torch.arange(3.0).reshape(1, 1, 3, 1)]
    >>> cache.insert(tree, (5, 6, 7), 0, kv)
    >>> [piece[0].flatten().tolist() for piece in cache.match(tree, (5, 6, 9))]
    [[0.0, 1.0]]
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.call = 0
        self._trees: OrderedDict[Hashable, Node] = OrderedDict()
        self._bytes: dict[Hashable, int] = {}

    @property
    def bytes(self) -> int:
        """Bytes held, as of the last `close`."""
        return sum(self._bytes.values())

    def open(self, key: Hashable, *, fresh: bool) -> Node:
        """The tree of a problem; an empty one where there is none or `fresh` is asked for."""
        if fresh or key not in self._trees:
            self._trees[key] = Node((), [], self.call)
        self._trees.move_to_end(key)
        return self._trees[key]

    def match(self, tree: Node, ids: Ids) -> list[Planes]:
        """Keys and values of the longest known prefix of `ids`, in pieces."""
        pieces, node, at = [], tree, 0
        while at < len(ids) and (child := node.children.get(ids[at])) is not None:
            child.call = self.call
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
                node.children[ids[at]] = Node(ids[at:], _own(new), self.call)
                return
            child.call = self.call
            shared = _shared(child.ids, ids, at)
            if shared < len(child.ids) and at + shared < len(ids):
                child = _split(node, child, shared)
            node, at = child, at + shared

    def close(self, keys: Sequence[Hashable]) -> None:
        """End a call: of these problems keep what the call used, and of all problems what fits."""
        for key in keys:
            self._bytes[key] = self._sweep(self._trees[key])
        total = self.bytes
        while total > self.max_bytes and self._trees:
            key, _ = self._trees.popitem(last=False)
            total -= self._bytes.pop(key, 0)
        self.call += 1

    def clear(self) -> None:
        """Forget everything, for instance because the model's weights have changed."""
        self._trees.clear()
        self._bytes.clear()

    def _sweep(self, tree: Node) -> int:
        size, stack = 0, [tree]
        while stack:
            node = stack.pop()
            size += sum(p.numel() * p.element_size() for p in node.planes)
            node.children = {t: child for t, child in node.children.items() if child.call == self.call}
            stack.extend(node.children.values())
        return size


def length(pieces: Sequence[Planes]) -> int:
    """How many tokens the pieces hold."""
    return sum(piece[0].shape[2] for piece in pieces)


def _shared(a: Ids, ids: Ids, at: int) -> int:
    part = ids[at : at + len(a)]
    if a == part:
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, part, strict=False)) if x != y), min(len(a), len(part)))


def _split(parent: Node, child: Node, at: int) -> Node:
    upper = Node(child.ids[:at], _own(_cut(child.planes, 0, at)), child.call)
    child.planes = _own(_cut(child.planes, at, len(child.ids)))
    child.ids = child.ids[at:]
    upper.children[child.ids[0]] = child
    parent.children[upper.ids[0]] = upper
    return upper


def _cut(planes: Planes, start: int, end: int) -> Planes:
    return [p[:, :, start:end] for p in planes]


def _own(planes: Planes) -> Planes:
    # A view would keep the whole batch's tensor alive.
    return [p.clone(memory_format=torch.contiguous_format) for p in planes]
