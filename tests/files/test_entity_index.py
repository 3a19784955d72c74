"""index.h5 of entities: what is written is read; what is no hierarchy is refused."""

from dataclasses import replace

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files import index, kinds
from hiertools.files.entity_index import (
    NOTHING,
    EntityIndex,
    Nodes,
    read_entity_index,
    write_entity_index,
)
from hiertools.files.items import Items, encode
from tests.files.test_model import assert_same_arrays, edit
from tests.files.test_round_trips import assert_same_items, written

POINTS = np.arange(10, dtype=np.float32).reshape(5, 2)
TABLE = Items(
    encode(["fr", "us", "fr/%", "us/ny", "us/tx"]),
    latitude=np.array([46.0, 40, 46, 40.7, 31]), longitude=np.array([2.0, -100, 2, -74, -99]),
)  # fmt: skip
NODES = Nodes(
    encode(["FR", "US", "", "NY", "Texas"]), np.array([0, 2, 5]), np.array([-1, -1, 0, 1, 1]),
    np.array([[2, 3], [3, 5], [5, 5], [5, 5], [5, 5]]),
    np.array([False, False, True, False, False]), np.array([3, 9, 3, 4, 5]),
)  # fmt: skip
HEAD = {"image.first.weight": np.ones((2, 4), np.float32)}
META = {
    "task": "geo", "geometry": "lorentz", "c": 1.25, "features": 4, "dimension": 2, "hidden": 8,
    "heads": 2, "attention": True, "anchor": "manifold", "levels": ["country", "city"],
    "beta": [1.0, 2.0], "tau": 0.1, "squared": True, "encoder": "lite0", "digest": "0" * 64,
    "preprocess": {}, "output": "embedding", "entities": "1" * 64, "model": "2" * 64,
    "temperature": 2.0,
    "calibration": {
        "score": "energy", "beam": 10, "answers": 8, "nll": [1.5, 1.0], "ece": [0.2, 0.1],
    },
}  # fmt: skip
ZERO_SHOT = {
    **{key: META[key] for key in ("task", "features", "levels", "beta", "squared", "encoder")},
    **{key: META[key] for key in ("digest", "preprocess", "output", "entities")},
    "geometry": "sphere", "c": 1.0, "tau": 1.0, "dimension": 1, "attention": False, "model": None,
    "temperature": None, "calibration": None,
}  # fmt: skip
KEYS = np.arange(8, dtype=np.float32)[:, None]  # of both heads: of fr and us, then of both cities
FOUND = EntityIndex(POINTS, TABLE, NODES, HEAD, KEYS, -KEYS, META, [])
BARE = replace(FOUND, head={}, keys=NOTHING, values=NOTHING, meta=ZERO_SHOT)


def save(path, found=FOUND, **meta):
    found = replace(found, meta={**found.meta, **meta})
    write_entity_index(path, found, chain=[], overwrite=True)
    return path


def sample(path):
    return save(path)


@pytest.mark.parametrize("headed", [True, False])
def test_what_is_written_is_read(tmp_path, headed):
    given = FOUND if headed else BARE
    found = read_entity_index(written(tmp_path, "i.h5", lambda path: save(path, given)))
    for name in ("points", "keys", "values"):
        rows, wanted = getattr(found, name), getattr(given, name)
        np.testing.assert_array_equal(rows, wanted, strict=True)
        assert isinstance(rows, np.memmap) == bool(rows.size)
    assert_same_items(found.items, TABLE)
    assert_same_arrays(found.head, given.head)
    assert_same_arrays(vars(found.nodes), vars(NODES))
    assert found.meta == {**given.meta, "rows": 5}


def test_keys_and_values_are_by_level_and_head(tmp_path):
    found = read_entity_index(save(tmp_path / "i.h5"))
    assert found.named() == [2, 2]
    (keys, values), below = found.keys_and_values()
    np.testing.assert_array_equal(keys, [[[0], [1]], [[2], [3]]])
    np.testing.assert_array_equal(values, -keys)
    np.testing.assert_array_equal(below[0], [[[4], [5]], [[6], [7]]])


