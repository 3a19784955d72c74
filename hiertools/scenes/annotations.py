"""Scenes as boxes of the OpenImages format."""

from collections.abc import Iterator

from hiertools.files.items import FLAGS
from hiertools.scenes import design
from hiertools.scenes.boxes import Box
from hiertools.scenes.things import Scene

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)

Annotation = tuple[str, Box, frozenset[str]]


def annotations(scene: Scene) -> Iterator[Annotation]:
    """Yield label id, box and flags: of the scene, then of its objects from the back."""
    flags = {"inside"} if scene.kind == "Room" else set()
    yield design.label(scene.kind), scene.picture, frozenset(flags)
    for thing in (each for top in scene.things for each in top.all()):
        name = design.GROUPS.get(thing.name, thing.name)
        if name in design.PARTS:
            yield design.label(name), thing.visible, thing.flags


def line(image: str, annotation: Annotation) -> str:
    """Return the line of a box; it has the columns of `HEADER`."""
    label, (x0, y0, x1, y1), flags = annotation
    sides = ",".join(f"{side:.6f}" for side in (x0, x1, y0, y1))
    return f"{image},rendered,{label},1,{sides}," + ",".join(f"{f in flags:d}" for f in FLAGS)
