"""local: features come back as they were; RootSIFT; what is no such file."""

import h5py
import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files import items, kinds
from hiertools.files.items import Items
from hiertools.files.local_features import LocalFeatures, Raw, check, read_local, write_local

ABOUT = {"descriptor": "sift", "dimension": 4, "stored": "uint8", "keypoints": 10}


def raw(count, seed=0, dtype=np.uint8):
    rng = np.random.default_rng(seed)
    frames = rng.uniform(1, 9, (count, 3)).astype(np.float32)
    return Raw(frames, rng.integers(1, 255, (count, 4)).astype(dtype), 10, 20 + seed)


RAWS = [raw(3), raw(0, 1), raw(2, 2)]


def save(path, raws=RAWS, **about):
    ids = items.encode([f"a/{n}" for n in range(len(raws))])
    write_local(
        path, Items(ids), lambda: iter(raws), meta={**ABOUT, **about}, chain=[], overwrite=True
    )
    return path


def test_features_come_back(tmp_path):
    found = read_local(save(tmp_path / "local.h5"))
    for row, expected in enumerate(RAWS):
        again = found.raw(row)
        np.testing.assert_array_equal(again.frames, expected.frames)
        np.testing.assert_array_equal(again.descriptors, expected.descriptors)
        assert (again.width, again.height) == (expected.width, expected.height)
    assert (found.row("a/2"), found.row("a/3")) == (2, None)
    check(found.path, full=True)
    assert kinds.KINDS["local"].describe(found.path)["features"] == 5


def test_root_sift_is_the_root_of_shares(tmp_path):
    found = read_local(save(tmp_path / "local.h5")).of(0)
    values = RAWS[0].descriptors.astype(float)
    np.testing.assert_allclose(
        found.descriptors, np.sqrt(values / values.sum(1, keepdims=True)), rtol=1e-6
    )
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found.keypoints, RAWS[0].frames[:, :2])
    np.testing.assert_array_equal(found.scales, RAWS[0].frames[:, 2])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_descriptors_of_others_are_made_of_length_one(tmp_path, dtype):
    raws = [raw(3, dtype=np.dtype(dtype))]
    found = read_local(save(tmp_path / "l.h5", raws, descriptor="superpoint", stored=dtype)).of(0)
    values = raws[0].descriptors.astype(float)
    expected = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(found.descriptors, expected, rtol=1e-5)


def test_a_descriptor_of_zeros_stays_finite(tmp_path):
    raws = [Raw(np.ones((1, 3), np.float32), np.zeros((1, 4), np.uint8), 5, 5)]
    assert not read_local(save(tmp_path / "l.h5", raws)).of(0).descriptors.any()


def test_features_in_a_box_are_those_whose_place_is_in_it():
    found = LocalFeatures(
        np.array([[0, 0], [4, 4], [5, 5], [9, 9]], np.float32), np.eye(4, dtype=np.float32),
        np.ones(4, np.float32), 10, 10,
    )  # fmt: skip
    kept = found.inside(np.array([0.4, 0.4, 0.6, 0.6]))
    assert kept.keypoints.tolist() == [[4, 4], [5, 5]]
    assert (kept.width, kept.height) == (10, 10)


def test_a_damaged_byte_is_found(tmp_path):
    path = save(tmp_path / "local.h5")
    with h5py.File(path, "r+") as file:
        file["descriptors"][1, 1] ^= 1
    with pytest.raises(UserError, match="'descriptors' is damaged"):
        check(path, full=True)


@pytest.mark.parametrize("name", ["offsets", "sizes", "frames", "descriptors"])
def test_parts_that_do_not_fit_are_refused(tmp_path, name):
    path = save(tmp_path / "local.h5")
    with h5py.File(path, "r+") as file:
        values = file[name][:-1]
        del file[name]
        file[name] = values
    with pytest.raises(UserError, match=r"local\.h5"):
        read_local(path)


def test_a_place_that_is_no_number_is_named(tmp_path):
    broken = raw(2)
    broken.frames[1, 0] = np.nan
    path = save(tmp_path / "local.h5", [broken])
    with pytest.raises(UserError, match="of 'a/0' is not finite"):
        check(path, full=True)
