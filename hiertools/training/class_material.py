"""What `train classes` learns from: items of known classes, as embeddings or as pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.encoder import Encoder, digest
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.taxonomy import Taxonomy
from hiertools.training.class_examples import ClassBatch, ClassInputs
from hiertools.training.embedded import Embedded, Shelf
from hiertools.training.ranks import Ranks

ABOUT = ("encoder", "digest", "preprocess", "output")


class Source(Protocol):
    """Where inputs come from, and how features (b x f) are made of them."""

    @property
    def bad(self) -> dict[str, str]:
        """Return the items of this rank that could not be used so far, with the reason of each."""

    def load(self, batches: list[ClassBatch], ranks: Ranks) -> Iterator[ClassInputs]:
        """Yield the inputs of this rank's rows of each batch."""

    def encode(self, values: Tensor, good: Tensor, ranks: Ranks) -> Tensor:
        """Return the features of inputs, of which some are good."""


@dataclass(frozen=True)
class ClassVectors:
    """Embeddings of an encoder that stays as it is."""

    vectors: Embedded

    @property
    def bad(self) -> dict[str, str]:
        """Return no items: an embedding can always be used."""
        return {}

    def load(self, batches: list[ClassBatch], ranks: Ranks) -> Iterator[ClassInputs]:
        """Yield the vectors of this rank's rows of each batch."""
        for batch in batches:
            values = torch.from_numpy(self.vectors.take(batch.rows[ranks.rows(len(batch))]))
            yield ClassInputs(batch, values, torch.ones(len(values), dtype=torch.bool))

    def encode(self, values: Tensor, good: Tensor, ranks: Ranks) -> Tensor:
        """Return the vectors themselves."""
        return values


@dataclass(frozen=True)
class ClassMaterial:
    """n items, the place of the class of each (n), and what makes features of them.

    features: their dimension; about: encoder, digest, preprocess and output, as embeddings and
    models record them; encoder: the one that learns too, if any.
    """

    tree: Taxonomy
    table: Items
    labels: NDArray[np.int64]
    source: Source
    features: int
    about: Document
    encoder: Encoder | None = None

    @property
    def counts(self) -> list[int]:
        """Return how many items each class has."""
        found: list[int] = np.bincount(self.labels, minlength=len(self.tree.classes)).tolist()
        return found

    def described(self) -> Document:
        """Return what a model says of the features that it takes."""
        if self.encoder is None:
            return self.about
        return {**self.about, "digest": digest(self.encoder)}


def chosen(table: Items, subset: list[str], name: str) -> NDArray[np.int64]:
    """Return the rows of some items by id. Raises `UserError` for one that is not there."""
    wanted = items.encode(subset)
    missing = wanted[~np.isin(wanted, table.id)]
    if len(missing):
        first = items.decode(missing[0])
        raise UserError(f"{name}: has no {len(missing):,} listed items, such as {first!r}")
    return np.flatnonzero(np.isin(table.id, wanted))


def of_embeddings(
    tree: Taxonomy, table: Items, labels: NDArray[np.int64], shelf: Shelf, name: str
) -> ClassMaterial:
    """Return items of known classes with their vectors, which the shelf has by id."""
    if not len(table):
        raise UserError(f"{name}: has no items")
    place, _ = shelf.find(table.id)
    about = {key: shelf.meta[key] for key in ABOUT}
    source = ClassVectors(shelf.take(place))
    return ClassMaterial(tree, table, labels, source, shelf.vectors[0].shape[1], about)
