from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.boxes import EDGE, MILLION, clip_to_image, from_fractions, from_pixels, from_xywh

pytestmark = pytest.mark.usefixtures("one_thread")

lightly = settings(deadline=None, max_examples=60)


def decimals(places, low, high):
    """Exact decimals of up to so many places."""
    scale = 10**places
    return st.integers(low * scale, high * scale).map(lambda n: Decimal(n).scaleb(-places))


def rows(values):
    return st.lists(st.tuples(values, values, values, values), min_size=1, max_size=8)


def with_sides(values):
    """Lists of four decimals and a width and height, so chosen that ties are common."""
    side = st.one_of(st.integers(1, 10_000), st.sampled_from([1, 3, 64, 320, 480, 640, 1024, 4096]))
    row = st.tuples(st.tuples(values, values, values, values), st.tuples(side, side))
    return st.lists(row, min_size=1, max_size=8)


def floats(found):
    return np.array([[float(value) for value in row] for row in found])


def millionths(pixels, side):
    """The nearest whole number of millionths, the even one of two, as far as 32 bits go."""
    return min(max(round(Fraction(pixels) * MILLION / side), -EDGE), EDGE)


def sides_of(found):
    return np.array([sides for _, sides in found], np.int64)


@lightly
@given(rows(decimals(6, -3, 3)))
def test_fractions_of_up_to_6_places_are_exact(found):
    wanted = [[int(value * MILLION) for value in row] for row in found]
    np.testing.assert_array_equal(from_fractions(floats(found)), wanted)


@lightly
@given(rows(st.one_of(decimals(7, 0, 1), decimals(8, 0, 1), decimals(12, 0, 1))))
def test_fractions_of_more_places_are_rounded_half_to_even(found):
    million = Decimal(MILLION)
    wanted = [
        [int((value * million).quantize(Decimal(1), ROUND_HALF_EVEN)) for value in row]
        for row in found
    ]
    np.testing.assert_array_equal(from_fractions(floats(found)), wanted)


@pytest.mark.parametrize(
    ("fraction", "wanted"),
    [
        (0.0000005, 0),
        (0.0000015, 2),
        (0.0000025, 2),
        (0.0000024999, 2),
        (0.0000025001, 3),
        (-0.0000015, -2),
        (-0.0000025, -2),
        (0.8370000000000001, 837_000),  # as OpenImages has it
        (0.23454899999999998, 234_549),
        (1.0, 1_000_000),
        (-0.0, 0),
    ],
)
def test_a_fraction(fraction, wanted):
    assert from_fractions(np.full((1, 4), fraction)).tolist() == [[wanted] * 4]


@pytest.mark.parametrize(("tie", "wanted"), [(0.0000015, 2), (0.0000025, 2), (0.1234565, 123_456)])
def test_what_binary_did_to_a_decimal_is_undone(tie, wanted):
    for value in (tie, np.nextafter(tie, 0), np.nextafter(tie, 1)):
        assert from_fractions(np.full((1, 4), value)).tolist() == [[wanted] * 4]
        box = np.array([[value * 1000, 0, 0, value * 1000]])
        corners = from_xywh(box, np.array([[1000, 1000]]))
        assert corners.tolist() == [[wanted, 0, wanted, wanted]]


@lightly
@given(with_sides(st.one_of(decimals(0, -50, 12_000), decimals(2, 0, 5000), decimals(6, 0, 2000))))
def test_pixels_are_rounded_half_to_even_as_exact_fractions_of_the_side(found):
    wanted = [
        [millionths(value, sides[i % 2]) for i, value in enumerate(pixels)]
        for pixels, sides in found
    ]
    corners = from_pixels(floats([pixels for pixels, _ in found]), sides_of(found))
    assert corners.dtype == np.int32
    np.testing.assert_array_equal(corners, wanted)


