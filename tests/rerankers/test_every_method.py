"""Laws of every method of re-ranking, on a small gallery: a new file is tested by being there."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from hiertools import plugins
from hiertools.errors import UsageError
from hiertools.local.verification import Matching, verify
from hiertools.reranking.shortlist import Shortlist
from tests.local import made as local
from tests.reranking import made

METHODS = sorted(plugins.members(plugins.RERANKERS))
MASKING = {"hypergraph", "spatial", "topological"}
SEARCHING = {"alpha-qe", "aqe", "database-qe", "diffusion", "hypergraph"}
VARIANTS = {
    "diffusion": [
        {"k": 4}, {"k": 4, "mode": "truncated", "truncate": 12}, {"k": 4, "mode": "transductive"},
        {"k": 4, "mode": "offline", "truncate": 12},
    ],
    "hypergraph": [{}, {"variant": "bfs"}],
    "database-qe": [{"n": 3}, {"n": 3, "hits": 4}],
    "k-reciprocal": [{}, {"k1": 5, "k2": 2}, {"mode": "transductive"}],
    "spatial": [{}, {"model": "affine", "top": 4}],
    "superglobal": [{}, {"m": 5, "k": 2}],
    "topological": [{}, {"top": 3}],
}  # fmt: skip
CASES = [(name, given) for name in METHODS for given in VARIANTS.get(name, [{}])]
every_case = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{name}-{row}" for row, (name, _) in enumerate(CASES)]
)
each_alone = pytest.mark.parametrize(  # transductive takes all queries into its graph, and says so
    ("name", "options"), [case for case in CASES if case[1].get("mode") != "transductive"]
)
every_method = pytest.mark.parametrize("name", METHODS)

ITEMS, SCENE, SEEN = 16, 4, 120  # of each scene there are four items, turned more and more


def picture(scene, turn):
    """Return features of a scene in the middle of a picture. A quarter is of this picture alone."""
    places, rows = local.places(SEEN, seed=scene) * 0.25, local.descriptors(SEEN, seed=scene)
    x, y, middle = np.cos(0.15 * turn), np.sin(0.15 * turn), (512, 384)
    model = [[x, -y, middle[0]], [y, x, middle[1]], [0, 0, 1]]
    seen, own = local.seen(places - places.mean(0), model), SEEN // 4
    seen[:own] = local.places(own, seed=100 * scene + turn)
    rows = np.vstack([local.descriptors(own, seed=100 * scene + turn), rows[own:]])
    return local.features(seen, rows, scales=np.full(SEEN, 3.0))


@cache
def material():
    """Return vectors, ids and features of items, and the same of queries; i5 is an item too."""
    rng = np.random.default_rng(5)
    middles = rng.normal(size=(4, 6)) + 0.8
    vectors = np.repeat(middles, SCENE, axis=0) + 0.8 * rng.normal(size=(ITEMS, 6))
    ids = [f"i{row}" for row in rng.permutation(ITEMS)]
    features = {key: picture(row // SCENE, row % SCENE) for row, key in enumerate(ids)}
    queries = {f"q{n}": middles[n] + 0.3 * rng.normal(size=6) for n in range(3)}
    features |= {key: picture(int(key[1:]), SCENE) for key in queries}
    return vectors, ids, features, queries


@cache
def pair(left, right, model):
    features = material()[2]
    return verify(features[left], features[right], Matching(0.8, 4.0, model, 6, 0))


class Verified:
    """Pairs of items, verified when they are asked for."""

    def __init__(self, model):
        self.options = Matching(0.8, 4.0, model, 6, 0).document()
        self._model, self._ids = model, sorted(material()[1])

    def pair(self, left, right):
        if left not in self._ids or right not in self._ids or left == right:
            return None
        first, second = sorted([left, right])
        found = pair(first, second, self._model)
        return found if left == first else found.reversed()

    def others(self, key):
        counts = [(other, len(self.pair(key, other))) for other in self._ids if other != key]
        return sorted((each for each in counts if each[1]), key=lambda each: (-each[1], each[0]))

    def size(self, key):
        return material()[2][key].width, material()[2][key].height


def gallery(model="homography", order=None, **more):
    vectors, ids, features, queries = material()
    order = np.arange(ITEMS) if order is None else order
    return made.gallery(
        vectors[order], queries, ids=[ids[row] for row in order], features=features,
        verified=Verified(model), **more,
    )  # fmt: skip


QUERIES = [("q0", 16, (), None), ("i5", 9, (3, 8), 9), ("q1", 7, (1,), 12), ("q2", 12, (), 5)]


def shortlists(items):
    """Return shortlists, whole and cut, some with barred items and with fewer hits than wanted."""
    ids = material()[1]
    return [
        made.shortlist(items, query, hits=hits, barred=[items.row(ids[row]) for row in barred], k=k)
        for query, hits, barred, k in QUERIES
    ]


def run(name, options, items=None, given=None):
    member = plugins.members(plugins.RERANKERS)[name]
    items = items or gallery(options.get("model", "homography"))
    given = shortlists(items) if given is None else given
    return list(plugins.Choice(member, (), options).call(iter(given), items))


def plain(found, items):
    """Return all that was found as ids and numbers, to compare."""
    return [
        ([items.ids[row] for row in each.rows.tolist()], each.scores.tolist()) for each in found
    ]


@every_case
def test_every_shortlist_gets_hits_in_order(name, options):
    items = gallery(options.get("model", "homography"), explain=True, masks=True)
    given = shortlists(items)
    found = run(name, options, items, given)
    assert len(found) == len(given)
    changed = 0
    for each, before in zip(found, given, strict=True):
        rows = each.rows.tolist()
        assert len(rows) == len(each.scores) == len(set(rows))
        assert set(rows) <= set(range(ITEMS))
        assert np.isfinite(each.scores).all()
        assert (np.diff(each.scores) <= 0).all()
        assert {type(row) for row in [*each.explained, *each.masks]} <= {int}
        if name in SEARCHING:
            assert not set(rows) & set(before.barred.tolist())
            assert len(rows) <= before.k
            if name != "hypergraph":
                assert len(rows) == min(before.k, ITEMS - len(before.barred))
        else:
            assert sorted(rows) == sorted(before.rows.tolist())
        changed += rows != before.rows.tolist()[: len(rows)]
    assert changed


@every_case
def test_explanations_and_masks_change_no_hits_and_come_when_asked_for(name, options):
    model = options.get("model", "homography")
    bare, told = gallery(model), gallery(model, explain=True, masks=True)
    quiet, loud = run(name, options, bare), run(name, options, told)
    assert plain(quiet, bare) == plain(loud, told)
    assert not any(each.explained or each.masks for each in quiet)
    assert json.loads(json.dumps([list(each.explained.values()) for each in loud]))
    assert any(each.explained for each in loud)
    assert any(each.masks for each in loud) == (name in MASKING)
    for mask in (mask for each in loud for masks in each.masks.values() for mask in masks):
        assert len(mask) >= 3
        assert (np.array(mask) >= -0.5).all()
        assert (np.array(mask) <= [1024, 768]).all()


@every_case
def test_the_order_of_the_index_does_not_count(name, options):
    model = options.get("model", "homography")
    items = gallery(model)
    other = gallery(model, np.random.default_rng(9).permutation(ITEMS))
    expected = plain(run(name, options, items), items)
    for (ids, scores), (keys, values) in zip(
        plain(run(name, options, other), other), expected, strict=True
    ):
        assert ids == keys
        np.testing.assert_allclose(scores, values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [each for each in METHODS if each != "hypergraph"])
@pytest.mark.parametrize("other", ["i0", "i15"])
def test_of_equal_hits_the_smaller_id_comes_first(name, other):
    """Two items are the same picture, so that nothing but the id is left to choose by.

    Not so for hypergraph, whose pairs were verified before.
    """
    items = gallery()
    first, second = items.row("i10"), items.row(other)
    vectors = items.vectors.copy()
    vectors[second] = vectors[first]
    features = {**material()[2], other: material()[2]["i10"]}
    twins = replace(items, vectors=vectors, features_of=features.get, verified=None)
    (found,) = run(name, {}, twins, [made.shortlist(twins, "q0")])
    places = [found.rows.tolist().index(row) for row in (first, second)]
    assert found.scores[places[0]] == found.scores[places[1]]
    assert places[1] - places[0] == (1 if other == "i15" else -1)


@every_case
def test_the_same_comes_out_twice(name, options):
    items = [gallery(options.get("model", "homography"), explain=True) for _ in range(2)]
    found = [run(name, options, each) for each in items]
    assert plain(found[0], items[0]) == plain(found[1], items[1])
    assert [each.explained for each in found[0]] == [each.explained for each in found[1]]


@every_case
@pytest.mark.parametrize("block", [1, 3])
def test_the_size_of_blocks_does_not_count(name, options, block):
    items = gallery(options.get("model", "homography"))
    small = replace(items, block=block)
    assert plain(run(name, options, small), small) == plain(run(name, options, items), items)


@each_alone
def test_no_more_queries_are_taken_than_a_block(name, options):
    items = replace(gallery(options.get("model", "homography")), block=2)
    taken = []

    def giving():
        for each in shortlists(items):
            taken.append(each.query)
            yield each

    member = plugins.members(plugins.RERANKERS)[name]
    found = plugins.Choice(member, (), options).call(giving(), items)
    assert taken == []
    next(found)
    assert 1 <= len(taken) <= 2


@each_alone
def test_the_other_queries_do_not_count(name, options):
    items = gallery(options.get("model", "homography"))
    given = shortlists(items)
    alone = [run(name, options, items, [each])[0] for each in given]
    assert plain(alone, items) == plain(run(name, options, items, given), items)


@every_case
def test_a_shortlist_without_hits_stays_empty_or_is_found_again(name, options):
    items = gallery(options.get("model", "homography"))
    nothing = [Shortlist("q0", *[np.zeros(0, np.int64)] * 3, k=k) for k in (0, 5)]
    none, some = run(name, options, items, nothing)
    assert len(none.rows) == len(none.scores) == 0
    assert len(some.rows) == len(some.scores) == (5 if finds(name) else 0)


def finds(name):
    return name in SEARCHING - {"hypergraph"}  # which starts from verified hits


@every_method
def test_no_queries_are_no_work(name):
    assert run(name, {}, given=[]) == []


@every_method
def test_a_gallery_of_one_item_is_no_trouble(name):
    vectors, ids, features, queries = material()
    items = made.gallery(
        vectors[:1], queries, ids=ids[:1], features=features, verified=Verified("homography")
    )
    (found,) = run(name, {}, items, [made.shortlist(items, "q0")])
    assert found.rows.tolist() == [0]
    assert np.isfinite(found.scores).all()


def wrong(option):
    """Return values that are out of the range of an option, whatever it is."""
    kinds = option.type.split(" | ")
    if "bool" in kinds:
        return []
    if "str" in kinds:
        return ["fish"]
    return [-1, float("nan"), float("inf")] if "float" in kinds else [-1]


@every_method
def test_an_option_out_of_its_range_is_refused_before_any_work(name):
    member = plugins.members(plugins.RERANKERS)[name]
    for option in member.options:
        for value in wrong(option):
            with pytest.raises(UsageError) as raised:
                list(plugins.Choice(member, (), {option.name: value}).call([], gallery()))
            assert option.name in str(raised.value)
            assert str(value) in str(raised.value)
