"""Entities to an index of them: their points, and all that it takes to place images among them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.entities import Entities, digest_of
from hiertools.files.entity_index import NOTHING, EntityIndex, Nodes
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.files.model import Model
from hiertools.files.model import digest_of as digest_of_model
from hiertools.files.tensors import Arrays
from hiertools.models.geo import GeoModel, of_weights
from hiertools.models.geo_inputs import entity_inputs
from hiertools.search import sureness
from hiertools.search.answers import PathSearch
from hiertools.search.entity_placing import EntityPlacer
from hiertools.search.placements import SURE_OF, score_of, tree_of
from hiertools.search.sureness import Calibration
from hiertools.search.tree import Points, Rows

ENCODER = ("encoder", "digest", "preprocess", "output")
OF_MODEL = (
    "geometry", "c", "features", "dimension", "hidden", "heads", "attention", "anchor", "beta",
    "tau", "squared", *ENCODER,
)  # fmt: skip
UNKNOWN = -2  # an entity that the index does not have
NONE = -1
BATCH = 256


def of_model(entities: Entities, name: str, model: Model, of: str) -> EntityIndex:
    """Return the index that a model makes of entities. name, of: of their files."""
    meta = model.meta
    if meta["entities"] != digest_of(entities):
        raise UserError(f"{of}: was trained on other entities than those of {name}")
    network = of_weights(model.weights, meta).eval()
    with torch.inference_mode():
        tangents = network.entity_tangents(entity_inputs(entities, meta))
        points = np.concatenate(
            [network.points(part.double()).float().numpy() for part in tangents]
        )
        looked_at = _looked_at(network, tangents, entities)
    about = {key: meta[key] for key in OF_MODEL}
    about |= {"model": digest_of_model(model)}
    return _index(entities, points, about, network.weights(images_only=True), looked_at)


def _looked_at(
    network: GeoModel, tangents: list[Tensor], entities: Entities
) -> tuple[Points, Points]:
    """Return keys and values of the entities with a name, as an index keeps them."""
    if not network.shape.attention:
        return NOTHING, NOTHING
    named = np.split(~entities.implicit, entities.offsets[1:-1])
    shared = network.shared(tangents, [torch.from_numpy(mask) for mask in named])
    keys, values = (
        torch.cat([heads.flatten(0, 1) for heads in levels]).numpy()
        for levels in (shared.keys, shared.values)
    )
    return keys, values


def zero_shot(entities: Entities, name: str) -> EntityIndex:
    """Return an index of unit mean embeddings, which is searched by cosine.

    Raises `UserError` for entities that have none.
    """
    if entities.image_sums is None:
        raise UserError(
            f"{name}: has no image embeddings; build it with --embeddings or give --model"
        )
    points = np.concatenate(
        [entities.prototypes(level, without=None) for level in range(len(entities.levels))]
    )
    empty = np.flatnonzero(~points.any(1) & ~entities.implicit)
    if len(empty):
        level = entities.levels[int(np.searchsorted(entities.offsets, empty[0], "right")) - 1]
        key = items.decode(entities.key[empty[0]])
        raise UserError(
            f"{name}: the {level} {key!r} has no mean image embedding; build all levels with"
            " embeddings, or give --model"
        )
    features, levels = points.shape[1], len(entities.levels)
    about: Document = {key: entities.meta[key] for key in ENCODER}
    about |= {"geometry": "sphere", "c": 1.0, "features": features, "dimension": features - 1}
    about |= {"attention": False, "beta": [1.0] * levels, "tau": 1.0, "squared": False}
    return _index(entities, points, {**about, "model": None}, {}, (NOTHING, NOTHING))


def _index(
    entities: Entities,
    points: Points,
    about: Document,
    head: Arrays,
    looked_at: tuple[Points, Points],
) -> EntityIndex:
    nodes = Nodes(
        entities.name, entities.offsets, entities.parent, entities.children, entities.implicit,
        entities.count,
    )  # fmt: skip
    table = Items(entities.key, latitude=entities.latitude, longitude=entities.longitude)
    meta = {"task": "geo", **about, "levels": entities.levels, "entities": digest_of(entities)}
    meta |= {"temperature": None, "calibration": None}
    return EntityIndex(points, table, nodes, head, *looked_at, meta, [])


def known_rows(index: EntityIndex, keys: Sequence[str | None]) -> Rows:
    """Return the row of each key, `NONE` for None and `UNKNOWN` for one that is not there."""
    rows = {items.decode(key): row for row, key in enumerate(index.items.id)}
    return np.array([NONE if key is None else rows.get(key, UNKNOWN) for key in keys], np.int64)


def calibrate(
    index: EntityIndex, vectors: Points, truth: Rows, *, by: str, width: int, device: torch.device
) -> Calibration:
    """Return the temperature that fits held-out embeddings, whose entities are known.

    truth: rows of the true entities (n x levels), `NONE` for no label and `UNKNOWN` for an entity
    that the index lacks: then no answer is right.
    """
    placer = EntityPlacer(index, device=device)
    search = PathSearch(
        tree_of(index), score_of(index, by), width=width, least=SURE_OF, device=device
    )
    parts = [
        search.paths(placer.place(vectors[start : start + BATCH]))
        for start in range(0, len(vectors), BATCH)
    ]
    rows = np.concatenate([part.rows for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    right = (rows[:, 0] == truth).astype(np.float64)
    named = search.named(rows[:, 0])
    right[(truth == NONE) | ~named] = np.nan
    if np.isnan(right).all():
        raise UserError("no held-out item has a label that the index could be right about")
    return sureness.calibrate(scores, rows, right)


def calibrated(index: EntityIndex, found: Calibration, *, by: str, width: int) -> EntityIndex:
    """Return the index with a temperature, and with what it did."""
    about = {
        "score": by, "beam": width, "answers": found.answers,
        "nll": list(found.nll), "ece": list(found.ece),
    }  # fmt: skip
    meta = {**index.meta, "temperature": found.temperature, "calibration": about}
    return replace(index, meta=meta)
