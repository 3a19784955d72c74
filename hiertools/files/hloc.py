"""Local features in the layout of hloc (Sarlin et al., CVPR 2019): a group for each image.

A group is named like its image, and has `keypoints` (n x 2), `descriptors` (d x n), `image_size`
(width, height) and, if it was kept, `scores` (n).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5
from hiertools.files.local_features import Raw

NEEDED = ("keypoints", "descriptors", "image_size")
FLOATS = {"float16": "float16", "float32": "float32", "float64": "float32"}


@dataclass(frozen=True)
class Features:
    """Local features of others.

    ids: of the images, their names without suffix; groups: of each image, its path in the file;
    dimension: of descriptors; stored: the type of number that keeps them.
    """

    path: Path
    ids: list[str]
    groups: list[str]
    dimension: int
    stored: str

    def raws(self) -> Iterator[Raw]:
        """Yield the features of each image, the strongest first."""
        with hdf5.reading_foreign(self.path) as file:
            for group in self.groups:
                yield _raw(file, group, self.dimension, self.stored)


def read_hloc(path: Path) -> Features:
    """Find the images of a file. Raises `UserError` if it has no local features."""
    with hdf5.reading_foreign(path) as file:
        groups = file.groups_with(NEEDED)
        if not groups:
            raise UserError(f"{path}: has no group with {', '.join(NEEDED)}, as hloc writes them")
        first = file.array(f"{groups[0]}/descriptors")
        assert first is not None
        if first.ndim != 2 or not len(first) or first.dtype.name not in FLOATS:
            raise UserError(f"{path}: the descriptors of {groups[0]!r} are no matrix of floats")
    ids = [PurePosixPath(group).with_suffix("").as_posix() for group in groups]
    if len(set(ids)) != len(ids):
        twice = next(key for key in ids if ids.count(key) > 1)
        raise UserError(f"{path}: several images are {twice!r} without their suffixes")
    return Features(path, ids, groups, first.shape[0], FLOATS[first.dtype.name])


def _raw(file: hdf5.Foreign, group: str, dimension: int, stored: str) -> Raw:
    where = f"{file.path}: {group}"
    places, descriptors, size = (_array(file, f"{group}/{name}") for name in NEEDED)
    n = len(places)
    if places.shape != (n, 2) or descriptors.shape != (dimension, n):
        raise UserError(
            f"{where}: keypoints of shape {places.shape}, descriptors of {descriptors.shape}; they"
            f" are to be n x 2 and {dimension} x n"
        )
    if FLOATS.get(descriptors.dtype.name) != stored:
        raise UserError(f"{where}: descriptors of {descriptors.dtype}; those before are {stored}")
    if size.shape != (2,) or not (
        np.isfinite(size).all() and 1 <= size.min() <= size.max() < 2**31
    ):
        raise UserError(f"{where}: image_size is not a width and a height")
    order = np.arange(n)
    if file.array(f"{group}/scores") is not None:
        scores = _array(file, f"{group}/scores")
        if scores.shape == (n,):
            order = np.argsort(-scores.astype(np.float64), kind="stable")
    with np.errstate(over="ignore"):  # float64 that float32 does not reach: refused below
        frames = np.hstack([places, np.ones((n, 1))]).astype(np.float32)[order]
        rows = np.ascontiguousarray(descriptors.T[order], stored)
    if not (np.isfinite(frames).all() and np.isfinite(rows).all()):
        raise UserError(f"{where}: a keypoint or a descriptor is not finite")
    width, height = (int(side) for side in size)
    return Raw(frames, rows, width, height)


def _array(file: hdf5.Foreign, name: str) -> NDArray[Any]:
    found = file.array(name)
    if found is None or found.dtype.kind not in "fiu":
        raise UserError(f"{file.path}: {name} is no array of numbers")
    return found
