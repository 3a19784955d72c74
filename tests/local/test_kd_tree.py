"""A k-d tree against looking at every point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hiertools.local.kd_tree import build, within

whole = st.integers(0, 12).map(float)  # many ties


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 60).flatmap(lambda n: arrays(np.float32, (n, 2), elements=whole)),
    st.tuples(whole, whole, whole, whole),
)
def test_what_is_in_a_rectangle(points, corners):
    (x0, x1), (y0, y1) = sorted(corners[:2]), sorted(corners[2:])
    found = np.empty(len(points), np.int32)
    count = within(points, build(points), x0, y0, x1, y1, found)
    expected = [row for row, (x, y) in enumerate(points) if x0 <= x <= x1 and y0 <= y <= y1]
    assert sorted(found[:count].tolist()) == expected


@pytest.mark.parametrize("n", [0, 1, 8, 9, 5000])
def test_a_tree_has_every_point(n):
    points = np.random.default_rng(n).random((n, 2)).astype(np.float32)
    np.testing.assert_array_equal(np.sort(build(points)), np.arange(n))
