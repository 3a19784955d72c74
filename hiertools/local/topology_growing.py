"""Growing regions: from a seed, over patch pairs that pass, to all that hangs together with it.

Depth first, as in topological RANSAC (An et al., NeurIPS 2023). Compiled; see `topology`.
"""

from collections import namedtuple

import numba
import numpy as np

from hiertools.local.topology_patches import look, seed_frame

GRAIN = 10  # squares of the marks in a reach
TRIED = 0.2  # of the reach: about where a patch was, and no other is looked at
WAITING = 1 << 14  # patches that wait at most; neighbours beyond are not looked at

# Of the left image's squares: the region that has verified them, the seed that tried them.
Marks = namedtuple("Marks", "verified tried grain")
# matches of a region: of each left feature the right one or -1, and how far it is off
Found = namedtuple("Found", "partner misfit matches misfits")


@numba.njit(cache=True)  # type: ignore[misc]
def grow(left, right, near, far, marks, found, place, reach, rules, seed, most):  # type: ignore[no-untyped-def]
    """Grow a region from a seed; return its patches and how many patch pairs were looked at.

    reach: of patches in either image; rules: (least, agree, shift); seed: its number, above the
    numbers of regions, which are negative; most: patch pairs to look at. The region's matches are
    in `found`, and the squares that it has verified have the seed's number in `marks`.
    """
    least, agree, shift = rules
    found.partner[:] = -1
    found.misfit[:] = np.inf
    if most < 1 or not seed_frame(left, right, near, far, place, reach, least):
        return 0, 1
    waiting = np.empty((WAITING, 8))
    waiting[0] = place
    size, patches, looked = 1, 0, 1
    while size and looked < most:
        size -= 1
        place[:] = waiting[size]
        if _marked(marks, place, seed):
            continue
        looked += 1
        x, y = place[0], place[1]
        count = look(
            left, right, near, far, place, reach[0], least, agree, found.matches, found.misfits
        )
        _mark(marks.tried, marks.grain, x, y, TRIED * reach[0], seed)
        if count == 0:
            continue
        patches += 1
        _keep(found, count)
        _mark(marks.verified, marks.grain, place[0], place[1], shift * reach[0], seed)
        size = _push(waiting, size, place, shift * reach[0])
    return patches, looked


@numba.njit(cache=True)  # type: ignore[misc]
def _marked(marks, place, seed):  # type: ignore[no-untyped-def]
    """Say if a patch is outside the image or was seen: by this seed, or as a region's."""
    column, row = int(place[0] // marks.grain), int(place[1] // marks.grain)
    high, wide = marks.verified.shape
    if not (0 <= row < high and 0 <= column < wide):
        return True
    verified = marks.verified[row, column]
    return verified < 0 or verified == seed or marks.tried[row, column] == seed


@numba.njit(cache=True)  # type: ignore[misc]
def _mark(squares, grain, x, y, reach, seed):  # type: ignore[no-untyped-def]
    """Mark the squares that are wholly nearer than +-reach, but none that are a region's."""
    high, wide = squares.shape
    top, left = int((y - reach) // grain) + 1, int((x - reach) // grain) + 1
    for row in range(max(0, top), min(high, int((y + reach) // grain))):
        for column in range(max(0, left), min(wide, int((x + reach) // grain))):
            if squares[row, column] >= 0:
                squares[row, column] = seed


@numba.njit(cache=True)  # type: ignore[misc]
def _keep(found, count):  # type: ignore[no-untyped-def]
    """Keep of each left feature the match that is off least."""
    for i in range(count):
        row = found.matches[i, 0]
        if found.misfits[i] < found.misfit[row]:
            found.misfit[row], found.partner[row] = found.misfits[i], found.matches[i, 1]


@numba.njit(cache=True)  # type: ignore[misc]
def _push(waiting, size, place, step):  # type: ignore[no-untyped-def]
    """Let the four neighbours wait, those above and below on top; return how many wait."""
    for dx, dy in ((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)):
        if size < len(waiting):
            waiting[size] = place
            waiting[size, 0] += dx
            waiting[size, 1] += dy
            waiting[size, 2] += place[4] * dx + place[5] * dy
            waiting[size, 3] += place[6] * dx + place[7] * dy
            size += 1
    return size
