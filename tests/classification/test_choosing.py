"""The best classes: beside a full sort, with many ties."""

import numpy as np
import pytest
import torch

from hiertools.classification.choosing import best, softmax


def sorted_whole(ranks, logits, k):
    """Return the same by a sort of all that there is."""
    places = np.broadcast_to(np.arange(ranks.shape[1]), ranks.shape)
    return np.lexsort((places, -logits, -ranks), axis=1)[:, :k]


@pytest.mark.parametrize("k", [1, 2, 5, 8])
@pytest.mark.parametrize("values", [2, 3, 50])
def test_ties_go_by_logit_and_then_by_place(k, values):
    rng = np.random.default_rng(k)
    ranks = rng.integers(0, values, (200, 8)).astype(np.float32)
    logits = rng.integers(0, 3, (200, 8)).astype(np.float32)
    found = best(torch.from_numpy(ranks), torch.from_numpy(logits), k)
    np.testing.assert_array_equal(found, sorted_whole(ranks, logits, k))


def test_the_softmax_of_logits_by_a_temperature():
    logits = torch.tensor([[0.0, np.log(4.0)]], dtype=torch.float32)
    torch.testing.assert_close(softmax(logits, None), torch.tensor([[0.2, 0.8]]))
    torch.testing.assert_close(softmax(logits, 2.0), torch.tensor([[1 / 3, 2 / 3]]))
