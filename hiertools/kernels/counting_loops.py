"""Counts within the first k, compiled: intervals of keys in float32, settled in float64.

A cosine of float32 products is within `g` of what it is, so a key is between two numbers. The
k-th greatest of all lower ones and of all upper ones are a bracket of the k-th key, in buckets:
points above it are within, those below it are not, and only those in it, some hundred of 300,000,
have their keys in float64. Ties are by place.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.kernels.key_formulas import nearness, turned

ANGLE_AT_QUERY, ANGLE_AT_POINT, DISTANCE, COSINE, PRODUCT = range(5)
KINDS = {
    ("angle", "query"): ANGLE_AT_QUERY,
    ("angle", "point"): ANGLE_AT_POINT,
    ("distance", "query"): DISTANCE,
    ("cosine", "query"): COSINE,
    ("product", "query"): PRODUCT,
}
BUCKETS = 1 << 16
CROWD = 16  # a bracket of more than 1/16 of the points is made narrower

ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
UNITS = np.float32(2.0**-21)  # eight units of rounding
LAST = np.float32(BUCKETS - 2)
SAMPLED = 61  # one of so many
LEAST = np.float32(1e-30)  # a width that buckets can share
MOST = np.float32(2.0**125)  # beyond which keys count as equal: two of them have a difference
NAN = np.float32(np.nan)
ONE_BUCKET = np.int32(1)
BARRED = np.int32(-(2**31))
CHUNK = 1 << 9


class Query(NamedTuple):
    """Queries: rows; sn and cs of radii; near, flat: the float32 numbers of the keys; g."""

    rows: NDArray[np.float32]
    norm: NDArray[np.float64]
    sn: NDArray[np.float64]
    cs: NDArray[np.float64]
    near: NDArray[np.float32]
    flat: NDArray[np.float32]
    g: NDArray[np.float32]


class Point(NamedTuple):
    """Points as `Query`; inverse: of norms, 0 for 0."""

    rows: NDArray[np.float32]
    norm: NDArray[np.float64]
    sn: NDArray[np.float64]
    cs: NDArray[np.float64]
    near: NDArray[np.float32]
    flat: NDArray[np.float32]
    inverse: NDArray[np.float32]


class Barred(NamedTuple):
    """Places that a query does not rank: those of query q are places[starts[q] : starts[q + 1]]."""

    starts: NDArray[np.int64]
    places: NDArray[np.int64]


@numba.njit(cache=True, parallel=True, fastmath=True)  # type: ignore[misc]
def norms(rows):  # type: ignore[no-untyped-def]
    """Return |x| of rows of float32, in float64."""
    found = np.empty(len(rows))
    for i in numba.prange(len(rows)):
        total = 0.0
        for k in range(rows.shape[1]):
            total += np.float64(rows[i, k]) * np.float64(rows[i, k])
        found[i] = np.sqrt(total)
    return found


@numba.njit(cache=True, parallel=True, error_model="numpy")  # type: ignore[misc]
def count(products, kind, curved, farthest, x, y, barred, codes, ks, counts, parts):  # type: ignore[no-untyped-def]
    """Write how often each code is within the first k (b x ks x codes)."""
    b, n = products.shape
    for part in numba.prange(parts):
        ends = np.empty((2, n), np.float32)
        buckets = np.empty((2, n), np.int32)
        places = np.empty((len(ks), n), np.int32)
        numbers = np.empty((len(ks) + 1, counts.shape[2]), np.int32)
        for q in range(part * b // parts, (part + 1) * b // parts):
            _intervals(products[q], kind, farthest, q, x, y, ends[0], ends[1])
            out = barred.places[barred.starts[q] : barred.starts[q + 1]]
            there = n - len(out)
            bracket = _bracket(ends, ks, out, buckets)
            found = _sort_out(buckets, bracket, codes, numbers, places)
            if found.sum() > len(ks) * (n // CROWD):
                bracket = _narrow(ends, ks, out, buckets)
                found = _sort_out(buckets, bracket, codes, numbers, places)
            for i, k in enumerate(ks):
                missing = min(k, there) - _above(numbers, i, counts[q, i])
                band = places[i, : found[i]]
                _settle(band, missing, kind, curved, farthest, q, x, y, codes, counts[q, i])


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _intervals(row, kind, farthest, q, x, y, low, high):  # type: ignore[no-untyped-def]
    if kind == ANGLE_AT_QUERY:
        _of_angles_at_query(row, y, x.near[q], x.flat[q], x.g[q], low, high)
    elif kind == ANGLE_AT_POINT:
        _of_angles_at_point(row, y, x.near[q], x.g[q], low, high)
    else:
        _of_lines(row, y, x.near[q], x.g[q], low, high)
    if farthest:
        for j in range(len(row)):
            low[j], high[j] = -high[j], -low[j]
    for j in range(len(row)):  # what is not a number rules nothing out
        low[j] = min(low[j], MOST) if low[j] >= -MOST else -MOST
        high[j] = max(high[j], -MOST) if high[j] <= MOST else MOST


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _of_angles_at_query(row, y, near, flat, g, low, high):  # type: ignore[no-untyped-def]
    for j in range(len(row)):
        far = y.near[j]
        low[j], high[j] = _of_angle(row[j] * y.inverse[j], g, near, far, flat)


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _of_angles_at_point(row, y, far, g, low, high):  # type: ignore[no-untyped-def]
    for j in range(len(row)):
        low[j], high[j] = _of_angle(row[j] * y.inverse[j], g, y.near[j], far, y.flat[j])


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _of_angle(cosine, g, near, far, flat):  # type: ignore[no-untyped-def]
    """Return numbers that run/(|run| + rise) is between, in Klein's disc, where lines are straight.

    near, far: tanh of the radii of the angle's point and the other; flat: 1/cosh of the former.
    """
    size, run = abs(cosine), far * cosine - near
    inner, outer = max(ZERO, size - g), min(ONE, size + g)
    most = flat * far * np.sqrt(ONE - inner * inner) * (ONE + UNITS)
    least = flat * far * np.sqrt(ONE - outer * outer) * (ONE - UNITS)
    error = g * far + UNITS * near
    first, last = run - error, run + error
    below = abs(first) + (most if first > ZERO else least)
    above = abs(last) + (least if last > ZERO else most)
    low = first / below - UNITS if below > ZERO else -ONE
    high = last / above + UNITS if above > ZERO else ONE
    return low, high


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _of_lines(row, y, near, g, low, high):  # type: ignore[no-untyped-def]
    """Write the intervals of keys that are linear in the cosine: flat + near * y.near * cosine."""
    for j in range(len(row)):
        slope, start = near * y.near[j], y.flat[j]
        cosine = row[j] * y.inverse[j]
        key = start + slope * (cosine if abs(cosine) <= TWO else NAN)
        error = g * slope + UNITS * abs(start)
        low[j], high[j] = key - error, key + error


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _bracket(ends, ks, out, buckets):  # type: ignore[no-untyped-def]
    """Put intervals into buckets of equal width, 0 for the barred; return those of the k-th."""
    first, last = _range(ends[0], ends[1])
    width = last - first
    scale = LAST / width if width > LEAST else ZERO
    found = np.empty((2, len(ks)), np.int32)
    for end in range(2):
        numbers, into = ends[end], buckets[end]
        for j in range(len(into)):
            into[j] = np.int32(min(max((numbers[j] - first) * scale, ZERO), LAST)) + ONE_BUCKET
        into[out] = 0
        histogram = np.zeros(BUCKETS, np.int32)
        for bucket in into:
            histogram[bucket] += ONE_BUCKET
        bucket, above = BUCKETS, 0
        for i, k in enumerate(ks):
            while above < k and bucket > 1:
                bucket -= 1
                above += histogram[bucket]
            found[end, i] = bucket
    return found


@numba.njit(cache=True)  # type: ignore[misc]
def _range(low, high):  # type: ignore[no-untyped-def]
    """Return about where keys are: of a sample, as those beyond go into the last buckets."""
    first, last = low[0], high[0]
    for j in range(0, len(low), SAMPLED):
        first, last = min(first, low[j]), max(last, high[j])
    return first, last


@numba.njit(cache=True)  # type: ignore[misc]
def _narrow(ends, ks, out, buckets):  # type: ignore[no-untyped-def]
    """Return the bracket of exact ends: a bucket is the bits of a number, in the order of these."""
    n = ends.shape[1]
    found = np.empty((2, len(ks)), np.int32)
    for end in range(2):
        bits, into = ends[end].view(np.int32), buckets[end]
        for j in range(n):
            into[j] = bits[j] if bits[j] >= 0 else -(bits[j] & 0x7FFFFFFF)
        into[out] = BARRED
        for i, k in enumerate(ks):
            at = n - max(1, min(k, n))
            found[end, i] = np.partition(into, at)[at]
    found[:] = np.maximum(found, BARRED + 1)
    return found


@numba.njit(cache=True)  # type: ignore[misc]
def _sort_out(buckets, bracket, codes, numbers, places):  # type: ignore[no-untyped-def]
    """Count codes by the first bracket that they are above; return how many are in each bracket.

    numbers: counts (ks + 1 x codes), the last of those above none; places: of those in brackets.
    """
    ks, n = places.shape
    found = np.zeros(ks, np.int64)
    numbers[:] = 0
    row, inside = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.bool_)
    for start in range(0, n, CHUNK):
        under, over = buckets[0, start : start + CHUNK], buckets[1, start : start + CHUNK]
        row[:] = 0
        for i in range(ks):
            if _compare(under, over, bracket[0, i], bracket[1, i], row, inside):
                for j in range(len(under)):
                    if inside[j]:
                        places[i, found[i]] = start + j
                        found[i] += 1
        for j in range(len(under)):
            numbers[row[j], codes[start + j]] += ONE_BUCKET
    return found


@numba.njit(cache=True)  # type: ignore[misc]
def _compare(under, over, bottom, top, row, inside):  # type: ignore[no-untyped-def]
    """Add 1 to the row of points not above a bracket; return how many are inside it."""
    found = np.int32(0)
    for j in range(len(under)):
        below = under[j] <= top
        row[j] += np.int32(below)
        inside[j] = below & (over[j] >= bottom)
    for j in range(len(under)):
        found += np.int32(inside[j])
    return found


@numba.njit(cache=True)  # type: ignore[misc]
def _above(numbers, i, counts):  # type: ignore[no-untyped-def]
    """Write the counts above a bracket, and return their sum."""
    total = 0
    for code in range(len(counts)):
        counts[code] = numbers[: i + 1, code].sum()
        total += counts[code]
    return total


@numba.njit(cache=True)  # type: ignore[misc]
def _settle(band, missing, kind, curved, farthest, q, x, y, codes, counts):  # type: ignore[no-untyped-def]
    """Add those in a bracket that are within the first k by their keys in float64."""
    keys = np.empty(len(band))
    for at, place in enumerate(band):
        key = key_of(kind, curved, q, place, x, y)[0]
        keys[at] = key if farthest else -key
    for at in np.argsort(keys, kind="mergesort")[:missing]:
        counts[codes[band[at]]] += 1


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def key_of(kind, curved, q, j, x, y):  # type: ignore[no-untyped-def]
    """Return the key of a pair by its own numbers in float64, and 1 minus its cosine."""
    product = 0.0
    for i in range(x.rows.shape[1]):
        product += np.float64(x.rows[q, i]) * np.float64(y.rows[j, i])
    norms = x.norm[q] * y.norm[j]
    cosine = product / norms if norms > 0 else 0.0
    if kind == PRODUCT:
        key = product
    elif kind == COSINE:
        key = cosine
    elif kind == DISTANCE:
        key = nearness(cosine, x.sn[q], x.cs[q], y.sn[j], y.cs[j], curved)
    elif kind == ANGLE_AT_QUERY:
        key = turned(cosine, x.sn[q], x.cs[q], y.sn[j], y.cs[j], curved)
    else:
        key = turned(cosine, y.sn[j], y.cs[j], x.sn[q], x.cs[q], curved)
    return key, 1 - cosine
