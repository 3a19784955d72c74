"""The temperature: found again where it is known, and no other is likelier."""

import numpy as np
import pytest
import torch

from hiertools.classification import calibration

N, CLASSES = 4000, 8


@pytest.fixture(scope="module")
def drawn():
    """Logits, and classes drawn by the probabilities that they say."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (N, CLASSES)).astype(np.float32)
    noise = rng.gumbel(size=logits.shape)
    return logits, (logits + noise).argmax(1)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_a_known_temperature_is_found(drawn, factor):
    logits, truth = drawn
    found = calibration.calibrate((factor * logits).astype(np.float32), truth)
    assert found.temperature == pytest.approx(factor, rel=0.06)
    assert (found.items, found.at_bound) == (N, False)
    assert found.nll[1] <= found.nll[0] + 1e-9
    assert found.ece[1] < 0.03
    if factor != 1:
        assert found.ece[1] < found.ece[0] / 3


def test_the_likelihood_is_that_of_a_plain_loop(drawn):
    logits, truth = drawn[0][:5], drawn[1][:5]
    total = 0.0
    for row, right in zip(logits.astype(np.float64), truth, strict=True):
        powers = np.exp(row / 1.7)
        total -= np.log(powers[right] / powers.sum())
    assert calibration.likelihood(logits, truth, 1.7) == pytest.approx(total / 5)


def test_no_temperature_is_likelier(drawn):
    logits, truth = drawn[0][:500], drawn[1][:500]
    found = calibration.calibrate(logits, truth)
    for other in (0.9, 0.99, 1.01, 1.1):
        worse = calibration.likelihood(logits, truth, other * found.temperature)
        assert worse > found.nll[1]


def test_probabilities_that_are_always_right_have_no_best_temperature():
    logits = np.eye(3, dtype=np.float32)
    assert calibration.calibrate(logits, np.arange(3)).at_bound
    assert calibration.calibrate(logits, np.array([1, 2, 0])).at_bound


def test_blocks_are_all_rows_in_order(drawn):
    found = list(calibration.blocks(*drawn))
    assert len(found) > 1
    torch.testing.assert_close(torch.cat([block for block, _ in found]), torch.from_numpy(drawn[0]))
    np.testing.assert_array_equal(np.concatenate([truth for _, truth in found]), drawn[1])
