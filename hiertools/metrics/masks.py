"""Masks: the one module that knows pycocotools, which counts pixels of run-length encodings.

Our polygons have the centres of pixels at whole numbers, COCO's have their edges there; half a
pixel is added to ours on the way. A run-length encoding has no such question.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

Polygon = Sequence[tuple[float, float]]
Size = tuple[int, int]  # height, width
Runs = dict[str, Any]  # a run-length encoding, as pycocotools has it
CENTRE = 0.5  # of a pixel


class BadMaskError(Exception):
    """A mask that is none; the message is its reason."""


def of_polygons(polygons: Sequence[Polygon], size: Size) -> Runs:
    """Return the pixels that are in any of some polygons."""
    height, width = size
    if not polygons:
        return _of_array(np.zeros((height, width), np.uint8))
    flat = [(np.asarray(each, np.float64) + CENTRE).ravel().tolist() for each in polygons]
    return dict(coco.merge(coco.frPyObjects(flat, height, width)))


def of_rle(counts: str | list[int], size: Size) -> Runs:
    """Return a run-length encoding of COCO.

    Raises `BadMaskError` if it is none of so many pixels.
    """
    height, width = size
    try:
        if isinstance(counts, list):
            found = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        else:
            _check_runs(counts, height * width)
            found = {"size": [height, width], "counts": counts.encode("ascii")}
        coco.area(found)
    except (ValueError, TypeError, OverflowError, UnicodeError) as error:
        raise BadMaskError(str(error)) from None
    return dict(found)


def _check_runs(text: str, pixels: int) -> None:
    """Raise `BadMaskError` for a text that decodes to other than so many pixels.

    A run is written in groups of five bits, each a character from 48 on whose sixth bit says that
    more follow; from the fourth run on it is the difference from the one two before.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise BadMaskError(f"{character!r} is no part of a run-length encoding")
        value |= (code & 31) << shift
        shift += 5
        if shift > 40:
            raise BadMaskError("a run is longer than any image")
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise BadMaskError("a run has less than no pixels")
        runs.append(value)
        value, shift = 0, 0
    if shift or sum(runs) != pixels:
        raise BadMaskError(f"its runs have {sum(runs):,} pixels, the image {pixels:,}")


def decode(runs: Runs) -> NDArray[np.bool_]:
    """Return a mask as an array (height x width)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its arrays, by numpy 2
        return np.asarray(coco.decode(runs), bool)


def _of_array(mask: NDArray[np.uint8]) -> Runs:
    return dict(coco.encode(np.asfortranarray(mask)))


def area(runs: Runs) -> int:
    """Return the pixels of a mask."""
    return int(coco.area(runs))


def iou(one: Runs, other: Runs) -> float:
    """Return the pixels of both masks over those of either, 0 if both are empty."""
    if not area(one) and not area(other):
        return 0.0
    return float(coco.iou([one], [other], [False])[0, 0])


def box_iou(one: Runs, other: Runs) -> float:
    """Return the same of the boxes about two masks."""
    if not area(one) or not area(other):
        return 0.0
    boxes = [np.array([coco.toBbox(each)], np.float64) for each in (one, other)]
    return float(coco.iou(*boxes, [False])[0, 0])
