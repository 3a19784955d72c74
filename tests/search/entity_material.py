"""A small world with an untrained model of it, as files."""

import numpy as np
import torch

from hiertools.files.embeddings import write_embeddings
from hiertools.files.entities import digest_of, write_entities
from hiertools.files.items import Items, encode
from hiertools.files.model import Model, write_model
from hiertools.models.geo import GeoModel, Shape
from tests.training.geography import ENCODER, LEVELS, Geography

LOCATION = {"scales": 4, "r_min": 1e-3, "r_max": 1.0}


def model_of(entities, *, geometry="lorentz", attention=True, seed=0):
    """Return a model as it is before any training, with anchors far enough apart to matter."""
    torch.manual_seed(seed)
    features = entities.image_sums.shape[1]
    inputs = ["image", "location"] if entities.latitude is not None else ["image"]
    width = features + 8 * LOCATION["scales"] * (len(inputs) - 1)
    shape = Shape(
        geometry, 1.25, features, 8, 16, len(entities.levels), 2, attention, "tangent",
        len(entities), width,
    )  # fmt: skip
    network = GeoModel(shape, anchor_scale=0.01, alpha=8**-0.5)
    with torch.no_grad():
        network.entity.anchors.mul_(50)
        network.image.log_alpha.add_(1)
    meta = {
        "task": "geo", "geometry": geometry, "c": 1.25, "features": features, "dimension": 8,
        "hidden": 16, "heads": 2, "attention": attention, "anchor": "tangent", "dropout": 0.1,
        **ENCODER, "levels": entities.levels, "entities": digest_of(entities), "folds": 2,
        "inputs": inputs, "without_means": [], "text": None,
        "location": LOCATION if "location" in inputs else None, "loss": "gwh", "squared": True,
        "beta": [1.0] * len(entities.levels), "tau": network.tau.item(), "lambda": 1.0,
        "sigma": 300.0, "kernel": "laplace", "power": 1.0, "geo_from": "image", "training": {},
    }  # fmt: skip
    return Model("geo", network.weights(), {}, meta)


def saved(folder, *, model=True, queries=20, **options):
    """Write entities.h5, model.h5 and queries.h5, and return the world."""
    world = Geography(**options)
    write_entities(folder / "entities.h5", world.entities, world.members, chain=[], overwrite=True)
    if model:
        write_model(folder / "model.h5", model_of(world.entities), chain=[], overwrite=True)
    embedded(folder / "queries.h5", world.vectors[:queries], ids=world.members.items.id[:queries])
    return world


def embedded(path, vectors, ids=None, **changes):
    """Write embeddings of the made encoder."""
    ids = encode([f"q{row}" for row in range(len(vectors))]) if ids is None else ids
    vectors = np.asarray(vectors, np.float32)
    write_embeddings(
        path, [vectors], vectors.shape[1], Items(ids), meta={**ENCODER, **changes}, chain=[],
        overwrite=True,
    )  # fmt: skip


__all__ = ["LEVELS"]
