"""Topological verification of pictures, with SIFT."""

import numpy as np
import pytest

from hiertools.files.local_features import LocalFeatures
from hiertools.local.extraction import Settings, of_picture
from hiertools.local.topology import Topology, verify
from tests.local import scenes_made as scenes

TOPOLOGY = Topology(ratio=0.8, radius=50, agree=0.2, least=10, shift=0.6, checks=2000)


def rooted(picture, keypoints=2000):
    """Return the features of a picture, RootSIFT."""
    raw = of_picture(picture, Settings(keypoints=keypoints, max_side=1024))
    shares = raw.descriptors / raw.descriptors.sum(axis=1, keepdims=True, dtype=float)
    return LocalFeatures(
        raw.frames[:, :2].copy(), np.sqrt(shares).astype(np.float32), raw.frames[:, 2].copy(),
        raw.width, raw.height,
    )  # fmt: skip


@pytest.fixture(scope="module")
def picture():
    return scenes.picture()


@pytest.fixture(scope="module")
def found(picture):
    return rooted(picture)


def off(region, move):
    """Return how far, in pixels, the middle one of the matches is from where it should be."""
    there = move(region.points[:, :2].astype(float))
    return np.median(np.linalg.norm(there - region.points[:, 2:], axis=1))


def test_a_picture_and_itself_are_one_region(found):
    regions = verify(found, found, TOPOLOGY)
    assert len(regions) == 1
    assert regions.largest > 0.95 * len(found)


def test_a_folded_picture_is_one_region(picture, found):
    (region, *_) = verify(found, rooted(scenes.folded_picture(picture)), TOPOLOGY).regions
    assert off(region, scenes.folded()) < 1.5
    left = region.points[:, 0] < scenes.WIDTH / 2
    assert min(left.sum(), (~left).sum()) > 150


def test_regions_have_no_holes_where_features_are_few():
    picture = scenes.picture(marks=600)
    left, right = (rooted(each, 1500) for each in (picture, scenes.folded_picture(picture)))
    (region, *others) = verify(left, right, TOPOLOGY).regions
    assert len(region) > 600
    assert sum(map(len, others)) < 0.2 * len(region)


@pytest.mark.parametrize(("degrees", "scale"), [(20, 1), (90, 0.8), (137, 0.7), (180, 1.2)])
def test_a_turned_picture_is_one_region(picture, found, degrees, scale):
    other = rooted(scenes.turned_picture(picture, degrees, scale))
    (region, *others) = verify(found, other, TOPOLOGY).regions
    assert off(region, scenes.turned(degrees, scale)) < 1.5
    assert len(region) > 300
    assert sum(map(len, others)) < 0.1 * len(region)


def test_another_picture_has_no_region(found):
    assert verify(found, rooted(scenes.picture(seed=9)), TOPOLOGY).largest == 0
