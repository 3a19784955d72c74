"""SIFT of pictures: where it is found, how strong, by how many processes."""

import numpy as np
import pytest
from PIL import Image

from hiertools.local.extraction import Settings, extract, of_picture

SETTINGS = Settings(keypoints=200, max_side=1024)


def noise(size=(160, 120), seed=0, cell=8):
    """Return a picture of grey squares that blur into each other."""
    width, height = size
    cells = np.random.default_rng(seed).integers(0, 256, (height // cell, width // cell))
    return Image.fromarray(cells.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{n}.png" for n in range(5)]
    for n, path in enumerate(paths):
        noise(seed=n).convert("RGB").save(path)
    paths[2].write_bytes(b"no picture")
    return [*paths, None]


def test_features_do_not_depend_on_the_processes(files):
    alone, together = (list(extract(files, SETTINGS, workers=n)) for n in (0, 2))
    assert alone[2].startswith("UnidentifiedImageError")
    assert alone[2] == together[2]
    assert "no file" in alone[5]
    for n in (0, 1, 3, 4):
        np.testing.assert_array_equal(alone[n].frames, together[n].frames)
        np.testing.assert_array_equal(alone[n].descriptors, together[n].descriptors)
        assert (alone[n].width, alone[n].height) == (160, 120)
        assert alone[n].descriptors.dtype == np.uint8


def test_places_are_in_pixels_of_the_stored_picture():
    """A moved part of the picture has its features moved as far."""
    picture = noise((400, 300))
    whole = of_picture(picture, Settings(2000, 1024)).frames
    part = of_picture(picture.crop((100, 60, 400, 300)), Settings(2000, 1024)).frames
    inner = part[(part[:, :2] > 40).all(1) & (part[:, :2] < [260, 200]).all(1)]
    moved = inner[:, :2] + [100, 60]
    near = np.linalg.norm(moved[:, None] - whole[None, :, :2], axis=2).min(1)
    assert len(inner) > 20
    assert np.median(near) < 0.05


def test_places_of_a_picture_that_is_made_smaller_are_in_its_own_pixels():
    picture = noise((600, 400), cell=40)
    whole = of_picture(picture, Settings(500, 1024)).frames
    small = of_picture(picture, Settings(500, 300)).frames
    large = small[small[:, 2] > 30]
    near = np.linalg.norm(large[:, None, :2] - whole[None, :, :2], axis=2).min(1)
    assert len(large) > 10
    assert np.median(near) < 1.0


def test_the_strongest_are_kept():
    """OpenCV counts places before it gives them directions, so the cut is not quite the same."""
    picture = noise((400, 300))
    few, many = (of_picture(picture, Settings(n, 1024)).frames for n in (50, 2000))
    assert len(few) == 50
    first = {tuple(frame) for frame in many[:100].tolist()}
    assert all(tuple(frame) in first for frame in few.tolist())


def test_a_picture_of_one_grey_has_none():
    found = of_picture(Image.new("RGB", (40, 30), "grey"), SETTINGS)
    assert found.frames.shape == (0, 3)
    assert found.descriptors.shape == (0, 128)
