"""Keys that put points in the order of `Measure.pairwise`, by one pass over a matrix product.

The order is all that is judged. So a key is the cheapest number that falls with an angle or a
distance, and nothing is kept between a product and its key: a quarter of the time of `pairwise`,
whose formulas (`kernels.key_formulas`) these are. Keys of different queries do not compare.
"""

from typing import NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.geometry import polar
from hiertools.kernels.key_formulas import nearness, turned
from hiertools.search.scores import Measure

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

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
            row[j] = turned(row[j], a, cs, y.sn[j], y.cs[j], curved)


@numba.njit(cache=True, parallel=True, error_model="numpy")  # type: ignore[misc]
def _angles_at_points(products, x, y, curved):  # type: ignore[no-untyped-def]
    for q in numba.prange(len(products)):
        row, b, cs = products[q], x.sn[q], x.cs[q]
        for j in range(len(row)):
            row[j] = turned(row[j], y.sn[j], y.cs[j], b, cs, curved)


@numba.njit(cache=True, parallel=True, error_model="numpy")  # type: ignore[misc]
def _distances(products, x, y, curved):  # type: ignore[no-untyped-def]
    for q in numba.prange(len(products)):
        row, a, cs = products[q], x.sn[q], x.cs[q]
        for j in range(len(row)):
            row[j] = nearness(row[j], a, cs, y.sn[j], y.cs[j], curved)
