"""The protocol of Revisited Oxford and Paris: what is right, and what is ignored, for each setup.

Radenovic et al., CVPR 2018 (arXiv:1803.11285), section 2.2. A query without positives in a setup is
left out of it. Positives that a ranking does not have are not found.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation.retrieval_columns import Column
from hiertools.files.ground_truth import GroundTruth, Judged
from hiertools.metrics import revisited

SETUPS = {  # what is right, and what is ignored
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
UNKNOWN = -1  # place of a hit that the truth does not name: a distractor, which is wrong

Places = NDArray[np.int64]


def places_of(truth: GroundTruth, rankings: Mapping[str, Sequence[str]], name: str) -> list[Places]:
    """Return the places in `imlist` of the hits of each query of the truth.

    Raises `UserError` if a query has no ranking, or if no hit at all is known.
    """
    lacking = [query for query in truth.queries if query not in rankings]
    if lacking:
        raise UserError(
            f"{name}: has no ranking of {len(lacking):,} of the {len(truth.queries):,} queries of"
            f" the truth, such as {lacking[0]!r}; ids must be the names in qimlist"
        )
    place = {image: row for row, image in enumerate(truth.images)}
    found = [
        np.array([place.get(key, UNKNOWN) for key in rankings[query]], np.int64)
        for query in truth.queries
    ]
    if not any((places != UNKNOWN).any() for places in found):
        raise UserError(
            f"{name}: no hit is an image of the truth, such as {truth.images[0]!r}; ids must be the"
            " names in imlist"
        )
    return found


def columns(truth: GroundTruth, found: Sequence[Places], *, ks: Sequence[int]) -> list[Column]:
    """Return the metrics of each setup: mAP, and mP@k."""
    made: list[Column] = []
    for setup in SETUPS:
        pairs = zip(truth.judged, found, strict=True)
        cases = [_Case(setup, *pair, len(truth.images)) for pair in pairs]
        made.append(
            Column(
                {"metric": "map", "of": setup},
                np.array([revisited.average_precision(c.ranks, c.positives) for c in cases]),
                np.array([
                    revisited.expected_average_precision(c.positives, c.candidates, c.depth)
                    for c in cases
                ]),
                np.array([c.best_map for c in cases]),
            )
        )  # fmt: skip
        for k in ks:
            values = [revisited.precision(case.ranks, case.positives, k=k) for case in cases]
            chance = [case.share for case in cases]
            best = np.where(np.isnan(values), np.nan, 1.0)
            name = {"metric": "mp", "of": setup, "k": k}
            made.append(Column(name, np.array(values), np.array(chance), best))
    return made


class _Case:
    """A query in a setup: ranks of the positives that were found, without what is ignored."""

    def __init__(self, setup: str, judged: Judged, places: Places, images: int) -> None:
        right, ignored = (
            np.concatenate([getattr(judged, name) for name in names]) for names in SETUPS[setup]
        )
        kept = places[~np.isin(places, ignored)]
        self.ranks = np.flatnonzero(np.isin(kept, right))
        self.positives, self.depth = len(right), len(kept)
        self.candidates = images - len(ignored)
        self.share = self.positives / self.candidates if self.positives else float("nan")
        self.best_map = min(1.0, self.depth / self.positives) if self.positives else float("nan")
