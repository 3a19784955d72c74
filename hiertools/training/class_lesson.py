"""What a loss of classes is told of the hierarchy, and what it asks for itself."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.files.json import Document
from hiertools.losses import relations
from hiertools.losses.outputs import Outputs, Relations
from hiertools.plugins import Choice
from hiertools.taxonomy import Taxonomy


@dataclass(frozen=True)
class Lesson:
    """The loss, and what the hierarchy tells it."""

    loss: Choice
    tree: Taxonomy
    related_distance: float | None
    related_depth: int | None

    @cached_property
    def related(self) -> NDArray[np.bool_]:
        """Return which classes are related: none if nothing says so."""
        tree = self.tree
        if self.related_depth is not None:
            return relations.related_at_depth(tree.above, tree.depths, at_least=self.related_depth)
        at_most = -1.0 if self.related_distance is None else self.related_distance
        return relations.related_within(tree.distances, at_most=at_most)

    @cached_property
    def similarities(self) -> NDArray[np.float64]:
        """Return how near every two classes are, in [0, 1]."""
        return self.tree.similarities

    @cached_property
    def fixed(self) -> NDArray[np.float64] | None:
        """Return the class embeddings that the loss has, None where a classifier learns."""
        find = getattr(self.loss.member.load(), "class_embeddings", None)
        return None if find is None else np.asarray(find(self.similarities))

    @property
    def deviation(self) -> float:
        """Return the greatest error of an inner product of class embeddings; 0 if there are none.

        Similarities of some DAGs are those of no vectors.
        """
        if self.fixed is None:
            return 0.0
        return float(np.abs(self.fixed @ self.fixed.T - self.similarities).max())

    @property
    def share(self) -> float:
        """Return the share of the pairs of distinct classes that are related."""
        return relations.share(self.related)

    def describe(self) -> Document:
        """Return what a model says of related classes."""
        if self.related_depth is not None:
            return {"rule": "depth", "at": self.related_depth, "share": self.share}
        rule = None if self.related_distance is None else "distance"
        return {"rule": rule, "at": self.related_distance, "share": self.share}

    def told(self, like: Tensor) -> Relations:
        """Return what the loss gets, of the type and on the device of a tensor."""
        tree = self.tree
        joins = relations.joins([tree.path(key) for key in tree.classes])
        return relations.of(tree.distances, self.similarities, self.related, joins, like=like)

    @property
    def momentum(self) -> float:
        """Return the momentum of the moving averages that the loss wants, 0 for none."""
        options = {option.name: option.default for option in self.loss.member.options}
        return float(self.loss.options.get("average", options.get("average", 0)))

    @cached_property
    def asks_for_related(self) -> bool:
        """Return whether the loss changes with the classes that are related.

        Raises `UsageError` for an option of the loss that it does not take.
        """
        n = len(self.tree.classes)
        rng = torch.Generator().manual_seed(0)
        width = n if self.fixed is None else self.fixed.shape[1]
        z, rows = (torch.randn(n, width, generator=rng, dtype=torch.float64) for _ in range(2))
        found = []
        for related in (np.zeros((n, n), bool), ~np.eye(n, dtype=bool)):
            told = replace(self.told(z), related=torch.from_numpy(related))
            outputs = Outputs(z, z @ rows.T, torch.arange(n), rows, told, None)
            found.append(float(self.loss.call(outputs)))
        return found[0] != found[1]
