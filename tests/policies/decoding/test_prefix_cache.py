import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.decoding.prefix_cache import PrefixCache, length

ids_lists = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple), min_size=1, max_size=12)


def planes(ids):
    """Keys and values that say which prefix they belong to: a hash of the ids up to each token."""
    values = [float(hash(ids[: i + 1]) % 100_003) for i in range(len(ids))]
    return [torch.tensor(values).reshape(1, 1, -1, 1).repeat(2, 1, 1, 1)]


def common(a, b):
    return next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))


def held(pieces):
    return [x for piece in pieces for x in piece[0][0, 0, :, 0].tolist()]


def use(cache, name, prefixes):
    """Bring the prefixes into a problem's tree."""
    tree = cache.open(name)
    for ids in prefixes:
        start = length(cache.match(tree, ids))
        cache.insert(tree, ids, start, [p[:, :, start:] for p in planes(ids)])
    return tree


@given(ids_lists, st.lists(st.integers(0, 2), max_size=7).map(tuple))
def test_the_longest_known_prefix_is_found_with_its_own_values(known, wanted):
    cache = PrefixCache(1 << 30)
    tree = use(cache, "p", known)
    longest = max(common(ids, wanted) for ids in known)
    assert held(cache.match(tree, wanted)) == held([planes(wanted)])[:longest]


@given(ids_lists, ids_lists)
def test_the_end_of_a_call_keeps_what_it_used_and_counts_bytes(first, second):
    cache = PrefixCache(1 << 30)
    for batch in (first, second):
        with cache.call():
            use(cache, "p", batch)
    tree = cache.open("p")
    assert all(length(cache.match(tree, ids)) == len(ids) for ids in second)
    prefixes = {ids[:i] for ids in second for i in range(1, len(ids) + 1)}
    # Whole nodes are kept: tokens that only the first call used may stay inside a node that both used.
    assert cache.bytes >= len(prefixes) * 2 * 4


@given(ids_lists, ids_lists)
def test_a_call_that_raises_leaves_what_was_there_before(first, second):
    cache = PrefixCache(1 << 30)
    with cache.call():
        use(cache, "p", first)
    before = cache.bytes

    def broken_call():
        with cache.call():
            use(cache, "p", second)
            use(cache, "new", second)
            raise MemoryError

    with pytest.raises(MemoryError):
        broken_call()
    assert cache.bytes == before
    assert cache.match(cache.open("new"), second[0]) == []
    tree = cache.open("p")
    for ids in second:
        assert length(cache.match(tree, ids)) == max(common(ids, known) for known in first)


def test_a_second_thread_is_refused():
    cache, refused = PrefixCache(1 << 30), []

    def call():
        try:
            with cache.call():
                use(cache, "p", [(1, 2)])
        except RuntimeError as error:
            refused.append(str(error))

    with cache.call():
        other = threading.Thread(target=call)
        other.start()
        other.join()
    assert refused == ["two threads use one memory of prefixes: give each search its own, by calling remembering()"]
    call()
    assert len(refused) == 1


def test_problems_are_dropped_least_recently_used_first():
    size = 4 * 2 * 4  # four tokens, two planes, four bytes
    cache = PrefixCache(2 * size)
    for name in ("a", "b", "a", "c"):
        with cache.call():
            use(cache, name, [(1, 2, 3, 4)])
    assert cache.bytes == 2 * size
    assert [length(cache.match(cache.open(name), (1, 2, 3, 4))) for name in ("a", "b", "c")] == [4, 0, 4]
