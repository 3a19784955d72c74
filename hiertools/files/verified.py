"""Verified pairs: matches of two images' local features that one model of geometry explains."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """m inliers of a left and a right image, in the order of the left image's features.

    features: rows of the local features in either image (m x 2, int32); points: where they are,
    x, y in pixels of the left and of the right image (m x 4, float32); model: takes homogeneous
    pixels of the left to the right image (3 x 3, float64), None where there is none, and no
    inliers then; tentative: matches before the model.
    """

    features: NDArray[np.int32]
    points: NDArray[np.float32]
    model: NDArray[np.float64] | None
    tentative: int

    def __len__(self) -> int:
        return len(self.features)

    def reversed(self) -> "Pair":
        """Return the same pair with left and right exchanged."""
        order = np.argsort(self.features[:, 1], kind="stable")
        model = None if self.model is None else np.linalg.inv(self.model).astype(np.float64)
        return Pair(
            self.features[order][:, ::-1], self.points[order][:, [2, 3, 0, 1]], model,
            self.tentative,
        )  # fmt: skip
