"""masks: where in an image the object of a query is, as JSON Lines, with or without a header.

A line is `{query, image, polygons | rle, rank?, size?, level?}`, those of a query in rank order. A
mask is polygons, each a list of corners [x, y] in pixels or, as in COCO, of x and y in turn; or a
run-length encoding of COCO, `{size: [height, width], counts: text or whole numbers}`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain as joined
from pathlib import Path
from typing import Any

from hiertools.errors import UserError
from hiertools.files import atomic, json
from hiertools.files.inputs import Source
from hiertools.files.json import Document, Fields

KIND = "masks"
VERSION = 1
LEVELS = ("easy", "medium", "hard", "junk")
MOST_SIDE = 1 << 16  # pixels of an image, where its size is not known
SHOWN = 12  # letters of a number that is wrong
BEYOND = 1.0  # pixels that a corner may be outside of its image: edges are counted in two ways

Polygon = list[tuple[float, float]]


@dataclass(frozen=True)
class Mask:
    """Where an object is in an image, and where that stands in its file.

    polygons: may be none, for nowhere; rle: in their place, `size` and `counts`; size: height and
    width in pixels, None if they are not known; level: how hard it is to see, of a truth; rank: of
    the image among the hits, from 1, None if it is not known.
    """

    query: str
    image: str
    polygons: list[Polygon]
    rle: Document | None
    size: tuple[int, int] | None
    level: str | None
    place: str
    rank: int | None = None


def write_masks(
    path: Path, lines: Iterable[Document], *, chain: list[Document], overwrite: bool
) -> None:
    """Write lines below a header."""
    header = {"kind": KIND, "version": VERSION, "provenance": chain}
    atomic.write_texts(path, map(json.line, joined([header], lines)), overwrite=overwrite)


def read_masks(source: Source | Path) -> tuple[Document, list[Mask]]:
    """Return the header, {} for a file made elsewhere, and the masks.

    Raises `UserError` with its line at the first that is none, that leaves its image or that is
    there twice.
    """
    source = source if isinstance(source, Source) else Source(source)
    lines = json.read_lines(source)
    first = next(lines)
    header: Document = {}
    if "kind" in first.document:
        header = json.expect(first.document, source.name, KIND, VERSION)
        first.objects("provenance")
    else:
        lines = joined([first], lines)
    return header, list(_once(map(_mask, lines), source.name))


def _once(masks: Iterable[Mask], name: str) -> Iterator[Mask]:
    seen: set[tuple[str, str]] = set()
    for mask in masks:
        if (mask.query, mask.image) in seen:
            raise UserError(
                f"{name}: {mask.place}: the image {mask.image!r} of {mask.query!r} is there twice"
            )
        seen.add((mask.query, mask.image))
        yield mask


def _mask(line: Fields) -> Mask:
    document = line.document
    if ("polygons" in document) == ("rle" in document):
        raise UserError(f"{line.name}: {line.place}: a mask is either polygons or rle")
    size = _size(line, line.list("size")) if "size" in document else None
    rle = None
    polygons: list[Polygon] = []
    if "rle" in document:
        rle, size = _rle(line, size)
    else:
        polygons = [_polygon(line, each, size) for each in line.list("polygons")]
    level = line.one_of("level", LEVELS) if "level" in document else None
    rank = _rank(line) if "rank" in document else None
    return Mask(
        line.text("query"), line.text("image"), polygons, rle, size, level, line.place, rank
    )


def _rank(line: Fields) -> int:
    rank = line.count("rank")
    if not rank:
        raise UserError(f"{line.name}: {line.place}: ranks are from 1")
    return rank


def _size(line: Fields, found: list[Any]) -> tuple[int, int]:
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in found)
    if len(found) != 2 or not whole or min(found) < 1 or max(found) > MOST_SIDE:
        raise UserError(f"{line.name}: {line.place}: size is not [height, width] in pixels")
    return found[0], found[1]


def _rle(line: Fields, size: tuple[int, int] | None) -> tuple[Document, tuple[int, int]]:
    document = line.object("rle")
    own = _size(line, Fields(document, line.name, f"{line.place}: rle").list("size"))
    if size not in (None, own):
        raise UserError(f"{line.name}: {line.place}: size is {size}, and that of rle is {own}")
    counts = document.get("counts")
    if isinstance(counts, list):
        good = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts)
        if not good or sum(counts) != own[0] * own[1]:
            raise UserError(
                f"{line.name}: {line.place}: the counts of rle do not add up to its pixels"
            )
    elif not isinstance(counts, str) or not counts.isascii():
        raise UserError(f"{line.name}: {line.place}: the counts of rle are neither text nor a list")
    return {"size": list(own), "counts": counts}, own


def _polygon(line: Fields, found: Any, size: tuple[int, int] | None) -> Polygon:
    flat: list[Any] = [
        number
        for part in (found if isinstance(found, list) else [None])
        for number in (part if isinstance(part, list) and len(part) == 2 else [part])
    ]
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in flat)
    if not numbers or len(flat) < 6 or len(flat) % 2:
        raise UserError(f"{line.name}: {line.place}: a polygon is not three corners or more")
    corners = list(zip(flat[::2], flat[1::2], strict=True))
    check_inside(corners, size or (MOST_SIDE, MOST_SIDE), f"{line.name}: {line.place}")
    return [(float(x), float(y)) for x, y in corners]


def check_inside(corners: Polygon, size: tuple[int, int], where: str) -> None:
    """Raise `UserError` for a corner outside of an image. size: its height and width.

    What draws polygons is not safe from corners that are far outside.
    """
    height, width = size
    for x, y in corners:
        if not (-BEYOND <= x <= width + BEYOND and -BEYOND <= y <= height + BEYOND):
            shown = ", ".join(f"{number}"[:SHOWN] for number in (x, y))
            raise UserError(f"{where}: the corner {shown} is outside of the image")


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_masks(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    _, masks = read_masks(path)
    about: Document = {"masks": len(masks), "queries": len({mask.query for mask in masks})}
    levels = {
        level: count for level in LEVELS if (count := sum(mask.level == level for mask in masks))
    }
    return {**about, "levels": levels} if levels else about
