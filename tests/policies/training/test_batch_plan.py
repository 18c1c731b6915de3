"""Plans of batches: everyone's turn comes, shares are kept, and like lengths meet."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.training.batch_plan import Group, plan_batches


@given(
    st.integers(1, 40), st.integers(1, 9), st.integers(0, 5), st.integers(1, 40), st.integers(1, 4), st.integers(0, 3)
)
@settings(max_examples=60, deadline=None)
def test_shares_and_turns(first, count, other, steps, accumulate, seed):
    groups = [Group(tuple(range(first)), count)]
    if other:
        groups.append(Group(tuple(range(first, first + other)), 2))
    lengths = [(7 * i) % 11 for i in range(first + other)]
    plan = plan_batches(groups, lengths, steps=steps, accumulate=accumulate, seed=seed)
    assert len(plan) == steps
    turns = Counter(i for step in plan for part in step for i in part)
    for group in groups:
        mine = [turns[i] for i in group.members]
        assert max(mine) - min(mine) <= 1
        assert sum(mine) == steps * group.count
    for step in plan:
        assert 0 < len(step) <= accumulate
        batch = [i for part in step for i in part]
        assert [sum(i in g.members for i in batch) for g in groups] == [g.count for g in groups]
        assert [lengths[i] for i in batch] == sorted(lengths[i] for i in batch)
    assert plan == plan_batches(groups, lengths, steps=steps, accumulate=accumulate, seed=seed)


def test_like_lengths_share_a_batch_and_batches_come_in_random_order():
    lengths = list(range(64))
    plan = plan_batches([Group(tuple(range(64)), 8)], lengths, steps=8, seed=1)
    widths = [max(lengths[i] for i in step[0]) - min(lengths[i] for i in step[0]) for step in plan]
    assert max(widths) == 7
    first = [lengths[step[0][0]] for step in plan]
    assert first != sorted(first)
    assert plan != plan_batches([Group(tuple(range(64)), 8)], lengths, steps=8, seed=2)


def test_an_empty_group_is_refused():
    with pytest.raises(ValueError, match="a group of examples is empty"):
        plan_batches([Group((), 1)], [], steps=1)
