"""Hypergraph diffusion: it stays on the object; values by hand and by dense matrices."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from hiertools.errors import UsageError, UserError
from hiertools.local.hulls import hull, inside
from hiertools.rerankers import diffusion, hypergraph
from tests.reranking.made import gallery, shortlist
from tests.reranking.verified_made import Made, grid

LEFT, RIGHT = grid(10, 10), grid(150, 10)  # two places of an image that do not meet
NEXT = np.array([[1, 0.6, 0.1], [0.8, 0.8, 0.2], [0.5, 1, 0.5], [0, 0.1, 1]])
VARIANTS = pytest.mark.parametrize("variant", ["principled", "bfs"])


def chain(where_b_meets_c, **more):
    """Return a gallery of A, B, C and another image; the query is verified with A.

    B shows A's object on its left side; where it shows C's is given.
    """
    pairs = {
        ("q", "A"): (LEFT, LEFT),
        ("A", "B"): (LEFT, LEFT),
        ("B", "C"): (where_b_meets_c, LEFT),
    }
    return gallery(
        NEXT, {"q": [1, 0.5, 0.1]}, ids=["A", "B", "C", "other"], verified=Made(pairs), **more
    )


def one(made, given, method=hypergraph, **options):
    (found,) = method.rerank([given], made, **options)
    return found


def reached(made, **options):
    """Return the images that the diffusion reaches."""
    found = one(made, shortlist(made, "q"), **options)
    return {made.ids[row] for row in found.explained}


@VARIANTS
def test_a_chain_of_one_object_is_followed(variant):
    assert reached(chain(LEFT, explain=True), variant=variant) == {"A", "B", "C"}


@VARIANTS
def test_a_chain_that_changes_its_object_is_not_followed(variant):
    assert reached(chain(RIGHT, explain=True), variant=variant) == {"A", "B"}


def test_ordinary_diffusion_follows_both():
    """Its edges are of images: which object a match is on makes no difference to it."""
    for where in (LEFT, RIGHT):
        made = chain(where)
        found = one(made, shortlist(made, "q", hits=1, k=4), diffusion, k=2, seeds=1)
        heat = dict(zip((made.ids[row] for row in found.rows), found.scores, strict=True))
        assert heat["C"] > 0


@VARIANTS
def test_objects_that_overlap_are_followed_by_what_they_share(variant):
    made = chain(grid(18, 10), explain=True, masks=True)  # three of five columns are in A's object
    assert reached(made, variant=variant) == {"A", "B", "C"}
    mask = one(made, shortlist(made, "q"), variant=variant).masks[2][0]
    assert {x for x, _ in mask} == {10.0, 18.0}  # of C only what B shares with A


def plain(made, hops, alpha, start):
    """Return scores by matrices over all features: links, and regions that make all as active."""
    verified, ids = made.verified, [key for key in made.ids if made.verified.others(key)]
    nodes, places = {}, {}
    for a, b in verified._pairs:
        pair = verified.pair(a, b)
        for (i, j), point in zip(pair.features.tolist(), pair.points.tolist(), strict=True):
            for key, feature, place in ((a, i, point[:2]), (b, j, point[2:])):
                nodes.setdefault((key, feature), len(nodes))
                places[key, feature] = place
    n, score = len(nodes), np.zeros(len(nodes))
    links = np.zeros((n, n))
    for a, b in verified._pairs:
        if "q" in (a, b):
            continue
        cosine = made.vectors[made.row(a)].astype(float) @ made.vectors[made.row(b)]
        pair = verified.pair(a, b)
        weight = max(0, cosine) ** 3 * min(1, len(pair) / 50) / len(pair)
        for i, j in pair.features.tolist():
            links[nodes[a, i], nodes[b, j]] = links[nodes[b, j], nodes[a, i]] = weight
    arrived = np.zeros(n)
    for key, cosine in start.items():
        pair = verified.pair("q", key)
        for _, feature in pair.features.tolist():
            arrived[nodes[key, feature]] = cosine**3 * min(1, len(pair) / 50) / len(pair)
    for hop in range(hops + 1):
        score += alpha**hop * arrived
        spread = np.zeros((n, n))
        for key in ids:
            own = [node for node in nodes if node[0] == key]
            active = [node for node in own if arrived[nodes[node]] > 0]
            region = hull(np.array([places[node] for node in active]))
            for node in own:
                if inside(np.array([places[node]]), region)[0]:
                    for source in active:
                        spread[nodes[node], nodes[source]] = 1
        arrived = links @ (spread @ arrived)
    found = {}
    for key in ids:
        own = [at for (image, _), at in nodes.items() if image == key]
        total, count = score[own].sum(), len([at for at in own if links[at].any() or score[at]])
        if total > 0:
            found[key] = total / np.sqrt(count)
    return found


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_scores_are_those_of_matrices_over_all_features(hops):
    pairs = {
        ("q", "A"): (grid(10, 10, 30), grid(10, 10, 30)),
        ("q", "B"): (grid(10, 10, 20), grid(12, 14, 20)),
        ("A", "B"): (grid(14, 10, 64), grid(12, 10, 64)),
        ("B", "C"): (grid(24, 10, 36), grid(24, 6, 36)),
        ("A", "C"): (grid(10, 18, 25), grid(60, 18, 25)),
        ("C", "D"): (grid(24, 6, 36), grid(8, 6, 36)),
    }
    vectors = np.random.default_rng(0).random((4, 5))
    made = gallery(
        vectors, {"q": vectors[:2].sum(0)}, ids=[*"ABCD"], verified=Made(pairs), explain=True
    )
    found = one(made, shortlist(made, "q", hits=2, k=4), hops=hops, alpha=0.8)
    query = made.vector("q").astype(float)
    start = {key: float(query @ made.vectors[made.row(key)]) for key in "AB"}
    expected = plain(made, hops, 0.8, start)
    scores = {made.ids[row]: score for row, score in zip(found.rows, found.scores, strict=True)}
    assert {made.ids[row] for row in found.explained} == expected.keys()
    for key, score in expected.items():
        assert scores[key] == pytest.approx(score, rel=1e-6)


def test_a_value_by_hand():
    """Two images of 25 inliers: w = cos^3 / 2. Scores are over sqrt(25) = 5."""
    made = chain(RIGHT)
    found = one(made, shortlist(made, "q"), hops=1, alpha=0.9, neighbours=1)
    cosine = {key: float(made.vector("q").astype(float) @ made.vectors[0]) for key in "A"}["A"]
    w = cosine**3 / 2
    v = float(made.vectors[0].astype(float) @ made.vectors[1]) ** 3 / 2
    scores = {made.ids[row]: score for row, score in zip(found.rows, found.scores, strict=True)}
    assert scores["A"] == pytest.approx(w / 5, rel=1e-6)
    assert scores["B"] == pytest.approx(0.9 * w * v / 5, rel=1e-6)


def test_without_alpha_only_what_the_query_is_verified_with_is_scored():
    made = chain(LEFT)
    found = one(made, shortlist(made, "q"), alpha=0.0)
    longer = one(made, shortlist(made, "q"), hops=0)
    assert found.rows[0] == 0
    assert found.scores[0] == longer.scores[0]


@VARIANTS
def test_without_verified_pairs_the_order_stays(variant):
    made = gallery(NEXT, {"q": [0, 1, 0]}, verified=Made({}))
    given = shortlist(made, "q")
    np.testing.assert_array_equal(one(made, given, variant=variant).rows, given.rows)


@VARIANTS
def test_ways_go_from_the_query_to_the_hit(variant):
    made = chain(LEFT, explain=True)
    told = one(made, shortlist(made, "q"), variant=variant).explained
    assert told[made.row("A")]["path"] == ["q", "A"]
    assert told[made.row("B")]["path"] == ["q", "A", "B"]
    assert told[made.row("C")]["path"] == ["q", "A", "B", "C"]


@VARIANTS
@pytest.mark.parametrize("hops", [0, 1, 2])
def test_hops_are_limited(variant, hops):
    found = reached(chain(LEFT, explain=True), variant=variant, hops=hops)
    assert found == {*"ABC"[: hops + 1]}


@VARIANTS
def test_barred_items_are_no_hits_but_may_be_on_the_way(variant):
    made = chain(LEFT, explain=True)
    found = one(made, shortlist(made, "q", barred=[1]), variant=variant)
    assert 1 not in found.rows
    assert 2 in found.explained


def test_bfs_ranks_by_discovery_and_unites_boxes():
    pairs = {
        ("q", "A"): (LEFT, LEFT),
        ("A", "B"): (grid(10, 10, 36), grid(10, 10, 36)),
        ("A", "C"): (grid(10, 10, 30), grid(10, 10, 30)),
        ("B", "C"): (grid(10, 10, 25), grid(60, 40, 25)),
    }
    made = gallery(
        NEXT, {"q": [1, 0.5, 0.1]}, ids=[*"ABCD"], verified=Made(pairs), masks=True, explain=True
    )
    found = one(made, shortlist(made, "q"), variant="bfs")
    assert [made.ids[row] for row in found.rows[:3]] == ["A", "B", "C"]
    assert 0 not in found.masks  # all of the first image
    assert sorted(found.masks[2][0]) == [(10, 10), (10, 56), (76, 10), (76, 56)]


def test_an_uncertain_query_starts_where_it_is_verified():
    """No first hits are linked: entropy log 4 > 1; the first is not verified, the third is."""
    pairs = {("q", "C"): (LEFT, LEFT)}
    made = gallery(NEXT, {"q": [1, 0.5, 0.1]}, ids=[*"ABCD"], verified=Made(pairs), explain=True)
    given = shortlist(made, "q")
    assert made.ids[given.rows[0]] == "A"
    assert made.ids[one(made, given, variant="bfs").rows[0]] == "C"
    assert made.ids[one(made, given, variant="bfs", communities=False).rows[0]] == "A"


class Asked(Made):
    """Notes the images whose pairs are asked for."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.images = set()

    def pair(self, left, right):
        self.images |= {left, right}
        return super().pair(left, right)


