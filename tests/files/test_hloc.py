"""Local features of others, in the layout of hloc."""

import h5py
import numpy as np
import pytest

from hiertools.cli import main
from hiertools.errors import UserError
from hiertools.files.hloc import read_hloc
from hiertools.files.local_features import read_local


def image(n=3, d=4, dtype=np.float16, seed=0, **more):
    rng = np.random.default_rng(seed)
    return {
        "keypoints": rng.uniform(0, 50, (n, 2)).astype(np.float32),
        "descriptors": rng.normal(size=(d, n)).astype(dtype),
        "image_size": np.array([64, 48]),
        "scores": np.arange(n, dtype=np.float32),
        **more,
    }


def save(path, **images):
    with h5py.File(path, "w") as file:
        for name, arrays in images.items():
            group = file.create_group(name.replace("__", "/").replace("_jpg", ".jpg"))
            for key, value in arrays.items():
                if value is not None:
                    group[key] = value
    return path


def test_groups_are_images_without_their_suffix(tmp_path):
    found = read_hloc(save(tmp_path / "f.h5", db__b_jpg=image(), a_jpg=image(2)))
    assert found.ids == ["a", "db/b"]
    assert (found.dimension, found.stored) == (4, "float16")
    assert [len(raw.frames) for raw in found.raws()] == [2, 3]


def test_the_strongest_come_first_and_descriptors_are_turned(tmp_path):
    given = image(seed=3)
    (raw,) = read_hloc(save(tmp_path / "f.h5", a_jpg=given)).raws()
    np.testing.assert_array_equal(raw.frames[:, :2], given["keypoints"][::-1])
    np.testing.assert_array_equal(raw.descriptors, given["descriptors"].T[::-1])
    assert (raw.width, raw.height) == (64, 48)


def test_without_scores_the_order_stays(tmp_path):
    given = image(scores=None)
    (raw,) = read_hloc(save(tmp_path / "f.h5", a_jpg=given)).raws()
    np.testing.assert_array_equal(raw.frames[:, :2], given["keypoints"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": np.zeros((2, 2))}, "keypoints of shape"),
        ({"descriptors": np.zeros((3, 4))}, "n x 2 and 3 x n"),
        ({"image_size": np.array([0, 5])}, "image_size is not"),
        ({"image_size": np.array([1e300, 5])}, "image_size is not"),
        ({"keypoints": np.full((3, 2), np.nan)}, "is not finite"),
        ({"keypoints": np.full((3, 2), 1e300)}, "is not finite"),
        ({"descriptors": np.zeros((0, 3))}, "no matrix of floats"),
        ({"descriptors": np.array(b"text")}, "no matrix of floats"),
        ({"scores": np.array([b"a", b"b", b"c"])}, "a.jpg/scores is no array of numbers"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        list(read_hloc(save(tmp_path / "f.h5", a_jpg=image(**change))).raws())


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_descriptors_of_another_type_are_refused(tmp_path, dtype):
    path = save(tmp_path / "f.h5", a_jpg=image(), b_jpg=image(dtype=dtype))
    with pytest.raises(UserError, match=r"b\.jpg: descriptors of \w+; those before are float16"):
        list(read_hloc(path).raws())


def test_a_file_without_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no group with keypoints"):
        read_hloc(save(tmp_path / "f.h5", a={"keypoints": np.zeros((1, 2))}))


def test_two_images_of_one_id_are_refused(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name in ("a.jpg", "a.png"):
            for key, value in image().items():
                file[f"{name}/{key}"] = value
    with pytest.raises(UserError, match="several images are 'a'"):
        read_hloc(tmp_path / "f.h5")


def test_links_out_of_the_file_are_refused(tmp_path):
    path = save(tmp_path / "f.h5", a_jpg=image())
    with h5py.File(path, "r+") as file:
        file["b.jpg"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(UserError, match="ExternalLink"):
        read_hloc(path)


def test_a_damaged_byte_is_no_traceback(tmp_path):
    whole = save(tmp_path / "f.h5", a_jpg=image()).read_bytes()
    refused = 0
    for place in (place for place, byte in enumerate(whole) if byte):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "f.h5").write_bytes(damaged)
        try:
            list(read_hloc(tmp_path / "f.h5").raws())
        except UserError:
            refused += 1
    assert refused > 100


def test_embed_takes_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "f.h5", db__b_jpg=image(), a_jpg=image(2))
    assert main(["embed", "--local", "--from", "f.h5", "--made-by", "superpoint"]) == 0
    found = read_local(tmp_path / "local.h5")
    assert found.meta["descriptor"] == "from:superpoint"
    features = found.of(found.row("db/b"))
    np.testing.assert_allclose(np.linalg.norm(features.descriptors, axis=1), 1, rtol=1e-3)
    assert main(["check", "--full", "local.h5"]) == 0
    assert main(["embed", "--local", "--from", "f.h5", "--keypoints", "5"]) == 2
    assert "--keypoints does not apply" in capsys.readouterr().err
