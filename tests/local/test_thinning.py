"""What is kept of matches is shared over their groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.local.thinning import thinned


@pytest.mark.parametrize(
    ("sizes", "most", "kept"),
    [
        ([], 5, []),
        ([3, 2], 9, [3, 2]),
        ([1000, 500, 20], 200, [90, 90, 20]),
        ([1000, 10, 10], 200, [180, 10, 10]),
        ([0, 4], 2, [0, 2]),
        ([7] * 9, 4, [0] * 5 + [1] * 4),
    ],
)
def test_groups_have_equal_shares_and_what_small_ones_leave_goes_to_others(sizes, most, kept):
    assert [len(rows) for rows in thinned(sizes, most)] == kept


def test_rows_are_evenly_chosen():
    assert thinned([101], 5)[0].tolist() == [0, 25, 50, 75, 100]


@given(st.lists(st.integers(0, 400), max_size=12), st.integers(0, 300))
def test_each_row_is_kept_once_and_as_many_as_may_be(sizes, most):
    found = thinned(sizes, most)
    assert sum(map(len, found)) == min(sum(sizes), most)
    for rows, size in zip(found, sizes, strict=True):
        assert len(np.unique(rows)) == len(rows)
        assert ((rows >= 0) & (rows < size)).all()