@VARIANTS
def test_memory_grows_with_what_is_reached_and_not_with_the_gallery(variant):
    """Of 2,000 images in a row four are reached; 50,000 features squared would be 20 GB."""
    ids = [f"i{row}" for row in range(2000)]
    pairs = {("q", "i0"): (LEFT, LEFT)} | {pair: (LEFT, LEFT) for pair in pairwise(ids)}
    made = gallery(
        np.ones((2000, 4)), {"q": np.ones(4)}, ids=ids, verified=Asked(pairs), explain=True
    )
    given = shortlist(made, "q", hits=1, k=10)
    tracemalloc.start()
    found = one(made, given, variant=variant)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {made.ids[row] for row in found.explained} == {"i0", "i1", "i2", "i3"}
    assert made.verified.images <= {"q", *ids[:6]}
    assert peak < 4e6


@VARIANTS
def test_the_same_comes_out_twice(variant):
    made = chain(grid(18, 10))
    given = shortlist(made, "q")
    first, second = (one(made, given, variant=variant) for _ in range(2))
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.scores, second.scores)


@VARIANTS
def test_an_empty_shortlist_stays_empty(variant):
    made = chain(LEFT)
    given = shortlist(made, "q", barred=range(4))
    assert len(one(made, given, variant=variant).rows) == 0


