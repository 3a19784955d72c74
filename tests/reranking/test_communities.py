"""Communities: entropies by hand, and which queries are uncertain."""

import numpy as np
import pytest

from hiertools.reranking.communities import entropy, sizes, uncertain
from tests.reranking.made import gallery, shortlist
from tests.reranking.verified_made import Made, grid


def test_entropies_by_hand():
    assert entropy([20]) == 0
    assert entropy([]) == 0
    assert entropy([1, 1, 1, 1]) == pytest.approx(np.log(4))
    assert entropy([3, 1]) == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))


def test_components_are_those_that_links_join():
    assert sizes(6, [(0, 1), (1, 2), (4, 3)]) == [3, 2, 1]
    assert sizes(3, []) == [1, 1, 1]
    assert sizes(0, []) == []


def test_verified_pairs_with_enough_inliers_are_links():
    places = grid(0, 0, 20)
    pairs = {(f"i{n}", f"i{n + 1}"): (places, places) for n in range(4)}
    vectors = np.eye(5) + 0.1
    made = gallery(vectors, {"q": np.ones(5)}, verified=Made(pairs))
    assert not uncertain(shortlist(made, "q"), made, nats=1.0)
    few = {key: (x[:19], y[:19]) for key, (x, y) in pairs.items()}
    apart = gallery(vectors, {"q": np.ones(5)}, verified=Made(few))
    assert uncertain(shortlist(apart, "q"), apart, nats=1.0)


def test_without_verified_pairs_vectors_are_linked():
    """Hits in one bunch are certain; in three bunches of six, an entropy of log 3, they are not."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(20, 6)) * 0.1 + np.ones(6)
    one = gallery(near, {"q": np.ones(6)})
    assert not uncertain(shortlist(one, "q"), one, nats=1.0)
    bunches = np.repeat(np.eye(6)[:3], 6, axis=0) + rng.normal(size=(18, 6)) * 0.01
    several = gallery(bunches, {"q": np.ones(6)})
    assert uncertain(shortlist(several, "q"), several, nats=1.0)
    assert not uncertain(shortlist(several, "q"), several, nats=1.2)


def test_no_hits_are_certain():
    made = gallery(np.eye(2), {"q": np.ones(2)})
    assert not uncertain(shortlist(made, "q", barred=[0, 1]), made, nats=0.0)
