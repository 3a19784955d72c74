"""Where an object has its parts.

Boxes are u0, v0, u1, v1 in fractions of the whole that the part is in, from its top left. Each
function takes the object's aspect, width by height, which keeps what is round round.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hiertools.scenes.boxes import Box

Random = np.random.Generator


@dataclass(frozen=True)
class Part:
    """A part in its whole, with parts of its own."""

    name: str
    box: Box
    parts: tuple["Part", ...] = ()

    def all(self) -> Iterator["Part"]:
        """Yield the part and its own parts at every depth."""
        yield self
        for part in self.parts:
            yield from part.all()


def _disc(u: float, v: float, height: float, aspect: float) -> Box:
    """Return the box of a disc around (u, v) in a whole of that aspect."""
    half = height / 2
    return u - half / aspect, v - half, u + half / aspect, v + half


def _panes(rng: Random, columns: int, rows: int) -> tuple[Part, ...]:
    if rng.random() < 0.08:
        return ()  # the blind is down
    frame, gap = 0.09, 0.08
    width = (1 - 2 * frame + gap) / columns
    height = (1 - 2 * frame + gap) / rows
    corners = [(frame + i * width, frame + j * height) for j in range(rows) for i in range(columns)]
    return tuple(Part("Pane", (u, v, u + width - gap, v + height - gap)) for u, v in corners)


def _window(rng: Random, box: Box, columns: int, rows: int) -> Part:
    return Part("Window", box, _panes(rng, columns, rows))


def _wheel(u: float, diameter: float, aspect: float, hub: float) -> Part:
    """Return a wheel that stands on the ground at u; `hub` is its share of the diameter."""
    box = _disc(u, 1 - diameter / 2, diameter, aspect)
    return Part("Wheel", box, (Part("Hub", _disc(0.5, 0.5, hub, 1)),))


def _door(box: Box, aspect: float, knob: float, *, left: bool) -> Part:
    """Return a door; `knob` is its width as a share of the door's."""
    centre = 0.18 if left else 0.82
    return Part("Door", box, (Part("Handle", _disc(centre, 0.54, knob * aspect, aspect)),))


def _house(rng: Random, aspect: float) -> tuple[Part, ...]:
    columns = 3 if aspect > 0.95 else 2
    slot = 0.86 / columns
    wide = slot * rng.uniform(0.6, 0.72)
    entrance = rng.integers(columns)
    parts = []
    for column in range(columns):
        u = 0.07 + slot * (column + 0.5)
        side = (u - wide / 2, u + wide / 2)
        parts.append(_window(rng, (side[0], 0.38, side[1], 0.59), 2, 2))
        if column == entrance:
            box = (side[0], 0.67, side[1], 1.0)
            parts.append(_door(box, wide * aspect / 0.33, 0.26, left=rng.random() < 0.5))
        else:
            parts.append(_window(rng, (side[0], 0.68, side[1], 0.89), 2, 2))
    return tuple(parts)


def _car(rng: Random, aspect: float) -> tuple[Part, ...]:
    hub = rng.uniform(0.4, 0.5)
    window = _window(rng, (0.29, 0.08, 0.72, 0.43), 2, 1)
    wheels = [_wheel(u, 0.46, aspect, hub) for u in (rng.uniform(0.19, 0.23), 0.79)]
    return window, *wheels


def _bus(rng: Random, aspect: float) -> tuple[Part, ...]:
    count = int(rng.integers(3, 5))
    slot = 0.92 / count
    hub = rng.uniform(0.4, 0.5)
    starts = [0.04 + slot * i for i in range(count)]
    windows = [_window(rng, (u + 0.02, 0.14, u + slot - 0.02, 0.5), 2, 1) for u in starts]
    wheels = [_wheel(u, 0.32, aspect, hub) for u in (rng.uniform(0.17, 0.23), 0.8)]
    return *windows, *wheels


def _bicycle(rng: Random, aspect: float) -> tuple[Part, ...]:
    half, hub = 0.62 / aspect / 2, rng.uniform(0.28, 0.34)
    return tuple(_wheel(u, 0.62, aspect, hub) for u in (half, 1 - half))


