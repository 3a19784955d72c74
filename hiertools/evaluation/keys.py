"""Keys that put points in the order of `Measure.pairwise`, by one pass over a matrix product.

The order is all that is judged. So a key is the cheapest number that falls with an angle or a
distance, and nothing is kept between a product and its key: a quarter of the time of `pairwise`,
whose formulas (`geometry.polar`) these are. Keys of different queries do not compare.
"""

from typing import NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.geometry import polar
from hiertools.search.scores import Measure

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

NOISE = 2 * polar.NOISE * float(np.finfo(np.float64).eps)
BLOCK = 1 << 13  # points that are multiplied together


class _Radii(NamedTuple):
    """sn and cs of the radii of points, with c = 1 (see `geometry.polar`)."""

    sn: Floats
    cs: Floats


def norms(points: Vectors, rows: NDArray[np.int64]) -> Floats:
    """Return the norms of some points."""
    blocks = (points[rows[i : i + BLOCK]].astype(np.float64) for i in range(0, len(rows), BLOCK))
    return np.concatenate([np.sqrt((block * block).sum(1)) for block in blocks])


def keys(
    measure: Measure, queries: Vectors, points: Vectors, rows: NDArray[np.int64], lengths: Floats
) -> Floats:
    """Return a key of each point for each query (b x n): the higher, the better.

    rows: of the n points; lengths: their norms.
    """
    found = np.empty((len(queries), len(rows)))
    x = torch.from_numpy(queries).double()
    a = polar.norm(x)
    x = x / polar.nonzero(a)[:, None]
    out = torch.from_numpy(found)
    for start in range(0, len(rows), BLOCK):
        stop = min(start + BLOCK, len(rows))
        y = torch.from_numpy(points[rows[start:stop]]).double()
        y /= polar.nonzero(torch.from_numpy(lengths[start:stop]))[:, None]
        torch.mm(x, y.T, out=out[:, start:stop])
    if measure.by != "cosine":
        _write_keys(measure, found, a.numpy(), lengths)
    return found


def _write_keys(measure: Measure, products: Floats, a: Floats, b: Floats) -> None:
    """Turn the cosines between queries and points of norms a and b into keys."""
    curved = measure.geometry == "lorentz"
    x, y = (_radii(each, measure.c if curved else 0.0) for each in (a, b))
    if measure.by == "distance":
        _distances(products, x, y, curved)
    elif measure.find == "parents" and measure.parent_score == "ext":
        _angles_at_points(products, x, y, curved)
    else:
        _angles_at_queries(products, x, y, curved)
        if measure.find == "parents":
            np.negative(products, out=products)


def _radii(lengths: Floats, c: float) -> _Radii:
    sn = lengths * c**0.5 if c else lengths
    return _Radii(sn, np.sqrt(1 + sn * sn) if c else np.ones_like(sn))


@numba.njit(cache=True, parallel=True, error_model="numpy")  # type: ignore[misc]
def _angles_at_queries(products, x, y, curved):  # type: ignore[no-untyped-def]
    for q in numba.prange(len(products)):
        row, a, cs = products[q], x.sn[q], x.cs[q]
        for j in range(len(row)):
            row[j] = _turned(row[j], a, cs, y.sn[j], y.cs[j], curved)


@numba.njit(cache=True, parallel=True, error_model="numpy")  # type: ignore[misc]
def _angles_at_points(products, x, y, curved):  # type: ignore[no-untyped-def]
    for q in numba.prange(len(products)):
        row, b, cs = products[q], x.sn[q], x.cs[q]
        for j in range(len(row)):
            row[j] = _turned(row[j], y.sn[j], y.cs[j], b, cs, curved)


@numba.njit(cache=True, parallel=True, error_model="numpy")  # type: ignore[misc]
def _distances(products, x, y, curved):  # type: ignore[no-untyped-def]
    for q in numba.prange(len(products)):
        row, a, cs = products[q], x.sn[q], x.cs[q]
        for j in range(len(row)):
            b = y.sn[j]
            versine, gap = _versine(row[j], a, b), b - a
            if curved:
                outward = _outward(gap, a, cs, b, y.cs[j])
                radial = outward * outward / (1 + np.sqrt(1 + outward * outward))
                row[j] = -(radial + a * b * versine)
            else:
                row[j] = -(gap * gap + 2 * a * b * versine)


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _turned(cosine, a, cs_a, b, cs_b, curved):  # type: ignore[no-untyped-def]
    """Return run/(|run| + rise) of an exterior angle at a: from 1 for 0 down to -1 for pi."""
    gap = b - a
    versine = _versine(cosine, a, b)
    squared = versine * (2 - versine)
    rise = b * squared / np.sqrt(max(squared, 2 * NOISE))
    outward = _outward(gap, a, cs_a, b, cs_b) if curved else gap
    run = outward - cs_a * b * versine
    equal = versine == 0 and abs(gap) <= NOISE * (a + b)
    total = abs(run) + rise
    return 0.0 if equal or a == 0 or total == 0 else run / total


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _versine(cosine, a, b):  # type: ignore[no-untyped-def]
    """Return 1 - cos(theta), 0 for points that are equal but for rounding."""
    versine = min(max(1 - cosine, 0.0), 2.0)
    return 0.0 if versine <= NOISE and abs(b - a) <= NOISE * (a + b) else versine


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _outward(gap, a, cs_a, b, cs_b):  # type: ignore[no-untyped-def]
    """Return sinh of the difference of two radii, as `geometry.lorentz` has it."""
    return gap * (1 + (1 + a * a + b * b) / (cs_a * cs_b + a * b)) / (cs_a + cs_b)
