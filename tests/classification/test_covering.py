"""The threshold of the rule ancestor: its quantile by hand, its guarantee by simulation."""

import numpy as np
import pytest
import torch

from hiertools.classification import calibration, covering
from hiertools.classification.choosing import softmax
from hiertools.classification.nodes import Nodes
from hiertools.errors import UserError
from tests.classification import made

SCORES = np.array([0.3, 0.1, 0.2, 0.5, 0.4])


@pytest.mark.parametrize(
    ("coverage", "wanted"),
    [(0.5, 0.3), (0.51, 0.4), (2 / 3, 0.4), (0.8, 0.5), (5 / 6, 0.5), (0.84, np.inf), (1e-12, 0.1)],
)
def test_the_quantile_counts_one_item_more(coverage, wanted):
    assert covering.quantile(SCORES, coverage) == wanted


def test_too_few_items_give_the_root():
    found = covering.cover(SCORES, 0.9, roots=1)
    assert (found.threshold, found.covered, found.covering_items) == (1.0, 1.0, 5)


def test_several_roots_cannot_be_sure_of_it():
    scores = np.array([0.1] * 8 + [np.inf] * 2)
    assert covering.cover(scores, 0.7, roots=2).threshold == 0.1
    with pytest.raises(UserError, match=r"coverage of 0.9 .* of the 2 roots .* share of 0.800"):
        covering.cover(scores, 0.9, roots=2)


@pytest.mark.parametrize("coverage", [0.6, 0.9])
def test_new_items_are_covered_as_often_as_was_asked(coverage):
    """Over many draws of held-out items, by probabilities that are far too sure."""
    taxonomy = made.drawn(2)
    nodes, size = Nodes(taxonomy), len(taxonomy.classes)
    rng, shares, depths = np.random.default_rng(0), [], []
    for seed in range(150):
        logits = rng.normal(0, 2, (140, size))
        truth = (logits + rng.gumbel(size=logits.shape)).argmax(1)
        logits = (4 * logits + rng.normal(0, 3, logits.shape)).astype(np.float32)
        found, learned = covering.learn(
            nodes, logits[:80], truth[:80], coverage=coverage, seed=seed
        )
        new = softmax(torch.from_numpy(logits[80:]), found.temperature)
        rows = nodes.deepest(nodes.sums(new.numpy()), learned.threshold)
        shares.append(taxonomy.above[truth[80:], rows].mean())
        depths.append(nodes.depths[rows].mean())
        assert learned.covering_items == 40
    error = np.std(shares) / np.sqrt(len(shares))
    # of 40 items: at least what was asked, and at most 1/41 more where scores differ
    assert coverage - 3 * error < np.mean(shares)
    if coverage < 0.9:
        assert np.mean(depths) > 0.2


def test_one_half_gives_the_temperature_and_the_other_the_threshold():
    taxonomy = made.drawn(2)
    nodes, size = Nodes(taxonomy), len(taxonomy.classes)
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (61, size)).astype(np.float32)
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    found, learned = covering.learn(nodes, logits, truth, coverage=0.8, seed=3)
    order = np.random.default_rng(3).permutation(61)
    first, second = order[:30], order[30:]
    assert found == calibration.calibrate(logits[first], truth[first])
    needed = covering.least_thresholds(nodes, logits[second], truth[second], found.temperature)
    assert learned.threshold == np.sort(needed)[25]  # 32 times .8 is 25.6
    assert learned.covering_items == 31


def test_a_seed_gives_the_same_threshold():
    taxonomy = made.drawn(2)
    nodes, size = Nodes(taxonomy), len(taxonomy.classes)
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (60, size)).astype(np.float32)
    truth = rng.integers(0, size, 60)
    same = [covering.learn(nodes, logits, truth, coverage=0.5, seed=s) for s in (1, 1, 2)]
    assert same[0] == same[1]
    assert same[0] != same[2]
