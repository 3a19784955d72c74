"""Counts within the first k beside a plain sort of float64 scores, pair by pair."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from hiertools.geometry import euclidean, lorentz
from hiertools.kernels import counting
from hiertools.kernels.ranked import Ranked
from tests.kernels.interpreted import interpreted

LABELS = 7
MEASURES = [
    Ranked(by, at, farthest, geometry, c)
    for geometry, c in (("lorentz", 1.0), ("lorentz", 2.7), ("euclidean", 1.0))
    for by, at, farthest in (
        ("angle", "query", False),
        ("angle", "query", True),
        ("angle", "point", False),
        ("distance", "query", False),
        ("cosine", "query", False),
        ("product", "query", False),
    )
]
FEW = MEASURES[6:10] + MEASURES[12:16:3] + MEASURES[16:]  # each formula, for the interpreter


def points(n, d=11, *, seed=0, device="cpu"):
    """Return points of many radii, among them the origin and equal ones."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d)) * 10 ** rng.uniform(-2, 1, (n, 1))
    rows[n // 3 : n // 2] = rows[: n // 2 - n // 3]
    rows[n // 2 : n // 2 + 1] = 0
    return torch.from_numpy(rows.astype(np.float32)).to(device)


def strided(rows):
    """Return the same numbers, no two of a row beside each other in memory."""
    return rows.T.contiguous().T


def scores(ranked, x, y):
    """Return the score of each pair by its own numbers."""
    x, y = x.double()[:, None], y.double()[None]
    if ranked.by == "product":
        return (x * y).sum(-1)
    if ranked.by == "cosine":
        norms = (x.norm(dim=-1) * y.norm(dim=-1)).clamp(min=1e-300)
        return (x * y).sum(-1) / norms
    geometry = lorentz if ranked.curved else euclidean
    if ranked.by == "distance":
        return -geometry.distance(x, y, ranked.c)
    pair = (x, y) if ranked.at == "query" else (y, x)
    return geometry.angle(*pair, ranked.c) * (1 if ranked.farthest else -1)


def by_sorting(ranked, x, y, codes, ks, barred):
    """Return what `label_counts` is to return, by numpy's stable sort."""
    found = np.zeros((len(x), len(ks), LABELS), np.int64)
    for q, row in enumerate(scores(ranked, x.cpu(), y.cpu()).numpy()):
        order = np.argsort(-row, kind="stable")
        out = barred[1][barred[0][q] : barred[0][q + 1]].tolist() if barred else []
        kept = [place for place in order if place not in out]
        for i, k in enumerate(ks):
            found[q, i] = np.bincount(codes.numpy()[kept[:k]], minlength=LABELS)
    return found


def compare(ranked, x, y, ks, *, barred=None, count=counting.label_counts):
    """Compare counts, which are of mixed codes, with those by sorting."""
    codes = torch.arange(len(y)) * 31 % LABELS
    moved = None if barred is None else tuple(each.to(x.device) for each in barred)
    options = {"ks": ks, "labels": LABELS, "barred": moved}
    found = count(ranked, x, y, codes.to(x.device), **options)
    np.testing.assert_array_equal(found.cpu(), by_sorting(ranked, x, y, codes, ks, barred))


@pytest.mark.parametrize("ranked", MEASURES, ids=str)
def test_counts_are_those_of_a_sort(ranked):
    y = points(1003)
    x = torch.cat([points(9, seed=1), y[3:5], y[501:502]])
    compare(ranked, x, y, (1, 2, 10, 333, 900, 1003, 5000))
    barred = torch.arange(13) * 40, torch.randperm(1003)[:480]
    compare(ranked, x, y, (5, 500, 963, 1003), barred=barred)


@pytest.mark.parametrize("ranked", MEASURES[:6], ids=str)
def test_the_definition_counts_the_same(ranked):
    y = torch.randn(130, 5, generator=torch.Generator().manual_seed(0))
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    barred = torch.tensor([0, 0, 3, 3, 5]), torch.tensor([1, 8, 129, 0, 64])
    compare(ranked, x, y, (1, 50, 129), barred=barred, count=counting.definition)


@pytest.mark.parametrize("size", [1e-39, 1e20, 1e38])
@pytest.mark.parametrize("ranked", [*MEASURES[:6], *MEASURES[15:]], ids=str)
def test_points_too_small_or_large_for_float32_numbers_of_theirs(ranked, size):
    y = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    y[7] *= size
    codes, options = torch.arange(300) % LABELS, {"ks": (0, 10, 290, 300), "labels": LABELS}
    found, expected = (
        count(ranked, y[10:14], y, codes, barred=None, **options)
        for count in (counting.label_counts, counting.definition)
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("ranked", MEASURES[:6], ids=str)
def test_points_that_crowd_are_told_apart(ranked):
    """All but one are in a ball of 1e-6, so that most are in one bucket, and in each other's g."""
    y = points(700) * 1e-6 + torch.full((11,), 0.3)
    y[-1] = 1e4
    x = torch.cat([points(3, seed=2), torch.full((1, 11), 0.3)])
    if ranked.by == "angle":  # whose float64 cosines know no more of such pairs
        x = x[:3]
    codes = torch.arange(700) % LABELS
    found = counting.label_counts(ranked, x, y, codes, ks=(100, 699), labels=LABELS, barred=None)
    assert found.sum(-1).tolist() == [[100, 699]] * len(x)
    assert (found[:, 1] <= torch.bincount(codes)).all()
    expected = torch.from_numpy(by_sorting(ranked, x, y, codes, (100, 699), None))
    assert (found - expected).abs().sum() <= 8  # near ties


def test_nothing_is_counted():
    y = points(20)
    codes = torch.zeros(20, dtype=torch.int64)
    ranked = MEASURES[0]
    options = {"labels": 3, "barred": None}
    assert counting.label_counts(ranked, y[:0], y, codes, ks=(1,), **options).shape == (0, 1, 3)
    assert counting.label_counts(ranked, y, y, codes, ks=(), **options).shape == (20, 0, 3)
    assert not counting.label_counts(ranked, y, y[:0], codes[:0], ks=(1, 2), **options).any()
    everything = torch.arange(21) * 20, torch.arange(20).repeat(20)
    found = counting.label_counts(ranked, y, y, codes, ks=(5,), labels=3, barred=everything)
    assert not found.any()


def test_memory_may_be_of_any_order():
    y = points(400)
    x, codes = points(6, seed=1), torch.arange(400) % LABELS
    options = {"ks": (7, 250), "labels": LABELS, "barred": None}
    expected = counting.label_counts(MEASURES[0], x, y, codes, **options)
    wide = torch.zeros(800, 22)
    wide[::2, ::2] = y
    found = counting.label_counts(MEASURES[0], x.T.contiguous().T, wide[::2, ::2], codes, **options)
    torch.testing.assert_close(found, expected)


needs_triton = pytest.mark.skipif(not find_spec("triton"), reason="Triton is for Linux alone")


def compare_twin(ranked, n, *, device="cpu", count=counting.label_counts):
    """Compare counts by the Triton intervals with those by sorting."""
    y = strided(points(n, device=device))
    x = strided(torch.cat([points(5, seed=1, device=device), y[3:5], y[n // 2 : n // 2 + 1]]))
    compare(ranked, x, y, (1, 2, n // 3, n - 1, n, 5 * n), count=count)
    barred = torch.arange(9) * 40, torch.cat([torch.randperm(n)[:40] for _ in range(8)])
    compare(ranked, x, y, (5, n // 2, n - 40, n), barred=barred, count=count)


@needs_triton
@pytest.mark.parametrize("case", ["interpreted_measures", "interpreted_edges"])
def test_triton_counts_are_those_of_a_sort(case):
    interpreted("test_counting", case)


def interpreted_measures():
    from hiertools.kernels.gpu.counting import label_counts

    for ranked in FEW:
        compare_twin(ranked, 97, count=label_counts)


def interpreted_edges():
    from hiertools.kernels.gpu import counting as gpu

    y = points(20)
    codes = torch.zeros(20, dtype=torch.int64)
    options = {"labels": 3, "barred": None}
    for x, of_y, ks in ((y[:0], y, (1,)), (y, y, ()), (y, y[:0], (1, 2))):
        found = gpu.label_counts(MEASURES[0], x, of_y, codes[: len(of_y)], ks=ks, **options)
        assert found.shape == (len(x), len(ks), 3)
        assert not found.any()
    everything = torch.arange(21) * 20, torch.arange(20).repeat(20)
    found = gpu.label_counts(MEASURES[0], y, y, codes, ks=(5,), labels=3, barred=everything)
    assert not found.any()
    for ranked in FEW:  # points that products do not tell apart
        crowd = points(60)[:20] * 1e-6 + 0.3
        compare(ranked, points(3, seed=2), crowd, (3, 11), count=gpu.label_counts)
    gpu.PAIRS, gpu.SETTLED = 400, 500  # blocks of four queries
    compare_twin(MEASURES[2], 97, count=gpu.label_counts)
    equal = torch.ones(70, 3)
    compare(MEASURES[0], torch.tensor([[0.5, 1, 1]]), equal, (1, 33, 70), count=gpu.label_counts)


@needs_triton
@pytest.mark.parametrize(("kind", "entry"), [(0, 0), (1, 0), (2, 3)])
def test_intervals_compile_for_a_gpu(kind, entry):
    from hiertools.kernels.gpu import intervals
    from tests.kernels.compiled import compiled

    arrays = "x y x_near x_flat x_error y_near y_flat y_inverse low high"
    types = dict.fromkeys(arrays.split(), "*fp32") | dict.fromkeys("nmd", "i32")
    constants = {"KIND": kind, "FARTHEST": kind == 1}
    assert compiled(intervals.write, types, constants, entry=entry).asm["cubin"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("ranked", MEASURES, ids=str)
def test_triton_counts_are_those_of_a_sort_on_a_gpu(ranked):
    compare_twin(ranked, 5003, device="cuda")
