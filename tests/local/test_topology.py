"""Topological verification: what hangs together is one region, whatever its geometry."""

from dataclasses import replace

import numpy as np
import pytest

from hiertools.errors import UsageError
from hiertools.local import verification
from hiertools.local.topology import Topology, one_to_one, verify
from tests.local import scenes_made as scenes

TOPOLOGY = Topology(ratio=0.8, radius=50, agree=0.2, least=10, shift=0.6, checks=2000)


@pytest.fixture(scope="module")
def plane():
    return scenes.plane(2500)


def right_share(region, rows):
    """Return the share of a region's matches that are true."""
    return np.mean(rows[region.features[:, 1]] == region.features[:, 0])


def span(polygon):
    """Return the box about a polygon."""
    return np.array([np.min(polygon, axis=0), np.max(polygon, axis=0)])


def test_an_image_and_itself_are_one_region(plane):
    found = verify(plane, plane, TOPOLOGY)
    assert len(found) == 1
    (region,) = found.regions
    assert len(region) >= 0.98 * len(plane)
    np.testing.assert_array_equal(region.features[:, 0], region.features[:, 1])
    np.testing.assert_array_equal(region.points[:, :2], region.points[:, 2:])
    np.testing.assert_allclose(span(region.left), [(0, 0), (1023, 767)], atol=12)
    assert region.left == region.right


def test_a_folded_image_is_one_region(plane):
    other, rows = scenes.seen(plane, scenes.folded())
    found = verify(plane, other, TOPOLOGY)
    assert len(found) == 1
    assert found.largest >= 0.9 * np.sum(rows >= 0)
    assert right_share(found.regions[0], rows) > 0.99


