"""Pictures of known classes, each time changed a little, for an encoder that learns.

The changes depend on the seed, the epoch and the place in the epoch alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hiertools import signals
from hiertools.encoder import Encoder
from hiertools.encoders.model import base
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.images import BadImageError, open_rgb
from hiertools.inventory import Inventory
from hiertools.taxonomy import Taxonomy
from hiertools.training import batch_norm
from hiertools.training.changes import CHANGES
from hiertools.training.class_examples import ClassBatch, ClassInputs
from hiertools.training.class_material import ClassMaterial
from hiertools.training.pictures import empty, prepared
from hiertools.training.ranks import Ranks

PICTURES_PER_PIECE = 16  # pictures pass from process to process through little shared memory


@dataclass(frozen=True)
class Manner:
    """How pictures are read. augment: of `CHANGES`; statistics: of batch normalisation, learned."""

    augment: str
    statistics: bool
    seed: int
    workers: int


def with_classes(found: Inventory, folder: Path) -> Inventory:
    """Give every picture the first folder on the way to it as its label.

    Raises `UserError` for pictures that are in no folder below `folder`.
    """
    names = [items.decode(key) for key in found.items.id]
    loose = [name for name in names if "/" not in name]
    if loose:
        raise UserError(
            f"{folder}: {len(loose):,} of {len(names):,} images are in no folder of a class, such"
            f" as {loose[0]!r}; give --table CSV with the columns id and label"
        )
    labels = items.label_sets([name.partition("/")[0]] for name in names)
    return replace(found, items=replace(found.items, labels=labels))


def of_pictures(
    tree: Taxonomy,
    labels: NDArray[np.int64],
    found: Inventory,
    encoder: Encoder,
    spec: str,
    manner: Manner,
) -> ClassMaterial:
    """Return pictures of known classes, for an encoder all of whose weights learn."""
    with torch.no_grad():
        features = encoder.embed(empty(encoder)[None]).shape[1]
    encoder.network.requires_grad_(True)
    if manner.statistics:
        batch_norm.learn_statistics(encoder.network)
    about = {"encoder": base(spec), "preprocess": encoder.preprocess, "output": "embedding"}
    source = ClassPictures(found, encoder, manner)
    return ClassMaterial(tree, found.items, labels, source, features, about, encoder)


class ClassPictures:
    """Pictures of an inventory, for an encoder that learns."""

    def __init__(self, found: Inventory, encoder: Encoder, manner: Manner) -> None:
        self.inventory, self.encoder, self.manner = found, encoder, manner
        self.empty = empty(encoder)[None]
        self.bad: dict[str, str] = {}

    def load(self, batches: list[ClassBatch], ranks: Ranks) -> Iterator[ClassInputs]:
        """Yield the inputs of this rank's rows of each batch; pictures that are bad are zeros."""
        pieces = _Pieces(self.inventory, self.encoder, self.manner, batches, ranks)
        loader: DataLoader[_Piece] = DataLoader(
            pieces,
            batch_size=None,
            num_workers=min(self.manner.workers, len(pieces)),
            worker_init_fn=signals.leave_to_parent,
        )
        loaded = iter(loader)
        for batch, count in zip(batches, pieces.pieces_of, strict=True):
            values, good = [self.empty[:0]], [torch.zeros(0, dtype=torch.bool)]
            for piece in islice(loaded, count):
                values.append(piece.values)
                good.append(piece.good)
                self.bad |= piece.bad
            yield ClassInputs(batch, torch.cat(values), torch.cat(good))

    def encode(self, values: Tensor, good: Tensor, ranks: Ranks) -> Tensor:
        """Return the encoder's features; of no pictures too, so that all ranks do the same."""
        n = len(values)
        if not n:
            values, good = values.new_zeros(1, *values.shape[1:]), good.new_zeros(1)
        with batch_norm.over(good, ranks):
            return self.encoder.embed(values)[:n]


@dataclass(frozen=True)
class _Piece:
    values: Tensor
    good: Tensor
    bad: dict[str, str]


class _Pieces(Dataset[_Piece]):
    """The rows of an epoch's batches in pieces; runs in worker processes.

    pieces_of: how many pieces each batch has.
    """

    def __init__(
        self,
        found: Inventory,
        encoder: Encoder,
        manner: Manner,
        batches: list[ClassBatch],
        ranks: Ranks,
    ) -> None:
        self.inventory, self.prepare, self.manner = found, encoder.prepare, manner
        self.empty = empty(encoder)
        rows = [range(len(batch))[ranks.rows(len(batch))] for batch in batches]
        self.pieces_of = [-(-len(own) // PICTURES_PER_PIECE) for own in rows]
        self.pieces = [
            (batch, own[start : start + PICTURES_PER_PIECE])
            for batch, own in zip(batches, rows, strict=True)
            for start in range(0, len(own), PICTURES_PER_PIECE)
        ]

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> _Piece:
        batch, places = self.pieces[index]
        bad: dict[str, str] = {}
        found = [
            self._picture(
                int(batch.rows[place]), [self.manner.seed, batch.epoch, batch.first + place], bad
            )
            for place in places
        ]
        good = torch.tensor([picture is not None for picture in found])
        values = torch.stack([self.empty if p is None else p for p in found])
        return _Piece(values, good, bad)

    def _picture(self, item: int, seed: list[int], bad: dict[str, str]) -> Tensor | None:
        """Return an item's picture, changed; None if it is bad, whose reason goes to `bad`."""
        path = self.inventory.files[int(self.inventory.file_of[item])]
        assert path is not None
        try:
            picture = open_rgb(path)
        except BadImageError as error:
            bad[items.decode(self.inventory.items.id[item])] = str(error)
            return None
        return prepared(picture, CHANGES[self.manner.augment], self.prepare, seed)
