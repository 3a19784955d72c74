"""Embeddings of images to points among entities, as the head that travels in an index places them.

Images look at all entities of each level, whose keys and values are made once.
"""

from itertools import pairwise

import numpy as np
import torch

from hiertools.files.entity_index import EntityIndex
from hiertools.kernels.pairwise_angle import GEOMETRIES
from hiertools.models.geo import GeoModel, of_weights
from hiertools.models.geo_networks import Shared
from hiertools.search.tree import Points

ROWS = 64  # placed together, so that a point does not depend on how many others there are
ENTITIES = 1 << 14  # whose tangent vectors are made together


class EntityPlacer:
    """Places embeddings by the head of an index; without one they are made unit vectors."""

    def __init__(self, index: EntityIndex, *, device: torch.device) -> None:
        self._device = device
        self._model: GeoModel | None = None
        self._shared: Shared | None = None
        if index.head:
            self._model = of_weights(index.head, index.meta).to(device).eval()
            if index.meta["attention"]:
                with torch.inference_mode():
                    self._shared = self._keys(self._model, index)

    def _keys(self, model: GeoModel, index: EntityIndex) -> Shared:
        """Return what images look at: the entities with a name, by level."""
        geometry, ends = GEOMETRIES[index.meta["geometry"]], index.nodes.offsets
        tangents, used = [], []
        for start, end in pairwise(ends.tolist()):
            blocks = [
                geometry.log(torch.from_numpy(rows.astype(np.float64)), index.meta["c"]).float()
                for rows in np.split(
                    index.points[start:end], range(ENTITIES, end - start, ENTITIES)
                )
            ]
            tangents.append(torch.cat(blocks).to(self._device))
            used.append(torch.from_numpy(~index.nodes.implicit[start:end]).to(self._device))
        return model.shared(tangents, used)

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
