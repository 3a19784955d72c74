"""Re-ranking by planes: what the query shows rises, whatever else looks like it."""

import json

import numpy as np
import pytest

from hiertools.errors import UsageError, UserError
from hiertools.files.verified import Pair
from hiertools.local.verification import Matching, verify
from hiertools.rerankers.spatial import rerank
from tests.local import made as local
from tests.reranking import made

TURNED = np.array([[0.6, -0.2, 200.0], [0.2, 0.6, 20.0], [0, 0, 1.0]])
PLACES, ROWS = local.places(120), local.descriptors(120)
QUERY = local.features(PLACES, ROWS)
SAME = local.features(local.seen(PLACES, TURNED), ROWS)
PART = local.features(local.seen(PLACES[:30], TURNED), ROWS[:30])
MIRRORED = local.features(PLACES * [-1, 1] + [1024, 0], ROWS)
JUMBLED = local.features(local.places(120, seed=9), ROWS)
OTHER = local.features(local.places(120, seed=3), local.descriptors(120, seed=3))


def setting(**about):
    """Return a gallery in which what the query shows stands last, and the query's shortlist."""
    angles = np.radians([5, 10, 15, 20, 25, 30])
    features = [OTHER, MIRRORED, JUMBLED, PART, SAME]
    known = {f"i{row}": one for row, one in enumerate(features)}
    gallery = made.gallery(
        np.stack([np.cos(angles), np.sin(angles)], axis=1), {"q": (1, 0)},
        features={"q": QUERY, **known}, **about,
    )  # fmt: skip
    return gallery, made.shortlist(gallery, "q")


def test_what_one_plane_explains_rises():
    gallery, shortlist = setting()
    (found,) = rerank([shortlist], gallery, top=5, weight=2.0)
    assert found.rows.tolist() == [4, 3, 0, 1, 2, 5]
    before = shortlist.scores
    scaled = (before[:5] - before[4]) / (before[0] - before[4])
    expected = [scaled[4] + 2, scaled[3] + 2 * 30 / 50, *scaled[:3]]
    np.testing.assert_allclose(found.scores[:5], expected, rtol=1e-12)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("options", [{"top": 3}, {"tau": 121, "top": 5}, {"weight": 0.0, "top": 5}])
def test_the_order_stays_where_nothing_counts(options):
    gallery, shortlist = setting()
    (found,) = rerank([shortlist], gallery, **options)
    assert found.rows.tolist() == shortlist.rows.tolist()


def test_an_affine_map_may_be_the_model():
    gallery, shortlist = setting(explain=True)
    (found,) = rerank([shortlist], gallery, top=5, model="affine")
    assert found.explained[4]["inliers"] == 120


def test_matches_are_explained():
    gallery, shortlist = setting(explain=True)
    (found,) = rerank([shortlist], gallery, top=5)
    json.dumps(found.explained)
    assert {row: about["inliers"] for row, about in found.explained.items()} == {
        0: 0, 1: 0, 2: 0, 3: 30, 4: 120,
    }  # fmt: skip
    about = found.explained[3]
    pair = verify(QUERY, PART, Matching(0.8, 4.0, "homography", 6, 0))
    assert about["tentative"] == pair.tentative
    np.testing.assert_allclose(about["matches"], pair.points, atol=0.0501)
    assert rerank_quietly() == {}


def rerank_quietly():
    gallery, shortlist = setting()
    (found,) = rerank([shortlist], gallery, top=5)
    assert found.masks == {}
    return found.explained


def test_masks_are_hulls_of_inliers_in_the_hit():
    gallery, shortlist = setting(masks=True)
    (found,) = rerank([shortlist], gallery, top=5)
    assert set(found.masks) == {3, 4}
    (mask,) = found.masks[3]
    corners = {tuple(np.round(point, 2)) for point in np.asarray(mask, float).reshape(-1, 2)}
    assert corners <= {tuple(np.round(point, 2)) for point in PART.keypoints.astype(float)}


def test_an_image_without_features_is_said():
    gallery, shortlist = setting()
    with pytest.raises(UserError, match="i5"):
        list(rerank([shortlist], gallery, top=6))


class Known:
    """Pairs that were verified with seed 3, each with no matches at all."""

    options = Matching(0.8, 4.0, "homography", 6, 3).document()

    def pair(self, left, right):
        return Pair(np.zeros((0, 2), np.int32), np.zeros((0, 4), np.float32), None, 0)


def test_pairs_that_were_verified_before_are_taken_if_the_seed_is_the_same():
    gallery, shortlist = setting(verified=Known(), seed=3)
    (found,) = rerank([shortlist], gallery)
    assert found.rows.tolist() == shortlist.rows.tolist()
    with pytest.raises(UserError, match="made with seed=3, and here it is 0"):
        rerank([], setting(verified=Known())[0])


@pytest.mark.parametrize(
    "wrong", [{"top": 0}, {"tau": 0}, {"cap": 0}, {"weight": -1.0}, {"ratio": 0.0}, {"least": 3}]
)
def test_options_are_checked_before_the_first_query(wrong):
    with pytest.raises(UsageError, match=f"option {next(iter(wrong))}="):
        rerank([], setting()[0], **wrong)
