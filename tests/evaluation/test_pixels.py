"""Pixel retrieval, by hand: both protocols, setups, what is empty and what is ignored."""

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.evaluation import pixels
from hiertools.files.masks import Mask

SIZE = (100, 100)


def square(side):
    """Return a polygon of side x side pixels in the corner of an image."""
    end = side - 0.5
    return [(-0.5, -0.5), (end, -0.5), (end, end), (-0.5, end)]


def mask(query, image, side, level=None, size=SIZE):
    polygons = [square(side)] if side else []
    return Mask(query, image, polygons, None, size, level, "line 1")


def found(predicted, truth, **how):
    how = {"overlap": "mask", "names": ("p.jsonl", "t.jsonl"), **how}
    compared = pixels.compare(predicted, truth, **how)
    made = pixels.columns(compared, protocols=pixels.PROTOCOLS)
    return {column.label: column.values for column in made}


def test_a_perfect_prediction_has_one():
    truth = [mask("q", f"i{n}", 50, "easy") for n in range(4)]
    values = found([mask("q", f"i{n}", 50) for n in range(4)], truth)
    for name in ("miou", "map50-95", "released-miou", "released-map50-95"):
        assert values[f"{name}@easy"] == [1.0]


def test_one_good_mask_of_ten():
    """Strict counts all positives; the released code only those that were found."""
    truth = [mask("q", f"i{n}", 50, "easy") for n in range(10)]
    values = found([mask("q", "i0", 50)], truth)
    assert values["miou@easy"] == pytest.approx([0.1])
    assert values["map50-95@easy"] == pytest.approx([0.1])
    assert values["released-miou@easy"] == [1.0]
    assert values["released-map50-95@easy"] == [1.0]


def test_thresholds_by_hand():
    """IoU of squares of 8 and 10 pixels: .64, above .50, .55 and .60: three of ten thresholds."""
    values = found([mask("q", "a", 8)], [mask("q", "a", 10, "hard")])
    assert values["miou@hard"] == pytest.approx([0.64])
    assert values["map50-95@hard"] == pytest.approx([0.3])
    assert values["released-map50-95@hard"] == [1.0]
    assert np.isnan(values["miou@easy"]).all()


def test_ranks_count_what_is_wrong_and_not_what_is_ignored():
    """The positive at rank 2 of what counts has .25; junk before it changes nothing."""
    truth = [mask("q", "right", 10, "easy"), mask("q", "junk", 10, "junk")]
    predicted = [mask("q", "junk", 10), mask("q", "wrong", 10), mask("q", "right", 10)]
    assert found(predicted, truth)["map50-95@easy"] == pytest.approx([0.25])


def test_setups_have_their_levels():
    levels = ("easy", "medium", "hard")
    truth = [mask("q", level, 10, level) for level in levels]
    values = found([mask("q", "easy", 10)], truth)
    assert values["miou@easy"] == [1.0]
    assert values["miou@medium"] == pytest.approx([1 / 3])
    assert values["miou@hard"] == [0.0]
    only = found([mask("q", "medium", 10)], truth)
    assert only["miou@medium"] == pytest.approx([1 / 3])
    assert only["map50-95@easy"] == [0.0]


def test_an_empty_prediction_counts_nothing_and_keeps_its_rank():
    truth = [mask("q", "a", 10, "easy"), mask("q", "b", 10, "easy")]
    values = found([mask("q", "a", 0), mask("q", "b", 10)], truth)
    assert values["miou@easy"] == [0.5]
    assert values["map50-95@easy"] == pytest.approx([0.25 / 2])
    assert values["released-miou@easy"] == [1.0]
    assert values["released-map50-95@easy"] == [1.0]


def test_queries_without_predictions_count_nothing_or_are_dropped():
    truth = [mask("q", "a", 10, "easy"), mask("p", "a", 10, "easy")]
    values = found([mask("q", "a", 10)], truth)
    assert values["miou@easy"].tolist() == [1.0, 0.0]
    assert values["released-miou@easy"][0] == 1.0
    assert np.isnan(values["released-miou@easy"][1])


def test_boxes_may_be_compared():
    cross = [[(-0.5, 3.5), (9.5, 3.5), (9.5, 6.5), (-0.5, 6.5)]]
    cross += [[(y, x) for x, y in cross[0]]]  # 30 + 30 - 9 pixels of a box of 100
    half = Mask("q", "a", cross, None, SIZE, None, "line 1")
    truth = [mask("q", "a", 10, "easy")]
    assert found([half], truth, overlap="box")["miou@easy"] == [1.0]
    assert found([half], truth)["miou@easy"] == pytest.approx([0.51])


def test_a_size_may_be_known_from_either_file():
    truth = [mask("q", "a", 10, "easy", size=None)]
    assert found([mask("q", "a", 10)], truth)["miou@easy"] == [1.0]
    with pytest.raises(UserError, match="the size of 'a' is not known"):
        found([mask("q", "a", 10, size=None)], truth)


def test_sizes_that_differ_are_refused():
    with pytest.raises(UserError, match=r"p\.jsonl: line 1: 'a' is of \(9, 9\)"):
        found([mask("q", "a", 5, size=(9, 9))], [mask("q", "a", 10, "easy")])


def test_a_truth_needs_levels_and_queries():
    with pytest.raises(UserError, match=r"t\.jsonl: line 1: no level"):
        found([mask("q", "a", 10)], [mask("q", "a", 10)])
    with pytest.raises(UserError, match="has none of the queries"):
        found([mask("p", "a", 10)], [mask("q", "a", 10, "easy")])
