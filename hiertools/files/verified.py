"""verified: pairs of images whose local features one model of geometry explains."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, items
from hiertools.files.json import Document, Fields

KIND = "verified"
VERSION = 1
FEATURES = "<i4"
NONE = np.full(9, np.nan)
MOST_FILES = 12  # of local features, of which all sets are looked at


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


@dataclass(frozen=True)
class Block:
    """Some pairs: codes of their images (p x 2, int32), and what was found of each."""

    codes: NDArray[np.int32]
    pairs: list[Pair]


def digest_of(digests: Iterable[str]) -> str:
    """Return what files of local features are together, of the digest of each."""
    return hashlib.sha256(" ".join(sorted(digests)).encode()).hexdigest()


@dataclass(frozen=True)
class Part:
    """The pairs of a file. images: ids; sizes: width and height of each (n x 2, int32);
    codes: of the images of each pair, left and right (p x 2, int32); offsets: first inlier of each
    pair, and their number (p + 1); features, points: of all inliers, as `Pair` has them, memory
    maps; models: p x 9, NaN without one; tentative: p. `meta` has `options` of the matching and,
    as `local`, a digest of the features.
    """

    images: list[str]
    sizes: NDArray[np.int32]
    codes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    features: NDArray[np.int32]
    points: NDArray[np.float32]
    models: NDArray[np.float64]
    tentative: NDArray[np.int32]
    meta: Document
    chain: list[Document]
    path: Path

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def place(self) -> dict[str, int]:
        """Return the code of each image."""
        return {key: code for code, key in enumerate(self.images)}

    @cached_property
    def _order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        keys = self._key(*self.codes.T.astype(np.int64))
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    def _key(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        return left * max(1, len(self.images)) + right

    def find(self, left: int, right: int) -> int | None:
        """Return the place of a pair of images, None if it is not there."""
        keys, order = self._order
        wanted = self._key(np.int64(left), np.int64(right))  # type: ignore[arg-type]
        at = int(np.searchsorted(keys, wanted))
        return int(order[at]) if at < len(keys) and keys[at] == wanted else None

    def check_local(self, digests: Sequence[str]) -> None:
        """Raise `UserError` if the pairs are not of some of these files of local features."""
        made = self.meta.get("local")
        if made is None or not digests or len(digests) > MOST_FILES:
            return
        sizes = range(1, len(digests) + 1)
        some = chain.from_iterable(combinations(digests, size) for size in sizes)
        if all(digest_of(each) != made for each in some):
            raise UserError(
                f"{self.path}: its pairs are of other local features than those of --local; verify"
                " them again, or name the files that they are of"
            )

    def pair(self, place: int) -> Pair:
        """Return a pair."""
        inliers = slice(self.offsets[place], self.offsets[place + 1])
        model = self.models[place].reshape(3, 3)
        return Pair(
            np.array(self.features[inliers]), np.array(self.points[inliers]),
            None if np.isnan(model).any() else model, int(self.tentative[place]),
        )  # fmt: skip

    @cached_property
    def _linked(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return first place of each image, and the others and their inliers, the most first."""
        counts = np.diff(self.offsets)
        some = counts > 0
        ends = np.concatenate([self.codes[some], self.codes[some][:, ::-1]]).astype(np.int64)
        inliers = np.tile(counts[some], 2)
        order = np.lexsort((ends[:, 1], -inliers, ends[:, 0]))
        starts = np.searchsorted(ends[order, 0], np.arange(len(self.images) + 1))
        return starts, ends[order, 1], inliers[order]

    def others(self, code: int) -> list[tuple[str, int]]:
        """Return the images that one has inliers with, and how many, the most first."""
        starts, others, inliers = self._linked
        here = slice(starts[code], starts[code + 1])
        found = zip(others[here].tolist(), inliers[here].tolist(), strict=True)
        return [(self.images[other], count) for other, count in found]


