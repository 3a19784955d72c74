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


def homography(
    left: NDArray[np.float64], right: NDArray[np.float64], pixels: float, seed: int
) -> NDArray[np.float64] | None:
    """Return a homography (3 x 3) that most of some matches agree with, None if there is none.

    MAGSAC++ (Barath et al., CVPR 2020) as OpenCV has it. left, right: x, y of matches (m x 2);
    pixels: by how much an inlier may be off.
    """
    found, _ = cv2.findHomography(left, right, _consensus(pixels, seed))
    return None if found is None else np.asarray(found, np.float64)


def affine(
    left: NDArray[np.float64], right: NDArray[np.float64], pixels: float, seed: int
) -> NDArray[np.float64] | None:
    """Return the same as `homography`, of an affine map, with a last row 0, 0, 1."""
    found, _ = cv2.estimateAffine2D(left, right, _consensus(pixels, seed))
    return None if found is None else np.vstack([found, [0.0, 0.0, 1.0]])


ROUNDS = 5000
SURE = 0.999


def _consensus(pixels: float, seed: int) -> Any:
    chosen = cv2.UsacParams()
    chosen.threshold, chosen.randomGeneratorState = pixels, seed
    chosen.maxIterations, chosen.confidence = ROUNDS, SURE
    chosen.score, chosen.sampler = cv2.SCORE_METHOD_MAGSAC, cv2.SAMPLING_UNIFORM
    chosen.loMethod = cv2.LOCAL_OPTIM_INNER_LO
    return chosen
