"""What there is to embed: the rows, and the picture or the text of each."""

import hashlib
import os
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools import images
from hiertools.box_table import BoxTable, as_items
from hiertools.boxes import MILLION
from hiertools.errors import UsageError, UserError
from hiertools.files import inputs, items, trust
from hiertools.files.items import Items


@dataclass(frozen=True)
class Inventory:
    """n rows: `items`, and the file each is a part of (`files[file_of[row]]`, None if missing).

    For text, `texts` has a line for each row and there are no files.
    """

    items: Items
    files: list[Path | None]
    file_of: NDArray[np.int64]
    texts: list[str] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: NDArray[np.bool_] | range) -> "Inventory":
        """Return some of the rows."""
        kept = np.asarray(rows) if isinstance(rows, range) else np.flatnonzero(rows)
        texts = self.texts and [self.texts[row] for row in kept]
        return replace(self, items=self.items.take(kept), file_of=self.file_of[kept], texts=texts)

    def shard(self, part: tuple[int, int], *, batch_size: int) -> "Inventory":
        """Return shard I of N: whole batches, so that shards and one run give the same bytes."""
        batches = -(-len(self) // batch_size)
        first, last = (i * batches // part[1] * batch_size for i in (part[0], part[0] + 1))
        if first == last:
            raise UsageError(
                f"--shard {part[0]}/{part[1]}: there are only {batches} batches; take fewer shards"
                " or a smaller --batch-size"
            )
        return self.take(range(first, min(last, len(self))))

    def of_listed_images(self, names: list[str]) -> "Inventory":
        """Return the rows of some images. Raises `UserError` for one that is not there."""
        assert self.items.image is not None
        known = self.items.image
        listed = items.encode(names)
        missing = listed[~np.isin(listed, known)]
        if len(missing):
            first = items.decode(missing[0])
            raise UserError(f"{len(missing):,} listed images are not there, such as {first!r}")
        return self.take(np.isin(known, listed))

    def of_kind(self, kind: str) -> "Inventory":
        """Return the rows of one kind (image, box). Raises `UserError` if there are none."""
        assert self.items.kind is not None
        rows = items.KINDS[self.items.kind] == kind.encode()
        if not rows.any():
            raise UserError(f"--only {kind}: there are no such rows")
        return self.take(rows)

    def of_area(self, least: Decimal, most: Decimal) -> "Inventory":
        """Return whole images and the boxes of `least` to `most` of their image.

        Raises `UserError` if there are none.
        """
        if self.items.box is None or self.items.kind is None:
            return self
        corners = np.rint(self.items.box * MILLION).astype(np.int64)
        areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        of_size = (areas >= float(least) * MILLION**2) & (areas <= float(most) * MILLION**2)
        kept = of_size | (self.items.kind == 0)
        if not kept.any():
            raise UserError(f"no box has an area of {least} to {most} of its image")
        return self.take(kept)

    def digest(self) -> str:
        """Return a sha256 of the rows and of their files' paths, sizes and times of change."""
        sha256 = hashlib.sha256(self.items.id.tobytes())
        if self.items.box is not None:
            sha256.update(self.items.box.tobytes())
        for text in self.texts or ():
            sha256.update(text.encode() + b"\n")
        for row in dict.fromkeys(self.file_of.tolist() if self.files else ()):
            path = self.files[row]
            about = os.stat(path) if path and path.exists() else None
            sha256.update(f"{path} {about and (about.st_size, about.st_mtime_ns)}\n".encode())
        return sha256.hexdigest()


def of_images(paths: list[Path], *, root: Path | None) -> Inventory:
    """Take whole images: folders, single files, and lists of paths (`-` too).

    The paths of a list start at `root`, or else where the program runs. An id is the path below
    the folder, or as the list has it, without suffix.
    """
    entries: list[tuple[str, Path]] = []
    listed = False
    for path in paths:
        if path != inputs.STDIN and path.is_dir():
            entries += images.below(path)
        elif path.suffix.lower() in images.SUFFIXES:
            entries.append((path.stem, path))
        else:
            entries += _listed(path, root)
            listed = True
    if root is not None and not listed:
        raise UsageError("--image-root is for lists of images and for --boxes")
    names = items.encode([name for name, _ in entries])
    n = len(entries)
    if not n:
        raise UserError("no images to embed")
    table = Items(names, names, np.zeros(n, np.uint8), box=np.tile([0.0, 0.0, 1.0, 1.0], (n, 1)))
    return Inventory(table, [path for _, path in entries], np.arange(n))


def _listed(path: Path, root: Path | None) -> list[tuple[str, Path]]:
    lines, _ = inputs.lines(path)
    entries = []
    for line in lines:
        if root is not None:
            trust.check_inside(line, str(path))
        file = Path(line) if root is None else root / line
        entries.append((Path(line).with_suffix("").as_posix(), file))
    return entries


def of_boxes(table: BoxTable, *, roots: list[Path]) -> Inventory:
    """Take every annotated image and each of its boxes."""
    finder = images.Finder(roots)
    files = [finder.find(image) for image in table.images]
    if table.images and not any(files):
        raise UserError(
            f"{', '.join(map(str, roots))}: has none of the annotated images, such as"
            f" {table.images[0]!r}"
        )
    found = as_items(table)
    row = np.cumsum(np.asarray(found.kind) == 0) - 1
    return Inventory(found, files, row)


def of_texts(paths: list[Path]) -> Inventory:
    """Take the lines of files: `ID<TAB>TEXT`, or a text that is its own id and label."""
    lines = [line for path in paths for line in inputs.lines(path)[0]]
    pairs = [line.partition("\t") for line in lines]
    ids = items.encode([key for key, _, _ in pairs])
    texts = [text if tab else key for key, tab, text in pairs]
    n = len(lines)
    labels = items.label_sets([key] for key, _, _ in pairs)
    table = Items(ids, kind=np.full(n, 2, np.uint8), labels=labels)
    return Inventory(table, [], np.zeros(n, np.int64), texts)


def with_folder_labels(inventory: Inventory) -> Inventory:
    """Give every image the name of the folder that it is in as its label."""
    folders = [file.parent.name if file else "" for file in inventory.files]
    labels = items.label_sets([folders[row]] for row in inventory.file_of)
    return replace(inventory, items=replace(inventory.items, labels=labels))