class Verified:
    """Verified pairs of several files that were made the same way."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self.options: Document = parts[0].meta["options"]
        for part in parts[1:]:
            if part.meta["options"] != self.options:
                raise UserError(
                    f"{part.path}: was verified with other options than {parts[0].path}"
                )
            if part.meta.get("local") != parts[0].meta.get("local"):
                raise UserError(
                    f"{part.path}: was verified with other local features than {parts[0].path}"
                )

    def pair(self, left: str, right: str) -> Pair | None:
        """Return a pair, from left to right, None if it was never looked at."""
        for part in self._parts:
            codes = part.place.get(left), part.place.get(right)
            if codes[0] is None or codes[1] is None:
                continue
            place = part.find(codes[0], codes[1])
            if place is not None:
                return part.pair(place)
            place = part.find(codes[1], codes[0])
            if place is not None:
                return part.pair(place).reversed()
        return None

    def others(self, key: str) -> list[tuple[str, int]]:
        """Return the images that one has inliers with and how many, the most first."""
        found: dict[str, int] = {}
        for part in self._parts:
            if key in part.place:
                for other, count in part.others(part.place[key]):
                    found.setdefault(other, count)
        return sorted(found.items(), key=lambda each: (-each[1], each[0]))

    def size(self, key: str) -> tuple[int, int] | None:
        """Return the width and height of an image in pixels, None if it is in no pair."""
        for part in self._parts:
            if key in part.place:
                width, height = part.sizes[part.place[key]].tolist()
                return width, height
        return None


def write_verified(
    path: Path,
    images: list[str],
    sizes: NDArray[np.int32],
    blocks: Sequence[Block] | Iterable[Block],
    *,
    meta: Document,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write pairs of images. `meta`: as `Part` has it, and whatever more."""
    kept = list(blocks)
    pairs = [pair for block in kept for pair in block.pairs]
    offsets = np.cumsum([0, *map(len, pairs)], dtype=np.int64)
    total = int(offsets[-1])
    models = [NONE if pair.model is None else pair.model.ravel() for pair in pairs]
    codes = [np.zeros((0, 2), np.int32), *(block.codes for block in kept)]
    with hdf5.create(path, KIND, VERSION, meta=meta, chain=chain, overwrite=overwrite) as writer:
        writer.column("images", items.encode(images))
        writer.column("sizes", sizes.astype(np.int32).reshape(-1, 2))
        writer.column("pairs", np.concatenate(codes).astype(np.int32))
        writer.column("tentative", np.array([pair.tentative for pair in pairs], np.int32))
        writer.column("models", np.array(models, np.float64).reshape(-1, 9))
        writer.column("offsets", offsets)
        writer.matrix("features", (total, 2), (pair.features for pair in pairs), FEATURES)
        writer.matrix("points", (total, 4), (pair.points for pair in pairs))


def read_verified(paths: Sequence[Path]) -> Verified:
    """Read the pairs of several files together."""
    return Verified([read_part(path) for path in paths])


def read_part(path: Path) -> Part:
    """Read the pairs of a file; their inliers are memory maps."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return _from_reader(reader)


def _from_reader(reader: hdf5.Reader) -> Part:
    name = str(reader.path)
    Fields(reader.meta, f"{name}: meta").object("options")
    images = [items.decode(key) for key in reader.column("images", "S", 1)]
    sizes, codes = reader.column("sizes", "i", 2), reader.column("pairs", "i", 2)
    offsets, models = reader.column("offsets", "i", 1), reader.column("models", "f", 2)
    tentative = reader.column("tentative", "i", 1)
    features, points = reader.matrix("features", FEATURES), reader.matrix("points")
    p, n = len(codes), len(images)
    fits = len(offsets) == p + 1 and len(tentative) == p and models.shape == (p, 9)
    if not fits or offsets[0] != 0 or (np.diff(offsets) < 0).any() or sizes.shape != (n, 2):
        raise UserError(f"{name}: the columns do not fit {p:,} pairs of {n:,} images")
    if features.shape != (offsets[-1], 2) or points.shape != (offsets[-1], 4):
        raise UserError(f"{name}: the inliers do not fit the pairs")
    if codes.shape != (p, 2) or (p and not 0 <= codes.min() <= codes.max() < n):
        raise UserError(f"{name}: a pair is of no image")
    if len(set(images)) != n:
        raise UserError(f"{name}: an image is there twice")
    return Part(
        images, sizes, codes, offsets, features, points, models, tentative, reader.meta,
        reader.chain, reader.path,
    )  # fmt: skip


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads every inlier and checksum."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        found = _from_reader(reader)
        if full:
            reader.verify_matrix("features", FEATURES)
            reader.verify_matrix("points")
            if not np.isfinite(found.points).all():
                raise UserError(f"{path}: a point is not finite")


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_part(path)
    counts = np.diff(found.offsets)
    return {
        "images": len(found.images),
        "pairs": len(found),
        "pairs_with_inliers": int((counts > 0).sum()),
        "inliers": int(counts.sum()),
        **found.meta,
    }
