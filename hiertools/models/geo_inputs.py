"""What the network of entities takes: mean images, names as text, coordinates; row by row.

Embeddings are scaled to a root mean square of 1 a row, like the features of the coordinates, so
that no input starts out louder than the others.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.errors import UserError
from hiertools.files.entities import Entities
from hiertools.files.json import Document
from hiertools.models import location

INPUTS = ("image", "text", "location")

Rows32 = NDArray[np.float32]


@dataclass(frozen=True)
class EntityInputs:
    """The inputs of n nodes, of which those of level l are the rows offsets[l] : offsets[l + 1].

    sums: of unit image embeddings, folds * n x f, often a memory map; without_mean: nodes whose
    mean image is left out, n; text: of the names, n x t; location: `location.features`, n x m.
    None for an input that is left out.
    """

    offsets: NDArray[np.int64]
    folds: int
    sums: Rows32 | None
    without_mean: NDArray[np.bool_]
    text: Rows32 | None
    location: Rows32 | None

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @property
    def width(self) -> int:
        """Return how many numbers a node puts in."""
        parts = (self.location, self.sums, self.text)
        return sum(part.shape[1] for part in parts if part is not None)

    def rows(self, start: int, stop: int, *, without: int | None) -> Tensor:
        """Return the inputs of some nodes, rows x width; mean images over all folds but one."""
        parts = []
        if self.location is not None:
            parts.append(self.location[start:stop])
        if self.sums is not None:
            parts.append(scaled(self._sum(start, stop, without)))
        if self.text is not None:
            parts.append(scaled(np.asarray(self.text[start:stop])))
        return torch.from_numpy(np.concatenate(parts, 1))

    def _sum(self, start: int, stop: int, without: int | None) -> Rows32:
        assert self.sums is not None
        total = np.zeros((stop - start, self.sums.shape[1]), np.float32)
        for fold in range(self.folds):
            if fold != without:
                total += self.sums[fold * len(self) + start : fold * len(self) + stop]
        total[self.without_mean[start:stop]] = 0
        return total


def scaled(rows: Rows32) -> Rows32:
    """Return rows of root mean square 1; 0 stays 0."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    factor = np.sqrt(rows.shape[1]) / np.where(lengths > 0, lengths, 1)
    found: Rows32 = rows * factor[:, None].astype(np.float32)
    return found


def entity_inputs(entities: Entities, meta: Document) -> EntityInputs:
    """Return what a model with this meta takes of entities.

    Raises `UserError` for entities that lack an input of the model.
    """
    inputs = meta["inputs"]
    there = {
        "image": entities.image_sums is not None,
        "text": entities.text is not None,
        "location": entities.latitude is not None,
    }
    lacking = [name for name in inputs if not there[name]]
    if lacking:
        raise UserError(f"the entities have no {lacking[0]} for the model")
    levels = np.repeat(np.arange(len(entities.levels)), np.diff(entities.offsets))
    removed = [entities.levels.index(level) for level in meta["without_means"]]
    places = None
    if "location" in inputs:
        assert entities.latitude is not None
        assert entities.longitude is not None
        places = location.features(entities.latitude, entities.longitude, **meta["location"])
    return EntityInputs(
        entities.offsets,
        len(entities.fold_count),
        entities.image_sums if "image" in inputs else None,
        np.isin(levels, removed),
        entities.text if "text" in inputs else None,
        places,
    )
