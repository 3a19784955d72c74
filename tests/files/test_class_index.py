"""index.h5 of classes: who is of which class, and the hierarchy, come back or are refused."""

import h5py
import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.index import describe, read_index, write_index
from tests.files.test_index import replaced
from tests.files.test_model import edit
from tests.search import class_material as material

N = 5
MODEL = material.model()
META = {
    **MODEL.meta, "model": "1" * 64, "method": "exact", "by": "cosine", "structure": {},
}  # fmt: skip
POINTS = np.arange(N * material.DIMENSION, dtype=np.float32).reshape(N, -1)
CODES = np.array([4, 0, 0, 2, 1], np.int32)


def save(path, *, head=MODEL.weights, codes=CODES, structure=b"", **meta):
    blocks, found = [POINTS[:2], POINTS[2:]], iter([codes[:2], codes[2:]])
    write_index(
        path, blocks, material.table(N), head=head, structure=structure, meta=META | meta, chain=[],
        overwrite=True, classes_of=lambda block: next(found),
    )  # fmt: skip
    return path


def test_categories_and_the_hierarchy_come_back(tmp_path):
    path = save(tmp_path / "i.h5")
    found = read_index(path)
    np.testing.assert_array_equal(found.category, CODES, strict=True)
    assert found.meta["taxonomy"] == material.taxonomy().document()
    assert kinds.check(path, full=True) == "index"
    about = describe(path)
    assert about["task"] == "classes"
    assert about["taxonomy"] == {"classes": 5, "nodes": 9, "edges": 7, "distance": "path"}
    assert about["counts"] == {"least": 1, "most": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": "distance"}, "an index of classes has no structure for distance"),
        ({"head": {"classifier.weight": np.ones((5, 4), np.float32)}}, "have the shapes"),
        ({"hidden": "sine"}, "hidden is not one of relu"),
        ({"taxonomy": None}, "taxonomy is not an object"),
        ({"by": "soft", "method": "flat", "structure": b"x"}, "no key 'kernel'"),
    ],
)
def test_what_does_not_fit_together_is_not_written(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        save(tmp_path / "i.h5", **change)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("category", None, "no dataset 'category'"),
        ("category", np.zeros(4, np.int32), "'category' is not a class for each item"),
        ("category", np.full(5, 5, np.int32), "'category' is not a class for each item"),
        ("category", np.full(5, -1, np.int32), "'category' is not a class for each item"),
        ("category", np.zeros(5), "'category' is float64"),
    ],
)
def test_what_no_index_says_is_refused(tmp_path, name, values, message):
    path = edit(save(tmp_path / "i.h5"), replaced(name, values))
    with pytest.raises(UserError) as caught:
        kinds.check(path, full=False)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_categories_are_checked_when_read(tmp_path):
    path = save(tmp_path / "i.h5")
    with h5py.File(path) as file:
        assert file["category"].fletcher32
        assert file["category"].dtype == np.int32
