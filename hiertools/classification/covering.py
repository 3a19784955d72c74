"""A threshold for the rule ancestor by which its nodes are right as often as is asked.

Split conformal prediction: items whose class is known say how sure a node has to be.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.classification import calibration
from hiertools.classification.calibration import Calibration, Logits
from hiertools.classification.choosing import softmax
from hiertools.classification.nodes import Nodes, Rows
from hiertools.errors import UserError
from hiertools.files.json import Document

ROUNDING = 1e-9  # of a product that ought to be a whole number

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Coverage:
    """A threshold of the rule ancestor, and the share that it covers of `covering_items`."""

    threshold: float
    covered: float
    covering_items: int

    def document(self) -> Document:
        """Return what a file keeps of it, beside the threshold."""
        return {"covered": self.covered, "covering_items": self.covering_items}


def learn(
    nodes: Nodes, logits: Logits, truth: Rows, *, coverage: float, seed: int
) -> tuple[Calibration, Coverage]:
    """Return a temperature, learned of a random half of some items, and a threshold of the rest.

    What the temperature was learned of is sure of itself, and says too little of other items.
    """
    order = np.random.default_rng(seed).permutation(len(truth))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    found = calibration.calibrate(logits[first], truth[first])
    needed = least_thresholds(nodes, logits[second], truth[second], found.temperature)
    return found, cover(needed, coverage, roots=len(nodes.roots))


def least_thresholds(nodes: Nodes, logits: Logits, truth: Rows, temperature: float) -> Floats:
    """Return for each item the threshold from which on the rule ancestor is right about it."""
    found = [
        nodes.right_above(nodes.sums(softmax(block, temperature).numpy()), right)
        for block, right in calibration.blocks(logits, truth)
    ]
    return np.concatenate(found)


def cover(needed: Floats, coverage: float, *, roots: int) -> Coverage:
    """Return the least threshold by which a new item's node is right in so many of all cases.

    needed: thresholds from which on the items' nodes are right. If there are too few of them it is
    1, which gives the root. Raises `UserError` where there are several, so that none is sure.
    """
    threshold = quantile(needed, coverage)
    if threshold > 1 and roots > 1:
        share = np.isfinite(needed).mean()
        raise UserError(
            f"a coverage of {coverage:g} cannot be had: the most probable of the {roots} roots is"
            f" above the class of a share of {share:.3f} of the {len(needed):,} held-out items"
        )
    threshold = min(threshold, 1.0)
    return Coverage(threshold, float((needed <= threshold).mean()), len(needed))


def quantile(scores: Floats, coverage: float) -> float:
    """Return the ceil((n + 1) coverage)-th smallest of n scores, inf if there are fewer.

    Of one more score of the same kind, this is at least as large with a probability of at least
    `coverage`, and, where scores differ, of less than coverage + 1 / (n + 1): split conformal
    prediction (Vovk et al. 2005; Angelopoulos & Bates 2021, arXiv:2107.07511, sec. 1). That is over
    the draw of all scores together, and not for each class or each draw of the n.
    """
    rank = max(1, math.ceil((len(scores) + 1) * coverage - ROUNDING))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf
