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


@given(ids_lists, st.lists(st.integers(0, 2), max_size=7).map(tuple))
def test_the_longest_known_prefix_is_found_with_its_own_values(known, wanted):
    cache = PrefixCache(1 << 30)
    tree = cache.open("p", fresh=True)
    for ids in known:
        start = length(cache.match(tree, ids))
        cache.insert(tree, ids, start, [p[:, :, start:] for p in planes(ids)])
    longest = max(common(ids, wanted) for ids in known)
    assert held(cache.match(tree, wanted)) == held([planes(wanted)])[:longest]


@given(ids_lists, ids_lists)
def test_closing_a_call_keeps_what_it_used_and_counts_bytes(first, second):
    cache = PrefixCache(1 << 30)
    for batch in (first, second):
        tree = cache.open("p", fresh=False)
        for ids in batch:
            start = length(cache.match(tree, ids))
            cache.insert(tree, ids, start, [p[:, :, start:] for p in planes(ids)])
        cache.close(["p"])
    tree = cache.open("p", fresh=False)
    assert all(length(cache.match(tree, ids)) == len(ids) for ids in second)
    prefixes = {ids[:i] for ids in second for i in range(1, len(ids) + 1)}
    # Whole nodes are kept: tokens that only the first call used may stay inside a node that both used.
    assert cache.bytes >= len(prefixes) * 2 * 4
    tree = cache.open("p", fresh=True)
    assert cache.match(tree, second[0]) == []


def test_problems_are_dropped_least_recently_used_first():
    size = 4 * 2 * 4  # four tokens, two planes, four bytes
    cache = PrefixCache(2 * size)
    for name in ("a", "b", "a", "c"):
        tree = cache.open(name, fresh=False)
        cache.insert(tree, (1, 2, 3, 4), length(cache.match(tree, (1, 2, 3, 4))), planes((1, 2, 3, 4)))
        cache.close([name])
    assert cache.bytes == 2 * size
    assert [length(cache.match(cache.open(name, fresh=False), (1, 2, 3, 4))) for name in ("a", "b", "c")] == [4, 0, 4]
    cache.clear()
    assert cache.bytes == 0
