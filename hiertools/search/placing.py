"""Embeddings to points, as the head that travels in an index places them."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hiertools.errors import UserError
from hiertools.files.json import Document
from hiertools.files.tensors import Arrays
from hiertools.models import classes, parts

ROWS = 256  # placed together, so that a point does not depend on how many others there are
BLOCK = 64 * ROWS  # read together

Vectors = NDArray[np.float32]


class Placer:
    """Places embeddings by a head; without one they are points as they are.

    meta: of the model or the index that has the head.
    """

    def __init__(self, head: Arrays, meta: Document) -> None:
        self._model: nn.Module | None = None
        if head:
            self._model = _model(head, meta).double()

    def place(self, vectors: Vectors) -> Vectors:
        """Return the points of embeddings (n x features)."""
        vectors = np.asarray(vectors)
        if self._model is None or not len(vectors):
            return vectors
        starts = range(0, len(vectors), ROWS)
        return np.concatenate([self._place(vectors[i : i + ROWS]) for i in starts])

    def _place(self, vectors: Vectors) -> Vectors:
        assert self._model is not None
        padded = np.zeros((ROWS, vectors.shape[1]), np.float32)
        padded[: len(vectors)] = vectors
        with torch.inference_mode():
            points = self._model(torch.from_numpy(padded)).float().numpy()
        return np.asarray(points[: len(vectors)])

    def blocks(self, vectors: Vectors, rows: NDArray[np.int64]) -> Iterator[Vectors]:
        """Yield the points of some rows of a file's embeddings, block by block."""
        for start in range(0, len(rows), BLOCK):
            yield self.place(vectors[rows[start : start + BLOCK]])


def _model(head: Arrays, meta: Document) -> nn.Module:
    if meta["task"] == "classes":
        return classes.of_weights(head, meta)
    return parts.of_weights(head, geometry=meta["geometry"])


def check_fit(found: Document, features: int, name: str, taken: Document, taker: str) -> None:
    """Raise `UserError` if embeddings are not of the encoder whose embeddings are taken.

    found: the meta of embeddings of so many `features`; taken: that of a model or an index.
    """
    if found["digest"] != taken["digest"]:
        raise UserError(
            f"{name}: is of the encoder {_encoder(found)}, {taker} of {_encoder(taken)};"
            f" {_how_to_embed(found['encoder'], taken['encoder'])}"
        )
    if found["output"] != taken["output"]:
        raise UserError(f"{name}: has {found['output']} rows, {taker} takes {taken['output']} rows")
    if features != taken["features"]:
        raise UserError(
            f"{name}: has {features} dimensions ({found['encoder']}), {taker} takes"
            f" {taken['features']} ({taken['encoder']})"
        )


def _how_to_embed(found: str, encoder: str) -> str:
    kind, _, maker = encoder.partition(":")
    if found == encoder and kind != "from":
        return f"embed with --encoder {encoder}, or model:MODEL.h5 if it was fine-tuned"
    if kind == "from":
        return f"take vectors of the same maker: embed --from FILE --made-by {maker}"
    return f"embed with --encoder {encoder}"


def _encoder(meta: Document) -> str:
    return f"{meta['encoder']} ({meta['digest'][:12]})"
