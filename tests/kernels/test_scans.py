"""Scans beside a plain sort of float64 scores, pair by pair."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.kernels import scans
from hiertools.search import flat
from hiertools.search.best import Collection, Queries, Wanted
from hiertools.search.scores import Measure
from tests.kernels.interpreted import interpreted
from tests.kernels.test_counting import FEW, MEASURES, points, scores, strided

NONE = -1


def found_by(ranked, x, y, k, *, block, groups=None, least=None, make=scans.scan):
    """Return the scores of what a scan keeps, -inf for the rest (b x n)."""
    of_x, of_y = groups or (np.full(len(x), NONE), np.full(len(y), NONE))
    scan = make(ranked, x, of_x, k=k)
    if least is not None:
        scan.raise_floor(np.full(len(x), least))
    kept = torch.full((len(x), len(y)), -torch.inf, dtype=torch.float64)
    alone = scores(ranked, x.cpu(), y.cpu())
    for start in range(0, len(y), block):
        rows = np.arange(start, min(start + block, len(y)))
        given = None if start else scans.norms(y[:block].cpu().numpy())
        last = start + block >= len(y)
        if scan.add(y[start : start + block], rows, of_y[rows], norms=given) or last:
            pairs = scan.take()
            kept[pairs] = alone[pairs]
    return kept, alone


def compare(ranked, x, y, k, *, block=100, groups=None, least=None, make=scans.scan):
    """Compare the best of what is kept with the best of all."""
    options = {"block": block, "groups": groups, "least": least, "make": make}
    kept, alone = found_by(ranked, x, y, k, **options)
    if groups is not None:
        own = torch.from_numpy((groups[0][:, None] == groups[1]) & (groups[0][:, None] >= 0))
        assert not (kept.isfinite() & own).any()
        alone[own] = -torch.inf
    best = alone.sort(descending=True).values[:, :k]
    if least is not None:
        best = torch.where(best >= least, best, -torch.inf)
        kept = torch.where(kept >= least, kept, -torch.inf)
    found = kept.sort(descending=True).values[:, :k]
    np.testing.assert_array_equal(found, best)
    return kept


@pytest.mark.parametrize("ranked", MEASURES, ids=str)
def test_the_best_are_kept(ranked):
    y = points(703)
    x = torch.cat([points(9, seed=1), y[3:5], y[351:352]])
    for k, block in ((1, 703), (7, 64), (100, 99), (703, 200), (900, 703)):
        compare(ranked, x, y, k, block=block)
    groups = np.arange(12) % 5 - 1, np.arange(703) % 4
    compare(ranked, x, y, 20, groups=groups)
    compare(ranked, x, y, 20, least=float(scores(ranked, x, y).median()))


@pytest.mark.parametrize("ranked", MEASURES, ids=str)
def test_few_more_than_the_best_are_kept(ranked):
    y = torch.randn(4000, 20, generator=torch.Generator().manual_seed(0))
    x = torch.randn(5, 20, generator=torch.Generator().manual_seed(1))
    kept = compare(ranked, x, y, 50, block=500)
    assert (kept.isfinite().sum(1) <= 60).all()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(MEASURES), st.integers(0, 2**32), st.floats(-42, 3), st.integers(1, 8),
    st.integers(1, 50),
)  # fmt: skip
def test_near_and_far_points_are_kept(ranked, seed, size, d, k):
    """Of any size: some equal, some nearly, some on a ray, some 0."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((60, d)) * 10.0**size * 10 ** rng.uniform(-2, 0, (60, 1))
    x = y[:12] * (1 + 1e-7 * rng.standard_normal((12, d)))
    x[:3], x[3], y[5] = y[:3], 0, 0
    y[20:30] = y[30:40] * rng.uniform(0.5, 2, (10, 1))
    x, y = (torch.from_numpy(each.astype(np.float32)) for each in (x, y))
    compare(ranked, x, y, k, block=17)


def test_equal_points_are_all_kept_however_many():
    y = torch.ones(3000, 3)
    kept = compare(MEASURES[0], torch.tensor([[0.5, 1, 1]]), y, 4, block=256)
    assert kept.isfinite().all()


def test_blocks_may_be_of_any_size():
    scan, there = scans.scan(MEASURES[0], torch.tensor([[0.5, 1, 1]]), np.array([-1]), k=1), 0
    found = set()
    for size in (1000, *[10] * 104, 1000, 3, 500):
        rows = np.arange(there, there + size)
        there += size
        if scan.add(torch.ones(size, 3), rows, np.full(size, -1), norms=None):
            found |= set(scan.take()[1].tolist())
    assert found | set(scan.take()[1].tolist()) >= set(range(1000))  # all are equal


def test_nothing_is_found():
    y = points(20)
    scan = scans.scan(MEASURES[0], y[:0], np.zeros(0, np.int64), k=3)
    assert not scan.add(y, np.arange(20), np.zeros(20, np.int64), norms=None)
    assert not len(scan.take()[0])
    scan = scans.scan(MEASURES[0], y, np.zeros(20, np.int64), k=3)
    assert not len(scan.take()[0])
    assert not scan.add(y[:0], np.arange(0), np.zeros(0, np.int64), norms=None)
    assert not scan.add(y, np.arange(20), np.zeros(20, np.int64), norms=None)
    assert not len(scan.take()[0])


