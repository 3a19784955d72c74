"""Local features that are made up: points of a plane, and how a camera sees them."""

import numpy as np

from hiertools.files.local_features import LocalFeatures

DIMENSION = 128


def descriptors(count, seed=0):
    """Return rows of length one that are far from each other."""
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def features(keypoints, rows, size=(1024, 768), scales=None):
    """Return features at some places."""
    keypoints = np.asarray(keypoints, np.float32).reshape(-1, 2)
    scales = np.ones(len(keypoints)) if scales is None else scales
    return LocalFeatures(
        keypoints, np.asarray(rows, np.float32), np.asarray(scales, np.float32), *size
    )


def places(count, seed=0, size=(1024, 768)):
    """Return random places in an image, 20 pixels or more from its edges."""
    return np.random.default_rng(seed).uniform(20, np.array(size) - 20, (count, 2))


def seen(points, model):
    """Return points as a homography takes them."""
    lifted = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ np.asarray(model).T
    return lifted[:, :2] / lifted[:, 2:]


def pair(model, count=200, outliers=100, noise=0.5, seed=0):
    """Return two images of a plane that a homography takes from left to right.

    Of count + outliers features that look the same in both, the last are anywhere.
    """
    rng = np.random.default_rng(seed)
    left = places(count + outliers, seed)
    right = seen(left, model) + rng.normal(size=left.shape) * noise
    right[count:] = places(outliers, seed + 1)
    rows = descriptors(count + outliers, seed)
    order = rng.permutation(len(rows))
    return features(left, rows), features(right[order], rows[order]), order
