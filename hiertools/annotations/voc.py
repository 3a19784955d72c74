"""Pascal VOC XML: a folder with a file an image, objects and their parts in pixels.

Everingham et al. 2010, The Pascal Visual Object Classes (VOC) Challenge. Pixels count from 1 and
the last one is part of the box, so the box of 1, 1, 1, 1 covers the first pixel.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
import polars as pl

from hiertools.boxes import Boxes, from_pixels
from hiertools.errors import UserError
from hiertools.files import trust
from hiertools.files.inputs import Source, open_input

BATCH_FILES = 4096
FLAGS = {"occluded": "occluded", "truncated": "truncated"}

Row = tuple[str, str, list[float], tuple[int, int], dict[str, bool]]


def sniff(source: Source) -> bool:
    """Return whether the input is a folder with XML files, or one XML file."""
    if source.is_folder:
        return next(source.path.glob("*.xml"), None) is not None
    return source.head.lstrip()[:1] == b"<"


def read(source: Source, *, one_based: bool = True) -> Iterator[Boxes]:
    """Read boxes, in the order of the file names.

    one_based: pixels count from 1 as in the original; false for tools that count from 0 and leave
    the last pixel out.
    """
    if not source.is_folder:
        yield _batch([_parse(source.read(), source.name)], one_based)
        return
    paths = sorted(source.path.glob("*.xml"))
    if not paths:
        raise UserError(f"{source.name}: no XML files in this folder")
    for start in range(0, len(paths), BATCH_FILES):
        files = [_read(path) for path in paths[start : start + BATCH_FILES]]
        yield _batch(files, one_based)


def _read(path: Path) -> tuple[str, list[Row]]:
    with open_input(path) as file:
        return _parse(file.read(), str(path))


def _parse(data: bytes, name: str) -> tuple[str, list[Row]]:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UserError(f"{name}: XML with a document type is not read")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise UserError(f"{name}:{error.position[0]}: not XML: {error.msg}") from None
    path = trust.check_inside(_text(root, "filename", name), name)
    image = str(PurePosixPath(path).with_suffix(""))
    sides = (_side(root, "size/width", name), _side(root, "size/height", name))
    rows: list[Row] = []
    for thing in root.iter("object"):
        flags = {flag: _text(thing, tag, name, "0") == "1" for flag, tag in FLAGS.items()}
        for element in (thing, *thing.findall("part")):
            rows.append((image, _text(element, "name", name), _box(element, name), sides, flags))
    return image, rows


def _text(element: ElementTree.Element, tag: str, name: str, default: str | None = None) -> str:
    text = (element.findtext(tag) or "").strip() or default
    if text is None:
        raise UserError(f"{name}: <{element.tag}> has no <{tag}>")
    return text


def _number(element: ElementTree.Element, tag: str, name: str) -> float:
    text = _text(element, tag, name)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise UserError(f"{name}: <{tag}> is {text!r}, not a number")
    return number


def _side(root: ElementTree.Element, tag: str, name: str) -> int:
    side = int(_number(root, tag, name))
    if side <= 0:
        raise UserError(f"{name}: <{tag}> is {side}; the size of the image is needed")
    return side


def _box(element: ElementTree.Element, name: str) -> list[float]:
    return [_number(element, f"bndbox/{tag}", name) for tag in ("xmin", "ymin", "xmax", "ymax")]


def _batch(files: list[tuple[str, list[Row]]], one_based: bool) -> Boxes:
    rows = [row for _, found in files for row in found]
    pixels = np.array([row[2] for row in rows], np.float64).reshape(-1, 4)
    if one_based:
        pixels[:, :2] -= 1
    return Boxes(
        pl.Series([row[0] for row in rows], dtype=pl.String),
        pl.Series([row[1] for row in rows], dtype=pl.String),
        from_pixels(pixels, np.array([row[3] for row in rows], np.int64).reshape(-1, 2)),
        {flag: np.array([row[4][flag] for row in rows], bool) for flag in FLAGS},
        {},
        [image for image, _ in files],
    )
