"""The polynomials against numpy's functions in float64."""

import numba
import numpy as np
import pytest

from hiertools.kernels import vector_math

TINY = np.finfo(np.float32).tiny
CASES = [
    (vector_math.exp, np.exp, np.linspace(-86, 80, 20001)),
    (vector_math.exp, np.exp, -np.geomspace(1e-30, 86, 2001)),
    (vector_math.log, np.log, np.geomspace(TINY, 1e38, 20001)),
    (vector_math.log1p, np.log1p, np.concatenate([[0], np.geomspace(1e-30, 1e30, 20001)])),
    (
        vector_math.asinh_of_root,
        lambda q: np.arcsinh(np.sqrt(q)),
        np.concatenate([[0], np.geomspace(1e-30, 1e30, 20001)]),
    ),
    (
        vector_math.asin_of_root,
        lambda h: np.arcsin(np.sqrt(h)),
        np.concatenate([np.linspace(0, 1, 20001), np.geomspace(1e-30, 1e-3, 2001)]),
    ),
]


@pytest.mark.parametrize(("function", "exact", "values"), CASES)
def test_is_right_to_a_few_eps(function, exact, values):
    @numba.njit(error_model="numpy")
    def loop(x, found):
        for i in range(len(x)):
            found[i] = function(x[i])

    x = values.astype(np.float32)
    found = np.empty_like(x)
    loop(x, found)
    np.testing.assert_allclose(found, exact(x.astype(np.float64)), rtol=6e-7, atol=1e-7)


def test_exp_of_what_is_far_below_is_next_to_nothing():
    assert 0 < vector_math.exp(np.float32(-3e38)) < 2e-38
    assert vector_math.exp(np.float32(0)) == 1


@pytest.mark.parametrize("function", [case[0] for case in CASES[::2]])
def test_nan_stays(function):
    assert np.isnan(function(np.float32(np.nan)))
