"""What `train geo` learns from: entities and their items, joined to embeddings by id."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.entities import Entities, Members
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.models.geo_inputs import EntityInputs, entity_inputs
from hiertools.places import unit_vectors
from hiertools.training.embedded import Embedded, Shelf, listed
from hiertools.training.geo import Globe
from hiertools.training.geo_examples import positives

SAME = ("digest", "output", "preprocess")
ABOUT = ("encoder", *SAME)


@dataclass(frozen=True)
class GeoMaterial:
    """Entities, what the network takes of them, and n items with vectors.

    named: which entities of each level have a name; positive: of each item at each level, as
    `GeoExamples` has it (n x levels); fold: of each item; features, about: of the embeddings.
    """

    entities: Entities
    inputs: EntityInputs
    table: Items
    vectors: Embedded
    named: list[NDArray[np.bool_]]
    positive: NDArray[np.int32]
    fold: NDArray[np.uint8]
    features: int
    about: Document

    def globe(self, device: torch.device) -> Globe | None:
        """Return where items and entities are, None if it is not known of the entities."""
        entities, table = self.entities, self.table
        if entities.latitude is None or entities.longitude is None:
            return None
        nodes = unit_vectors(entities.latitude, entities.longitude)
        levels = [
            _tensor(nodes[first:end][named], device)
            for (first, end), named in zip(pairwise(entities.offsets), self.named, strict=True)
        ]
        if table.latitude is None or table.longitude is None:
            return Globe(None, levels)
        return Globe(_tensor(unit_vectors(table.latitude, table.longitude), device), levels)


def material(
    entities: Entities,
    members: Members,
    name: Path,
    shelf: Shelf,
    paths: list[Path],
    *,
    wanted: Document,
    images: list[str] | None,
) -> GeoMaterial:
    """Return what there is to learn from; images: ids of the only items to take.

    wanted: what models say of the inputs of entities, see `entity_inputs`. Raises `UserError` for
    items without vectors, for vectors of another encoder than the entities', and for a level
    without names.
    """
    _check_encoder(entities, shelf, name, paths)
    kept = np.arange(len(members.items)) if images is None else _chosen(members, images, name)
    table, entity, fold = members.items.take(kept), members.entity[kept], members.fold[kept]
    place, there = shelf.find(table.id)
    if not there.all():
        first = items.decode(table.id[~there][0])
        raise UserError(
            f"{listed(paths)}: has no vector for {int((~there).sum()):,} of {len(table):,} items"
            f" of {name}, such as {first!r}"
        )
    offsets = entities.offsets
    named = [~entities.implicit[i:j] for i, j in pairwise(offsets)]
    for level, mask in zip(entities.levels, named, strict=True):
        if not mask.any():
            raise UserError(f"{name}: no entity of the level {level} has a name")
    meta = shelf.meta
    return GeoMaterial(
        entities, entity_inputs(entities, wanted), table, shelf.take(place), named,
        positives(entity, offsets, entities.implicit), fold, shelf.vectors[0].shape[1],
        {key: meta[key] for key in ABOUT},
    )  # fmt: skip


def _check_encoder(entities: Entities, shelf: Shelf, name: Path, paths: list[Path]) -> None:
    for key in SAME if "digest" in entities.meta else ():
        if entities.meta.get(key) != shelf.meta.get(key):
            raise UserError(
                f"{paths[0]}: has another {key} than the embeddings that {name} was built with"
            )


def _chosen(members: Members, images: list[str], name: Path) -> NDArray[np.int64]:
    wanted = items.encode(images)
    missing = wanted[~np.isin(wanted, members.items.id)]
    if len(missing):
        first = items.decode(missing[0])
        raise UserError(f"{name}: has no {len(missing):,} listed items, such as {first!r}")
    return np.flatnonzero(np.isin(members.items.id, wanted))


def _tensor(values: NDArray[np.float64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)
