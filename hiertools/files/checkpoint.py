"""checkpoint.h5: the state of a training between two steps, to go on from."""

from dataclasses import dataclass
from pathlib import Path

from hiertools.files import hdf5, tensors
from hiertools.files.json import Document
from hiertools.files.tensors import Arrays

KIND = "checkpoint"
VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """Arrays by name and what goes with them: the step, and the options that must be the same."""

    arrays: Arrays
    meta: Document
    chain: list[Document]


def write_checkpoint(path: Path, arrays: Arrays, meta: Document, *, chain: list[Document]) -> None:
    """Write a checkpoint in the place of an older one, which stays until this one is whole."""
    with hdf5.create(path, KIND, VERSION, meta=meta, chain=chain, overwrite=True) as writer:
        tensors.write(writer, "arrays", arrays)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return Checkpoint(tensors.read(reader, "arrays"), reader.meta, reader.chain)


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_checkpoint(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        arrays = len(tensors.names(reader, "arrays"))
        return {"arrays": arrays, "numbers": tensors.sizes(reader, "arrays"), **reader.meta}