def test_keys_and_values_belong_to_the_entities_with_a_name(tmp_path):
    for name in ("keys", "values"):
        with pytest.raises(UserError, match=rf"{name} of shape \(7, 1\), not \(8, 1\)"):
            save(tmp_path / "i.h5", replace(FOUND, **{name: KEYS[:7]}))
    with pytest.raises(UserError, match=r"keys of shape \(8, 1\), not \(0, 0\)"):
        save(tmp_path / "i.h5", attention=False)
    assert not (tmp_path / "i.h5").exists()


def test_an_index_without_them_is_of_another_release(tmp_path):
    path = save(tmp_path / "i.h5")
    edit(path, lambda file: file.attrs.__setitem__("version", 1))
    message = "index version 1; this release reads version 2 only; use the release of hiertools"
    for read in (read_entity_index, index.task_of):
        with pytest.raises(UserError, match=message):
            read(path)


def test_info_counts_entities_with_a_name(tmp_path):
    found = index.describe(save(tmp_path / "i.h5"))
    assert found["entities_of"] == {"country": 2, "city": 2}
    assert found["places"] is True
    assert index.task_of(tmp_path / "i.h5") == "geo"


def test_one_kind_of_index_is_not_the_other(tmp_path):
    from tests.files.test_index import sample as parts

    with pytest.raises(UserError, match="is an index of entities; one of embeddings is needed"):
        index.read_index(save(tmp_path / "i.h5"))
    with pytest.raises(UserError, match="is an index of parts; one of entities is needed"):
        read_entity_index(parts(tmp_path / "p.h5"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("offsets", [0, 3, 5]),
        ("parent", [-1, -1, 1, 0, 0]),
        ("parent", [-1, 0, 0, 1, 1]),
        ("children", [[2, 3], [3, 4], [5, 5], [5, 5], [5, 5]]),
        ("children", [[3, 5], [2, 3], [5, 5], [5, 5], [5, 5]]),
        ("count", [3, 9, 3, 4]),
    ],
)
def test_what_is_no_hierarchy(tmp_path, column, value):
    nodes = replace(NODES, **{column: np.array(value)})
    with pytest.raises(UserError, match="not those of a hierarchy"):
        save(tmp_path / "i.h5", replace(FOUND, nodes=nodes))
    assert not (tmp_path / "i.h5").exists()


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        ({"beta": [1.0]}, "beta is not a number of at least 0 for each level"),
        ({"beta": [1.0, -1.0]}, "beta is not a number of at least 0 for each level"),
        ({"tau": 0}, "tau is not above 0"),
        ({"squared": 1}, "squared is not true or false"),
        ({"attention": None}, "attention is not true or false"),
        ({"heads": 3}, "the dimension is not cut evenly into 3 heads"),
        ({"heads": 0}, "the dimension is not cut evenly into 0 heads"),
        ({"temperature": -1.0}, "temperature is not above 0"),
        ({"calibration": None}, "calibration is not an object"),
        ({"model": None}, "the head is not that of the model"),
        ({"dimension": 4}, "points of shape"),
        ({"geometry": "flat"}, "geometry is not one of"),
    ],
)
def test_what_meta_must_have(tmp_path, meta, problem):
    with pytest.raises(UserError, match=problem):
        save(tmp_path / "i.h5", **meta)


def test_numbers_are_finite(tmp_path):
    bad = POINTS.copy()
    bad[3, 1] = np.nan
    with pytest.raises(UserError, match="'us/ny'"):
        save(tmp_path / "i.h5", replace(FOUND, points=bad))
    path = save(tmp_path / "i.h5")

    def change(file):
        file["points"][3, 1] = 70

    edit(path, change)
    kinds.check(path, full=False)
    with pytest.raises(UserError, match="points"):
        kinds.check(path, full=True)


@pytest.mark.parametrize("name", ["keys", "values"])
def test_keys_and_values_are_finite(tmp_path, name):
    bad = np.where(KEYS == 3, np.nan, KEYS)
    with pytest.raises(UserError, match=rf"{name}: 1 numbers are not finite"):
        save(tmp_path / "i.h5", replace(FOUND, **{name: bad}))
    assert not (tmp_path / "i.h5").exists()
    path = save(tmp_path / "i.h5")

    def change(file):
        file[name][3] = 70

    edit(path, change)
    kinds.check(path, full=False)
    with pytest.raises(UserError, match=f"'{name}' is damaged in rows 0 to 7"):
        kinds.check(path, full=True)
