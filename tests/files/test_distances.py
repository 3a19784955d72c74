"""distances.h5: what is written is what is read; what is no distance is refused."""

import h5py
import numpy as np
import pytest

from hiertools import about
from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.distances import read_distances, write_distances
from tests.files.test_round_trips import written

MATRIX = np.array([[0, 2, 5], [2, 0, 4], [5, 4, 0.0]])
CLASSES = ["b", "a,c", "007"]


def save(path, matrix=MATRIX, classes=CLASSES):
    write_distances(
        path, classes, matrix, distance="path", taxonomy="0" * 64, chain=[], overwrite=True
    )
    return path


def test_round_trip(tmp_path):
    found = read_distances(written(tmp_path, "d.h5", save))
    np.testing.assert_array_equal(found.matrix, MATRIX)
    assert (found.classes, found.distance, found.taxonomy) == (CLASSES, "path", "0" * 64)


def test_info(tmp_path):
    described = about.describe(save(tmp_path / "d.h5"))
    assert [described[key] for key in ("classes", "least", "median", "greatest")] == [3, 2, 4, 5]
    one = about.describe(save(tmp_path / "one.h5", np.zeros((1, 1)), ["a"]))
    assert "least" not in one


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0, 1], [2, 0]], "not symmetric"),
        ([[1, 2], [2, 0]], "not 0 from itself"),
        ([[0, -1], [-1, 0]], "not a finite number of at least 0"),
        ([[0, np.nan], [np.nan, 0]], "not a finite number"),
    ],
)
def test_what_is_no_distance_is_refused(tmp_path, matrix, message):
    path = save(tmp_path / "d.h5", np.array(matrix, float), ["a", "b"])
    kinds.check(path, full=False)
    with pytest.raises(UserError, match=message):
        kinds.check(path, full=True)


def test_classes_have_to_fit_the_matrix(tmp_path):
    with pytest.raises(UserError, match="a class is there twice"):
        read_distances(save(tmp_path / "d.h5", classes=["a", "b", "a"]))
    path = save(tmp_path / "e.h5")
    with h5py.File(path, "a") as file:
        del file["classes"]
        file["classes"] = np.array([b"a", b"b"])
    with pytest.raises(UserError, match="2 classes do not have a matrix"):
        read_distances(path)


def test_damage_is_found(tmp_path):
    path = save(tmp_path / "d.h5")
    with h5py.File(path) as file:
        offset = file["matrix"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[offset + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged in rows 0 to 2"):
        kinds.check(path, full=True)
