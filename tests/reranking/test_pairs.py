"""Pairs: what was verified before is taken, and the rest is verified now."""

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files.verified import Pair
from hiertools.local.verification import Matching, verify
from hiertools.reranking.pairs import Pairs
from tests.local import made as local
from tests.reranking import made

MATCHING = Matching(ratio=0.8, pixels=4.0, model="homography", least=6, seed=0)
TURNED = np.array([[0.8, -0.3, 200.0], [0.25, 0.9, 20.0], [0, 0, 1.0]])
LEFT, RIGHT, _ = local.pair(TURNED, count=60, outliers=20)
KNOWN = Pair(np.zeros((1, 2), np.int32), np.zeros((1, 4), np.float32), np.eye(3), 77)


class Known:
    """Pairs that were verified before: of the query and i1 alone."""

    options = MATCHING.document()

    def pair(self, left, right):
        return KNOWN if (left, right) == ("q", "i1") else None


def gallery(verified=None):
    features = {"q": LEFT, "i0": RIGHT, "i1": RIGHT}
    return made.gallery([(1, 0), (0, 1)], {"q": (1, 0)}, features=features, verified=verified)


def test_a_pair_is_verified_from_the_query_to_the_item():
    found, expected = Pairs(gallery(), MATCHING).pair("q", 0), verify(LEFT, RIGHT, MATCHING)
    np.testing.assert_array_equal(found.features, expected.features)
    np.testing.assert_array_equal(found.model, expected.model)
    assert len(found) >= 55


def test_what_was_verified_before_is_taken():
    pairs = Pairs(gallery(Known()), MATCHING)
    assert pairs.pair("q", 1) is KNOWN
    assert len(pairs.pair("q", 0)) >= 55


@pytest.mark.parametrize(
    ("name", "value"),
    [("ratio", 0.7), ("pixels", 3.0), ("model", "affine"), ("least", 8), ("seed", 1)],
)
def test_pairs_of_other_options_are_refused(name, value):
    with pytest.raises(UserError, match=f"were made with {name}=.* and here it is {value}"):
        Pairs(gallery(Known()), Matching(**{**MATCHING.document(), name: value}))
