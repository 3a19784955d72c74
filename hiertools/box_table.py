"""The boxes of all images in one table, and what they are as items.

The id of a box is `IMAGE#N`, where N is its place among the boxes of its image in input order,
before any filter.
"""

import hashlib
import zlib
from dataclasses import dataclass, replace
from itertools import compress, islice
from pathlib import Path

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools import plugins
from hiertools.boxes import MILLION, Boxes, Corners, areas, clip_to_image
from hiertools.errors import UserError
from hiertools.files import items, json
from hiertools.files.inputs import HDF5_MAGIC, Source
from hiertools.files.items import FLAGS, Items, Labels
from hiertools.files.json import Document
from hiertools.terminal import Tick


@dataclass(frozen=True)
class BoxTable:
    """All boxes, grouped by image in the order in which images first come.

    images, labels: ids by code; image, label: a box's codes (n); place: its N (n); corners: n x 4,
    clipped to the image; first: the row of each image's first box, and n at the end; outside: how
    many boxes were clipped; source: the format and names of the annotations.
    """

    images: list[str]
    labels: list[str]
    image: NDArray[np.uint32]
    label: NDArray[np.uint32]
    place: NDArray[np.uint32]
    corners: Corners
    flags: dict[str, NDArray[np.bool_]]
    first: NDArray[np.int64]
    names: dict[str, str]
    outside: int
    source: Document

    def __len__(self) -> int:
        return len(self.image)

    def areas(self) -> NDArray[np.int64]:
        """Return each box's area in millionths of millionths of the image's, n."""
        return areas(self.corners)

    def keep(self, rows: NDArray[np.bool_]) -> "BoxTable":
        """Return the boxes of some rows; every image stays, with or without boxes."""
        if rows.all():
            return self
        counts = np.concatenate([[0], np.cumsum(rows)])
        return replace(
            self,
            image=self.image[rows],
            label=self.label[rows],
            place=self.place[rows],
            corners=self.corners[rows],
            flags={name: flag[rows] for name, flag in self.flags.items()},
            first=counts[self.first],
        )


def read_table(
    sources: list[Source],
    spec: str,
    *,
    only: set[str] | None,
    shard: tuple[int, int],
    tick: Tick,
) -> BoxTable:
    """Read annotations into one table, grouped by image; an image's rows need not be adjacent.

    spec: a member of the annotation formats, or `auto`; only: ids of the images to take, all
    where None; shard: (I, N). Raises `UserError` for an input of no known format or named twice.
    """
    _check_named_once(sources)
    collector = _Collector(only, shard)
    formats: list[str] = []
    for source in sources:
        choice = plugins.parse(plugins.ANNOTATIONS, _sniff(source) if spec == "auto" else spec)
        if json.kind_of(source) or (source.is_folder and not choice.member.load().sniff(source)):
            raise UserError(f"{source.name}: has no annotations of the format {choice.member.name}")
        formats.append(choice.member.name)
        for batch in choice.call(source):
            collector.add(batch)
            tick(len(batch.images))
    files = [str(source.path) for source in sources]
    about: Document = {"format": "+".join(dict.fromkeys(formats)), "files": files}
    if options := spec.partition(":")[2]:
        about["options"] = options
    if only is not None:
        about["images"] = hashlib.sha256("\n".join(sorted(only)).encode()).hexdigest()
    return collector.finish(about)


def missing_images(table: BoxTable, only: set[str] | None, shard: tuple[int, int]) -> int:
    """Return how many of the listed images are not in the annotations.

    Raises `UserError` if none is; of a shard that is no error, as others may have them.
    """
    listed = {image for image in only or () if in_shard(image, shard)}
    missing = len(listed.difference(table.images))
    if listed and missing == len(listed) and shard == (0, 1):
        raise UserError("none of the listed images is in the annotations; are the ids right?")
    return missing


def _check_named_once(sources: list[Source]) -> None:
    seen: set[Path] = set()
    for source in sources:
        path = source.path.resolve()
        if path in seen:
            raise UserError(f"{source.name}: is named twice; its boxes would count twice")
        seen.add(path)


