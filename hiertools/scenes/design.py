"""What there is to see and what is part of what: declared here, and nowhere else.

The true hierarchy is the closure of `PARTS`: a pane is part of a window, so it is part of the
house, the car and the room that the window is part of.
"""

from collections.abc import Mapping
from functools import cache

from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.json import Document
from hiertools.hierarchy import topological

PARTS: dict[str, tuple[str, ...]] = {
    "Street": ("House", "Car", "Bus", "Bicycle", "Person", "Lamp"),
    "Park": ("Tree", "Bicycle", "Person", "Lamp", "Ball", "Flower"),
    "Room": ("Cupboard", "Door", "Window", "Lamp", "Ball"),
    "House": ("Window", "Door"),
    "Car": ("Window", "Wheel"),
    "Bus": ("Window", "Wheel"),
    "Bicycle": ("Wheel",),
    "Person": ("Head",),
    "Tree": ("Crown",),
    "Cupboard": ("Door", "Drawer"),
    "Lamp": ("Bulb",),
    "Window": ("Pane",),
    "Door": ("Handle",),
    "Drawer": ("Handle",),
    "Wheel": ("Hub",),
    "Head": ("Hat",),
    "Crown": ("Apple",),
    "Ball": (),
    "Flower": (),
    "Pane": (),
    "Handle": (),
    "Hub": (),
    "Hat": (),
    "Apple": (),
    "Bulb": (),
}
GROUPS = {"Flower bed": "Flower"}  # what is drawn and boxed as one, and the class of its box


def label(name: str) -> str:
    """Return the label id of a class."""
    return f"/x/{name.lower()}"


@cache
def within(name: str) -> frozenset[str]:
    """Return all classes that are part of a class, or part of a part of it, and so on."""
    return frozenset(PARTS[name]).union(*map(within, PARTS[name]))


def edges() -> list[tuple[str, str]]:
    """Return (parent, child) of the true hierarchy, as label ids."""
    return [(label(parent), label(child)) for parent in PARTS for child in sorted(within(parent))]


def truth(counts: Mapping[str, int], *, parameters: Document, statistics: Document) -> Hierarchy:
    """Return the true hierarchy. counts: number of boxes by label id."""
    names = {label(name): name for name in PARTS}
    order = topological(names, edges())
    place = {node: row for row, node in enumerate(order)}
    return Hierarchy(
        nodes=[Node(node, names[node], None, counts.get(node, 0)) for node in order],
        edges=[Edge(*ends) for ends in sorted(edges(), key=lambda e: (place[e[0]], place[e[1]]))],
        leaves=[node for node in order if not PARTS[names[node]]],
        dropped=[],
        source={"format": "sample", "files": []},
        parameters=parameters,
        statistics=statistics,
        distance="path",
    )
