"""What we do not take from files of others.

JSON: NaN, repeated keys. Paths in annotations: none that leave the folder of the images.
HDF5: no links out of the file or in circles, no storage outside of it, no virtual datasets, no
objects, references or text of variable length, no filters but fletcher32, and no dataset that
declares more bytes than the file holds (a file of 2 KB can declare 40 TB).
"""

import math
import os
from pathlib import PurePosixPath
from typing import Any

from hiertools.errors import UserError

MAX_OBJECTS = 10_000  # a large encoder has a thousand tensors, an optimiser three times those
MAX_DEPTH = 8
MAX_ATTRIBUTES = 64
MAX_ATTRIBUTE_BYTES = 1 << 16
FLETCHER32 = 3
PLAIN_KINDS = "biufS"


class ConstantError(ValueError):
    """NaN or Infinity where JSON has no such thing."""


class RepeatedKeyError(ValueError):
    """A key that an object has twice."""


def refuse_constant(name: str) -> Any:
    """Refuse the NaN and Infinity that Python's reader would take."""
    raise ConstantError(name)


def finite(text: str) -> float:
    """Return a number that JSON has. Raises `ConstantError` where it is beyond a float."""
    value = float(text)
    if not math.isfinite(value):
        raise ConstantError(text)
    return value


def check_inside(path: str, name: str) -> str:
    """Return an image's path from an annotation. Raises `UserError` if it could leave the root."""
    parts = PurePosixPath(path.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or "\0" in path or not parts.parts:
        raise UserError(f"{name}: the image path {path!r} leaves the folder of the images")
    return str(parts)


def check_hdf5(file: Any, name: str, *, objects: int = MAX_OBJECTS) -> None:
    """Refuse what no file of ours has, before any of its data is read.

    objects: groups and datasets that there may be.
    """
    _Walk(name, os.path.getsize(name), objects).group(file, "", 0)


class _Walk:
    """A walk over every object of an HDF5 file that follows nothing out of it."""

    def __init__(self, name: str, size: int, objects: int) -> None:
        self.name, self.size, self.objects, self.seen = name, size, objects, set[Any]()

    def refuse(self, place: str, why: str) -> UserError:
        return UserError(f"{self.name}: {place or '/'}: {why}; not a file of ours, not read")

    def group(self, group: Any, place: str, depth: int) -> None:
        self.once(group, place)
        if depth > MAX_DEPTH:
            raise self.refuse(place, "groups nested too deeply")
        if len(self.seen) + len(group) > self.objects:
            raise self.refuse(place, "too many objects")
        for key in group:
            link = group.get(key, getlink=True)
            if type(link).__name__ != "HardLink":
                raise self.refuse(f"{place}/{key}", f"is a {type(link).__name__}")
            self.object(group[key], f"{place}/{key}", depth + 1)

    def object(self, item: Any, place: str, depth: int) -> None:
        kind = type(item).__name__
        if kind == "Group":
            self.group(item, place, depth)
        elif kind == "Dataset":
            self.once(item, place)
            self.dataset(item, place)
        else:
            raise self.refuse(place, f"is a {kind}")

    def once(self, item: Any, place: str) -> None:
        if item.id in self.seen:
            raise self.refuse(place, "links in circles")
        self.seen.add(item.id)
        if len(item.attrs) > MAX_ATTRIBUTES:
            raise self.refuse(place, "too many attributes")
        for key in item.attrs:
            attribute = item.attrs.get_id(key)
            if attribute.dtype.kind not in PLAIN_KINDS:
                raise self.refuse(f"{place}@{key}", f"has the type {attribute.dtype}")
            if attribute.get_storage_size() > MAX_ATTRIBUTE_BYTES:
                raise self.refuse(f"{place}@{key}", "is larger than any attribute of ours")

    def dataset(self, data: Any, place: str) -> None:
        if data.is_virtual:
            raise self.refuse(place, "is a virtual dataset")
        if data.external:
            raise self.refuse(place, "is stored in another file")
        if data.dtype.kind not in PLAIN_KINDS or data.dtype.fields or data.dtype.subdtype:
            raise self.refuse(place, f"has the type {data.dtype}")
        plist = data.id.get_create_plist()
        filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
        if filters - {FLETCHER32}:
            raise self.refuse(place, f"uses the filters {sorted(filters)}")
        declared = data.size * data.dtype.itemsize if data.shape is not None else 0
        stored = data.id.get_storage_size()
        if declared > self.size or declared > stored:
            raise self.refuse(place, f"declares {declared:,} bytes and holds {stored:,}")
