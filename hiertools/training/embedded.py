"""Inputs that are embeddings of an encoder that stays as it is, joined to the pairs by id."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.embeddings import Embeddings, Vectors
from hiertools.files.pairs import Pairs
from hiertools.training.inputs import Inputs, Material
from hiertools.training.pairs import Batch, Rows, with_items
from hiertools.training.ranks import Ranks

SAME = ("digest", "dimension", "output", "preprocess")


@dataclass(frozen=True)
class Embedded:
    """Vectors of items, from one or several files: item i has `vectors[file[i]][row[i]]`."""

    vectors: list[Vectors]
    file: Rows
    row: Rows

    @property
    def bad(self) -> dict[str, str]:
        """Return no items: an embedding can always be used."""
        return {}

    def load(self, batches: list[Batch], ranks: Ranks) -> Iterator[Inputs]:
        """Yield the inputs of this rank's rows of each batch."""
        for batch in batches:
            rows = ranks.rows(len(batch))
            values = self.take(np.concatenate([batch.parent[rows], batch.child[rows]]))
            yield Inputs(
                batch, torch.from_numpy(values), torch.ones(len(values) // 2, dtype=torch.bool)
            )

    def encode(self, values: Tensor) -> Tensor:
        """Return the vectors themselves."""
        return values

    def take(self, rows: Rows) -> NDArray[np.float32]:
        """Return the vectors of some items."""
        taken = np.empty((len(rows), self.vectors[0].shape[1]), np.float32)
        for number, vectors in enumerate(self.vectors):
            here = self.file[rows] == number
            taken[here] = vectors[self.row[rows[here]]]
        return taken


def material(pairs: Pairs, name: Path, paths: list[Path], found: list[Embeddings]) -> Material:
    """Return the pairs whose items have vectors. Raises `UserError` if there are none."""
    kept, source = join(pairs, name, paths, found)
    about = {key: found[0].meta[key] for key in ("encoder", "digest", "preprocess", "output")}
    return Material(kept, source, source.vectors[0].shape[1], about)


def check_alike(paths: list[Path], found: list[Embeddings]) -> None:
    """Raise `UserError` for logits, and for embeddings of several encoders."""
    for path, embeddings in zip(paths, found, strict=True):
        if embeddings.meta.get("output") != "embedding":
            raise UserError(f"{path}: has logits; embed without --logits")
        for key in SAME:
            if embeddings.meta.get(key) != found[0].meta.get(key):
                raise UserError(f"{path}: has another {key} than {paths[0]}; embed both alike")


def join(
    pairs: Pairs, name: Path, paths: list[Path], found: list[Embeddings]
) -> tuple[Pairs, Embedded]:
    """Return the pairs both of whose items have a vector, and the vectors of their items.

    Raises `UserError` if there are none, or if an item has two vectors.
    """
    shelf = Shelf(paths, found)
    kept = with_items(pairs, shelf.find(pairs.items.id)[1])
    if not len(kept.parent):
        raise UserError(_other_ids(pairs, name, paths, shelf.ids))
    return kept, shelf.take(shelf.find(kept.items.id)[0])


class Shelf:
    """Embeddings from one or several files, by id. Raises `UserError` if an id is there twice."""

    def __init__(self, paths: list[Path], found: list[Embeddings]) -> None:
        check_alike(paths, found)
        self.meta = found[0].meta
        self.vectors = [each.vectors for each in found]
        self.ids = np.concatenate([each.items.id for each in found])
        self._starts = np.cumsum([0, *(len(each.items) for each in found)])
        self._order = np.argsort(self.ids, kind="stable")
        ordered = self.ids[self._order]
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):
            raise UserError(f"{listed(paths)}: have two vectors of {items.decode(twice[0])!r}")

    def find(self, wanted: Any) -> tuple[Rows, NDArray[np.bool_]]:
        """Return the place of each wanted id among the ids, and whether it is there at all."""
        if not len(self.ids):
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
        place = np.searchsorted(self.ids, wanted, sorter=self._order)
        place = self._order[np.minimum(place, len(self._order) - 1)]
        return place, self.ids[place] == wanted

    def take(self, place: Rows) -> Embedded:
        """Return the vectors at some places."""
        file = np.searchsorted(self._starts, place, "right") - 1
        return Embedded(self.vectors, file, place - self._starts[file])


def _other_ids(pairs: Pairs, name: Path, paths: list[Path], ids: Any) -> str:
    if not len(pairs.parent):
        return f"{name}: has no pairs"
    wanted = items.decode(pairs.items.id[0])
    if np.isin(pairs.items.id, ids).any():
        return f"{listed(paths)}: there is no pair of {name} whose items both have a vector"
    other = f"and not {wanted!r}; these are embeddings of other images than the pairs'"
    return f"{listed(paths)}: has ids like {items.decode(ids[0])!r} {other} in {name}"


def listed(paths: list[Path]) -> str:
    """Return the names of files, for a message."""
    return ", ".join(map(str, paths))
