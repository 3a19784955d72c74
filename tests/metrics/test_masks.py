"""Masks: pixels of polygons and of run-length encodings, and how two overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.metrics import masks
from hiertools.metrics.masks import BadMaskError

SQUARE = [(-0.5, -0.5), (9.5, -0.5), (9.5, 9.5), (-0.5, 9.5)]  # ten pixels each way


def moved(x, y):
    return [(a + x, b + y) for a, b in SQUARE]


def runs_of(mask):
    """Return the runs of a mask, column by column, beginning with those outside of it."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat.astype(int))) + 1
    counts = np.diff([0, *ends, len(flat)]).tolist()
    return [0, *counts] if flat[0] else counts


def test_a_polygon_has_the_pixels_whose_centres_are_in_it():
    found = masks.decode(masks.of_polygons([moved(3, 5)], (20, 30)))
    expected = np.zeros((20, 30), bool)
    expected[5:15, 3:13] = True
    np.testing.assert_array_equal(found, expected)


def test_several_polygons_are_one_mask():
    found = masks.of_polygons([SQUARE, moved(5, 0)], (20, 30))
    assert masks.area(found) == 150
    assert masks.area(masks.of_polygons([], (20, 30))) == 0


@given(st.integers(0, 2**24 - 1), st.integers(1, 6))
def test_runs_are_those_of_a_plain_loop(bits, height):
    width = 24 // height
    mask = np.array([bits >> i & 1 for i in range(height * width)], bool).reshape(height, width)
    found = masks.of_rle(runs_of(mask), (height, width))
    np.testing.assert_array_equal(masks.decode(found), mask)
    again = masks.of_rle(found["counts"].decode(), (height, width))
    np.testing.assert_array_equal(masks.decode(again), mask)


@pytest.mark.parametrize("text", ["zzz", "0", "o", "\x00", "1" * 30, "OOOOOOOOOO1"])
def test_texts_that_are_no_runs_are_refused(text):
    with pytest.raises(BadMaskError):
        masks.of_rle(text, (3, 3))


def test_overlaps_by_hand():
    one, other = (masks.of_polygons([moved(x, 0)], (20, 40)) for x in (0, 5))
    assert masks.iou(one, other) == pytest.approx(50 / 150)
    assert masks.iou(one, one) == 1
    assert masks.iou(one, masks.of_polygons([], (20, 40))) == 0
    empty = masks.of_polygons([], (20, 40))
    assert masks.iou(empty, empty) == masks.box_iou(empty, one) == 0


def test_boxes_are_about_all_of_a_mask():
    corners = masks.of_polygons([SQUARE, moved(10, 10)], (30, 40))  # its box has 20 x 20 pixels
    whole = masks.of_polygons([[(-0.5, -0.5), (19.5, -0.5), (19.5, 19.5), (-0.5, 19.5)]], (30, 40))
    assert masks.box_iou(corners, whole) == 1
    assert masks.iou(corners, whole) == 0.5
