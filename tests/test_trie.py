"""Prefix trees and packing, for any questions and any limits: pure, without a model."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llprobe.engine.trie import Limits, Packing, TokenItem, Trie, build_trie, pack, slices

Path = tuple[int, ...]

# Few tokens, so that prefixes are shared within and across questions, in part and whole.
token = st.integers(0, 2)


@st.composite
def items(draw: st.DrawFn) -> TokenItem:
    """Draw a question; scoring may start before the prompt's end, as where tokens merge."""
    prompt = draw(st.lists(token, min_size=1, max_size=5))
    options = draw(st.lists(st.lists(token, min_size=1, max_size=4), min_size=1, max_size=5))
    start = draw(st.integers(max(1, len(prompt) - 1), len(prompt)))
    return TokenItem(tuple((*prompt, *option) for option in options), start)


@st.composite
def tasks(draw: st.DrawFn) -> list[TokenItem]:
    """Draw questions that begin alike, with few-shot examples as it were, or do not."""
    preamble = tuple(draw(st.lists(token, max_size=5)))
    drawn = draw(st.lists(items(), min_size=1, max_size=8))
    return [
        TokenItem(tuple(preamble + s for s in item.sequences), len(preamble) + item.start)
        for item in drawn
    ]


limits = st.builds(
    Limits,
    tokens=st.integers(1, 40),
    capacity=st.integers(14, 60),  # the longest sequence that can be drawn has 14 tokens
    leaves=st.integers(1, 8),
    share_prefix=st.booleans(),
)


def members_of(task: Sequence[TokenItem]) -> list[tuple[int, int]]:
    return [(i, o) for i, item in enumerate(task) for o in range(len(item.sequences))]


def distinct_prefixes(
    task: Sequence[TokenItem], members: Sequence[tuple[int, int]], skip: int
) -> set[Path]:
    """Give what has to be decoded: all prefixes that predict something, beyond the shared one."""
    sequences = [task[i].sequences[o] for i, o in members]
    return {s[:end] for s in sequences for end in range(skip + 1, len(s))}


def paths_of(trie: Trie) -> list[list[int]]:
    """Give the nodes of each leaf's sequence, in order."""
    return [
        [n for n in range(len(trie.tokens)) if trie.seq_lo[n] <= leaf < trie.seq_hi[n]]
        for leaf in range(trie.n_leaves)
    ]


def whole(task: Sequence[TokenItem]) -> tuple[Trie, tuple[int, ...]]:
    """Give the tree of all questions, after the prefix that all share."""
    prefix = pack(task, Limits(10**6, 10**6, 10**6)).prefix
    return build_trie(task, members_of(task), len(prefix)), prefix


# --- one tree -----------------------------------------------------------------------------------


@settings(max_examples=60)
@given(tasks())
def test_an_option_s_edges_spell_its_scored_tokens_in_order(task: list[TokenItem]) -> None:
    trie, prefix = whole(task)
    paths = paths_of(trie)
    assert [(i, o) for i, o, _ in sorted(trie.options)] == members_of(task)
    for i, o, ids in trie.options:
        sequence, start = task[i].sequences[o], task[i].start
        assert trie.edge_tokens[ids].tolist() == list(sequence[start:])
        rows = trie.edge_rows[ids].tolist()
        # The nodes that predict them decode the tokens before them, on one path from the root.
        assert trie.tokens[rows].tolist() == list(sequence[start - 1 : -1])
        assert trie.positions[rows].tolist() == list(range(start - 1, len(sequence) - 1))
        path = next(path for path in paths if set(rows) <= set(path))
        upto = path[: path.index(rows[-1]) + 1]
        assert [*prefix, *trie.tokens[upto].tolist()] == list(sequence[:-1])


@settings(max_examples=60)
@given(tasks())
def test_one_node_is_decoded_for_each_distinct_prefix(task: list[TokenItem]) -> None:
    trie, prefix = whole(task)
    needed = distinct_prefixes(task, members_of(task), len(prefix))
    decoded = [
        (*prefix, *trie.tokens[path[: k + 1]].tolist())
        for path in paths_of(trie)
        for k in range(len(path))
    ]
    assert set(decoded) == needed
    assert len(trie.tokens) == len(needed)


