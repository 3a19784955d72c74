"""Local features of images: where in an image they are, and what they look like."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LocalFeatures:
    """n features of an image, the strongest first.

    keypoints: x to the right and y down, in pixels of the image as it is stored, the centre of its
    first pixel at (0, 0) (n x 2, float32); descriptors: rows of length one (n x d, float32);
    scales: diameters in pixels (n, float32, ones where they are not known); width, height: of the
    image, in pixels.
    """

    keypoints: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    scales: NDArray[np.float32]
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.keypoints)
