"""Folders that are whole or not there: a temporary folder that takes the place of an older one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hiertools.errors import OutputExistsError, UserError
from hiertools.files import atomic


@contextmanager
def replacing(folder: Path, marks: set[str], *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that takes its place when the block succeeds.

    When the block fails the temporary folder is removed and an older one stays as it was. Only an
    empty folder, or one that has all files of `marks`, is ever replaced.
    """
    _check(folder, marks, overwrite)
    place = folder.resolve()
    new = place.with_name(f".{place.name}.{os.getpid()}.part")
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    try:
        with atomic.explained(folder):
            _remove(new)  # left by a process of the same number that was killed
            if place.exists():
                _remove(old)
            new.mkdir()
            yield new
            sync(new)
            _check(folder, marks, overwrite)
            _swap(place, new, old)
    finally:
        _remove(new)
        if place.exists():
            _remove(old)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _check(folder: Path, marks: set[str], overwrite: bool) -> None:
    """Refuse a place that cannot be written to, or that has anything that is not to be replaced."""
    parent = folder.resolve().parent
    if not parent.is_dir():
        raise UserError(f"{parent}: no such folder; make it first (mkdir -p)")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"{parent}: the folder cannot be written to")
    if not folder.exists():
        return
    if not overwrite:
        raise OutputExistsError(f"{folder}: is there already; give --overwrite or another folder")
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder")
    files = {path.name for path in folder.iterdir()}
    if files and not marks <= files:
        raise UserError(f"{folder}: has files of another kind; name another folder")


def _swap(place: Path, new: Path, old: Path) -> None:
    try:
        if place.exists():
            place.rename(old)
        new.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise
    sync(place.parent)


def sync(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