@settings(max_examples=60)
@given(tasks())
def test_sequence_ranges_narrow_along_paths_and_positions_are_consecutive(
    task: list[TokenItem],
) -> None:
    trie, prefix = whole(task)
    paths = paths_of(trie)
    assert all(lo < hi for lo, hi in zip(trie.seq_lo, trie.seq_hi, strict=True))
    assert sorted({node for path in paths for node in path}) == list(range(len(trie.tokens)))
    for path in paths:
        assert trie.positions[path].tolist() == [len(prefix) + k for k in range(len(path))]
        for above, below in pairwise(path):
            assert trie.seq_lo[above] <= trie.seq_lo[below]
            assert trie.seq_hi[below] <= trie.seq_hi[above]
    tokens = [tuple(trie.tokens[path].tolist()) for path in paths]
    assert len(set(tokens)) == len(paths) <= len(members_of(task))


@settings(max_examples=60)
@given(tasks())
def test_edges_are_distinct_and_their_rows_ascend(task: list[TokenItem]) -> None:
    trie, _ = whole(task)
    pairs = list(zip(trie.edge_rows.tolist(), trie.edge_tokens.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert {int(e) for _, _, ids in trie.options for e in ids} == set(range(len(pairs)))


@settings(max_examples=60)
@given(tasks(), st.randoms(use_true_random=False))
def test_the_order_of_questions_does_not_change_the_tree(
    task: list[TokenItem], random: object
) -> None:
    order = list(range(len(task)))
    random.shuffle(order)  # type: ignore[attr-defined]
    trie, _ = whole(task)
    other, _ = whole([task[i] for i in order])
    for field in ("tokens", "positions", "seq_lo", "seq_hi", "edge_rows", "edge_tokens"):
        np.testing.assert_array_equal(getattr(trie, field), getattr(other, field))
    theirs = {(order[i], o): ids.tolist() for i, o, ids in other.options}
    assert theirs == {(i, o): ids.tolist() for i, o, ids in trie.options}


@settings(max_examples=60)
@given(tasks(), st.integers(1, 9), st.integers(1, 9))
def test_slices_cover_the_tree_within_bounds(
    task: list[TokenItem], max_tokens: int, max_rows: int
) -> None:
    trie, _ = whole(task)
    cuts = slices(trie, max_tokens, max_rows)
    assert [n for a, b in cuts for n in range(a, b)] == list(range(len(trie.tokens)))
    flagged = np.isin(np.arange(len(trie.tokens)), trie.edge_rows)
    for a, b in cuts:
        assert 0 < b - a <= max_tokens
        assert flagged[a:b].sum() <= max_rows
    for (a, b), (_, after) in pairwise(cuts):
        # No cut without need: with the node that follows, a bound would be broken.
        assert after > b
        assert b + 1 - a > max_tokens or flagged[a : b + 1].sum() > max_rows


def test_a_tree_written_out() -> None:
    task = [TokenItem(((1, 2, 5, 6), (1, 2, 5, 7), (1, 2, 8)), 2), TokenItem(((1, 3, 5, 4),), 2)]
    trie, prefix = whole(task)
    assert prefix == (1,)
    assert trie.tokens.tolist() == [2, 5, 3, 5]
    assert trie.positions.tolist() == [1, 2, 1, 2]
    assert trie.seq_lo.tolist() == [0, 0, 1, 1]
    assert trie.seq_hi.tolist() == [1, 1, 2, 2]
    assert trie.edge_rows.tolist() == [0, 0, 1, 1, 2, 3]
    assert trie.edge_tokens.tolist() == [5, 8, 6, 7, 5, 4]
    edges = {(i, o): ids.tolist() for i, o, ids in trie.options}
    assert edges == {(0, 0): [0, 2], (0, 1): [0, 3], (0, 2): [1], (1, 0): [4, 5]}


# --- packing ------------------------------------------------------------------------------------


def shared_prefix(task: Sequence[TokenItem]) -> Path:
    """Give the longest prefix of all sequences that leaves each the token before its first."""
    sequences = [s for item in task for s in item.sequences]
    length = min(item.start - 1 for item in task)
    while len({s[:length] for s in sequences}) > 1:
        length -= 1
    return sequences[0][:length]


def leaves_of(task: Sequence[TokenItem], members: Sequence[tuple[int, int]]) -> int:
    return build_trie(task, members, 0).n_leaves


@settings(max_examples=60)
@given(tasks(), limits)
def test_packing_is_a_partition_in_order(task: list[TokenItem], bounds: Limits) -> None:
    packing = pack(task, bounds)
    assert [i for group in packing.groups for i in group.items] == list(range(len(task)))
    for group in packing.groups:
        members = sorted(member for members in group.passes for member in members)
        assert members == [(i, o) for i in group.items for o in range(len(task[i].sequences))]
        assert len(group.passes) == 1 or len(group.items) == 1, "only single questions are split"


@settings(max_examples=60)
@given(tasks(), limits)
def test_packing_respects_its_limits(task: list[TokenItem], bounds: Limits) -> None:
    packing = pack(task, bounds)
    skip = len(packing.prefix)
    for group in packing.groups:
        for members in group.passes:
            n_tokens = len(distinct_prefixes(task, members, skip))
            assert skip + n_tokens <= bounds.capacity
            assert leaves_of(task, members) <= bounds.leaves
    for group in packing.groups:
        for upto in range(2, len(group.items) + 1):
            before, item = group.items[: upto - 1], group.items[upto - 1]
            n_before, n_own, n_all = (
                len(distinct_prefixes(task, members_in(task, items), skip))
                for items in (before, (item,), (*before, item))
            )
            assert n_all <= bounds.tokens or (bounds.share_prefix and n_all - n_before <= n_own / 2)


def members_in(task: list[TokenItem], items: Sequence[int]) -> list[tuple[int, int]]:
    return [(i, o) for i in items for o in range(len(task[i].sequences))]


def test_questions_that_share_most_of_their_tokens_stay_together() -> None:
    # the same prompt and wrong options with another true one, as in xMPS
    shared = [(1, *range(10, 40), *range(50 + 30 * n, 80 + 30 * n)) for n in range(3)]
    task = [
        TokenItem(((1, *range(10, 40), *range(200 + n * 40, 230 + n * 40)), *shared), 31)
        for n in range(4)
    ]
    together = pack(task, Limits(64, 400, 100)).groups
    assert [group.items for group in together] == [(0, 1, 2, 3)]
    full = pack(task, Limits(64, 200, 100)).groups
    assert [group.items for group in full] == [(0, 1), (2, 3)]


@settings(max_examples=60)
@given(tasks(), limits)
def test_the_shared_prefix_is_the_longest(task: list[TokenItem], bounds: Limits) -> None:
    prefix = pack(task, bounds).prefix
    assert prefix == (shared_prefix(task) if bounds.share_prefix else ())


@settings(max_examples=60)
@given(tasks(), limits)
def test_packing_depends_on_its_arguments_alone(task: list[TokenItem], bounds: Limits) -> None:
    assert pack(list(task), bounds) == pack(tuple(task), bounds)


@settings(max_examples=60)
@given(tasks())
def test_ample_limits_make_one_group_of_one_pass(task: list[TokenItem]) -> None:
    (group,) = pack(task, Limits(10**6, 10**6, 10**6)).groups
    assert group.passes == (tuple(members_of(task)),)


@settings(max_examples=60)
@given(tasks())
def test_one_sequence_at_a_time_when_nothing_is_shared(task: list[TokenItem]) -> None:
    # Reference mode: a question a group, and no pass with two different sequences.
    packing = pack(task, Limits(1, 10**6, 1, share_prefix=False))
    assert packing.prefix == ()
    assert [group.items for group in packing.groups] == [(i,) for i in range(len(task))]
    for group in packing.groups:
        assert all(leaves_of(task, members) == 1 for members in group.passes)


@pytest.mark.parametrize(
    ("leaves", "capacity", "passes"),
    [
        (9, 99, [[0, 1, 2, 3]]),
        (2, 99, [[0, 2], [1, 3]]),
        (1, 99, [[0], [2], [1], [3]]),
        (9, 5, [[0, 2], [1, 3]]),
        (9, 4, [[0], [2], [1], [3]]),
    ],
)
def test_a_question_s_options_are_split_over_passes(
    leaves: int, capacity: int, passes: list[list[int]]
) -> None:
    # Neighbours in sorted order share most: options 0 and 2, 1 and 3. Alone, each decodes 4
    # tokens, two neighbours together 5, all four 7.
    item = TokenItem(((1, 4, 4, 4, 1), (1, 5, 5, 4, 1), (1, 4, 4, 5, 1), (1, 5, 5, 5, 1)), 1)
    (group,) = pack([item], Limits(99, capacity, leaves)).groups
    assert [[option for _, option in members] for members in group.passes] == passes


def test_the_prefix_takes_its_part_of_the_capacity() -> None:
    item = TokenItem(((1, 1, 1, 2, 3, 4), (1, 1, 1, 2, 5, 4)), 3)
    assert pack([item], Limits(99, 5, 9)).prefix == (1, 1)
    assert [len(g.passes) for g in pack([item], Limits(99, 5, 9)).groups] == [2]
    assert [len(g.passes) for g in pack([item], Limits(99, 6, 9)).groups] == [1]


def test_no_questions_are_no_groups() -> None:
    assert pack([], Limits(9, 9, 9)) == Packing((), ())
