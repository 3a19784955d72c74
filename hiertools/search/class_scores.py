"""Class-aware search of an index of classes: what ranks its items, and rows of queries and items.

The class of a query is predicted, by the classifier that travels in the index, unless its true
label is asked for: with true labels on both sides, retrieval of the same class is perfect by
construction. The class of an item is predicted too, or its label where it has one that is a class.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools import taxonomy
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.index import Index
from hiertools.files.items import Items
from hiertools.search import choosing, class_costs, class_kernel
from hiertools.search.approximate import Structure
from hiertools.search.beside import Beside, Columns
from hiertools.search.class_costs import Weighing
from hiertools.search.class_head import Head
from hiertools.search.class_kernel import Kernel
from hiertools.search.class_labels import NONE, Codes, classes_of
from hiertools.search.class_measures import ClassMeasure
from hiertools.search.folding import Folded
from hiertools.search.placing import Placer, Vectors
from hiertools.taxonomy import Taxonomy

TASK = "classes"
PREDICTED, LABELS = "predicted", "labels"
PAIRS = 1 << 20  # of a query and an item that are scored together


@dataclass(frozen=True)
class ClassRequest:
    """How classes count, and whose.

    gallery: the classes of items are `predicted`, or their `labels` where these are classes;
    oracle: the class of a query is its true label.
    """

    weighing: Weighing
    gallery: str
    oracle: bool


class ClassScorer:
    """Ranks the items of an index of classes for queries.

    points: the rows of all items; measure: scores rows of queries and items; structure: names
    candidates by soft weighting, and has K^1/2 p of the items, which else is computed.
    """

    def __init__(
        self,
        index: Index,
        name: str,
        request: ClassRequest,
        *,
        structure: Structure | None = None,
    ) -> None:
        self.structure = structure
        self.request, self._name, self._items = request, name, index.items
        self.taxonomy = taxonomy_of(index, name)
        self._placer = Placer(index.head, index.meta)
        self._head = Head(index.head, index.meta)
        codes = _codes(index, self.taxonomy, name, request.gallery)
        self.unlabelled = int((codes == NONE).sum())
        assert index.category is not None
        codes = np.where(codes == NONE, index.category, codes)
        beside: list[Columns] = [codes[:, None].astype(np.float32)]
        if request.weighing.weighting == "soft":
            beside.insert(0, self._folded_items(index))
        self.points = Beside(index.points, *beside)
        self.measure = self._measure(index.meta["dimension"])

    def _folded_items(self, index: Index) -> Columns:
        """Return K^1/2 p of all items (n x classes)."""
        if self.structure is not None:
            return Folded(self.structure, index.meta["dimension"])
        return self._head.folded(index.points, self.kernel)

    def _measure(self, dimension: int) -> ClassMeasure:
        weighing = self.request.weighing
        costs = class_costs.costs(self.taxonomy, weighing, self._head.rows)
        factor = None if costs.factor is None else torch.from_numpy(costs.factor)
        mu = weighing.mu if weighing.weighting == "soft" else None
        return ClassMeasure(dimension, torch.from_numpy(costs.added), factor, mu)

    @cached_property
    def kernel(self) -> Kernel:
        """Return the similarities of classes as soft weighting uses them."""
        return class_kernel.kernel(self.taxonomy.similarities)

    def rows(self, features: Vectors, truth: Codes | None) -> Vectors:
        """Return the rows of queries with these features (b x features).

        truth: the places of their true classes, which only `oracle` looks at.
        """
        points = self._placer.place(features)
        codes = self._head.classes(points)
        if self.request.oracle:
            assert truth is not None
            codes = truth
        parts = [points, codes[:, None].astype(np.float32)]
        if self.request.weighing.weighting == "soft":
            parts.insert(1, self._folded(points, codes))
        return np.concatenate(parts, axis=1)

    def _folded(self, points: Vectors, codes: Codes) -> Vectors:
        if self.request.oracle:
            return self.kernel.root[codes].astype(np.float32)
        return self._head.folded(points, self.kernel)

    def queries(self, features: Vectors, table: Items, name: str) -> Vectors:
        """Return the rows of queries, which are the items of a table.

        Raises `UserError` for one whose class is asked for and not known.
        """
        return self.rows(features, self.truth(table, name) if self.request.oracle else None)

    def truth(self, table: Items, name: str) -> Codes:
        """Return the place of each query's true class. Raises `UserError` for one without."""
        found = classes_of(table, self.taxonomy, name)
        if (found == NONE).any():
            first = items.decode(table.id[int(np.argmin(found))])
            raise UserError(
                f"{name}: {int((found == NONE).sum()):,} queries have no label that is a class of"
                f" {self._name}, such as {first!r}; leave out --oracle-query-label"
            )
        return found

    def categories(self, rows: Vectors) -> list[str]:
        """Return the classes that rows of queries are taken for."""
        return [self.taxonomy.classes[code] for code in rows[:, -1].astype(np.int64)]

    def scores(self, features: Vectors, truth: Codes | None = None) -> NDArray[np.float64]:
        """Return the score of each item for each query (b x n): higher is better.

        Of hierarchical ranking too: it is the order by these scores. Ties go by id.
        """
        rows = torch.from_numpy(self.rows(features, truth))
        found = np.empty((len(rows), len(self.points)))
        step = max(1, PAIRS // max(1, len(rows)))
        for start in range(0, len(self.points), step):
            block = torch.from_numpy(self.points[start : start + step])
            found[:, start : start + step] = self.measure.pairwise(rows, block).numpy()
        return found

    def ranking(self, features: Vectors, truth: Codes | None = None) -> NDArray[np.int64]:
        """Return the rows of all items for each query (b x n), best first, of equals by id."""
        by_id = np.argsort(choosing.ranks(self._items))
        scores = self.scores(features, truth)[:, by_id]
        return by_id[np.argsort(-scores, axis=1, kind="stable")]


def taxonomy_of(index: Index, name: str) -> Taxonomy:
    """Return the classes of an index. Raises `UserError` for an index without."""
    if index.meta["task"] != TASK:
        raise UserError(
            f"{name}: is no index of classes; give index a --model from `hiertools train classes`"
        )
    found = taxonomy.of_document(index.meta["taxonomy"], name)
    if found.digest != index.meta["taxonomy_digest"]:
        raise UserError(f"{name}: its taxonomy is damaged (its digest differs); index anew")
    return found


def _codes(index: Index, classes: Taxonomy, name: str, gallery: str) -> Codes:
    """Return the classes of items by their labels, `NONE` where these say nothing."""
    if gallery == PREDICTED:
        assert index.category is not None
        return index.category.astype(np.int64)
    return classes_of(index.items, classes, name)
