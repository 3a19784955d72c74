"""Named arrays of any shape in a group of an HDF5 file: weights, and the state of a training."""

import hashlib
from collections.abc import Collection

import numpy as np

from hiertools.errors import UserError
from hiertools.files import trust
from hiertools.files.hdf5 import Array, Reader, Writer

NUMBERS = "biuf"

Arrays = dict[str, Array]


def write(writer: Writer, group: str, arrays: Arrays) -> None:
    """Write arrays in the order of their names. A name may have folders, with / between them."""
    _check_names(arrays)
    for name in sorted(arrays):
        writer.column(f"{group}/{name}", arrays[name])


def _check_names(names: Collection[str]) -> None:
    """Raise `UserError` for names that HDF5 cannot have."""
    folders: set[str] = set()
    for name in names:
        parts = name.split("/")
        if "" in parts or "." in parts or "\0" in name or len(parts) > trust.MAX_DEPTH:
            raise UserError(f"an array cannot have the name {name!r}")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    both = folders.intersection(names)
    if both:
        raise UserError(f"{min(both)!r} is an array and the folder of another")


def names(reader: Reader, group: str) -> list[str]:
    """Return the names of a group's arrays, sorted; none if there is no such group."""
    return sorted(reader.datasets(group))


def read(reader: Reader, group: str) -> Arrays:
    """Return a group's arrays by name; none if there is no such group."""
    return {name: reader.column(f"{group}/{name}", NUMBERS, None) for name in names(reader, group)}


def sizes(reader: Reader, group: str) -> int:
    """Return how many numbers a group's arrays have, without reading them."""
    shapes = [reader.shape(f"{group}/{name}") for name in names(reader, group)]
    return sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)


def check_numbers(arrays: Arrays, place: str, *, finite: bool) -> None:
    """Raise `UserError` naming the first array with a NaN or, if `finite`, an infinity."""
    for name in sorted(arrays):
        bad = ~np.isfinite(arrays[name]) if finite else np.isnan(arrays[name])
        if bad.any():
            what = "not finite" if finite else "NaN"
            raise UserError(f"{place}/{name}: {int(bad.sum()):,} numbers are {what}")


def digest(groups: dict[str, Arrays]) -> str:
    """Return the sha256 of groups of arrays: of names, types, shapes and numbers."""
    sha256 = hashlib.sha256()
    for group, arrays in sorted(groups.items()):
        for name in sorted(arrays):
            array = np.asarray(arrays[name])
            little = array.astype(array.dtype.newbyteorder("<"), order="C")
            sha256.update(f"{group}/{name} {little.dtype} {little.shape}\n".encode())
            sha256.update(little.tobytes())
    return sha256.hexdigest()
