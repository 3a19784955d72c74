"""Scans for the k best, compiled: float32 products bar nearly all points, float64 keys the rest.

A point that could be among the k best has a key of at least that of the k-th so far. Of an angle
this is a comparison of squares, without a root or a quotient, which a processor makes for many
points at once. What passes, some thousand of 300,000 points, has its key in float64.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.kernels.counting_loops import (
    ANGLE_AT_POINT,
    COSINE,
    DISTANCE,
    PRODUCT,
    key_of,
    norms,
)

__all__ = ["Kept", "Side", "compact", "norms", "scan"]

CHUNK = 256
CLOSE = 1e-8  # 1 - cos of a pair in whose angle a product may lose
TURN = 1e-6  # radians that an angle of a product is off by at the most
SMALL = 1e-34  # norms whose float32 products lose digits to underflow
ROUNDING = 1e-12  # of other keys, and a share of what they are made of


class Side(NamedTuple):
    """Queries or points: rows, their norms, sn and cs of their radii with c = 1."""

    rows: NDArray[np.float32]
    norm: NDArray[np.float64]
    sn: NDArray[np.float64]
    cs: NDArray[np.float64]


class Kept(NamedTuple):
    """What may be among the k best of b queries: numbers that keys are between, and rows.

    counts: how many there are (b); floors: the least key that matters (b); full: beyond how many
    the worse are left out (b).
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    floors: NDArray[np.float64]
    full: NDArray[np.int64]


@numba.njit(cache=True, parallel=True, error_model="numpy")  # type: ignore[misc]
def scan(products, kind, curved, farthest, scale, g, x, y, of_x, of_y, rows, k, kept):  # type: ignore[no-untyped-def]
    """Keep what may be among the k best of a block. of_x, of_y: groups; scale: sqrt(c)."""
    for q in numba.prange(len(products)):
        found = np.empty(CHUNK, np.bool_)
        for start in range(0, products.shape[1], CHUNK):
            part = products[q, start : start + CHUNK]
            if kept.counts[q] > kept.full[q]:
                _compact(q, k, kept)
            if not _reach(
                part, start, kind, curved, farthest, scale, g, q, x, y, kept.floors[q], found
            ):
                continue
            for j in range(len(part)):
                place = start + j
                if found[j] and (of_x[q] < 0 or of_x[q] != of_y[place]):
                    _keep(q, place, kind, curved, farthest, x, y, rows[place], kept)


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _reach(part, start, kind, curved, farthest, scale, g, q, x, y, floor, found):  # type: ignore[no-untyped-def]
    """Write which points may have a key of the floor, and return how many."""
    stop = start + len(part)
    sn, cs = y.sn[start:stop], y.cs[start:stop]
    a, time = x.sn[q], x.cs[q]
    if kind in (PRODUCT, COSINE, DISTANCE):
        if kind == DISTANCE and curved:  # a p >= cs_a cs_b - (1 - key)
            _lines(part, scale * a, sn, cs, g * a, time, 0.0, floor - 1, found)
        elif kind == DISTANCE:  # 2 a p >= a^2 + b^2 + key
            _lines(part, 2 * a, sn, cs, 2 * g * a, a * a, 1.0, floor, found)
        elif kind == COSINE:
            _lines(part, scale, sn, cs, g - floor, 0.0, 0.0, 0.0, found)
        else:
            _lines(part, x.norm[q], y.norm[start:stop], cs, g * x.norm[q], 0.0, 0.0, floor, found)
    else:
        side, sign = 1 - abs(floor), -1.0 if farthest else 1.0
        flat, bound = floor * abs(floor), floor * abs(floor) - floor * floor * (2 * g + g * g)
        if a == 0 or floor <= -1:
            found[:] = True
        elif kind == ANGLE_AT_POINT:
            _at_points(part, scale, sn, cs, time / a, sign, g, flat, side * side, bound, found)
        else:
            _at_query(part, scale, sn, cs, a, time, sign, g, flat, side * side, bound, found)
    total = np.int32(0)
    for j in range(len(part)):
        found[j] |= y.norm[start + j] < SMALL
        total += np.int32(found[j])
    return total


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _lines(part, scale, sn, cs, error, time, square, rest, found):  # type: ignore[no-untyped-def]
    """Write where scale p + error sn >= time cs + square sn^2 + rest, which may be off a little."""
    for j in range(len(part)):
        right = time * cs[j] + square * sn[j] * sn[j] + rest
        slack = ROUNDING * (
            abs(time) * cs[j] + square * sn[j] * sn[j] + abs(rest) + abs(error) * sn[j]
        )
        found[j] = not scale * part[j] + error * sn[j] < right - slack


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _at_query(part, scale, sn, cs, a, time, sign, g, flat, side, bound, found):  # type: ignore[no-untyped-def]
    for j in range(len(part)):
        p = scale * part[j]
        run = sign * (time * p - a * cs[j]) + g * (time * sn[j] + a * cs[j])
        found[j] = not flat * p * p + side * run * abs(run) < bound * sn[j] * sn[j]


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _at_points(part, scale, sn, cs, slope, sign, g, flat, side, bound, found):  # type: ignore[no-untyped-def]
    for j in range(len(part)):
        p = scale * part[j]
        far = sn[j] * sn[j] * slope
        run = sign * (cs[j] * p - far) + g * (cs[j] * sn[j] + far)
        found[j] = not flat * p * p + side * run * abs(run) < bound * sn[j] * sn[j]


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _keep(q, place, kind, curved, farthest, x, y, row, kept):  # type: ignore[no-untyped-def]
    key, versine = key_of(kind, curved, q, place, x, y)
    slack = TURN
    if kind == PRODUCT:
        slack = ROUNDING * x.norm[q] * y.norm[place]
    elif kind == COSINE:
        slack = ROUNDING
    elif kind == DISTANCE:
        a, b = x.sn[q], y.sn[place]
        slack = ROUNDING * (x.cs[q] * y.cs[place] if curved else a * a + b * b)
        slack += ROUNDING * abs(key)
    elif versine < CLOSE or x.sn[q] == 0 or y.sn[place] == 0:
        slack = np.inf
    key = -key if farthest else key
    if key + slack >= kept.floors[q]:
        at = kept.counts[q]
        kept.low[q, at], kept.high[q, at], kept.rows[q, at] = key - slack, key + slack, row
        kept.counts[q] = at + 1


@numba.njit(cache=True)  # type: ignore[misc]
def _compact(q, k, kept):  # type: ignore[no-untyped-def]
    """Leave out what is worse than k others."""
    n, left = kept.counts[q], 0
    if n >= k:
        kept.floors[q] = max(kept.floors[q], np.partition(kept.low[q, :n], n - k)[n - k])
    for at in range(n):
        if kept.high[q, at] >= kept.floors[q]:
            for column in (kept.low, kept.high):
                column[q, left] = column[q, at]
            kept.rows[q, left] = kept.rows[q, at]
            left += 1
    kept.counts[q] = left
    kept.full[q] = left + max(64, k // 2)


@numba.njit(cache=True, parallel=True)  # type: ignore[misc]
def compact(k, kept):  # type: ignore[no-untyped-def]
    """Leave out what is worse than k others, for all queries."""
    for q in numba.prange(len(kept.counts)):
        _compact(q, k, kept)
