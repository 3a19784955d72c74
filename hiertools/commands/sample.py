"""`hiertools sample`."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiertools.commands.options import NoProvenance, Overwrite, Seed, parse_decimal
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

    from hiertools.scenes.things import Scene

BOXES = "{split}-annotations-bbox.csv"
NAMES = "class-descriptions-boxable.csv"
HIERARCHY = "hierarchy.json"
JPEG_QUALITY = 90


def sample(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The folder to make.", show_default=False),
    ],
    images: Annotated[
        int,
        typer.Option(
            min=1,
            help="Images in all. From about 250 on, mining finds the true hierarchy.",
        ),
    ] = 400,
    test_share: Annotated[
        Decimal,
        typer.Option(
            parser=parse_decimal,
            metavar="SHARE",
            help="Share of the images that are for testing.",
        ),
    ] = Decimal("0.2"),
    size: Annotated[
        int,
        typer.Option(min=32, max=4096, help="Width and height of an image, in pixels."),
    ] = 256,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Render scenes with boxes and their true hierarchy: material to start with.

    Streets, parks and rooms with objects, parts and parts of parts. DIR gets the images in train/
    and test/, the boxes of each as OpenImages has them, the names of the classes, and the
    hierarchy that the scenes were made from, which mine-hierarchy finds in the training boxes.
    """
    options = dict(locals())
    from hiertools.files import folders
    from hiertools.files.hierarchy import write_hierarchy
    from hiertools.files.provenance import Run
    from hiertools.scenes import design
    from hiertools.terminal import progress, say

    tests = int(images * test_share)
    if tests == images:
        raise UsageError(f"--test-share {test_share} leaves no image for training")
    run = Run("sample", options, keep=not no_provenance)
    marks = {HIERARCHY, BOXES.format(split="train")}
    with folders.replacing(folder, marks, overwrite=overwrite) as part:
        with progress("rendering", images) as tick:
            scenes = _render(part / "train", seed, range(images - tests), size)
            counts = _write_boxes(part, "train", scenes, tick)
            scenes = _render(part / "test", seed, range(images - tests, images), size)
            counts_of_tests = _write_boxes(part, "test", scenes, tick)
        _write_names(part)
        truth = design.truth(
            counts,
            parameters={"seed": seed, "images": images, "size": size},
            statistics={"images": images - tests, "boxes": counts.total()},
        )
        write_hierarchy(part / HIERARCHY, truth, chain=run.chain(), overwrite=False)
    boxes = counts.total() + counts_of_tests.total()
    say(
        f"{folder}: {images - tests:,} images to train and {tests:,} to test, {boxes:,} boxes of"
        f" {len(truth.nodes)} classes, {len(truth.edges)} true pairs"
    )


def _render(folder: Path, seed: int, numbers: range, size: int) -> Iterator["Scene"]:
    """Write the images of some scenes, and yield each scene once its image is there."""
    from hiertools.files import folders
    from hiertools.scenes import drawing, layout

    folder.mkdir()
    for number in numbers:
        scene = layout.scene(seed, number)
        _save(folder / f"{scene.id}.jpg", drawing.draw(scene, size))
        yield scene
    folders.sync(folder)


def _write_boxes(
    folder: Path, split: str, scenes: Iterator["Scene"], tick: Callable[[int], None]
) -> Counter[str]:
    """Write the boxes of scenes in the order of their ids, and count them by label id."""
    from hiertools.files import atomic
    from hiertools.scenes import annotations

    found: dict[str, list[annotations.Annotation]] = {}
    for scene in scenes:
        found[scene.id] = list(annotations.annotations(scene))
        tick(1)
    lines = [annotations.line(image, box) for image in sorted(found) for box in found[image]]
    text = "\n".join([annotations.HEADER, *lines, ""])
    atomic.write_text(folder / BOXES.format(split=split), text, overwrite=False)
    return Counter(label for boxes in found.values() for label, _, _ in boxes)


def _write_names(folder: Path) -> None:
    from hiertools.files import atomic
    from hiertools.scenes import design

    lines = [f"{design.label(name)},{name}\n" for name in design.PARTS]
    atomic.write_text(folder / NAMES, "".join(lines), overwrite=False)


def _save(path: Path, image: "Image.Image") -> None:
    with open(path, "wb") as file:
        image.save(file, "JPEG", quality=JPEG_QUALITY)
        file.flush()
        os.fsync(file.fileno())
