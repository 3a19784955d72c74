"""The affine map of the matches in a pair of patches.

A map is a 2 x 3 matrix (B, t) that takes places `u` of the left patch to B u + t in the right one,
both in the coordinates of the left patch: its middle is 0 and its border +-1 (one reach). Compiled;
see `topology`.
"""

import numba
import numpy as np

SHARP = 0.1  # reaches: the misfit at which a match has half its weight in the map
ROUNDS = 4  # of weighing the matches anew
PRIOR = 1.0  # weight of the map that changes nothing, in matches at the border of the patch
SCALES = (0.1, 10.0)  # that maps may have


@numba.njit(cache=True)  # type: ignore[misc]
def affine(u, v, chosen):  # type: ignore[no-untyped-def]
    """Return the map of the chosen u (n x 2) to v (n x 2), by weighted least squares.

    Weights 1 / (1 + (misfit / SHARP)^2), of Cauchy, in ROUNDS; the unit map has the weight PRIOR.
    """
    fit = np.zeros((2, 3))
    fit[0, 0] = fit[1, 1] = 1
    for turn in range(ROUNDS):
        normal, wanted = np.zeros((3, 3)), np.zeros((3, 2))
        for k in range(2):
            normal[k, k] = wanted[k, k] = PRIOR
        for i in np.flatnonzero(chosen):
            w = 1 / (1 + (misfit(fit, u[i], v[i]) / SHARP) ** 2) if turn else 1.0
            row = (u[i, 0], u[i, 1], 1.0)
            for k in range(3):
                for other in range(3):
                    normal[k, other] += w * row[k] * row[other]
                for axis in range(2):
                    wanted[k, axis] += w * row[k] * v[i, axis]
        fit = np.ascontiguousarray(np.linalg.solve(normal, wanted).T)
    return fit


@numba.njit(cache=True)  # type: ignore[misc]
def misfit(fit, u, v):  # type: ignore[no-untyped-def]
    """Return how far a match is from where a map has it."""
    x = fit[0, 0] * u[0] + fit[0, 1] * u[1] + fit[0, 2] - v[0]
    y = fit[1, 0] * u[0] + fit[1, 1] * u[1] + fit[1, 2] - v[1]
    return np.sqrt(x * x + y * y)


@numba.njit(cache=True)  # type: ignore[misc]
def move(place, fit, u, reach):  # type: ignore[no-untyped-def]
    """Put a pair's centre at `u` and the affine map into its frame; False if that is no map."""
    a, b, c, d = place[4:]
    x = fit[0, 0] * u[0] + fit[0, 1] * u[1] + fit[0, 2]
    y = fit[1, 0] * u[0] + fit[1, 1] * u[1] + fit[1, 2]
    new = (
        a * fit[0, 0] + b * fit[1, 0], a * fit[0, 1] + b * fit[1, 1],
        c * fit[0, 0] + d * fit[1, 0], c * fit[0, 1] + d * fit[1, 1],
    )  # fmt: skip
    det = new[0] * new[3] - new[1] * new[2]
    if not SCALES[0] ** 2 < det < SCALES[1] ** 2:
        return False
    place[0] += u[0] * reach
    place[1] += u[1] * reach
    place[2] += (a * x + b * y) * reach
    place[3] += (c * x + d * y) * reach
    for k in range(4):
        place[4 + k] = new[k]
    return True
