"""Embeddings of images to points among entities, as the head that travels in an index places them.

Images look at all entities of each level, whose keys and values the index has.
"""

import warnings

import numpy as np
import torch

from hiertools.files.entity_index import EntityIndex
from hiertools.models.geo import GeoModel, of_weights
from hiertools.models.geo_networks import Shared
from hiertools.search.tree import Points

ROWS = 64  # placed together, so that a point does not depend on how many others there are


class EntityPlacer:
    """Places embeddings by the head of an index; without one they are made unit vectors."""

    def __init__(self, index: EntityIndex, *, device: torch.device) -> None:
        self._device = device
        self._model: GeoModel | None = None
        self._shared: Shared | None = None
        if index.head:
            self._model = of_weights(index.head, index.meta).to(device).eval()
            if index.meta["attention"]:
                pairs = index.keys_and_values()
                keys, values = (
                    [_tensor(each, device) for each in level] for level in zip(*pairs, strict=True)
                )
                self._shared = Shared(keys, values)

    def place(self, vectors: Points) -> Points:
        """Return the points of embeddings (n x features)."""
        vectors = np.asarray(vectors, np.float32)
        if self._model is None:
            length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
            unit = vectors / np.where(length == 0, 1, length)[:, None]
            return unit.astype(np.float32)
        starts = range(0, len(vectors), ROWS)
        return np.concatenate([self._place(vectors[i : i + ROWS]) for i in starts])

    def _place(self, vectors: Points) -> Points:
        assert self._model is not None
        padded = np.zeros((ROWS, vectors.shape[1]), np.float32)
        padded[: len(vectors)] = vectors
        with torch.inference_mode():
            rows = torch.from_numpy(padded).to(self._device)
            points = self._model.images(rows, self._shared).float().cpu().numpy()
        return np.asarray(points[: len(vectors)])


def _tensor(rows: Points, device: torch.device) -> torch.Tensor:
    """Return a memory map as a tensor, on a CPU without reading it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nor written
        return torch.from_numpy(rows).to(device)
