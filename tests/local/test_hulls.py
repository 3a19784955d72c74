"""Convex hulls: all points are inside; what has no area has none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.local.hulls import hull


def area(polygon):
    x, y = np.array(polygon).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=30))
def test_a_hull_turns_one_way_and_holds_all_points(points):
    found = hull(np.array(points))
    if not found:
        return
    corners, every = np.array(found), np.array(points, float)
    edges = np.roll(corners, -1, axis=0) - corners
    offsets = every[:, None] - corners
    sides = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    assert (sides >= -1e-9).all()
    assert area(found) > 0
    assert {tuple(corner) for corner in found} <= {tuple(point) for point in every.tolist()}


def test_the_hull_of_a_square_is_its_corners():
    square = [(0, 0), (4, 0), (4, 4), (0, 4), (2, 2), (2, 0)]
    assert area(hull(np.array(square))) == 16
    assert sorted(hull(np.array(square))) == [(0, 0), (0, 4), (4, 0), (4, 4)]


@pytest.mark.parametrize("points", [[], [(1, 1)], [(0, 0), (1, 1)], [(0, 0), (1, 1), (2, 2)]])
def test_points_in_line_have_no_hull(points):
    assert hull(np.array(points, float)) == []