def test_memory_may_be_of_any_order():
    wide = torch.zeros(600, 22)
    wide[::2, ::2] = points(300)
    compare(MEASURES[0], points(6, seed=1).T.contiguous().T, wide[::2, ::2], 7)


def test_the_definition_sorts():
    y = points(50)[:16]
    values, places = scans.definition(MEASURES[3], y[:4], y, k=99)
    alone = scores(MEASURES[3], y[:4], y)
    torch.testing.assert_close(values, alone.sort(descending=True).values, atol=1e-6, rtol=1e-6)
    assert places.shape == (4, 16)


needs_triton = pytest.mark.skipif(not find_spec("triton"), reason="Triton is for Linux alone")


def compare_twin(ranked, n, *, device="cpu", block=64, make=scans.scan):
    """Compare what the Triton scan keeps with the best of all."""
    y = strided(points(n, device=device))
    x = torch.cat([points(6, seed=1, device=device), y[3:5], y[n // 2 : n // 2 + 1]])
    options = {"block": block, "make": make}
    compare(ranked, x, y, 7, **options)
    compare(ranked, strided(x), y, n + 1, **options)
    groups = np.arange(9) % 5 - 1, np.arange(n) % 4
    compare(ranked, x, y, 20, groups=groups, **options)
    median = float(scores(ranked, x.cpu(), y.cpu()).median())
    compare(ranked, x, y, 20, least=median, **options)
    plain = torch.randn(n, 20, generator=torch.Generator().manual_seed(0)).to(device)
    kept = compare(ranked, plain[:3], plain, 9, **options)
    assert (kept.isfinite().sum(1) <= 14).all()


@needs_triton
@pytest.mark.parametrize("case", ["interpreted_measures", "interpreted_edges"])
def test_the_triton_scan_keeps_the_best(case):
    interpreted("test_scans", case)


def twin(ranked, x, groups, *, k):
    from hiertools.kernels.gpu.scans import Intervals

    return Intervals(ranked, x, groups, k)


def interpreted_measures():
    for ranked in FEW:
        compare_twin(ranked, 97, make=twin)


def interpreted_edges():
    y = points(20)
    scan = twin(MEASURES[0], y[:0], np.zeros(0, np.int64), k=3)
    assert not scan.add(y, np.arange(20), np.zeros(20, np.int64), norms=None)
    assert not len(scan.take()[0])
    scan = twin(MEASURES[0], y, np.zeros(20, np.int64), k=3)
    assert not scan.add(y[:0], np.arange(0), np.zeros(0, np.int64), norms=None)
    assert not scan.add(y, np.arange(20), np.zeros(20, np.int64), norms=None)
    assert not len(scan.take()[0])
    kept = compare(MEASURES[0], torch.tensor([[0.5, 1, 1]]), torch.ones(300, 3), 4, make=twin)
    assert kept.isfinite().all()  # points that are equal
    for ranked in FEW:  # points that products do not tell apart
        crowd = points(60) * 1e-6 + 0.3
        compare(ranked, points(3, seed=2), crowd, 9, block=60, make=twin)
    rng = np.random.default_rng(0)
    for ranked in FEW[:4]:
        for size in (-18, -4, 3):
            y = rng.standard_normal((60, 3)) * 10.0**size * 10 ** rng.uniform(-2, 0, (60, 1))
            x = y[:6] * (1 + 1e-7 * rng.standard_normal((6, 3)))
            x[:2], x[3], y[5] = y[:2], 0, 0
            y[20:30] = y[30:40] * rng.uniform(0.5, 2, (10, 1))
            x, y = (torch.from_numpy(each.astype(np.float32)) for each in (x, y))
            compare(ranked, x, y, 10, block=60, make=twin)


@needs_triton
def test_hits_are_the_same_by_the_triton_scan():
    interpreted("test_scans", "interpreted_search")


def search(ranked, x, y, device, *, block):
    """Return the bytes of the hits of an exact search, some of whose points are of a group."""
    find = "parents" if ranked.farthest or ranked.at == "point" else "children"
    score = "alpha2" if ranked.farthest else "ext"
    measure = Measure(ranked.by, find, score, ranked.geometry, ranked.c)
    n = len(y)
    searched = Collection(y, np.arange(1, n), np.arange(n), np.arange(n) % 9)
    wanted, asked = Wanted(measure, 12, -2.9, False), Queries(x, np.arange(len(x)) % 4 - 1)
    found = flat.search(wanted, searched, asked, device=torch.device(device), block=block)
    return [(hits.rows.tobytes(), hits.scores.tobytes()) for hits in found]


def interpreted_search():
    flat.WORTH_A_SCAN = flat.WORTH_COMPILED = 0
    y, plain = points(97).numpy(), scans.scan
    for ranked in FEW[:-1]:
        scans.scan = plain
        expected = search(ranked, y[30:36], y, "cpu", block=50)
        scans.scan = twin
        assert search(ranked, y[30:36], y, "cpu", block=50) == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("ranked", [each for each in MEASURES if each.by != "product"], ids=str)
def test_hits_are_the_same_on_a_gpu(ranked):
    y = points(60_000).numpy()
    cpu, cuda = (search(ranked, y[:256], y, name, block=None) for name in ("cpu", "cuda"))
    assert cpu == cuda


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("ranked", MEASURES, ids=str)
def test_the_triton_scan_keeps_the_best_on_a_gpu(ranked):
    compare_twin(ranked, 5003, device="cuda", block=2000)
