"""Pairs of patches: which features of two patches agree, and the affine map that says where.

A patch pair is a centre in either image and a frame, the 2 x 2 matrix that takes offsets from the
left centre, in pixels, to offsets from the right one. Its left patch is the square of +-`reach`
about the left centre and its right patch is what the frame makes of that square, so that cells of
3 x 3 grids can be compared however far one image is turned. Compiled; see `topology`.
"""

from collections import namedtuple

import numba
import numpy as np

from hiertools.local import kd_tree
from hiertools.local.topology_affine import SCALES, affine, misfit, move

CELLS = 3  # on either side of a patch
NEAR = 0.2  # of the reach: how far a match may be from where the affine map has it
DRIFT = 0.2  # of the reach: as far a patch moves to where it agrees; more would leave holes
COMPANY = 2  # matches in a cell, without which one is taken for chance
SUPPORT = 4  # matches that must turn and grow together about a seed, itself left out
CENTRAL = 0.2  # of the reach: matches nearer to the seed say little about turning
BEYOND = 3.0  # standard deviations over chance at which the cells agree

Side = namedtuple("Side", "points descriptors tree")  # n x 2, n x d (unit rows), n
Patch = namedtuple("Patch", "rows u best likeness")  # buffers: rows, places (in reaches), nearest


def patch(n: int) -> Patch:
    """Return buffers for the features of a patch of an image of n features."""
    return Patch(
        np.empty(n, np.int32), np.empty((n, 2)), np.empty(n, np.int32), np.empty(n, np.float32)
    )


@numba.njit(cache=True)  # type: ignore[misc]
def seed_frame(left, right, near, far, place, reach, least):  # type: ignore[no-untyped-def]
    """Write the turn and scale of most matches about a seed to place[4:]; say if it has support.

    place: the seed in both images, x, y, x', y' and then the frame (8); its patches are squares of
    +-reach[0] and +-reach[1].
    """
    n = _square(left, place[0], place[1], reach[0], near)
    m = _square(right, place[2], place[3], reach[1], far)
    if n < least or m < least:
        return False
    _nearest(left, right, near, far, n, m)
    u, v = near.u[:n], far.u[near.best[:n]]
    outer = u[:, 0] ** 2 + u[:, 1] ** 2 >= CENTRAL**2
    most = _most_support(u[outer], v[outer], place[4:])
    place[4:] *= reach[1] / reach[0]
    det = place[4] ** 2 + place[5] ** 2
    return most >= SUPPORT and SCALES[0] ** 2 < det < SCALES[1] ** 2


@numba.njit(cache=True)  # type: ignore[misc]
def _most_support(u, v, frame):  # type: ignore[no-untyped-def]
    """Write the turn and scale to `frame` that takes most u (n x 2) near v; return how many.

    Each pair proposes w = v / u, as complex numbers, and has the support of those with |v - w u|
    at most NEAR. Of equals the first is taken.
    """
    most = 0
    frame[:] = 0
    for i in range(len(u)):
        length = u[i, 0] ** 2 + u[i, 1] ** 2
        a = (v[i, 0] * u[i, 0] + v[i, 1] * u[i, 1]) / length
        b = (v[i, 1] * u[i, 0] - v[i, 0] * u[i, 1]) / length
        support = 0
        for j in range(len(u)):
            x = a * u[j, 0] - b * u[j, 1] - v[j, 0]
            y = b * u[j, 0] + a * u[j, 1] - v[j, 1]
            support += x * x + y * y <= NEAR**2
        if support > most:
            most = support
            frame[0], frame[1], frame[2], frame[3] = a, -b, b, a
    return most


@numba.njit(cache=True)  # type: ignore[misc]
def look(left, right, near, far, place, reach, least, agree, matches, misfits):  # type: ignore[no-untyped-def]
    """Compare a patch pair; return how many matches it has, 0 if it does not pass.

    On a pass, `place` moves to the middle of the matches that agree and its frame becomes their
    affine map; matches (rows left and right) and their misfits (in reaches) are written.
    """
    n = _square(left, place[0], place[1], reach, near)
    m = _framed(right, place, reach, far)
    if n < least or m < least:
        return 0
    _nearest(left, right, near, far, n, m)
    v = far.u[near.best[:n]]
    same = _agree(near.u[:n], v, far.u[:m], agree)
    if not same.any():
        return 0
    fit = affine(near.u[:n], v, same)
    count = _matched(near, far, n, fit, matches, misfits)
    if count < SUPPORT:
        return 0
    middle = np.zeros(2)
    for i in range(count):
        middle += near.u[matches[i, 0]] / count
        matches[i, 0], matches[i, 1] = near.rows[matches[i, 0]], far.rows[matches[i, 1]]
    middle = np.minimum(np.maximum(middle, -DRIFT), DRIFT)
    return count if move(place, fit, middle, reach) else 0