def test_without_pairs_of_items_there_is_no_hypergraph():
    with pytest.raises(UserError, match="hiertools verify INDEX"):
        one(gallery(NEXT), shortlist(gallery(NEXT), "i0"))


@pytest.mark.parametrize(
    "wrong",
    [{"variant": "x"}, {"alpha": 1.0}, {"hops": -1}, {"hops": 11}, {"least": 0}, {"through": 0},
     {"top": 0}, {"cap": 0}, {"neighbours": 0}, {"power": -1.0}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(wrong):
    made = chain(LEFT)
    with pytest.raises(UsageError, match=f"option {next(iter(wrong))}="):
        one(made, shortlist(made, "q"), **wrong)


def test_scores_never_rise():
    found = one(chain(LEFT), shortlist(chain(LEFT), "q"))
    assert all(a >= b for a, b in pairwise(found.scores))


def test_a_query_that_is_its_own_first_hit_needs_no_features():
    made = chain(LEFT, explain=True)
    given = shortlist(made, "A")
    assert made.ids[given.rows[0]] == "A"
    found = one(made, given, variant="bfs")
    assert {made.ids[row] for row in found.explained} == {"A", "B", "C"}


@VARIANTS
def test_a_query_that_is_an_item_is_its_own_first_hit_unless_it_is_barred(variant):
    made = chain(LEFT, explain=True)
    found = one(made, shortlist(made, "A"), variant=variant)
    assert [made.ids[row] for row in found.rows] == ["A", "B", "C", "other"]
    assert found.explained[0]["path"] == ["A"]
    assert found.explained[1]["path"] == ["A", "B"]
    assert found.explained[2]["path"] == ["A", "B", "C"]
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores[0] > found.scores[1]
    barred = one(made, shortlist(made, "A", barred=[0]), variant=variant)
    assert 0 not in barred.rows
    assert 0 not in barred.explained


def test_a_query_that_is_an_item_of_no_pair_stays_where_it_is():
    made = chain(LEFT)
    given = shortlist(made, "other")
    found = one(made, given)
    np.testing.assert_array_equal(found.rows, given.rows)
    np.testing.assert_array_equal(found.scores, given.scores)
