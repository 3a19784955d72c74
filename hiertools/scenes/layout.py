"""Where everything stands: a seed and a number to a scene, without a pixel.

An object goes where it hides little of what stands behind it and where nothing lies in a box that
it is no part of, save for rare carelessness: the pictures of the real world have both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from hiertools.scenes import anatomy, design
from hiertools.scenes.anatomy import Part, Random
from hiertools.scenes.boxes import Box, area, inside, meet, shared
from hiertools.scenes.kinds import KINDS, ORDER, Wanted
from hiertools.scenes.outlines import Outline, collides, hides, holds_foreign
from hiertools.scenes.things import Look, Scene, Thing

TRIES = 60
CARELESS = 0.03  # share of objects that may stand wholly in front of another
CUT_OFF = 0.1  # share of objects that reach over a side of the picture
SHOWN_LEAST = 0.4  # share of a part that the edge of the picture must leave
OCCLUDED = 0.1  # share of a box from which on it counts as covered


def scene(seed: int, number: int) -> Scene:
    """Return scene `number` of a seed."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[ORDER[number % len(ORDER)]]
    margins = np.where(rng.random(4) < 0.35, 0.0, rng.uniform(0.012, 0.06, 4)).tolist()
    picture = (margins[0], margins[1], 1 - margins[2], 1 - margins[3])
    place = _Place(picture, rng.uniform(*kind.horizon))
    for wanted in kind.wanted:
        for _ in range(rng.choice(wanted.counts)):
            _put(rng, wanted, place)
    return Scene(
        id=_image_id(rng, number),
        kind=ORDER[number % len(ORDER)],
        picture=picture,
        horizon=place.horizon,
        things=tuple(_occluded(sorted(place.things, key=lambda thing: thing.box[3]))),
        look=_look(rng),
        texture=int(rng.integers(1 << 32)),
    )


def _image_id(rng: Random, number: int) -> str:
    """Return 16 hex digits. Some look like small numbers, as in OpenImages: ids are text."""
    return f"{number:016x}" if number % 20 == 7 else rng.bytes(8).hex()


def _look(rng: Random) -> Look:
    a, b, c = rng.random(3).tolist()
    return a, b, c


@dataclass
class _Place:
    """A scene that is being furnished: its things, and the visible boxes and codes of each."""

    picture: Box
    horizon: float
    things: list[Thing] = field(default_factory=list)
    outlines: list[Outline] = field(default_factory=list)

    def add(self, thing: Thing, *, careful: bool) -> bool:
        """Add a thing unless it hides another or gets hidden. Returns whether it was added."""
        outline = Outline.of(thing)
        near = [other for other in self.outlines if meet(other.box, outline.box)]
        pairs = [pair for other in near for pair in ((outline, other), (other, outline))]
        if any(collides(*pair) or hides(*pair) for pair in pairs):
            return False
        if careful and any(holds_foreign(*pair) for pair in pairs):
            return False
        self.things.append(thing)
        self.outlines.append(outline)
        return True


def _put(rng: Random, wanted: Wanted, place: _Place) -> None:
    """Put an object where it can stand; leave it out where there is no room."""
    grown = anatomy.OBJECTS[wanted.name]
    aspect = rng.uniform(*grown.aspect)
    whole = Part(wanted.name, (0.0, 0.0, 1.0, 1.0), grown.parts(rng, aspect))
    looks = {part.name: _look(rng) for part in whole.all()}
    mirrored, careful = bool(rng.random() < 0.5), bool(rng.random() >= CARELESS)
    for _ in range(TRIES):
        box = _box(rng, wanted, aspect, place)
        thing = _thing(whole, box, place.picture, looks, mirrored, frozenset())
        if place.add(thing, careful=careful):
            return


def _box(rng: Random, wanted: Wanted, aspect: float, place: _Place) -> Box:
    x0, y0, x1, y1 = place.picture
    ground = y0 + place.horizon * (y1 - y0)
    depth = rng.uniform(*wanted.depths[rng.integers(len(wanted.depths))])
    foot = ground + depth * (y1 - ground)
    nearer = 0.9 + 0.2 * max(depth, 0.0)
    height = rng.uniform(*wanted.heights) * nearer * min(x1 - x0, y1 - y0)
    width = height * aspect
    left = rng.uniform(x0, x1 - width)
    if rng.random() < CUT_OFF:
        outside = rng.uniform(0.1, 0.35) * width
        left = x0 - outside if rng.random() < 0.5 else x1 - width + outside
    return left, foot - height, left + width, foot


def _thing(
    part: Part,
    box: Box,
    picture: Box,
    looks: dict[str, Look],
    mirrored: bool,
    flags: frozenset[str],
) -> Thing:
    """Return a part, and its own parts as far as they are in the picture, in its box."""
    visible = shared(box, picture)
    own = flags | {"truncated"} if visible != box else flags
    if part.name in design.GROUPS:
        own |= {"group_of"}
    inner = flags | {"depiction"} if part.name == "Poster" else flags
    places = [(p, inside(box, p.box, mirrored)) for p in part.parts]
    parts = [
        _thing(p, b, picture, looks, mirrored, inner)
        for p, b in places
        if area(shared(b, picture)) >= SHOWN_LEAST * area(b)
    ]
    return Thing(part.name, box, visible, tuple(parts), looks[part.name], mirrored, own)


def _occluded(things: list[Thing]) -> Iterator[Thing]:
    """Yield things, from the back to the front, flagged where another stands before them."""
    for row, thing in enumerate(things):
        yield _flagged(thing, [other.visible for other in things[row + 1 :]])


def _flagged(thing: Thing, fronts: Iterable[Box]) -> Thing:
    near = [box for box in fronts if meet(box, thing.visible)]
    if not near:
        return thing
    parts = tuple(_flagged(part, near) for part in thing.parts)
    covered = max(area(shared(box, thing.visible)) for box in near)
    hidden = covered > OCCLUDED * area(thing.visible)
    return replace(thing, parts=parts, flags=thing.flags | ({"occluded"} if hidden else set()))
