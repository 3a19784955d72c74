"""A CSV of items that were made elsewhere: id, label or labels, and the image of boxes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from hiertools.errors import UserError
from hiertools.evaluation.sets import BOX, IMAGE
from hiertools.files import csv, item_table, items
from hiertools.files.inputs import Source
from hiertools.files.items import Items

BOX_ID = re.compile(r"(.+)#\d+")  # IMAGE#N, where the file does not say which image


def read(path: Path) -> tuple[Items, str]:
    """Return the items of a CSV's lines, in their order, and its sha256.

    An item whose id is that of its image is the image, and any other a box of it.
    """
    names = [
        name
        for batch in csv.read(Source(path), {"id": pl.String}, {})
        for name in batch.frame["id"].to_list()
    ]
    try:
        bare = Items(items.encode(names))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    table, sha256 = item_table.join(bare, path)
    if table.image is None:
        matches = map(BOX_ID.fullmatch, names)
        images = [match[1] if match else name for match, name in zip(matches, names, strict=True)]
        table = replace(table, image=items.encode(images))
    kind = np.where(table.image == table.id, IMAGE, BOX).astype(np.uint8)
    return replace(table, kind=kind), sha256
