"""Whatever is a hierarchy: hierarchy.json, or the entities of entities.h5."""

from pathlib import Path

from hiertools.errors import UsageError, UserError
from hiertools.files import hdf5, json
from hiertools.files.entities import KIND as ENTITIES
from hiertools.files.entities import hierarchy_of, read_entities
from hiertools.files.hierarchy import Hierarchy, read_hierarchy
from hiertools.files.inputs import HDF5_MAGIC, STDIN, Source


def read_tree(source: Source | Path) -> Hierarchy:
    """Read a hierarchy of either kind. Raises `UserError` for any other file."""
    source = source if isinstance(source, Source) else Source(source)
    if not source.head.startswith(HDF5_MAGIC):
        return read_hierarchy(source)
    if source.path == STDIN:
        raise UsageError("HDF5 does not come through a pipe; name a file")
    with hdf5.reading(source.path) as reader:
        kind = reader.kind
    if kind != ENTITIES:
        raise UserError(
            f"{source.path}: is {json.file_of(kind)}; a hierarchy is needed, or entities"
        )
    return hierarchy_of(read_entities(source.path))
