"""Parts of an output that is not whole yet: `OUT.parts/part-*.h5`, each a file that is whole."""

import shutil
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

from hiertools.errors import OutputExistsError, StoppedError, UserError
from hiertools.files.json import Document
from hiertools.signals import Flag
from hiertools.terminal import Tick


class Span(Protocol):
    """Rows `start` to `stop` of some work."""

    @property
    def start(self) -> int:
        """Return the first row."""

    @property
    def stop(self) -> int:
        """Return the row behind the last."""


PART_EVERY_S = 60.0

Made = TypeVar("Made")
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
    if folder.is_dir() and not resume and any(folder.iterdir()):
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


def kept(
    made: Iterable[Made],
    parts: list[Found],
    write: Callable[[int, list[Made]], Found],
    *,
    size: Callable[[Made], int],
    total: int,
    unit: str,
    flag: Flag,
    tick: Tick,
) -> list[Found]:
    """Write what is made behind `parts`, in order and a part a minute, and return all parts.

    write: writes a part from its first row and what was made of it; size: rows of one thing that
    is made; total: rows in all, called so many `unit`. Raises `StoppedError` once a signal has
    raised `flag` and the work so far is kept.
    """
    start = stop = parts[-1].stop if parts else 0
    tick(start)
    waiting: list[Made] = []
    since = time.monotonic()
    for each in made:
        waiting.append(each)
        stop += size(each)
        tick(size(each))
        if flag or stop == total or time.monotonic() - since > PART_EVERY_S:
            parts = [*parts, write(start, waiting)]
            waiting, start, since = [], stop, time.monotonic()
        if flag and stop < total:
            raise StoppedError(
                f"stopped by {flag.raised} after {stop:,} of {total:,} {unit}; --resume continues"
            )
    return parts


def check_same(path: Path, made: Document, config: str) -> None:
    """Raise `UserError` for a part that says it was made with another configuration."""
    if made.get("config") != config:
        raise UserError(
            f"{path}: was made from other inputs or with other options; give the same ones,"
            " or start again with --overwrite"
        )
