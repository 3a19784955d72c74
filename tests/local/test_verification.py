"""Spatial verification of planes whose homography is known."""

import numpy as np
import pytest
import torch

from hiertools.errors import UsageError
from hiertools.local import opencv, verification
from hiertools.local.verification import Matching, verify
from tests.local import made

TURNED = np.array([[0.8, -0.3, 200.0], [0.25, 0.9, 20.0], [1e-4, -5e-5, 1.0]])
MATCHING = Matching(ratio=0.8, pixels=4.0, model="homography", least=6, seed=0)


def verified(model=TURNED, matching=MATCHING, **about):
    left, right, order = made.pair(model, **about)
    return left, right, order, verify(left, right, matching)


def test_a_known_homography_is_found():
    left, _, _, pair = verified()
    corners = np.array([[0, 0], [1024, 0], [1024, 768], [0, 768.0]])
    off = made.seen(corners, pair.model) - made.seen(corners, TURNED)
    assert np.linalg.norm(off, axis=1).max() < 2
    assert pair.tentative == len(left)


def test_inliers_are_the_matches_of_the_plane():
    _, _, order, pair = verified()
    assert (order[pair.features[:, 1]] == pair.features[:, 0]).all()
    true = pair.features[:, 0] < 200
    assert true.sum() >= 195
    assert (~true).sum() <= 3  # anywhere is near the right place now and then
    assert (np.diff(pair.features[:, 0]) > 0).all()


def test_an_inlier_is_within_the_pixels_both_ways():
    left, right, _, pair = verified(noise=2.0)
    x, y = left.keypoints[pair.features[:, 0]], right.keypoints[pair.features[:, 1]]
    np.testing.assert_array_equal(pair.points, np.hstack([x, y]))
    assert np.linalg.norm(made.seen(x, pair.model) - y, axis=1).max() <= 4 + 1e-6
    back = made.seen(y, np.linalg.inv(pair.model)) - x
    assert np.linalg.norm(back, axis=1).max() <= 4 + 1e-6


def test_pixels_are_those_of_an_image_of_side_1024():
    """The same pair, seen in half of the pixels, has the same inliers."""
    left, right, _, pair = verified()
    halves = [
        made.features(each.keypoints / 2, each.descriptors, (512, 384)) for each in (left, right)
    ]
    half = verify(*halves, MATCHING)
    np.testing.assert_array_equal(half.features, pair.features)
    scale = np.diag([0.5, 0.5, 1])
    whole = np.linalg.inv(scale) @ half.model @ scale
    np.testing.assert_allclose(whole / whole[2, 2], pair.model / pair.model[2, 2], rtol=1e-4)


def test_a_mirrored_plane_is_none():
    _, _, _, pair = verified(np.array([[-1.0, 0, 1024], [0, 1, 0], [0, 0, 1]]), outliers=0)
    assert (len(pair), pair.model, pair.tentative) == (0, None, 200)


def test_where_a_model_turns_the_plane_over_nothing_is_an_inlier():
    places = made.places(50)
    mirror = np.array([[-1.0, 0, 1024], [0, 1, 0], [0, 0, 1]])
    near, areas = verification.inliers_of(mirror, places, made.seen(places, mirror), pixels=4)
    assert not near.any()
    np.testing.assert_allclose(areas, -1)
    horizon = np.array([[1.0, 0, 0], [0, 1, 0], [-1 / 512, 0, 1]])  # x = 512 is taken away
    near, _ = verification.inliers_of(horizon, places, made.seen(places, horizon), pixels=4)
    np.testing.assert_array_equal(near, places[:, 0] < 512)


def test_images_may_be_of_different_sizes():
    """A right image of half the pixels has the same inliers; its model ends in its own pixels."""
    left, right, _, pair = verified(noise=2.0)
    half = made.features(right.keypoints / 2, right.descriptors, (512, 384))
    found = verify(left, half, MATCHING)
    np.testing.assert_array_equal(found.features, pair.features)
    seen = made.seen(found.points[:, :2].astype(float), found.model)
    assert np.linalg.norm(seen - found.points[:, 2:], axis=1).max() <= 2 + 1e-4


@pytest.mark.parametrize(("scale", "found"), [(0.05, False), (0.2, True), (5, True), (12, False)])
def test_the_scale_of_a_model_has_bounds(scale, found):
    _, _, _, pair = verified(np.diag([scale, scale, 1.0]), outliers=0, noise=0.0)
    assert bool(len(pair)) == found


@pytest.mark.parametrize(("count", "found"), [(3, False), (5, False), (6, True)])
def test_few_inliers_are_none(count, found):
    _, _, _, pair = verified(count=count, outliers=0, noise=0.0)
    assert bool(len(pair)) == found


def test_matches_that_have_no_order_are_none():
    left = made.features(made.places(60), made.descriptors(60))
    right = made.features(made.places(60, seed=5), made.descriptors(60))
    assert len(verify(left, right, Matching(0.8, 4.0, "homography", 8, 0))) == 0


def test_an_affine_model_is_affine():
    turned = np.array([[0.8, -0.3, 200.0], [0.25, 0.9, 20.0], [0, 0, 1.0]])
    _, _, _, pair = verified(turned, Matching(0.8, 4.0, "affine", 6, 0))
    np.testing.assert_array_equal(pair.model[2], [0, 0, 1])
    assert len(pair) > 190


def test_the_same_comes_out_twice_and_by_any_number_of_threads():
    first = verified()[3]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    again = verified()[3]
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.model, again.model)


def test_left_and_right_may_be_exchanged():
    left, right, _, pair = verified()
    other = pair.reversed()
    assert (np.diff(other.features[:, 0]) > 0).all()
    np.testing.assert_array_equal(other.points[:, :2], right.keypoints[other.features[:, 0]])
    near = made.seen(other.points[:, :2], other.model) - other.points[:, 2:]
    assert np.linalg.norm(near, axis=1).max() <= 4 + 1e-3
    direct = verify(right, left, MATCHING)
    assert abs(len(direct) - len(pair)) <= 4


def test_inliers_are_worked_out_from_the_model(monkeypatch):
    """Whatever says which matches are inliers, those far from the model are none."""
    identity = np.eye(3)
    monkeypatch.setitem(verification.MODELS, "homography", lambda *given: identity)
    left = made.features(made.places(20), made.descriptors(20))
    moved = left.keypoints + np.array([3.0, 0])
    moved[10:] += 410
    pair = verify(left, made.features(moved, left.descriptors), MATCHING)
    assert pair.features[:, 0].tolist() == list(range(10))


@pytest.mark.parametrize(
    "wrong",
    [{"ratio": 0}, {"ratio": 1.5}, {"pixels": 0}, {"model": "fish"}, {"least": 3}],
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match=f"option {next(iter(wrong))}="):
        Matching(**{**MATCHING.document(), **wrong})


def test_the_seed_reaches_the_samples():
    left, right, order = made.pair(TURNED, count=30, outliers=200, noise=2.5)
    rows = np.argsort(order)
    x, y = left.keypoints.astype(float), right.keypoints[rows].astype(float)
    models = {opencv.homography(x, y, 4.0, seed).tobytes() for seed in range(4)}
    assert len(models) > 1
    found = [
        verify(left, right, Matching(0.8, 4.0, "homography", 6, seed)).model for seed in range(4)
    ]
    assert len({model.tobytes() for model in found}) > 1
