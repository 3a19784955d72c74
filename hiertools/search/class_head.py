"""What the head of an index of classes says of points: probabilities, the likeliest class."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.files.json import Document
from hiertools.files.tensors import Arrays
from hiertools.models.classes import of_weights
from hiertools.search.class_kernel import Kernel
from hiertools.search.placing import ROWS

Vectors = NDArray[np.float32]
Codes = NDArray[np.int64]


class Head:
    """Computes always of `ROWS` points, so that none depends on how many others there are; in
    float64, but for the product of probabilities and K^1/2, which is large.

    rows: of the classifier (classes x d).
    """

    def __init__(self, weights: Arrays, meta: Document) -> None:
        self.rows = np.asarray(weights["classifier.weight"], np.float32)
        self._model = of_weights(weights, meta).double()

    def classes(self, points: Vectors) -> Codes:
        """Return the place of the likeliest class of each point, of equal ones the first."""
        found: Codes = self._each(points, lambda logits: logits.argmax(-1), np.int64)
        return found.reshape(len(points))

    def probabilities(self, points: Vectors) -> NDArray[np.float64]:
        """Return the probabilities of all classes (n x classes)."""
        found: NDArray[np.float64] = self._each(points, lambda x: x.softmax(-1), np.float64)
        return found.reshape(-1, len(self.rows))

    def folded(self, points: Vectors, kernel: Kernel) -> Vectors:
        """Return K^1/2 p of points with probabilities p (n x classes)."""
        root = torch.from_numpy(kernel.root).float()
        found: Vectors = self._each(points, lambda x: x.softmax(-1).float() @ root, np.float32)
        return found.reshape(-1, len(self.rows))

    def _each(self, points: Vectors, of_logits: Callable[[Tensor], Tensor], dtype: Any) -> Any:
        """Return what a function makes of the logits of points; of none, no numbers."""
        found = []
        for start in range(0, len(points), ROWS):
            block = np.asarray(points[start : start + ROWS])
            padded = np.zeros((ROWS, block.shape[1]))
            padded[: len(block)] = block
            with torch.inference_mode():
                logits = self._model.logits(torch.from_numpy(padded))
                found.append(of_logits(logits)[: len(block)].numpy())
        return np.concatenate(found) if found else np.zeros(0, dtype)
