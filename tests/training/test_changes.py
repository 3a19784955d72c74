"""Changes of pictures: random, and the same for the same seed."""

import numpy as np
import pytest
from PIL import Image

from hiertools.training.changes import CHANGES, LEAST_AREA
from hiertools.training.pictures import prepared

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def changed(name, seed):
    sizes = []

    def prepare(picture):
        sizes.append(picture.size)
        return np.array(picture)

    return prepared(PICTURE, CHANGES[name], prepare, [0, 1, seed]).numpy(), sizes[0]


@pytest.mark.parametrize("name", CHANGES)
def test_a_seed_decides(name):
    found = [changed(name, seed)[0] for seed in range(20)]
    for seed in (3, 7):
        np.testing.assert_array_equal(found[seed], changed(name, seed)[0])
    kinds = {array.tobytes() for array in found}
    assert len(kinds) == {"none": 1, "flip": 2}.get(name, 20)


def test_pictures_are_mirrored_half_of_the_time():
    found = [np.array_equal(changed("flip", seed)[0], PIXELS[:, ::-1]) for seed in range(200)]
    assert 70 < sum(found) < 130


def test_a_part_becomes_a_square():
    sizes = [changed("crop", seed)[1] for seed in range(50)]
    assert all(width == height for width, height in sizes)
    least = np.sqrt(LEAST_AREA * 30 * 40)
    assert all(least * 0.9 < width <= 40 for width, _ in sizes)
    assert len(set(sizes)) > 5
