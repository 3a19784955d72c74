"""Probabilities of paths and levels; a temperature that is known is found again."""

import numpy as np
import pytest

from hiertools.search import sureness


def test_probabilities_by_hand():
    scores = np.log([[4.0, 2, 2, 1e-300]])
    scores[0, 3] = -np.inf
    found = sureness.probabilities(scores, 1.0)
    np.testing.assert_allclose(found, [[0.5, 0.25, 0.25, 0]])
    np.testing.assert_allclose(sureness.probabilities(scores, 0.5)[0, :3], [4 / 6, 1 / 6, 1 / 6])


def test_an_entity_has_what_its_paths_have():
    paths = np.array([[[0, 2, 5], [0, 2, 6], [0, 3, 8], [1, 4, 9], [-1, -1, -1]]])
    probability = np.array([[0.4, 0.1, 0.2, 0.3, 0.0]])
    np.testing.assert_allclose(sureness.by_level(paths, probability), [[0.7, 0.5, 0.4]])


def world(temperature, items=20_000, seed=0):
    """Return scores, paths of two countries with three cities each, and what is right."""
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.normal(size=(items, 6)) * 3, axis=1)
    cities = rng.permuted(np.tile(np.arange(6), (items, 1)), axis=1)
    paths = np.stack([cities // 3, 2 + cities], -1)
    powers = np.exp(scores / temperature)
    chance = (powers / powers.sum(1, keepdims=True)).cumsum(1)
    true = cities[np.arange(items), (rng.random((items, 1)) > chance[:, :-1]).sum(1)]
    truth = np.stack([true // 3, 2 + true], 1)
    return scores, paths, (paths[:, 0] == truth).astype(float)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 5.0])
def test_a_known_temperature_is_found(temperature):
    found = sureness.calibrate(*world(temperature))
    assert not found.at_bound
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.nll[1] <= found.nll[0]
    assert found.ece[1] < 0.01
    assert found.answers == 40_000
    if temperature != 1.0:
        assert found.ece[0] > 0.05


def test_a_temperature_at_the_end_of_its_range_is_known_as_such():
    """Whatever the scores are, here two of three first answers are wrong."""
    scores, paths, right = world(1.0, items=3000)
    right[:] = (np.arange(3000) % 3 == 0)[:, None]
    assert sureness.calibrate(100 * scores, paths, right).at_bound


def test_what_has_no_truth_does_not_count():
    scores, paths, right = world(2.0, items=4000)
    right[:, 0] = np.nan
    found = sureness.calibrate(scores, paths, right)
    assert found.answers == 4000
    assert found.temperature == pytest.approx(2.0, rel=0.15)
