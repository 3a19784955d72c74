"""Metrics of pixel retrieval.

An et al., "Towards content-based pixel retrieval in revisited Oxford and Paris", ICCV 2023. An
image is found if its mask has an intersection over union above a threshold with the true one. Ranks
count from 0, without images that are to be ignored; average precision is by trapezoids, as for
Revisited Oxford and Paris.
"""

import numpy as np
from numpy.typing import NDArray

from hiertools.metrics.revisited import average_precision

Floats = NDArray[np.float64]
THRESHOLDS = np.arange(50, 100, 5) / 100  # .50, .55 ... .95


def mean_iou(ious: Floats) -> float:
    """Return the mean over a query's positives, NaN without any. ious: 0 for what was not found."""
    return float(ious.mean()) if len(ious) else float("nan")


def mean_average_precision(ious: Floats, *, positives: int) -> float:
    """Return the mean over thresholds of the average precision, NaN without positives.

    ious: of each image of a ranking, NaN for one that is no positive (m); positives: how many there
    are, found or not.
    """
    if not positives:
        return float("nan")
    return float(np.mean([average_precision(_found(ious, t), positives) for t in THRESHOLDS]))


def released_average_precision(ious: Floats) -> float:
    """Return the same as the released code has it: of positives only those that were found count.

    So one good mask of ten positives has 1, where it has .1 else. Thresholds at which nothing is
    found are left out; NaN if that is so at all of them.
    """
    ranks = [_found(ious, threshold) for threshold in THRESHOLDS]
    values = [average_precision(found, len(found)) for found in ranks if len(found)]
    return float(np.mean(values)) if values else float("nan")


def _found(ious: Floats, threshold: float) -> NDArray[np.int64]:
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(ious > threshold)
