"""Pixel retrieval: predicted masks in rank order beside true ones, for each setup and protocol.

Setups are those of Revisited Oxford and Paris; an image of the level `medium` is right for the
setup medium, and ignored in the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hiertools.errors import UserError
from hiertools.evaluation.retrieval_columns import Column
from hiertools.files.masks import LEVELS, Mask, check_inside
from hiertools.metrics import masks, pixels
from hiertools.metrics.masks import BadMaskError, Runs

SETUPS = {  # levels that are right; all others are ignored
    "easy": ("easy",),
    "medium": ("easy", "medium", "hard"),
    "hard": ("hard",),
}
OVERLAPS: dict[str, Callable[[Runs, Runs], float]] = {"mask": masks.iou, "box": masks.box_iou}
PROTOCOLS = ("strict", "released")
NAMES = {"strict": ("miou", "map50-95"), "released": ("released-miou", "released-map50-95")}


@dataclass(frozen=True)
class Compared:
    """Predictions of a query, in rank order: the level of each image, None where the truth does not
    name it, its IoU and whether its mask is empty; and how many images there are of each level."""

    levels: list[str | None]
    ious: list[float]
    empty: list[bool]
    counts: dict[str, int]


def compare(
    predicted: Sequence[Mask], truth: Sequence[Mask], *, overlap: str, names: tuple[str, str]
) -> dict[str, Compared]:
    """Return the comparison of each query of the truth. names: of the two files.

    Raises `UserError` for a truth without levels, for predictions of none of its queries, and for
    masks of an image whose sizes differ or are not known.
    """
    right = _by_query(truth)
    for mask in truth:
        if mask.level is None:
            raise UserError(f"{names[1]}: {mask.place}: no level; one of {', '.join(LEVELS)}")
    made = _by_query(predicted)
    if not made.keys() & right.keys():
        raise UserError(f"{names[0]}: has none of the queries of {names[1]}; are ids the same?")
    return {
        query: _compared(list(made.get(query, {}).values()), known, overlap, names)
        for query, known in right.items()
    }


def _by_query(found: Sequence[Mask]) -> dict[str, dict[str, Mask]]:
    queries: dict[str, dict[str, Mask]] = {}
    for mask in found:
        queries.setdefault(mask.query, {})[mask.image] = mask
    return queries


def _compared(
    predicted: list[Mask], truth: Mapping[str, Mask], overlap: str, names: tuple[str, str]
) -> Compared:
    levels, ious, empty = list[str | None](), list[float](), list[bool]()
    for mask in predicted:
        true = truth.get(mask.image)
        levels.append(None if true is None else true.level)
        empty.append(mask.rle is None and not mask.polygons)
        iou = 0.0
        if true is not None and true.level != "junk" and not empty[-1]:
            sides = [_runs(*each) for each in _sized(mask, true, names)]
            iou = OVERLAPS[overlap](*sides)
            empty[-1] = not masks.area(sides[0])
        ious.append(iou)
    counts = {level: sum(mask.level == level for mask in truth.values()) for level in LEVELS}
    return Compared(levels, ious, empty, counts)


def _sized(
    mask: Mask, true: Mask, names: tuple[str, str]
) -> list[tuple[Mask, tuple[int, int], str]]:
    """Return both masks with the size of their image, and their file."""
    size = true.size or mask.size
    if size is None:
        raise UserError(
            f"{names[1]}: {true.place}: the size of {true.image!r} is not known; give it as"
            ' "size": [height, width]'
        )
    if mask.size not in (None, size):
        raise UserError(
            f"{names[0]}: {mask.place}: {mask.image!r} is of {mask.size} pixels (height, width),"
            f" and of {size} in {names[1]}"
        )
    return [(mask, size, names[0]), (true, size, names[1])]


def _runs(mask: Mask, size: tuple[int, int], name: str) -> Runs:
    try:
        if mask.rle is not None:
            return masks.of_rle(mask.rle["counts"], size)
        for polygon in mask.polygons:  # the size may be known from the other file alone
            check_inside(polygon, size, f"{name}: {mask.place}")
        return masks.of_polygons(mask.polygons, size)
    except BadMaskError as error:
        raise UserError(f"{name}: {mask.place}: the mask cannot be read: {error}") from None


def columns(compared: Mapping[str, Compared], *, protocols: Sequence[str]) -> list[Column]:
    """Return the metrics of each protocol and setup."""
    made: list[Column] = []
    for protocol in protocols:
        judge = {"strict": _strict, "released": _released}[protocol]
        for setup in SETUPS:
            values = np.array([judge(each, setup) for each in compared.values()])
            unknown = np.full(len(values), np.nan)
            for name, column in zip(NAMES[protocol], values.T, strict=True):
                about = {"metric": name, "of": setup}
                made.append(Column(about, column.copy(), unknown, unknown))
    return made


def _strict(found: Compared, setup: str) -> tuple[float, float]:
    """Return mIoU and mAP of a query: all positives count, found or not."""
    positives = sum(found.counts[level] for level in SETUPS[setup])
    ranked = _ranked(found, setup, keep_empty=True)
    ious = np.zeros(positives)
    own = ranked[~np.isnan(ranked)]
    ious[: len(own)] = own
    return pixels.mean_iou(ious), pixels.mean_average_precision(ranked, positives=positives)


def _released(found: Compared, setup: str) -> tuple[float, float]:
    """Return the same as the released code does.

    It leaves out empty masks of easy images, queries without a prediction, and at each threshold
    the positives that were not found.
    """
    ranked = _ranked(found, setup, keep_empty=setup != "easy")
    positives = sum(found.counts[level] for level in SETUPS[setup])
    own = ranked[~np.isnan(ranked)]
    if not positives or not len(own):
        return float("nan"), float("nan")
    ious = own if setup == "easy" else np.append(own, np.zeros(positives - len(own)))
    return pixels.mean_iou(ious), pixels.released_average_precision(ranked)


def _ranked(found: Compared, setup: str, *, keep_empty: bool) -> pixels.Floats:
    """Return the IoU of each prediction that is not ignored, NaN for one that is no positive."""
    right = SETUPS[setup]
    return np.array([
        iou if level in right else np.nan
        for level, iou, empty in zip(found.levels, found.ious, found.empty, strict=True)
        if (level is None or level in right) and (keep_empty or not (empty and level in right))
    ])  # fmt: skip
