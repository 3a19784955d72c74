"""What two things do to each other in the image: stand in one place, hide, hold what is foreign."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.scenes import design
from hiertools.scenes.boxes import Box
from hiertools.scenes.kinds import HANGING
from hiertools.scenes.things import Thing

Floats = NDArray[np.float64]

COVERED_MOST = 0.4  # share of an object's box that one in front of it may cover
COVERED_MOST_OF_A_PART = 0.5
APART = 0.025  # of the image's height: feet nearer than this are side by side, not behind
OVERLAP = 0.75  # a little under the 0.8 of mining: what nearly lies in a box is kept out too
CODES = {name: code for code, name in enumerate(design.PARTS)}
CODES |= {group: CODES[name] for group, name in design.GROUPS.items()}
NO_CLASS = len(design.PARTS)  # of what is drawn and not annotated: it may hold and be held
# whether a box of the row's class may hold one of the column's
MAY_HOLD = np.pad(
    [[a == b or b in design.within(a) for b in design.PARTS] for a in design.PARTS],
    (0, 1),
    constant_values=True,
)


@dataclass(frozen=True)
class Outline:
    """The visible boxes of a thing and its parts.

    boxes: n x 4, its own first; codes: their classes, n; foot: where it stands, as a height in
    the image; hangs: whether it is on a wall instead.
    """

    box: Box
    foot: float
    hangs: bool
    boxes: Floats
    codes: NDArray[np.int64]

    @staticmethod
    def of(thing: Thing) -> "Outline":
        """Return the outline of a thing."""
        everything = list(thing.all())
        return Outline(
            box=thing.visible,
            foot=thing.box[3],
            hangs=thing.name in HANGING,
            boxes=np.array([each.visible for each in everything]),
            codes=np.array([CODES.get(each.name, NO_CLASS) for each in everything]),
        )

    def areas(self) -> Floats:
        """Return the area of each box, n."""
        return np.asarray((self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1))


def overlaps(a: Floats, b: Floats) -> Floats:
    """Return the area that each of n boxes shares with each of m, n x m."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray((high - low).clip(0).prod(axis=2))


def collides(a: Outline, b: Outline) -> bool:
    """Return whether two things that meet in the image stand, or hang, in the same place."""
    return (a.hangs and b.hangs) or abs(a.foot - b.foot) < APART


def hides(front: Outline, back: Outline) -> bool:
    """Return whether one thing stands in front of another and covers too much of it."""
    if front.foot < back.foot:
        return False
    covered = overlaps(np.array([front.box]), back.boxes)[0] / back.areas()
    return bool(covered[0] > COVERED_MOST or covered.max() > COVERED_MOST_OF_A_PART)


def holds_foreign(a: Outline, b: Outline) -> bool:
    """Return whether a box of one thing holds one of another that is no part of its class."""
    held = overlaps(a.boxes, b.boxes) >= OVERLAP * b.areas()
    larger = a.areas()[:, None] > b.areas()
    return bool((held & larger & ~MAY_HOLD[np.ix_(a.codes, b.codes)]).any())
