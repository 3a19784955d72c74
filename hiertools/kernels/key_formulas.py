"""Keys of pairs in float64, compiled: the cheapest numbers that fall with an angle or a distance.

Only the order is meant. The formulas are those of `geometry.polar`, of the cosine between two
directions and of a, b, which are sn of the radii with c = 1, and cs_a, cs_b.
"""

import numba
import numpy as np

from hiertools.geometry import polar

NOISE = 2 * polar.NOISE * float(np.finfo(np.float64).eps)


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def turned(cosine, a, cs_a, b, cs_b, curved):  # type: ignore[no-untyped-def]
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
def nearness(cosine, a, cs_a, b, cs_b, curved):  # type: ignore[no-untyped-def]
    """Return minus cosh(d) - 1, or minus the squared distance in flat space."""
    versine, gap = _versine(cosine, a, b), b - a
    if not curved:
        return -(gap * gap + 2 * a * b * versine)
    outward = _outward(gap, a, cs_a, b, cs_b)
    radial = outward * outward / (1 + np.sqrt(1 + outward * outward))
    return -(radial + a * b * versine)


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _versine(cosine, a, b):  # type: ignore[no-untyped-def]
    """Return 1 - cos(theta), 0 for points that are equal but for rounding."""
    versine = min(max(1 - cosine, 0.0), 2.0)
    return 0.0 if versine <= NOISE and abs(b - a) <= NOISE * (a + b) else versine


@numba.njit(cache=True, error_model="numpy")  # type: ignore[misc]
def _outward(gap, a, cs_a, b, cs_b):  # type: ignore[no-untyped-def]
    """Return sinh of the difference of two radii, as `geometry.lorentz` has it."""
    return gap * (1 + (1 + a * a + b * b) / (cs_a * cs_b + a * b)) / (cs_a + cs_b)
