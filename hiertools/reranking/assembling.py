"""What is known of local features: by the id of an image or of a box of one."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.items import Items
from hiertools.files.local_features import Local, LocalFeatures

KEPT = 256  # images whose features are kept in memory: some 300 MB

Boxes = Mapping[str, tuple[str, NDArray[np.float64]]]


def boxes_of(table: Items) -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Return the image and the box (x0, y0, x1, y1 in [0, 1]) of each box of a table, by id."""
    if table.kind is None or table.box is None or table.image is None:
        return {}
    return {
        items.decode(table.id[row]): (items.decode(table.image[row]), table.box[row])
        for row in np.flatnonzero(items.KINDS[table.kind] == b"box").tolist()
    }


class Features:
    """Local features of images by id, and those inside boxes of images.

    Raises `UserError` if two files have an image of one id.
    """

    def __init__(self, files: Sequence[Local], boxes: Boxes) -> None:
        self._files, self._boxes = files, boxes
        self._of_image = lru_cache(maxsize=KEPT)(self._read)
        _check_once(files)

    def of(self, key: str) -> LocalFeatures | None:
        """Return the features of an image or a box, None if there are none."""
        found = self._of_image(key)
        if found is None and key in self._boxes:
            image, box = self._boxes[key]
            whole = self._of_image(image)
            return whole and whole.inside(box)
        return found

    def size(self, key: str) -> tuple[int, int] | None:
        """Return the width and height of an image, or that of a box; None if it is not known."""
        image = self._boxes[key][0] if key in self._boxes else key
        for file in self._files:
            row = file.row(image)
            if row is not None:
                width, height = file.sizes[row].tolist()
                return width, height
        return None

    def _read(self, key: str) -> LocalFeatures | None:
        for file in self._files:
            row = file.row(key)
            if row is not None:
                return file.of(row)
        return None


def _check_once(files: Sequence[Local]) -> None:
    for place, file in enumerate(files):
        for other in files[:place]:
            both = np.intersect1d(file.items.id, other.items.id)
            if len(both):
                raise UserError(
                    f"{file.path}: {items.decode(both[0])!r} is in {other.path} too; embed the"
                    " folder above both, so that their ids differ"
                )
