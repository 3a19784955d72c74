"""The kinds of scenes: which objects they have, how many, how large and where."""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Wanted:
    """Objects of a scene.

    counts: one of them is drawn; heights: as a share of the picture's height; depths: where the
    foot is, one of these ranges: 0 at the horizon, 1 at the lower edge of the picture, and below 0
    for what hangs on a wall.
    """

    name: str
    counts: tuple[int, ...]
    heights: Range
    depths: tuple[Range, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of scene.

    horizon: where the ground begins, as a share of the picture's height; wanted: its objects,
    those first that are hardest to find a place for.
    """

    horizon: Range
    wanted: tuple[Wanted, ...]


WALKS = ((0.06, 0.15), (0.84, 0.97))
LANES = ((0.3, 0.38), (0.64, 0.72))

STREET = Kind(
    (0.53, 0.57),
    (
        Wanted("House", (1, 2, 2), (0.36, 0.47), ((0.0, 0.03),)),
        Wanted("Bus", (0, *[1] * 12), (0.19, 0.23), LANES),
        Wanted("Lamp", (1, 1, 1, 2), (0.36, 0.46), WALKS),
        Wanted("Car", (1, 1, 2), (0.12, 0.15), LANES),
        Wanted("Person", (1, 1, 2, 2, 3), (0.2, 0.26), WALKS),
        Wanted("Bicycle", (1, 1, 1, 2), (0.13, 0.16), WALKS),
    ),
)
PARK = Kind(
    (0.4, 0.48),
    (
        Wanted("Tree", (1, 2, 2, 3), (0.42, 0.58), ((0.15, 0.6),)),
        Wanted("Lamp", (1, 1, 1, 2), (0.36, 0.46), ((0.2, 0.75),)),
        Wanted("Person", (1, 1, 2, 2), (0.22, 0.3), ((0.2, 0.9),)),
        Wanted("Bicycle", (1, 1, 1, 2), (0.14, 0.18), ((0.25, 0.95),)),
        Wanted("Flower bed", (0, 0, 0, 0, 0, 1), (0.1, 0.13), ((0.5, 0.97),)),
        Wanted("Ball", (1, 1, 2), (0.065, 0.1), ((0.3, 0.97),)),
        Wanted("Flower", (1, 2, 3, 4), (0.1, 0.15), ((0.35, 0.97),)),
    ),
)
ROOM = Kind(
    (0.64, 0.7),
    (
        Wanted("Cupboard", (1,), (0.38, 0.47), ((0.08, 0.25),)),
        Wanted("Door", (1, 1, 1, 1, 1, 0), (0.46, 0.54), ((0.0, 0.0),)),
        Wanted("Window", (1, 1, 1, 2), (0.2, 0.29), ((-1.1, -0.6),)),
        Wanted("Poster", (0, 0, 0, 0, 0, 0, 0, 0, 1), (0.15, 0.19), ((-1.1, -0.8),)),
        Wanted("Lamp", (1, 1, 1, 2), (0.4, 0.52), ((0.12, 0.6),)),
        Wanted("Ball", (1, 1, 2), (0.07, 0.11), ((0.3, 0.95),)),
    ),
)

HANGING = ("Window", "Poster", "Door")  # objects of a wall
KINDS = {"Street": STREET, "Park": PARK, "Room": ROOM}
# kinds take turns in this order, so that any run of scenes is mixed; streets have most classes
ORDER = (
    "Street",
    "Park",
    "Room",
    "Street",
    "Park",
    "Room",
    "Street",
    "Park",
    "Room",
    "Street",
)
