"""The table of a cell's options: parts of it are what they would be by themselves."""

import numpy as np
import pytest
from optiontables import random_items, table_of

from llprobe.analysis import OptionTable
from llprobe.errors import UsageError


def same(one: OptionTable, other: OptionTable) -> bool:
    """Whether all arrays are equal, NaN counting as equal."""
    arrays = ("clusters", "start", "true", "best", "n_tokens", "n_bytes", "logprob")
    more = ("prior",) if one.prior is not None or other.prior is not None else ()
    return (one.layers, one.ids, one.groups) == (other.layers, other.ids, other.groups) and all(
        np.array_equal(
            getattr(one, name), getattr(other, name), equal_nan=name in {"logprob", *more}
        )
        for name in arrays + more
    )


def test_items_that_are_taken_are_a_table_of_them_alone() -> None:
    items = random_items(1, 9)
    table = table_of(items, clusters=[0, 0, 1, 1, 2, 2, 3, 3, 4], groups=list("abcdefghi"))
    for chosen in ([7, 0, 3], [2, 2], [8]):
        part = table.take(chosen)
        alone = table_of(
            [items[i] for i in chosen],
            clusters=[i // 2 for i in chosen],
            groups=["abcdefghi"[i] for i in chosen],
        )
        assert part.ids == tuple(f"i{i}" for i in chosen)
        assert same(part, alone.__class__(**{**vars(alone), "ids": part.ids}))


def test_items_are_taken_by_a_mask_too() -> None:
    table = table_of(random_items(2, 6, prior=False))
    mask = np.array([True, False, False, True, True, False])
    assert same(table.take(mask), table.take([0, 3, 4]))
    assert table.take(mask).prior is None
    assert table.take(mask).n_items == 3


def test_no_items_are_a_table_too() -> None:
    empty = table_of(random_items(2, 6)).take(np.zeros(6, bool))
    assert (empty.n_items, empty.n_clusters) == (0, 0)
    assert empty.logprob.shape == (0, 3)


def test_layers_are_taken_by_their_numbers() -> None:
    table = table_of(random_items(3, 4, n_layers=5)).at([4, 2])
    whole = table_of(random_items(3, 4, n_layers=5))
    assert table.layers == (4, 2)
    assert np.array_equal(table.logprob, whole.logprob[:, [3, 1]], equal_nan=True)
    assert table.prior is not None
    assert whole.prior is not None
    assert np.array_equal(table.prior, whole.prior[:, [3, 1]], equal_nan=True)
    with pytest.raises(UsageError, match="layer 9 was not scored; these were: 1, 2, 3, 4, 5"):
        whole.at([1, 9])


def test_clusters_are_counted() -> None:
    assert table_of(random_items(1, 4), clusters=[5, 5, 9, 5]).n_clusters == 2