def test_a_homography_takes_one_of_the_two_planes(plane):
    other, rows = scenes.seen(plane, scenes.folded())
    matching = verification.Matching(ratio=0.8, pixels=4, model="homography", least=6, seed=0)
    pair = verification.verify(plane, other, matching)
    left = plane.keypoints[:, 0] < scenes.WIDTH / 2
    true = rows[rows >= 0]
    larger = max(left[true].sum(), (~left)[true].sum())
    assert len(pair) < 1.1 * larger < 0.7 * verify(plane, other, TOPOLOGY).largest


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_region(seed):
    left, right = scenes.plane(2500, seed=seed), scenes.plane(2500, seed=seed + 50)
    assert len(verify(left, right, TOPOLOGY)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_true_matches_at_random_places_have_no_region(plane, seed):
    places = np.random.default_rng(seed).permutation(len(plane))
    found = verify(plane, replace(plane, keypoints=plane.keypoints[places]), TOPOLOGY)
    assert found.tentative == len(plane)
    assert len(found) == 0


def test_two_separate_patches_are_two_regions(plane):
    squares = [((100, 100, 380, 380), (0, 40)), ((650, 400, 930, 680), (60, -250))]
    other, rows = scenes.patches(plane, squares)
    found = verify(plane, other, TOPOLOGY)
    assert len(found) == 2
    assert [len(region) for region in found.regions] == sorted(map(len, found.regions))[::-1]
    for region in found.regions:
        assert right_share(region, rows) > 0.95
    for square, by in squares:
        square = np.array(square).reshape(2, 2)
        fits = [np.abs(span(region.left) - square).max() < 40 for region in found.regions]
        assert sum(fits) == 1
        region = found.regions[fits.index(True)]
        np.testing.assert_allclose(span(region.right), square + by, atol=40)


@pytest.mark.parametrize("degrees", [0, 15, 45, 90, 135, 180, 270])
@pytest.mark.parametrize("scale", [0.6, 1, 1.6])
def test_turned_and_scaled_images_are_one_region(plane, degrees, scale):
    other, rows = scenes.seen(plane, scenes.turned(degrees, scale))
    found = verify(plane, other, TOPOLOGY)
    assert found.largest >= 0.85 * np.sum(rows >= 0)
    assert right_share(found.regions[0], rows) > 0.99


def test_the_size_of_images_does_not_matter(plane):
    other, _ = scenes.seen(plane, scenes.turned(30))
    found = verify(plane, other, TOPOLOGY)
    larger = [
        replace(side, keypoints=side.keypoints * 4, width=side.width * 4, height=side.height * 4)
        for side in (plane, other)
    ]
    again = verify(*larger, TOPOLOGY)
    np.testing.assert_array_equal(found.regions[0].features, again.regions[0].features)


def test_matches_are_one_to_one_and_in_order(plane):
    other, _ = scenes.seen(plane, scenes.folded(), lost=0.5, blur=0.6)
    (region, *_) = verify(plane, other, TOPOLOGY).regions
    left, right = region.features.T
    assert np.all(np.diff(left) > 0)
    assert len(set(right.tolist())) == len(right)
    np.testing.assert_array_equal(region.points[:, :2], plane.keypoints[left])
    np.testing.assert_array_equal(region.points[:, 2:], other.keypoints[right])


def test_the_same_is_found_again(plane):
    other, _ = scenes.seen(plane, scenes.folded(), lost=0.6, blur=0.8)
    one, again = (verify(plane, other, TOPOLOGY) for _ in range(2))
    assert len(one) == len(again) > 0
    assert one.checks == again.checks
    for region, same in zip(one.regions, again.regions, strict=True):
        assert region.features.tobytes() == same.features.tobytes()
        assert (region.left, region.right) == (same.left, same.right)


def test_the_order_of_features_does_not_matter(plane):
    other, _ = scenes.seen(plane, scenes.folded())
    order = np.random.default_rng(3).permutation(len(other))
    mixed = replace(
        other, keypoints=other.keypoints[order], descriptors=other.descriptors[order],
        scales=other.scales[order],
    )  # fmt: skip
    (one,), (two,) = (verify(plane, side, TOPOLOGY).regions for side in (other, mixed))
    np.testing.assert_array_equal(one.features[:, 0], two.features[:, 0])
    np.testing.assert_array_equal(one.features[:, 1], order[two.features[:, 1]])


def test_no_more_patches_are_looked_at_than_allowed(plane):
    whole = verify(plane, plane, TOPOLOGY)
    part = verify(plane, plane, replace(TOPOLOGY, checks=20))
    assert part.checks == 20
    assert whole.checks > 100
    assert 0 < part.largest < 0.3 * whole.largest


def test_a_share_of_cells_has_to_agree(plane):
    other, rows = scenes.seen(plane, scenes.turned(0), lost=0.5)
    kept = np.sum(rows >= 0)
    assert verify(plane, other, TOPOLOGY).largest > 0.8 * kept
    assert verify(plane, other, replace(TOPOLOGY, agree=0.9)).largest < 0.05 * kept


def test_few_features_are_no_patch():
    few = scenes.plane(60)  # about one in a patch
    assert len(verify(few, few, TOPOLOGY)) == 0
    assert verify(few, few, replace(TOPOLOGY, radius=200)).largest > 40


@pytest.mark.parametrize("n", [0, 1, 9])
def test_hardly_any_features_have_no_region(plane, n):
    few = scenes.plane(n)
    for left, right in ((few, plane), (plane, few), (few, few)):
        assert len(verify(left, right, TOPOLOGY)) == 0


def test_a_right_feature_stays_where_it_fits_best():
    partner = np.array([4, -1, 4, 2, 4], np.int32)
    misfit = np.array([0.3, np.inf, 0.1, 0.2, 0.1])
    np.testing.assert_array_equal(one_to_one(partner, misfit), [(2, 4), (3, 2)])


@pytest.mark.parametrize(
    "bad",
    [
        {"ratio": 0}, {"ratio": 1.1}, {"radius": 0}, {"agree": 0}, {"agree": 1.5},
        {"least": 2}, {"shift": 0}, {"shift": 1.2}, {"checks": 0}, {"radius": float("nan")},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(UsageError, match=f"option {next(iter(bad))}="):
        replace(TOPOLOGY, **bad)
