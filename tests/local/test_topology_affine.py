"""The affine map of matches, against what it was made with and a plain solve."""

import numpy as np
import pytest

from hiertools.local.topology_affine import PRIOR, affine, misfit, move

MAP = np.array([[0.9, 0.2, 0.1], [-0.1, 1.1, -0.05]])


def matched(n, *, outliers=0, seed=0):
    """Return places and where MAP has them, but the first ones anywhere."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(-1, 1, (n, 2))
    v = u @ MAP[:, :2].T + MAP[:, 2]
    v[:outliers] = rng.uniform(-1, 1, (outliers, 2))
    return u, v


@pytest.mark.parametrize("outliers", [0, 20, 60])
def test_a_map_is_found_among_others(outliers):
    u, v = matched(200, outliers=outliers)
    fit = affine(u, v, np.ones(200, np.bool_))
    np.testing.assert_allclose(fit, MAP, atol=0.02)


def test_only_chosen_matches_count():
    u, v = matched(100, outliers=50)
    chosen = np.arange(100) >= 50
    np.testing.assert_array_equal(affine(u, v, chosen), affine(u[50:], v[50:], chosen[50:]))


def test_few_matches_change_little():
    u, v = matched(1)
    fit = affine(u, v, np.ones(1, np.bool_))
    np.testing.assert_allclose(fit[:, :2], np.eye(2), atol=0.15)
    assert misfit(fit, u[0], v[0]) < 1e-6


def test_equal_misfits_are_least_squares_with_a_prior():
    """Matches that all fit as well keep equal weights, so one plain solve is the answer."""
    u, _ = matched(40)
    rows = np.column_stack([u, np.ones(40)])
    prior = PRIOR * np.diag([1, 1, 0])
    v = u + (0.2, -0.1)  # a shift, which the prior does not speak of
    expected = np.linalg.solve(rows.T @ rows + prior, rows.T @ v + prior[:, :2]).T
    np.testing.assert_allclose(affine(u, v, np.ones(40, np.bool_)), expected, atol=1e-9)
    np.testing.assert_allclose(expected, [[1, 0, 0.2], [0, 1, -0.1]], atol=1e-9)


def test_a_patch_moves_with_its_frame():
    turn = np.array([[0.0, -2], [2, 0]])
    place = np.array([100.0, 50, 300, 200, *turn.ravel()])
    assert move(place, MAP, np.array([0.1, -0.2]), 40.0)
    np.testing.assert_allclose(place[:2], (104, 42))
    v = MAP[:, :2] @ (0.1, -0.2) + MAP[:, 2]
    np.testing.assert_allclose(place[2:4], np.array([300, 200]) + turn @ v * 40)
    np.testing.assert_allclose(place[4:].reshape(2, 2), turn @ MAP[:, :2])


@pytest.mark.parametrize("b", [[[1, 0], [0, -1]], [[0.05, 0], [0, 0.05]], [[20, 0], [0, 20]]])
def test_mirrored_or_far_larger_is_no_map(b):
    place = np.array([100.0, 50, 300, 200, 1, 0, 0, 1])
    before = place.copy()
    assert not move(place, np.column_stack([b, [0.0, 0]]), np.zeros(2), 40.0)
    np.testing.assert_array_equal(place, before)
