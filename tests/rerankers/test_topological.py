"""Re-ranking by regions: what is seen again rises, however it is folded."""

import json

import numpy as np
import pytest

from hiertools.errors import UsageError, UserError
from hiertools.local.thinning import thinned
from hiertools.local.topology import Topology, verify
from hiertools.rerankers.topological import MATCHES, rerank
from tests.local import scenes_made as scenes
from tests.reranking import made

QUERY = scenes.plane(2000)
FOLDED = scenes.seen(QUERY, scenes.folded())[0]
PART = scenes.patches(QUERY, [((100, 100, 400, 400), (200, 50))])[0]
OTHERS = [scenes.plane(2000, seed=seed) for seed in (7, 8, 9)]


def setting(**about):
    """Return a gallery in which what is seen again stands last, and the query's shortlist."""
    angles = np.radians([5, 10, 15, 20, 25, 30])
    features = [*OTHERS, PART, FOLDED, None]
    known = {f"i{row}": one for row, one in enumerate(features) if one is not None}
    gallery = made.gallery(
        np.stack([np.cos(angles), np.sin(angles)], axis=1), {"q": (1, 0)},
        features={"q": QUERY, **known}, **about,
    )  # fmt: skip
    return gallery, made.shortlist(gallery, "q")


def test_what_hangs_together_rises():
    gallery, shortlist = setting()
    (found,) = rerank([shortlist], gallery, top=5, weight=2)
    assert found.rows.tolist() == [3, 4, 0, 1, 2, 5]
    before = shortlist.scores
    scaled = (before[:5] - before[4]) / (before[0] - before[4])
    # both have a region of more than `cap` matches, and gain the whole weight
    expected = [scaled[3] + 2, scaled[4] + 2, *scaled[:3]]
    np.testing.assert_allclose(found.scores[:5], expected, rtol=1e-12)
    assert np.all(np.diff(found.scores) <= 0)


def test_the_first_hits_alone_are_looked_at():
    gallery, shortlist = setting()
    (found,) = rerank([shortlist], gallery, top=3)
    assert found.rows.tolist() == shortlist.rows.tolist()


def test_few_matches_leave_the_order():
    gallery, shortlist = setting()
    (found,) = rerank([shortlist], gallery, top=5, tau=5000, cap=5000)
    assert found.rows.tolist() == shortlist.rows.tolist()


def test_masks_are_the_hulls_of_regions_in_the_hit():
    gallery, shortlist = setting(masks=True)
    (found,) = rerank([shortlist], gallery, top=5)
    assert set(found.masks) == {3, 4}
    (mask,) = found.masks[3]
    box = [np.min(mask, axis=0), np.max(mask, axis=0)]
    np.testing.assert_allclose(box, [(300, 150), (600, 450)], atol=40)


def test_hits_are_explained():
    gallery, shortlist = setting(explain=True)
    (found,) = rerank([shortlist], gallery, top=5)
    assert set(found.explained) == {0, 1, 2, 3, 4}
    assert found.explained[0]["features"] == 0
    assert found.explained[0]["regions"] == []
    told = json.loads(json.dumps(found.explained[4]))
    regions = verify(
        QUERY, FOLDED,
        Topology(ratio=0.8, radius=50, agree=0.2, least=10, shift=0.6, checks=2000),
    )  # fmt: skip
    assert told["features"] == regions.largest
    assert [region["features"] for region in told["regions"]] == [len(r) for r in regions.regions]
    assert told["matches_total"] == sum(len(region) for region in regions.regions)
    sizes = [len(region) for region in regions.regions]
    for region, one, rows in zip(
        told["regions"], regions.regions, thinned(sizes, MATCHES), strict=True
    ):
        np.testing.assert_allclose(region["matches"], one.points[rows], atol=0.0501)
    assert told["tentative"] == regions.tentative


def test_every_region_has_matches_that_are_told():
    moves = [((50, 50, 450, 450), (500, 250)), ((600, 100, 800, 250), (-500, 450))]
    twice = scenes.patches(QUERY, moves)[0]
    made_up = made.gallery(
        [(1, 0)], {"q": (1, 0)}, features={"q": QUERY, "i0": twice}, explain=True
    )
    (found,) = rerank([made.shortlist(made_up, "q")], made_up)
    told = found.explained[0]
    sizes = [region["features"] for region in told["regions"]]
    counts = [len(region["matches"]) for region in told["regions"]]
    assert len(counts) == 2
    assert sum(counts) == MATCHES < told["matches_total"] == sum(sizes)
    assert counts[1] == min(sizes[1], MATCHES // 2)
    for region in told["regions"]:  # from its first to its last
        x = np.array(region["left"])[:, 0]
        places = np.array(region["matches"])[:, 0]
        assert x.min() <= places.min() < places.max() <= x.max()


def test_nothing_is_told_unless_it_is_wanted():
    gallery, shortlist = setting()
    (found,) = rerank([shortlist], gallery, top=5)
    assert not found.explained
    assert not found.masks


def test_an_empty_shortlist_stays_empty():
    gallery, _ = setting()
    empty = made.shortlist(gallery, "q", barred=range(6))
    (found,) = rerank([empty], gallery)
    assert len(found.rows) == len(found.scores) == 0


def test_an_image_without_features_is_named():
    gallery, shortlist = setting()
    with pytest.raises(UserError, match="no local features of 'i5'"):
        list(rerank([shortlist], gallery, top=6))


@pytest.mark.parametrize("bad", [{"top": 0}, {"tau": 0}, {"weight": -1}, {"cap": 0}, {"agree": 2}])
def test_options_are_checked_before_a_shortlist_is_taken(bad):
    def none():
        raise AssertionError("taken")
        yield

    with pytest.raises(UsageError, match=f"option {next(iter(bad))}="):
        next(iter(rerank(none(), made.gallery(), **bad)))
