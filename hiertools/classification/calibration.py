"""The temperature that makes probabilities likeliest, learned of items whose class is known."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.classification.choosing import softmax
from hiertools.classification.nodes import Rows
from hiertools.files.json import Document
from hiertools.metrics.geo import calibration_error, reliability

LOG_TEMPERATURES = (-7.0, 7.0)  # beyond it probabilities are certain, or all the same
NEAR_BOUND = 1e-3
CERTAIN = 1e-9  # a negative log-likelihood as of probabilities that are all 1
BINS = 15
ROWS = 1024  # looked at together

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """A temperature, and the mean negative log-likelihood and the calibration error without and
    with it, over `items`.

    at_bound: a temperature at or beyond the end of those that are looked at is better still, or as
    good where all items are right.
    """

    temperature: float
    at_bound: bool
    nll: tuple[float, float]
    ece: tuple[float, float]
    items: int

    def document(self) -> Document:
        """Return what a file keeps of it, beside the temperature."""
        return {"items": self.items, "nll": list(self.nll), "ece": list(self.ece)}


def calibrate(logits: Logits, truth: Rows) -> Calibration:
    """Return the temperature of least negative log-likelihood.

    Guo et al. 2017 (arXiv:1706.04599), sec. 4.2. logits: n x C; truth: the place of each item's
    class.
    """
    from scipy.optimize import minimize_scalar  # half a second to import, for all who classify

    found = minimize_scalar(
        lambda x: likelihood(logits, truth, float(np.exp(x))),
        bounds=LOG_TEMPERATURES,
        method="bounded",
        options={"xatol": 1e-6},
    )
    temperature = float(np.exp(found.x))
    nll = likelihood(logits, truth, 1.0), likelihood(logits, truth, temperature)
    near = min(abs(found.x - bound) for bound in LOG_TEMPERATURES) < NEAR_BOUND
    return Calibration(
        temperature,
        near or nll[1] < CERTAIN,
        nll,
        (_error(logits, truth, 1.0), _error(logits, truth, temperature)),
        len(truth),
    )


def likelihood(logits: Logits, truth: Rows, temperature: float) -> float:
    """Return the mean of -log p of the true classes, with p = softmax(logits / temperature)."""
    total = 0.0
    for block, right in blocks(logits, truth):
        scaled = block.double() / temperature
        own = scaled.gather(1, torch.from_numpy(right)[:, None])
        total += float((scaled.logsumexp(1, keepdim=True) - own).sum())
    return total / len(truth)


def _error(logits: Logits, truth: Rows, temperature: float) -> float:
    """Return the expected calibration error of the likeliest classes."""
    best = [softmax(block, temperature).max(1) for block, _ in blocks(logits, truth)]
    confidence = torch.cat([each.values for each in best]).double().numpy()
    right = torch.cat([each.indices for each in best]).numpy() == truth
    return calibration_error(reliability(confidence, right.astype(np.float64), bins=BINS))


def blocks(logits: Logits, truth: Rows) -> Iterator[tuple[Tensor, Rows]]:
    """Yield logits of some items at a time, with the places of their classes."""
    for start in range(0, len(truth), ROWS):
        rows = slice(start, start + ROWS)
        yield torch.from_numpy(logits[rows]), truth[rows]
