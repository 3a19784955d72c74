"""Pascal VOC XML: a folder with a file an image, objects and their parts in pixels.

Everingham et al. 2010, The Pascal Visual Object Classes (VOC) Challenge. Pixels count from 1 and
the last one is part of the box, so the box of 1, 1, 1, 1 covers the first pixel.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from hiertools.boxes import EDGE, Boxes, from_pixels
from hiertools.errors import UserError
from hiertools.files import trust
from hiertools.files.inputs import Source, open_input
from hiertools.files.texts import Texts

BATCH_FILES = 4096
FLAGS = {"occluded": "occluded", "truncated": "truncated"}

Element = ElementTree.Element
Row = tuple[str, str, list[float], tuple[int, int], dict[str, bool]]


def sniff(source: Source) -> bool:
    """Return whether the input is a folder with XML files, or one XML file."""
    if source.is_folder:
        return next(source.path.glob("*.xml"), None) is not None
    return source.head.removeprefix(BOM_UTF8).lstrip()[:1] == b"<"


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
    names: dict[str, Path] = {}
    for start in range(0, len(paths), BATCH_FILES):
        files = [_read(path, names) for path in paths[start : start + BATCH_FILES]]
        yield _batch(files, one_based)


def _read(path: Path, names: dict[str, Path]) -> tuple[str, list[Row]]:
    """Read a file; `names` has the files read before by their image."""
    with open_input(path) as file:
        image, rows = _parse(file.read(), str(path))
    if (other := names.setdefault(image, path)) != path:
        raise UserError(f"{path}: is of the image {image!r}, as {other} is; mend its <filename>")
    return image, rows


def _parse(data: bytes, name: str) -> tuple[str, list[Row]]:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UserError(f"{name}: XML with a document type is not read")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise UserError(f"{name}:{error.position[0]}: not XML: {error.msg}") from None
    try:
        path = trust.check_inside(_text(root, "filename"), name)
        image = str(PurePosixPath(path).with_suffix(""))
        return image, _rows(root, image)
    except _ElementError as error:
        line = _line_of(error.element, root, data)
        raise UserError(f"{name}:{line}: {error}") from None


class _ElementError(ValueError):
    """What is wrong with an element."""

    def __init__(self, element: Element, message: str) -> None:
        super().__init__(message)
        self.element = element


def _line_of(element: Element, root: Element, data: bytes) -> int:
    """Return the line of an element, which ElementTree does not keep."""
    lines: list[int] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda *_: lines.append(parser.CurrentLineNumber)
    parser.Parse(data, True)
    return lines[[id(each) for each in root.iter()].index(id(element))]


def _rows(root: Element, image: str) -> list[Row]:
    sides = (_side(root, "size/width"), _side(root, "size/height"))
    rows: list[Row] = []
    for thing in root.iter("object"):
        flags = {flag: _text(thing, tag, "0") == "1" for flag, tag in FLAGS.items()}
        for element in (thing, *thing.findall("part")):
            rows.append((image, _text(element, "name"), _box(element), sides, flags))
    return rows


def _text(element: Element, tag: str, default: str | None = None) -> str:
    text = (element.findtext(tag) or "").strip() or default
    if text is None:
        raise _ElementError(element, f"<{element.tag}> has no <{tag}>")
    return text


def _number(element: Element, tag: str) -> float:
    text = _text(element, tag)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise _ElementError(next(element.iterfind(tag)), f"<{tag}> is {text!r}, not a number")
    return number


def _side(root: Element, tag: str) -> int:
    side = _number(root, tag)
    if not 1 <= side <= EDGE:
        what = f"<{tag}> is {side:g}; the size of the image is needed"
        raise _ElementError(next(root.iterfind(tag)), what)
    return int(side)


def _box(element: Element) -> list[float]:
    return [_number(element, f"bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax")]


def _batch(files: list[tuple[str, list[Row]]], one_based: bool) -> Boxes:
    rows = [row for _, found in files for row in found]
    pixels = np.array([row[2] for row in rows], np.float64).reshape(-1, 4)
    if one_based:
        pixels[:, :2] -= 1
    return Boxes(
        Texts.of([row[0] for row in rows]),
        Texts.of([row[1] for row in rows]),
        from_pixels(pixels, np.array([row[3] for row in rows], np.int64).reshape(-1, 2)),
        {flag: np.array([row[4][flag] for row in rows], bool) for flag in FLAGS},
        {},
        [image for image, _ in files],
    )
