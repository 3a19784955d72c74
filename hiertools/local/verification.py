"""Spatial verification: the matches of two images that one model of a plane explains.

A model is estimated from tentative matches by MAGSAC++; its inliers are worked out here, from the
model, since the mask that comes with it has held some that are hundreds of pixels off.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UsageError, UserError
from hiertools.files.json import Document
from hiertools.files.local_features import LocalFeatures
from hiertools.files.verified import Pair
from hiertools.local import opencv
from hiertools.local.matching import matches

SIDE = 1024  # of an image in which `pixels` are as large as its own, the longer side
SCALES = (0.1, 10.0)  # of a model: how much larger the right image may show things
SEEDS = 1 << 31  # of OpenCV, in 32 bits
SAMPLES = {"homography": 4, "affine": 3}
MODELS = {"homography": opencv.homography, "affine": opencv.affine}


@dataclass(frozen=True)
class Matching:
    """How pairs are verified.

    ratio: of tentative matches, see `matching.matches`; pixels: by how much an inlier may be off
    in either image, if its longer side were 1024; model: `homography` or `affine`; least: inliers
    without which there is no model; seed: of the samples.
    """

    ratio: float
    pixels: float
    model: str
    least: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= 1:
            raise UsageError(f"option ratio={self.ratio:g} must be above 0 and at most 1")
        if not 0 < self.pixels <= SIDE:
            raise UsageError(f"option pixels={self.pixels:g} must be above 0, at most {SIDE}")
        if self.model not in MODELS:
            raise UsageError(f"option model={self.model}: there are {', '.join(MODELS)}")
        if self.least < SAMPLES[self.model]:
            known = SAMPLES[self.model]
            raise UsageError(f"option least={self.least}: a {self.model} needs at least {known}")
        if not 0 <= self.seed < SEEDS:
            raise UsageError(f"--seed {self.seed}: verification has seeds from 0 to {SEEDS - 1}")

    def document(self) -> Document:
        """Return the options by name."""
        return asdict(self)


def matching_of(options: Document) -> Matching:
    """Return the options that pairs were verified with. Raises `UserError` for others."""
    try:
        return Matching(**options)
    except (TypeError, UsageError):
        raise UserError(f"the verified pairs were made with unknown options: {options}") from None


def verify(left: LocalFeatures, right: LocalFeatures, matching: Matching) -> Pair:
    """Return the inliers of two images, none where no model has enough of them."""
    tentative = matches(left, right, ratio=matching.ratio)
    return explain(left, right, tentative, matching)


def explain(
    left: LocalFeatures, right: LocalFeatures, tentative: NDArray[np.int32], matching: Matching
) -> Pair:
    """Return the matches (of t x 2) that a model explains."""
    x = left.keypoints[tentative[:, 0]].astype(np.float64)
    y = right.keypoints[tentative[:, 1]].astype(np.float64)
    found = _model(x * _scale(left), y * _scale(right), matching)
    if found is None:
        return _none(len(tentative))
    model, inliers = found
    kept = tentative[inliers]
    points = np.hstack([left.keypoints[kept[:, 0]], right.keypoints[kept[:, 1]]])
    to_left, to_right = np.diag([_scale(left)] * 2 + [1.0]), np.diag([1 / _scale(right)] * 2 + [1])
    return Pair(kept, points, to_right @ model @ to_left, len(tentative))


def _scale(features: LocalFeatures) -> float:
    return SIDE / max(features.width, features.height)


def _none(tentative: int) -> Pair:
    return Pair(np.zeros((0, 2), np.int32), np.zeros((0, 4), np.float32), None, tentative)


def _model(
    x: NDArray[np.float64], y: NDArray[np.float64], matching: Matching
) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Return a model of matches (m x 2 each) and which are its inliers, None without a good one."""
    if len(x) < matching.least:
        return None
    model = MODELS[matching.model](x, y, matching.pixels, matching.seed)
    if model is None or not np.isfinite(model).all() or np.linalg.cond(model) > _SINGULAR:
        return None
    inliers, areas = inliers_of(model, x, y, pixels=matching.pixels)
    if inliers.sum() < matching.least:
        return None
    scale = np.sqrt(np.median(areas[inliers]))
    return (model, inliers) if SCALES[0] < scale < SCALES[1] else None


_SINGULAR = 1e12  # condition of a matrix that takes a plane to a line, as good as


def inliers_of(
    model: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], *, pixels: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which matches (m x 2 each) a model explains, and by how much it enlarges areas there.

    Both ways: x is taken to within so many pixels of y, and y back to x. Where the model turns
    the plane over, so that its Jacobian has no positive determinant, nothing is an inlier.
    """
    depth = x @ model[2, :2] + model[2, 2]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        areas = np.linalg.det(model) / depth**3
        forward, back = _seen(model, x) - y, _seen(np.linalg.inv(model), y) - x
        near = np.maximum((forward**2).sum(1), (back**2).sum(1)) <= pixels**2
    return near & (areas > 0), areas


def _seen(model: NDArray[np.floating], points: NDArray[np.float64]) -> NDArray[np.float64]:
    lifted = points @ model[:, :2].T + model[:, 2]
    return np.asarray(lifted[:, :2] / lifted[:, 2:], np.float64)
