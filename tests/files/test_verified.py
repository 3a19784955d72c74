"""verified: pairs come back either way, from one file and from several; what is no such file."""

import h5py
import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.verified import Block, Pair, check, read_part, read_verified, write_verified

OPTIONS = {"ratio": 0.8, "pixels": 4.0, "model": "homography", "least": 6, "seed": 0}
MODEL = np.array([[0.5, 0, 3], [0, 0.5, -2], [0, 0, 1]])


def pair(count, seed=0):
    rng = np.random.default_rng(seed)
    features = np.stack([np.arange(count), rng.permutation(count)], 1).astype(np.int32)
    points = rng.uniform(0, 99, (count, 4)).astype(np.float32)
    return Pair(features, points, MODEL if count else None, count + 5)


PAIRS = {("a", "b"): pair(7), ("c", "a"): pair(0), ("b", "c"): pair(9, 1), ("d", "b"): pair(9, 2)}


def save(path, pairs=PAIRS, local="0" * 64, **options):
    images = sorted({key for both in pairs for key in both})
    codes = np.array([[images.index(key) for key in both] for both in pairs], np.int32)
    write_verified(
        path, images, np.tile([640, 480], (len(images), 1)),
        [Block(codes[:1], list(pairs.values())[:1]), Block(codes[1:], list(pairs.values())[1:])],
        meta={"options": {**OPTIONS, **options}, "local": local}, chain=[], overwrite=True,
    )  # fmt: skip
    return path


def assert_same(one, other):
    np.testing.assert_array_equal(one.features, other.features)
    np.testing.assert_array_equal(one.points, other.points)
    assert one.tentative == other.tentative
    assert (one.model is None) == (other.model is None)
    if one.model is not None:
        np.testing.assert_allclose(one.model, other.model, rtol=1e-12)


def test_pairs_come_back_either_way(tmp_path):
    found = read_verified([save(tmp_path / "v.h5")])
    for (left, right), expected in PAIRS.items():
        assert_same(found.pair(left, right), expected)
        assert_same(found.pair(right, left), expected.reversed())
        assert_same(found.pair(right, left).reversed(), expected)
    assert found.pair("a", "d") is None
    assert found.pair("a", "nobody") is None
    assert found.size("a") == (640, 480)
    assert found.size("nobody") is None
    assert found.options == OPTIONS


def test_a_reversed_pair_is_in_the_order_of_its_own_left_features():
    other = PAIRS["b", "c"].reversed()
    assert (np.diff(other.features[:, 0]) > 0).all()
    order = np.argsort(PAIRS["b", "c"].features[:, 1])
    points = PAIRS["b", "c"].points[order]
    np.testing.assert_array_equal(other.points, np.hstack([points[:, 2:], points[:, :2]]))
    np.testing.assert_allclose(other.model @ MODEL, np.eye(3), atol=1e-12)


def test_others_are_those_with_inliers_the_most_first(tmp_path):
    found = read_verified([save(tmp_path / "v.h5")])
    assert found.others("b") == [("c", 9), ("d", 9), ("a", 7)]
    assert found.others("a") == [("b", 7)]
    assert found.others("nobody") == []
    part = read_part(tmp_path / "v.h5")
    assert part.others(part.place["b"]) == [("c", 9), ("d", 9), ("a", 7)]


def test_several_files_are_as_one(tmp_path):
    pairs = list(PAIRS.items())
    paths = [save(tmp_path / f"{n}.h5", dict(pairs[n::2])) for n in range(2)]
    found, whole = read_verified(paths), read_verified([save(tmp_path / "v.h5")])
    for left, right in PAIRS:
        assert_same(found.pair(left, right), whole.pair(left, right))
        assert_same(found.pair(right, left), whole.pair(right, left))
    for key in "abcd":
        assert found.others(key) == whole.others(key)
        assert found.size(key) == whole.size(key)


def test_files_of_other_features_do_not_go_together(tmp_path):
    paths = [save(tmp_path / f"{n}.h5", local=digest * 64) for n, digest in enumerate("112")]
    assert read_verified(paths[:2]).size("a") == (640, 480)
    with pytest.raises(
        UserError, match=r"2\.h5: was verified with other local features than .*0\.h5"
    ):
        read_verified(paths)


def test_files_that_were_made_otherwise_do_not_go_together(tmp_path):
    paths = [save(tmp_path / "1.h5"), save(tmp_path / "2.h5", ratio=0.7)]
    with pytest.raises(UserError, match=r"2\.h5: was verified with other options than .*1\.h5"):
        read_verified(paths)


def test_it_is_described_and_checked(tmp_path):
    path = save(tmp_path / "v.h5")
    check(path, full=True)
    about = kinds.KINDS["verified"].describe(path)
    wanted = {"images": 4, "pairs": 4, "pairs_with_inliers": 3, "inliers": 25, "options": OPTIONS,
              "local": "0" * 64}  # fmt: skip
    assert about == wanted


def test_no_pairs_are_a_file_too(tmp_path):
    write_verified(
        tmp_path / "v.h5", [], np.zeros((0, 2), np.int32), [], meta={"options": OPTIONS}, chain=[],
        overwrite=True,
    )  # fmt: skip
    assert len(read_part(tmp_path / "v.h5")) == 0


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("pairs", lambda rows: rows + 3, "a pair is of no image"),
        ("pairs", lambda rows: rows - 1, "a pair is of no image"),
        ("offsets", lambda rows: rows[::-1], "the columns do not fit 4 pairs of 4 images"),
        ("offsets", lambda rows: rows - (rows > 20), "the inliers do not fit the pairs"),
        ("images", lambda rows: rows[[0, 0, 1, 2]], "an image is there twice"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, name, change, message):
    path = save(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        (file if name in file else file["columns"])[name][...] = change(file[name][...])
    with pytest.raises(UserError, match=message):
        read_part(path)


def test_a_changed_inlier_is_found(tmp_path):
    path = save(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        file["points"][3, 1] += 1
    with pytest.raises(UserError, match=r"v\.h5"):
        check(path, full=True)