@lightly
@given(with_sides(st.one_of(decimals(0, -50, 5000), decimals(2, 0, 5000), decimals(6, 0, 2000))))
def test_width_and_height_are_added_exactly(found):
    wanted = [
        [millionths(end, side) for end, side in ((x, w), (y, h), (x + width, w), (y + height, h))]
        for (x, y, width, height), (w, h) in found
    ]
    corners = from_xywh(floats([box for box, _ in found]), sides_of(found))
    np.testing.assert_array_equal(corners, wanted)


@pytest.mark.parametrize(
    ("pixel", "side", "wanted"),
    [
        (1, 640, 1562),
        (3, 640, 4688),
        (5, 640, 7812),
        (7, 640, 10938),
        (1, 64, 15625),
        (2, 3, 666667),
    ],
)
def test_a_pixel(pixel, side, wanted):
    sides = np.array([[side, side]])
    assert from_pixels(np.full((1, 4), float(pixel)), sides).tolist() == [[wanted] * 4]


def test_a_sum_that_binary_gets_wrong_is_a_tie_all_the_same():
    assert 0.1 + 0.2 != 0.3
    box = np.array([[0.1, 0.0, 0.2, 0.0]])  # x1 = 0.3 of 600,000 pixels: half a millionth
    assert from_xywh(box, np.array([[600_000, 1]])).tolist() == [[0, 0, 0, 0]]
    box = np.array([[0.3, 0.0, 0.6, 0.0]])  # x1 = 0.9 of them: one and a half
    assert from_xywh(box, np.array([[600_000, 1]])).tolist() == [[0, 0, 2, 0]]


def test_one_size_is_for_all_rows_and_sizes_go_by_row():
    pixels = np.array([[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]])
    one = from_pixels(pixels, np.array([[2, 4]]))
    assert one.tolist() == [[500_000, 250_000, 1_000_000, 500_000]] * 2
    two = from_pixels(pixels, np.array([[2, 4], [8, 8]]))
    assert two.tolist() == [one[0].tolist(), [125_000, 125_000, 250_000, 250_000]]


@lightly
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
    st.integers(1, EDGE),
    st.integers(1, EDGE),
)
def test_what_is_far_out_stays_on_its_side(box, width, height):
    values, sides = np.array([box]), np.array([[width, height]])
    for corners in (from_fractions(values), from_pixels(values, sides)):
        assert (np.sign(corners[0]) * np.sign(box) >= 0).all()
    clipped, _ = clip_to_image(from_pixels(values, sides))
    for value, side, corner in zip(box, (width, height) * 2, clipped[0], strict=True):
        if not 0 <= value <= side:
            assert corner == (0 if value < 0 else MILLION)
    x, _, w, h = box
    far, _ = clip_to_image(from_xywh(values, sides))
    if w >= 0 and h >= 0:
        assert (far[0, 2:] >= far[0, :2]).all()
    if x >= 0 and w >= width:
        assert far[0, 2] == MILLION


def test_no_boxes_are_no_boxes():
    none, sides = np.zeros((0, 4)), np.zeros((0, 2), np.int64)
    for corners in (from_fractions(none), from_pixels(none, sides), from_xywh(none, sides)):
        assert corners.shape == (0, 4)
        clipped, outside = clip_to_image(corners)
        assert (clipped.shape, outside) == ((0, 4), 0)


corner = st.one_of(
    st.sampled_from([-1, 0, 1, MILLION - 1, MILLION, MILLION + 1, -EDGE, EDGE]),
    st.integers(-EDGE, EDGE),
    st.integers(0, MILLION),
)


@lightly
@given(rows(corner))
def test_boxes_are_clipped_to_the_image_and_counted(found):
    corners = np.array(found, np.int32)
    clipped, outside = clip_to_image(corners)
    np.testing.assert_array_equal(
        clipped, [[min(max(c, 0), MILLION) for c in row] for row in found]
    )
    assert outside == sum(any(not 0 <= c <= MILLION for c in row) for row in found)
    np.testing.assert_array_equal(corners, found)  # the input stays as it was
