"""The boxes of all images in one table, and what they are as items.

The id of a box is `IMAGE#N`, where N is its place among the boxes of its image in input order,
before any filter.
"""

import hashlib
import zlib
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools import plugins
from hiertools.boxes import MILLION, Boxes, Corners, areas, clip_to_image
from hiertools.errors import UserError
from hiertools.files import items, json
from hiertools.files.inputs import HDF5_MAGIC, Source
from hiertools.files.items import FLAGS, Items, Labels
from hiertools.files.json import Document
from hiertools.files.texts import Codes, Texts
from hiertools.terminal import Tick

MORE_ROWS = 1 << 20


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


class _Collector:
    def __init__(self, only: set[str] | None, shard: tuple[int, int]) -> None:
        self.only, self.shard = only, shard
        self.takes_all = only is None and shard == (0, 1)
        self.images, self.labels = Codes(), Codes()
        self.wanted = np.zeros(0, bool)
        self.rows = 0
        self.columns: dict[str, NDArray[Any]] = {
            "image": np.empty(0, np.uint32),
            "label": np.empty(0, np.uint32),
            "corners": np.empty((0, 4), np.int32),
        }
        self.names: dict[str, str] = {}
        self.skipped: set[str] = set()
        self.outside = 0

    def add(self, batch: Boxes) -> None:
        self.names.update(batch.names)
        self.skipped |= batch.skipped
        image = self._image_codes(batch)
        label = self.labels.of(batch.labels)
        found: dict[str, NDArray[Any]] = {
            "image": image,
            "label": label,
            "corners": batch.corners,
            **batch.flags,
        }
        if not self.takes_all:
            rows = self.wanted[image]
            found = {name: column[rows] for name, column in found.items()}
        found["corners"], outside = clip_to_image(found["corners"])
        self.outside += outside
        before, self.rows = self.rows, self.rows + len(found["image"])
        for name, column in found.items():
            ours = self.columns.setdefault(name, np.empty(0, bool))
            if len(ours) < self.rows:
                self._resize(ours, max(self.rows, min(2 * len(ours), len(ours) + MORE_ROWS)))
            ours[before : self.rows] = column

    def _resize(self, column: NDArray[Any], rows: int) -> None:
        """Change the number of rows; new ones are 0.

        A large array grows where it is or changes its address, so that it is not there twice.
        """
        column.resize((rows, *column.shape[1:]), refcheck=False)

    def _image_codes(self, batch: Boxes) -> NDArray[np.uint32]:
        """Return the image code of every box."""
        if batch.listed:
            self.images.of(Texts.of(batch.listed))
        codes = self.images.of(batch.images)
        if not self.takes_all:
            new = [self._is_wanted(image) for image in self.images.new()]
            self.wanted = np.concatenate([self.wanted, np.array(new, bool)])
        return codes

    def _is_wanted(self, image: str) -> bool:
        return (self.only is None or image in self.only) and in_shard(image, self.shard)

    def finish(self, source: Document) -> BoxTable:
        """Return the table, and forget the rows."""
        for column in self.columns.values():
            self._resize(column, self.rows)
        image, images = self.columns.pop("image"), self.images.texts().to_list()
        if not self.takes_all:
            image = (np.cumsum(self.wanted) - 1).astype(np.uint32)[image]
            images = list(compress(images, self.wanted))
        place, first = _places_in_images(image, len(images))
        if (image[1:] < image[:-1]).any():
            _add_firsts(place, image, first)
            for name in self.columns:
                self.columns[name] = _ordered(self.columns[name], place)
            image = np.repeat(np.arange(len(images), dtype=np.uint32), np.diff(first))
            place = np.arange(self.rows, dtype=np.uint32)
            _add_firsts(place, image, -first)
        labels = self.labels.texts().to_list()
        table = BoxTable(
            images=images,
            labels=labels,
            image=image,
            label=self.columns["label"],
            place=place,
            corners=self.columns["corners"],
            flags={name: self.columns[name] for name in FLAGS if name in self.columns},
            first=first,
            names=self.names,
            outside=self.outside,
            source=source,
        )
        skipped = [code for code, name in enumerate(labels) if name in self.skipped]
        return table.keep(~np.isin(table.label, skipped)) if skipped else table


@numba.njit(cache=True)  # type: ignore[misc]
def _places_in_images(image, images):  # type: ignore[no-untyped-def]
    """Return each row's place among those of its image, and where grouped images start."""
    place = np.empty(len(image), np.uint32)
    counts = np.zeros(images + 1, np.int64)
    for row in range(len(image)):
        place[row] = counts[image[row] + 1]
        counts[image[row] + 1] += 1
    return place, np.cumsum(counts)


@numba.njit(cache=True)  # type: ignore[misc]
def _add_firsts(place, image, first):  # type: ignore[no-untyped-def]
    for row in range(len(place)):
        place[row] += first[image[row]]


def _ordered(column: NDArray[Any], place: NDArray[np.uint32]) -> NDArray[Any]:
    """Return a column with each row at its place."""
    ordered = np.empty_like(column)
    shape = (len(column), -1)
    _put(ordered.reshape(shape), column.reshape(shape), place)
    return ordered


@numba.njit(cache=True, parallel=True)  # type: ignore[misc]
def _put(out, rows, place):  # type: ignore[no-untyped-def]
    for row in numba.prange(len(rows)):
        for i in range(rows.shape[1]):
            out[place[row], i] = rows[row, i]


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
