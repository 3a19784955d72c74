"""Parts of an output that is not whole yet: `OUT.parts/part-*.h5`, each a file that is whole."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

from hiertools.errors import OutputExistsError, UserError
from hiertools.files.json import Document


class Span(Protocol):
    """Rows `start` to `stop` of some work."""

    @property
    def start(self) -> int:
        """Return the first row."""

    @property
    def stop(self) -> int:
        """Return the row behind the last."""


Found = TypeVar("Found", bound=Span)


def folder_of(output: Path) -> Path:
    """Return the folder of the parts of an output."""
    return output.with_name(f"{output.name}.parts")


def path_of(folder: Path, start: int) -> Path:
    """Return the path of the part that begins with a row."""
    return folder / f"part-{start:012d}.h5"


def begin(
    folder: Path, read: Callable[[Path], Found], *, resume: bool, overwrite: bool
) -> list[Found]:
    """Return the parts that are there, in order; none unless `resume`.

    Raises `OutputExistsError` for parts that nobody asked to continue, and `UserError` for one
    that is missing.
    """
    if folder.exists() and not resume:
        if not overwrite:
            raise OutputExistsError(
                f"{folder}: an earlier run stopped half-way; --resume continues it,"
                " --overwrite starts again"
            )
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    parts = [read(path) for path in sorted(folder.glob("part-*.h5"))]
    for before, after in pairwise(parts):
        if before.stop != after.start:
            raise UserError(f"{folder}: a part is missing; --overwrite starts again")
    return parts


def check_same(path: Path, made: Document, config: str) -> None:
    """Raise `UserError` for a part that says it was made with another configuration."""
    if made.get("config") != config:
        raise UserError(
            f"{path}: was made from other inputs or with other options; give the same ones,"
            " or start again with --overwrite"
        )
