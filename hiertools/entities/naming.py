"""Embeddings of the names of entities, by the text side of an encoder."""

import numpy as np
from numpy.typing import NDArray

from hiertools import countries, embedding
from hiertools.embedding import Settings
from hiertools.encoder import Encoder, digest
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.entities import Entities
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.inventory import Inventory
from hiertools.terminal import Tick

PLACE = "{name}"


def embed_names(
    entities: Entities, encoder: Encoder, settings: Settings, *, prompt: str, tick: Tick
) -> NDArray[np.float32]:
    """Return an embedding of each entity's name in the prompt, n x t; 0 for implicit nodes.

    A country is spelled out: France, not FR. A name that several entities have is embedded once.
    """
    named = np.flatnonzero(~entities.implicit)
    spelled = [_spelled(entities, row) for row in named.tolist()]
    names, code = np.unique(spelled, return_inverse=True)
    texts = [prompt.replace(PLACE, name) for name in names.tolist()]
    rows = Items(np.arange(len(texts)).astype("S"))
    inventory = Inventory(rows, [], np.zeros(len(texts), np.int64), texts)
    found: NDArray[np.float32] | None = None
    for batch in embedding.embed(inventory, encoder, settings, start=0):
        if found is None:
            found = np.zeros((len(texts), batch.vectors.shape[1]), np.float32)
        found[batch.used] = batch.vectors
        tick(len(batch.rows))
    assert found is not None
    if not np.isfinite(found).all():
        raise UserError("the text encoder gives numbers that are not finite")
    vectors = np.zeros((len(entities), found.shape[1]), np.float32)
    vectors[named] = found[code]
    return vectors


def _spelled(entities: Entities, row: int) -> str:
    name = items.decode(entities.name[row])
    is_country = entities.levels[0] == "country" and row < entities.offsets[1]
    return (is_country and countries.name(name)) or name


def describe(encoder: Encoder, *, name: str, prompt: str) -> Document:
    """Return what the output says of its text embeddings."""
    return {"encoder": name, "digest": digest(encoder), "prompt": prompt}
