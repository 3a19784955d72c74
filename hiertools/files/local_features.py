"""local: local features of images: where in an image they are, and what they look like.

Descriptors are kept as they are made: those of SIFT as bytes, and RootSIFT (Arandjelovic and
Zisserman, CVPR 2012) is made of them when they are read; those of others as float16 or float32.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, items
from hiertools.files.items import Items
from hiertools.files.json import Document, Fields

KIND = "local"
VERSION = 1
SIFT = "sift"
TYPES = {"uint8": "|u1", "float16": "<f2", "float32": "<f4"}


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

    def inside(self, box: NDArray[np.float64]) -> "LocalFeatures":
        """Return the features within a box: x0, y0, x1, y1 in [0, 1]. The image stays whole."""
        corners = box * [self.width, self.height, self.width, self.height] - 0.5
        kept = ((self.keypoints >= corners[:2]) & (self.keypoints <= corners[2:])).all(axis=1)
        return LocalFeatures(
            self.keypoints[kept], self.descriptors[kept], self.scales[kept], self.width, self.height
        )


@dataclass(frozen=True)
class Raw:
    """The features of an image as they are stored.

    frames: x, y and diameter (n x 3, float32); descriptors: n x d, uint8, float16 or float32.
    """

    frames: NDArray[np.float32]
    descriptors: NDArray[Any]
    width: int
    height: int


@dataclass(frozen=True)
class Local:
    """The features of the images of a table, read image by image through memory maps.

    sizes: width and height of each image (n x 2, int32); offsets: first feature of each image, and
    their number (n + 1). `meta` has `descriptor` (`sift`, or a name of those that others made),
    `dimension`, `stored` (type of number), and how the features were found.
    """

    items: Items
    sizes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    frames: NDArray[np.float32]
    descriptors: NDArray[Any]
    meta: Document
    chain: list[Document]
    path: Path

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        return {bytes(key): row for row, key in enumerate(self.items.id.tolist())}

    def row(self, key: str) -> int | None:
        """Return the row of an image, None if there is no such image."""
        return self._rows.get(key.encode())

    def raw(self, row: int) -> Raw:
        """Return the features of an image as they are stored."""
        features = slice(self.offsets[row], self.offsets[row + 1])
        width, height = self.sizes[row].tolist()
        return Raw(self.frames[features], self.descriptors[features], width, height)

    def of(self, row: int) -> LocalFeatures:
        """Return the features of an image. Raises `UserError` for one that is not finite."""
        raw = self.raw(row)
        frames = np.array(raw.frames)
        descriptors = _unit(np.asarray(raw.descriptors, np.float32), self.meta["descriptor"])
        if not (np.isfinite(frames).all() and np.isfinite(descriptors).all()):
            key = items.decode(self.items.id[row])
            raise UserError(f"{self.path}: a local feature of {key!r} is not finite")
        return LocalFeatures(
            frames[:, :2].copy(), descriptors, frames[:, 2].copy(), raw.width, raw.height
        )


def _unit(descriptors: NDArray[np.float32], descriptor: str) -> NDArray[np.float32]:
    """Return descriptors of length one; of SIFT the square roots of their shares."""
    if descriptor == SIFT:
        sums = descriptors.sum(axis=1, keepdims=True)
        return np.sqrt(descriptors / np.where(sums > 0, sums, 1))
    norms = np.sqrt((descriptors * descriptors).sum(axis=1, keepdims=True))
    return np.asarray(descriptors / np.where(norms > 0, norms, 1), np.float32)


def write_local(
    path: Path,
    table: Items,
    raws: Callable[[], Iterable[Raw]],
    *,
    meta: Document,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write the features of the images of a table. raws: gives those of each, each time anew.

    meta: `descriptor`, `dimension`, `stored` and how the features were found.
    """
    sizes, counts = list[tuple[int, int]](), [0]
    for raw in raws():
        sizes.append((raw.width, raw.height))
        counts.append(len(raw.frames))
    _check_meta(Fields(meta, f"{path}: meta"))
    total = int(np.sum(counts))
    with hdf5.create(path, KIND, VERSION, meta=meta, chain=chain, overwrite=overwrite) as writer:
        items.write(writer, table)
        writer.column("sizes", np.array(sizes, np.int32).reshape(-1, 2))
        writer.column("offsets", np.cumsum(counts, dtype=np.int64))
        writer.matrix("frames", (total, 3), (raw.frames for raw in raws()))
        blocks = (raw.descriptors for raw in raws())
        shape = (total, meta["dimension"])
        writer.matrix("descriptors", shape, blocks, TYPES[meta["stored"]])


def _check_meta(fields: Fields) -> None:
    fields.text("descriptor")
    fields.count("dimension")
    fields.one_of("stored", tuple(TYPES))
    if (fields.document["descriptor"] == SIFT) != (fields.document["stored"] == "uint8"):
        raise UserError(f"{fields.name}: {fields.document['stored']} is not how SIFT is stored")


def read_local(path: Path) -> Local:
    """Read local features. Those of an image are read when they are asked for."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return _from_reader(reader)


def _from_reader(reader: hdf5.Reader) -> Local:
    _check_meta(Fields(reader.meta, f"{reader.path}: meta"))
    table = items.read(reader)
    sizes, offsets = reader.column("sizes", "i", 2), reader.column("offsets", "i", 1)
    frames = reader.matrix("frames")
    descriptors = reader.matrix("descriptors", TYPES[reader.meta["stored"]])
    n, total = len(table), len(frames)
    whole = sizes.shape == (n, 2) and len(offsets) == n + 1 and offsets[0] == 0
    if not whole or (np.diff(offsets) < 0).any() or offsets[-1] != total:
        raise UserError(f"{reader.path}: the offsets do not fit the images and the features")
    if frames.shape[1] != 3 or descriptors.shape != (total, reader.meta["dimension"]):
        raise UserError(f"{reader.path}: descriptors of shape {descriptors.shape}, {total} places")
    if n and sizes.min() < 1:
        raise UserError(f"{reader.path}: an image has a side of {sizes.min()} pixels")
    return Local(table, sizes, offsets, frames, descriptors, reader.meta, reader.chain, reader.path)


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads every feature and checksum."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        found = _from_reader(reader)
        if full:
            reader.verify_matrix("frames")
            reader.verify_matrix("descriptors", TYPES[found.meta["stored"]])
            for row in range(len(found.items)):
                found.of(row)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_local(path)
    counts = np.diff(found.offsets)
    about: Document = {"images": len(found.items), "features": int(counts.sum())}
    if len(counts):
        about["features_an_image"] = {"least": int(counts.min()), "most": int(counts.max())}
    return {**about, **found.meta}