def _sniff(source: Source) -> str:
    if (kind := json.kind_of(source)) is not None:
        raise UserError(f"{source.name}: is a {kind} file; annotations are needed")
    if source.head.startswith(HDF5_MAGIC):
        raise UserError(f"{source.name}: is an HDF5 file; annotations are needed")
    for name, member in plugins.members(plugins.ANNOTATIONS).items():
        if member.load().sniff(source):
            return name
    known = ", ".join(plugins.members(plugins.ANNOTATIONS))
    raise UserError(f"{source.name}: none of the formats {known}; name it with --format")


def in_shard(image: str, shard: tuple[int, int]) -> bool:
    """Return whether an image is of shard I of N; the same on every machine."""
    return shard[1] == 1 or zlib.crc32(image.encode()) % shard[1] == shard[0]


class _Coder:
    """Text to numbers in the order in which texts first come, over batches."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def codes(self, texts: pl.Series) -> NDArray[np.uint32]:
        if texts.dtype == pl.String:
            return self._numbers(texts)
        distinct = texts.unique(maintain_order=True)
        theirs, ours = texts.to_physical().to_numpy(), self._numbers(distinct.cast(pl.String))
        code_of = np.zeros(theirs.max(initial=0) + 1, np.uint32)
        code_of[distinct.to_physical().to_numpy()] = ours
        return np.asarray(code_of[theirs])

    def since(self, count: int) -> list[str]:
        """Return the texts that came after the first `count` ones."""
        return list(islice(reversed(self.known), len(self.known) - count))[::-1]

    def _numbers(self, texts: pl.Series) -> NDArray[np.uint32]:
        known = self.known
        numbers = (known.setdefault(text, len(known)) for text in texts.to_list())
        return np.fromiter(numbers, np.uint32, len(texts))


class _Collector:
    def __init__(self, only: set[str] | None, shard: tuple[int, int]) -> None:
        self.only, self.shard = only, shard
        self.images, self.labels = _Coder(), _Coder()
        self.wanted = np.zeros(0, bool)
        self.parts: list[tuple[NDArray[np.uint32], NDArray[np.uint32], Corners]] = []
        self.flags: list[dict[str, NDArray[np.bool_]]] = []
        self.names: dict[str, str] = {}
        self.skipped: set[str] = set()
        self.outside = 0

    def add(self, batch: Boxes) -> None:
        self.names.update(batch.names)
        self.skipped |= batch.skipped
        image = self._image_codes(batch)
        label = self.labels.codes(batch.labels)
        rows = self.wanted[image]
        corners, flags = batch.corners, batch.flags
        if not rows.all():
            image, label, corners = image[rows], label[rows], corners[rows]
            flags = {name: flag[rows] for name, flag in flags.items()}
        clipped, outside = clip_to_image(corners)
        self.outside += outside
        self.parts.append((image, label, clipped))
        self.flags.append(flags)

    def _image_codes(self, batch: Boxes) -> NDArray[np.uint32]:
        """Return the image code of every box; runs of one image are looked up once."""
        if batch.listed:
            self.images.codes(pl.Series(batch.listed, dtype=pl.String))
        starts = (batch.images != batch.images.shift()).fill_null(True)
        run_codes = self.images.codes(batch.images.filter(starts))
        new = self.images.since(len(self.wanted))
        self.wanted = np.concatenate([self.wanted, self._are_wanted(new)])
        return np.asarray(run_codes[np.cumsum(starts.to_numpy()) - 1])

    def _are_wanted(self, images: list[str]) -> NDArray[np.bool_]:
        if self.only is None and self.shard == (0, 1):
            return np.ones(len(images), bool)
        only = self.only
        wanted = ((only is None or i in only) and in_shard(i, self.shard) for i in images)
        return np.fromiter(wanted, bool, len(images))

    def finish(self, source: Document) -> BoxTable:
        empty = (
            np.zeros(0, np.uint32),
            np.zeros(0, np.uint32),
            np.zeros((0, 4), np.int32),
        )
        image, label, corners = (
            np.concatenate(column) for column in zip(*(self.parts or [empty]), strict=True)
        )
        flags = self._joined_flags()
        self.parts.clear()
        if not self.wanted.all():
            image = (np.cumsum(self.wanted, dtype=np.uint32) - 1)[image].astype(np.uint32)
        images = list(compress(self.images.known, self.wanted))
        place, first = _places_in_images(image, len(images))
        if (image[1:] < image[:-1]).any():
            order = np.empty(len(image), np.int64)
            order[first[image] + place] = np.arange(len(image))
            image, label, place, corners = image[order], label[order], place[order], corners[order]
            flags = {name: flag[order] for name, flag in flags.items()}
        labels = list(self.labels.known)
        table = BoxTable(
            images, labels, image, label, place, corners, flags, first, self.names, self.outside,
            source,
        )  # fmt: skip
        skipped = [code for code, name in enumerate(labels) if name in self.skipped]
        return table.keep(~np.isin(label, skipped)) if skipped else table

    def _joined_flags(self) -> dict[str, NDArray[np.bool_]]:
        """Return the flags that any batch has; where one does not say, they are not set."""
        absent = [np.zeros(len(image), bool) for image, _, _ in self.parts]
        return {
            name: np.concatenate([f.get(name, a) for f, a in zip(self.flags, absent, strict=True)])
            for name in FLAGS
            if any(name in flags for flags in self.flags)
        }


@numba.njit(cache=True)  # type: ignore[misc]
def _places_in_images(image, images):  # type: ignore[no-untyped-def]
    """Return each row's place among those of its image, and where grouped images start."""
    place = np.empty(len(image), np.uint32)
    counts = np.zeros(images + 1, np.int64)
    for row in range(len(image)):
        place[row] = counts[image[row] + 1]
        counts[image[row] + 1] += 1
    return place, np.cumsum(counts)


