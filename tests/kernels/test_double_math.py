"""The polynomials of float64 numbers against numpy's functions."""

import numba
import numpy as np
import pytest

from hiertools.kernels import double_math

ENDS = np.concatenate([[0], np.geomspace(1e-300, 1e300, 6001)])


def looped(function, *values):
    """Return what a compiled loop makes of arrays."""

    @numba.njit(error_model="numpy")
    def one(x, found):
        for i in range(len(x)):
            found[i] = function(x[i])

    @numba.njit(error_model="numpy")
    def two(y, x, found):
        for i in range(len(x)):
            found[i] = function(y[i], x[i])

    found = np.empty(len(values[0]))
    (one if len(values) == 1 else two)(*values, found)
    return found


@pytest.mark.parametrize("x", [np.linspace(-699, 700, 20001), -np.geomspace(1e-300, 1, 5001)])
def test_exp_is_right_to_few_eps(x):
    np.testing.assert_allclose(looped(double_math.exp, x), np.exp(x), rtol=1e-15)


def test_exp_of_what_is_far_below_is_next_to_nothing():
    assert 0 < double_math.exp(-1e308) < 1e-303
    assert double_math.exp(0.0) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_atan2_is_right_to_few_eps(sign):
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.uniform(0, 1, 20001), ENDS, ENDS, np.ones_like(ENDS), [1.0, 0.0]])
    x = np.concatenate([rng.uniform(0, 1, 20001), ENDS, ENDS[::-1], ENDS, [1.0, 1.0]]) * sign
    y, x = y[(x != 0) | (y != 0)], x[(x != 0) | (y != 0)]
    np.testing.assert_allclose(looped(double_math.atan2, y, x), np.arctan2(y, x), rtol=1e-15)


def test_nan_stays():
    assert np.isnan(double_math.exp(np.nan))
    assert np.isnan(double_math.atan2(np.nan, 1.0))
    assert np.isnan(double_math.atan2(1.0, np.nan))
