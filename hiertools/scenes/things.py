"""What a scene is made of. Its boxes are in fractions of the image."""

from collections.abc import Iterator
from dataclasses import dataclass

from hiertools.scenes.boxes import Box

Look = tuple[float, float, float]


@dataclass(frozen=True)
class Thing:
    """An object or a part.

    box: all of it, as far as it could be seen if nothing stood in the picture's way; visible: its
    box within the picture; look: three numbers in [0, 1) that its colours are made of; flags: of
    `hiertools.files.items.FLAGS`.
    """

    name: str
    box: Box
    visible: Box
    parts: tuple["Thing", ...]
    look: Look
    mirrored: bool
    flags: frozenset[str]

    def all(self) -> Iterator["Thing"]:
        """Yield the thing and its parts at every depth."""
        yield self
        for part in self.parts:
            yield from part.all()


@dataclass(frozen=True)
class Scene:
    """A scene; its things from the back to the front.

    picture: the box of the scene, what is around it is paper; horizon: where the ground begins, as
    a share of the picture's height; texture: seed of what is random in the pixels alone.
    """

    id: str
    kind: str
    picture: Box
    horizon: float
    things: tuple[Thing, ...]
    look: Look
    texture: int