def as_items(table: BoxTable) -> Items:
    """Return every image, followed by its boxes, as items.

    Image i is row first[i] + i, box r is row r + image[r] + 1. A box has its label, an image those
    of its boxes in the order of the boxes.
    """
    n, m = len(table), len(table.images)
    image_row = table.first[:-1] + np.arange(m)
    box_row = np.arange(n) + table.image + 1
    names = items.encode(table.images)
    image = np.empty(n + m, names.dtype)
    image[image_row], image[box_row] = names, names[table.image]
    box_ids = np.strings.add(np.strings.add(names[table.image], b"#"), table.place.astype("S"))
    ids = np.empty(n + m, np.promote_types(names.dtype, box_ids.dtype))
    ids[image_row], ids[box_row] = names, box_ids
    kind = np.zeros(n + m, np.uint8)
    kind[box_row] = 1
    box = np.tile([0.0, 0.0, 1.0, 1.0], (n + m, 1))
    box[box_row] = table.corners / MILLION
    flags = {name: np.zeros(n + m, bool) for name in table.flags}
    for name, flag in flags.items():
        flag[box_row] = table.flags[name]
    return Items(ids, image, kind, _labels(table, image_row, box_row), box, **flags)


def _labels(table: BoxTable, image_row: NDArray[np.int64], box_row: NDArray[np.int64]) -> Labels:
    size = max(1, len(table.labels))
    keys = table.image.astype(np.int64) * size + table.label
    first_boxes = np.sort(np.unique(keys, return_index=True)[1])
    counts = np.empty(len(image_row) + len(box_row), np.int64)
    counts[image_row] = np.bincount(table.image[first_boxes], minlength=len(image_row))
    counts[box_row] = 1
    offsets = np.concatenate([[0], np.cumsum(counts)])
    codes = np.empty(offsets[-1], np.int32)
    codes[offsets[box_row]] = table.label
    starts = np.repeat(offsets[image_row], counts[image_row])
    codes[starts + _places(counts[image_row])] = table.label[first_boxes]
    return Labels(offsets, codes, items.encode(table.labels))


def _places(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0 to count - 1 for each count, under each other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