@numba.njit(cache=True)  # type: ignore[misc]
def _matched(near, far, n, fit, matches, misfits):  # type: ignore[no-untyped-def]
    """Write the matches, places in both patches, and their misfits; return how many.

    They are mutually nearest, near to where the map has them, and have company in their cell.
    """
    count = 0
    company = np.zeros(CELLS * CELLS, np.int64)
    for i in range(n):
        j = near.best[i]
        off = misfit(fit, near.u[i], far.u[j])
        if far.best[j] == i and off <= NEAR:
            matches[count, 0], matches[count, 1], misfits[count] = i, j, off
            company[_cell(near.u[i])] += 1
            count += 1
    kept = 0
    for k in range(count):
        if company[_cell(near.u[matches[k, 0]])] >= COMPANY:
            matches[kept, 0], matches[kept, 1] = matches[k, 0], matches[k, 1]
            misfits[kept] = misfits[k]
            kept += 1
    return kept


@numba.njit(cache=True)  # type: ignore[misc]
def _square(side, x, y, reach, found):  # type: ignore[no-untyped-def]
    """Find the features of +-reach about a point; return how many."""
    n = kd_tree.within(
        side.points, side.tree, x - reach, y - reach, x + reach, y + reach, found.rows
    )
    for i in range(n):
        row = found.rows[i]
        found.u[i, 0] = (side.points[row, 0] - x) / reach
        found.u[i, 1] = (side.points[row, 1] - y) / reach
    return n


@numba.njit(cache=True)  # type: ignore[misc]
def _framed(side, place, reach, found):  # type: ignore[no-untyped-def]
    """Find the features of the right patch, in the coordinates of the left; return how many."""
    x, y, a, b, c, d = place[2:]
    wide, high = reach * (abs(a) + abs(b)), reach * (abs(c) + abs(d))
    n = kd_tree.within(side.points, side.tree, x - wide, y - high, x + wide, y + high, found.rows)
    det = (a * d - b * c) * reach
    inside = 0
    for i in range(n):
        row = found.rows[i]
        dx, dy = side.points[row, 0] - x, side.points[row, 1] - y
        u, v = (d * dx - b * dy) / det, (a * dy - c * dx) / det
        if abs(u) <= 1 and abs(v) <= 1:
            found.rows[inside] = row
            found.u[inside, 0], found.u[inside, 1] = u, v
            inside += 1
    return inside


@numba.njit(cache=True)  # type: ignore[misc]
def _nearest(left, right, near, far, n, m):  # type: ignore[no-untyped-def]
    """Write the most alike feature of the other patch for each feature of either patch."""
    near.likeness[:n] = -np.inf
    far.likeness[:m] = -np.inf
    likeness = left.descriptors[near.rows[:n]] @ right.descriptors[far.rows[:m]].T
    for i in range(n):
        for j in range(m):
            like = likeness[i, j]
            if like > near.likeness[i]:
                near.likeness[i], near.best[i] = like, j
            if like > far.likeness[j]:
                far.likeness[j], far.best[j] = like, i


@numba.njit(cache=True)  # type: ignore[misc]
def _cell(u):  # type: ignore[no-untyped-def]
    column = min(int((u[0] + 1) * (CELLS / 2)), CELLS - 1)
    return min(int((u[1] + 1) * (CELLS / 2)), CELLS - 1) * CELLS + column


@numba.njit(cache=True)  # type: ignore[misc]
def _agree(u, v, far, agree):  # type: ignore[no-untyped-def]
    """Return which u (n x 2) have their nearest, v, in the same cell; none if that is too few.

    By chance a feature has its nearest in a cell as often as features of the other patch, `far`,
    are there.
    """
    cells = np.zeros(CELLS * CELLS)
    for place in far:
        cells[_cell(place)] += 1 / len(far)
    same = np.zeros(len(u), np.bool_)
    chance = 0.0
    for i in range(len(u)):
        same[i] = _cell(u[i]) == _cell(v[i])
        chance += cells[_cell(u[i])]
    if same.sum() < max(agree * len(u), chance + BEYOND * np.sqrt(chance)):
        same[:] = False
    return same