def _person(rng: Random, aspect: float) -> tuple[Part, ...]:
    hat = Part("Hat", (0.0, 0.0, 1.0, rng.uniform(0.42, 0.5)))
    return (Part("Head", (0.22, 0.0, 0.78, 0.27), (hat,) if rng.random() < 0.75 else ()),)


def _tree(rng: Random, aspect: float) -> tuple[Part, ...]:
    """Return a crown with apples that do not touch each other."""
    crown = (0.0, 0.0, 1.0, rng.uniform(0.66, 0.74))
    shape = aspect / crown[3]
    wanted = rng.integers(2, 6) if rng.random() < 0.75 else 0
    centres: list[tuple[float, float]] = []
    for _ in range(4 * wanted):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.33)
        u, v = 0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle)
        if len(centres) < wanted and all(np.hypot(u - a, v - b) > 0.16 for a, b in centres):
            centres.append((u, v))
    apples = tuple(Part("Apple", _disc(u, v, 0.115 * shape, shape)) for u, v in centres)
    return (Part("Crown", crown, apples),)


def _lamp(rng: Random, aspect: float) -> tuple[Part, ...]:
    return (Part("Bulb", _disc(0.5, 0.235, 0.38 * aspect, aspect)),)


def _cupboard(rng: Random, aspect: float) -> tuple[Part, ...]:
    split = rng.uniform(0.52, 0.58)
    sides = ((0.06, 0.485), (0.515, 0.94))
    shape = 0.425 * aspect / (split - 0.05)
    doors = [
        _door((u0, 0.05, u1, split), shape, 0.2, left=i == 1) for i, (u0, u1) in enumerate(sides)
    ]
    step = (0.95 - split) / 2
    tops = [split + 0.025 + step * i for i in range(2)]
    knob = Part("Handle", _disc(0.5, 0.5, 0.5, 0.88 * aspect / (step - 0.025)))
    drawers = [Part("Drawer", (0.06, top, 0.94, top + step - 0.025), (knob,)) for top in tops]
    return *doors, *drawers


def _room_door(rng: Random, aspect: float) -> tuple[Part, ...]:
    return _door((0, 0, 1, 1), aspect, 0.17, left=rng.random() < 0.5).parts


def _room_window(rng: Random, aspect: float) -> tuple[Part, ...]:
    return _panes(rng, 2, 1 if aspect > 1.15 else 2)


def _poster(rng: Random, aspect: float) -> tuple[Part, ...]:
    """Return what the poster shows, as large as its frame allows."""
    name = str(rng.choice(SHOWN))
    shape = rng.uniform(*OBJECTS[name].aspect)
    height = min(0.72, 0.8 * aspect / shape)
    width = height * shape / aspect
    box = (0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2)
    return (Part(name, box, OBJECTS[name].parts(rng, shape)),)


@dataclass(frozen=True)
class Anatomy:
    """The range of an object's aspect, and its parts for one aspect."""

    aspect: tuple[float, float]
    parts: Callable[[Random, float], tuple[Part, ...]] = lambda rng, aspect: ()


OBJECTS: dict[str, Anatomy] = {
    "House": Anatomy((0.75, 1.1), _house),
    "Car": Anatomy((2.1, 2.5), _car),
    "Bus": Anatomy((2.0, 2.35), _bus),
    "Bicycle": Anatomy((1.5, 1.7), _bicycle),
    "Person": Anatomy((0.34, 0.4), _person),
    "Tree": Anatomy((0.64, 0.84), _tree),
    "Lamp": Anatomy((0.26, 0.32), _lamp),
    "Cupboard": Anatomy((0.68, 0.85), _cupboard),
    "Door": Anatomy((0.42, 0.5), _room_door),
    "Window": Anatomy((0.85, 1.4), _room_window),
    "Ball": Anatomy((1.0, 1.0)),
    "Flower": Anatomy((0.5, 0.62)),
    "Flower bed": Anatomy((2.2, 3.2)),
    "Poster": Anatomy((1.2, 1.4), _poster),
}
SHOWN = ("Car", "House", "Tree")  # on posters
