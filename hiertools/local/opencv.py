"""OpenCV: the one module that knows it.

It works with one thread, so that the same picture gives the same features on every machine; those
who want more take processes.
"""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

cv2.setNumThreads(1)

VERSION = str(cv2.__version__)
DESCRIPTOR = 128  # numbers of a descriptor of SIFT
PIXELS = NDArray[np.uint8]


def resized(pixels: PIXELS, width: int, height: int) -> PIXELS:
    """Return a grey picture in a smaller size, each pixel the mean of those that it covers."""
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def sift(pixels: PIXELS, keypoints: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the strongest features of a grey picture: x, y, diameter (n x 3); SIFT (n x 128).

    Lowe, IJCV 2004. The strongest come first, and equally strong ones by their places; places with
    several directions have as many features.
    """
    found, descriptors = _sift(keypoints).detectAndCompute(pixels, None)
    if descriptors is None:
        return np.zeros((0, 3), np.float32), np.zeros((0, DESCRIPTOR), np.uint8)
    about = np.array([(-p.response, p.pt[1], p.pt[0], p.size, p.angle) for p in found])
    order = np.lexsort(about.T[::-1])[:keypoints]
    frames = about[order][:, [2, 1, 3]].astype(np.float32)
    return frames, np.asarray(descriptors[order], np.uint8)


@cache
def _sift(keypoints: int) -> Any:
    return cv2.SIFT_create(nfeatures=keypoints)  # type: ignore[attr-defined]
