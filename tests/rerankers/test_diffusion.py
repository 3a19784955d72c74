"""Diffusion: laws, a toy where it finds what cosines do not, and its four modes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiertools.errors import UsageError, UserError
from hiertools.rerankers import diffusion
from hiertools.reranking import diffusing, offline
from hiertools.reranking.affinity import affinity, normalised
from hiertools.reranking.diffusing import MODES, Settings
from hiertools.reranking.neighbours import Neighbours, nearest
from tests.reranking.made import gallery, shortlist, unit
from tests.reranking.test_neighbours import CPU, clustered

EXACT = {"tolerance": 1e-12, "iterations": 10_000}


def made(n=80, count=9, **more):
    """Return a gallery of clusters with queries near items, and a shortlist for each."""
    vectors = clustered(n)
    rng = np.random.default_rng(5)
    queries = {
        f"q{row}": vectors[row] + 0.1 * rng.standard_normal(vectors.shape[1])
        for row in range(count)
    }
    found = gallery(vectors, queries, **more)
    return found, [shortlist(found, query) for query in queries]


def run(shortlists, items, **options):
    return list(diffusion.rerank(shortlists, items, **options))


def assert_same(found, expected):
    for each, other in zip(found, expected, strict=True):
        assert_array_equal(each.rows, other.rows)
        assert_array_equal(each.scores, other.scores)


def average_precision(rows, right):
    hits = np.isin(rows, right)
    return (np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).sum() / len(right)


def bananas(n=150):
    """Return points on two half circles that hold each other, as directions, and which is whose."""
    angle = np.linspace(0, np.pi, n)
    first = np.stack([np.cos(angle), np.sin(angle)], 1)
    second = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    points = np.concatenate([first, second])
    sphere = np.concatenate([points, np.full((2 * n, 1), 3.0)], 1)  # nearly flat there
    return unit(sphere), np.repeat([0, 1], n)


@pytest.mark.parametrize("mode", MODES)
def test_on_bananas_diffusion_finds_what_cosines_do_not(mode):
    vectors, whose = bananas()
    items = gallery(vectors, {"a": vectors[0], "b": vectors[-1]})
    shortlists = [shortlist(items, query) for query in "ab"]
    found = run(shortlists, items, mode=mode, k=8, power=50, seeds=3, **EXACT)
    for before, after, right in zip(shortlists, found, (0, 1), strict=True):
        own = np.flatnonzero(whose == right)
        assert average_precision(before.rows, own) < 0.8
        assert average_precision(after.rows, own) == 1


def test_scores_are_those_of_the_dense_solve():
    items, shortlists = made()
    found = run(shortlists, items, k=8, alpha=0.9, power=2, seeds=4, **EXACT)
    similar = items.vectors.astype(np.float64) @ items.vectors.T.astype(np.float64)
    np.fill_diagonal(similar, -np.inf)
    near = np.zeros(similar.shape, bool)
    np.put_along_axis(near, np.argsort(-similar, axis=1)[:, :8], True, axis=1)
    a = np.where(near & near.T, np.maximum(similar, 0) ** 2, 0)
    root = 1 / np.sqrt(np.maximum(a.sum(1), 1e-300)) * (a.sum(1) > 0)
    for each, after in zip(shortlists, found, strict=True):
        cosines = items.vectors.astype(np.float64) @ items.vector(each.query)
        y = np.zeros(len(cosines))
        y[np.argsort(-cosines)[:4]] = np.sort(np.maximum(cosines, 0) ** 2)[::-1][:4]
        f = np.linalg.solve(np.eye(len(a)) - 0.9 * root[:, None] * a * root, y)
        warm = int((f > 1e-9).sum())
        assert_allclose(after.scores[:warm], np.sort(f)[::-1][:warm], rtol=1e-6)
        assert_array_equal(after.rows[:warm], np.argsort(-f)[:warm])


@pytest.mark.parametrize("mode", ["online", "truncated", "offline"])
def test_nothing_leaks_between_blocks_and_the_rest_keeps_its_order(mode):
    """Two groups at right angles: of the other one nothing is known but the initial order."""
    vectors = np.zeros((40, 8))
    vectors[:20, :4], vectors[20:, 4:] = np.abs(clustered(40, 4)[:20]), np.abs(clustered(20, 4))
    items = gallery(vectors, {"q": [*vectors[3, :4], 0.2, 0.1, 0.1, 0.3]})
    given = shortlist(items, "q")
    (found,) = run([given], items, mode=mode, k=30, seeds=5)
    assert sorted(found.rows[:20]) == list(range(20))
    assert_array_equal(found.rows[20:], given.rows[given.rows >= 20])
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("mode", ["online", "truncated", "offline"])
@pytest.mark.parametrize("alpha", [0.0, 1e-9])
def test_as_alpha_goes_to_nothing_the_order_is_that_of_y(mode, alpha):
    items, shortlists = made()
    for before, after in zip(
        shortlists, run(shortlists, items, mode=mode, alpha=alpha), strict=True
    ):
        assert_array_equal(after.rows[:10], before.rows[:10])
        cosines = items.vectors[before.rows[:10]].astype(np.float64) @ items.vector(before.query)
        assert_allclose(after.scores[:10], cosines**3, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_the_items_does_not_matter(mode):
    items, shortlists = made()
    order = np.random.default_rng(2).permutation(len(items.ids))
    queries = {each.query: items.queries[each.query] for each in shortlists}
    mixed = gallery(items.vectors[order], queries, ids=[items.ids[row] for row in order])
    others = run([shortlist(mixed, each.query) for each in shortlists], mixed, mode=mode, k=9)
    for each, other in zip(run(shortlists, items, mode=mode, k=9), others, strict=True):
        assert [items.ids[row] for row in each.rows] == [mixed.ids[row] for row in other.rows]
        assert_allclose(each.scores, other.scores, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_items_of_no_link_and_of_no_length_are_finite(mode):
    vectors = np.concatenate([clustered(30), np.zeros((2, 8)), np.eye(8)[:1] * -1])
    items = gallery(vectors, {"nothing": np.zeros(8), "alone": vectors[-1], "q": vectors[0]})
    shortlists = [shortlist(items, query) for query in items.queries]
    for before, after in zip(
        shortlists, run(shortlists, items, mode=mode, k=3, seeds=2), strict=True
    ):
        assert np.isfinite(after.scores).all()
        assert sorted(after.rows) == list(range(33))
        if before.query == "nothing":
            assert_array_equal(after.rows, before.rows)
            (alone,) = run([before], items, mode=mode, k=3, seeds=2)
            assert_array_equal(alone.rows, before.rows)


def test_truncated_by_nothing_it_is_the_whole_graph():
    items, shortlists = made()
    for truncate in (80, 1000):
        found = run(shortlists, items, mode="truncated", truncate=truncate, k=9)
        assert_same(found, run(shortlists, items, k=9))


def test_beyond_a_size_online_is_truncated(monkeypatch):
    items, shortlists = made()
    monkeypatch.setattr(diffusing, "TRUNCATED", 12)
    expected = run(shortlists, items, mode="truncated", k=9)
    assert not all(
        np.array_equal(each.rows, other.rows)
        for each, other in zip(expected, run(shortlists, items, k=9), strict=True)
    )
    monkeypatch.setattr(diffusing, "LARGE", 79)
    assert_same(run(shortlists, items, k=9), expected)


def test_offline_is_near_online_and_equal_where_it_holds_all():
    items, shortlists = made(300)
    options = {"k": 12, **EXACT}
    online = run(shortlists, items, **options)
    for truncate, least in ((300, 1.0), (120, 0.9)):
        found = run(shortlists, items, mode="offline", truncate=truncate, **options)
        for each, other in zip(found, online, strict=True):
            assert np.isin(each.rows[:50], other.rows[:50]).mean() >= least
            if truncate == 300:
                assert_allclose(each.scores[:50], other.scores[:50], rtol=1e-5)


def solved(items, settings):
    normal = normalised(affinity(items.neighbours(settings.k), power=settings.power))
    made = settings.offline
    return offline.solves(
        items.vectors, normal, settings.how, truncate=made["truncate"], options=made,
        device=CPU, tick=lambda done: None,
    )  # fmt: skip


def test_solves_that_were_made_before_are_those_made_now(monkeypatch):
    items, shortlists = made()
    settings = Settings("offline", 9, 0.99, 3.0, 10, 1e-6, 20, 30)
    monkeypatch.setattr(offline, "ITEMS", 7)
    before = replace(items, solves=solved(items, settings))
    options = {"mode": "offline", "k": 9, "truncate": 30}
    assert_same(run(shortlists, before, **options), run(shortlists, items, **options))
    with pytest.raises(UserError, match="the graph was solved with k=9, not 8; give k=9"):
        run(shortlists, before, **{**options, "k": 8})


def test_equal_items_do_not_oust_the_item_itself():
    items = gallery(np.tile([[1.0, 2.0]], (9, 1)), {"q": [1.0, 2.0]})
    (found,) = run([shortlist(items, "q")], items, mode="offline", truncate=2, k=3, seeds=9)
    assert_array_equal(found.rows, range(9))


@pytest.mark.parametrize("mode", MODES)
def test_blocks_change_nothing(mode):
    (items, shortlists), (alone, _) = made(block=4), made(block=1)
    expected = run(shortlists, items, mode=mode, k=9)
    assert_same(run(shortlists, alone, mode=mode, k=9), expected)


@pytest.mark.parametrize("mode", MODES)
def test_other_queries_matter_where_the_mode_says_so(mode):
    items, shortlists = made()
    together, alone = (
        run(each, items, mode=mode, k=9)[:3] for each in (shortlists, shortlists[:3])
    )
    if mode != "transductive":
        assert_same(alone, together)
    else:
        assert any((a.scores != b.scores).any() for a, b in zip(alone, together, strict=True))


def test_at_most_a_block_of_queries_is_taken_before_one_is_done():
    items, shortlists = made(block=2)
    taken = []
    waiting = (taken.append(each) or each for each in shortlists)
    found = diffusion.rerank(waiting, items)
    assert not taken
    next(found)
    assert len(taken) == 2


def test_neighbours_that_were_found_before_are_used():
    items, shortlists = made()
    near = nearest(items.vectors, items.vectors, 12, device=CPU, without_self=True)
    before = replace(items, graph=near)
    for k in (9, 12, 20):
        assert_same(run(shortlists, before, k=k), run(shortlists, items, k=k))
    lies = replace(items, graph=Neighbours(np.roll(near.rows, 1, axis=0), near.similarities))
    assert any(
        (a.scores != b.scores).any()
        for a, b in zip(run(shortlists, lies, k=9), run(shortlists, items, k=9), strict=True)
    )


@pytest.mark.parametrize("mode", MODES)
def test_barred_items_are_neither_hits_nor_where_heat_starts(mode):
    items, _ = made()
    given = shortlist(items, "q0", barred=[0, 5, 7])
    (found,) = run([given], items, mode=mode, k=9)
    assert sorted(found.rows) == sorted(set(range(80)) - {0, 5, 7})
    few = np.arange(40)
    (found,) = run([shortlist(items, "q0", barred=np.setdiff1d(range(80), few))], items, mode=mode)
    assert_array_equal(np.sort(found.rows), few)


def test_many_barred_items_are_left_out_in_another_way(monkeypatch):
    items, _ = made()
    shortlists = [shortlist(items, "q0", barred=[0, 5, 7]), shortlist(items, "q1")]
    expected = run(shortlists, items, k=9)
    monkeypatch.setattr("hiertools.reranking.seeding.FEW", 2)
    assert_same(run(shortlists, items, k=9), expected)


@pytest.mark.parametrize("mode", MODES)
def test_items_are_queries_too(mode):
    items, _ = made()
    given = [shortlist(items, "i3", barred=[3]), shortlist(items, "i4", barred=[4])]
    for each, own in zip(run(given, items, mode=mode, k=9), (3, 4), strict=True):
        assert sorted(each.rows) == sorted(set(range(80)) - {own})


def test_heat_starts_from_a_query_that_is_an_item_where_it_is_in_the_graph():
    items, _ = made(explain=True)
    (found,) = run([shortlist(items, "i3", barred=[3])], items, mode="transductive", k=6, seeds=1)
    paths = [about["path"] for about in found.explained.values()]
    assert {path[0] for path in paths} == {"i3"}
    first = {int(path[1][1:]) for path in paths}
    assert len(first) > 1
    assert first <= set(items.neighbours(6).rows[3])


def test_transductive_may_be_truncated():
    items, shortlists = made()
    whole, all_of_it, some = (
        run(shortlists, items, mode="transductive", k=9, truncate=truncate)
        for truncate in (0, 1000, 12)
    )
    assert_same(all_of_it, whole)
    assert any((a.scores != b.scores).any() for a, b in zip(some, whole, strict=True))


def test_where_heat_starts_is_never_truncated():
    items, _ = made()
    nearest_of_all = shortlist(items, "q0").rows[:4]
    given = shortlist(items, "q0", barred=nearest_of_all)
    (found,) = run([given], items, mode="truncated", truncate=1, seeds=3, alpha=0.0)
    assert_array_equal(found.rows[:3], given.rows[:3])
    cosines = items.vectors[given.rows[:3]].astype(np.float64) @ items.vector("q0")
    assert_allclose(found.scores[:3], cosines**3, rtol=1e-6)


def test_short_lists_are_filled_from_the_whole_index():
    items, _ = made()
    for hits in (1, 5):
        given = shortlist(items, "q0", hits=hits, k=80)
        (found,) = run([given], items, k=2, seeds=2)
        assert sorted(found.rows) == list(range(80))
        assert (np.diff(found.scores) <= 0).all()
    few = shortlist(items, "q0", k=7)
    assert len(run([few], items)[0].rows) == 7


@pytest.mark.parametrize("mode", MODES)
def test_a_hit_is_explained_by_a_route_of_links(mode):
    items, shortlists = made(explain=True)
    for each, found in zip(
        shortlists, run(shortlists, items, mode=mode, k=6, seeds=2), strict=True
    ):
        routes = {row: about["path"] for row, about in found.explained.items()}
        assert all(len(set(path)) == len(path) for path in routes.values())
        assert all((path[0], path[-1]) == (each.query, f"i{row}") for row, path in routes.items())
        assert any(len(path) > 2 for path in routes.values())
        if mode == "online":
            near = items.neighbours(6).rows
            links = [pair for path in routes.values() for pair in pairwise(path[1:])]
            for a, b in ((int(a[1:]), int(b[1:])) for a, b in links):
                assert a in near[b]
                assert b in near[a]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "offside"}, "no mode 'offside'; there are online, truncated, offline, trans"),
        ({"alpha": 1.0}, "alpha=1 is not in the range"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"power": 0.0}, "power=0 is not above 0"),
        ({"tolerance": float("inf")}, "tolerance=inf"),
        ({"k": 0}, "k=0 is not at least 1"),
        ({"seeds": 0}, "seeds=0"),
        ({"iterations": 0}, "iterations=0"),
        ({"truncate": -1}, "truncate=-1"),
    ],
)
def test_options_are_checked_before_anything_is_done(options, message):
    with pytest.raises(UsageError, match=message):
        diffusion.rerank(None, None, **options)
