"""The gallery: what methods of re-ranking know of the items of an index and of the queries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.graph import Solves
from hiertools.files.json import Document
from hiertools.files.local_features import LocalFeatures
from hiertools.files.verified import Pair
from hiertools.reranking.neighbours import Neighbours, nearest
from hiertools.reranking.shortlist import Rows

Vectors = NDArray[np.float32]


class VerifiedPairs(Protocol):
    """Pairs of images that were verified before: what `hiertools.files.verified` reads.

    options: of the matching, by name; kept by those who match the same way.
    """

    @property
    def options(self) -> Document:
        """Return how the pairs were verified."""

    def pair(self, left: str, right: str) -> Pair | None:
        """Return a pair, from left to right, None if it was never looked at."""

    def others(self, key: str) -> list[tuple[str, int]]:
        """Return the images that one has inliers with and how many, the most first."""

    def size(self, key: str) -> tuple[int, int] | None:
        """Return the width and height of an image in pixels, None if it is in no pair."""


@dataclass(frozen=True)
class Gallery:
    """n items and whatever is known of them. `name`: of the index's file, for messages.

    vectors: of the items, rows of length one or of zeros (n x d, float32; in an index of points on
    a hyperboloid their directions from the origin); queries: the same of queries that are known,
    by id; features_of: gives the local features of an item or a query by id, None if there are
    none; verified: pairs that were verified before, None if none were; graph: the neighbours of
    each item that were found before, itself left out, and solves: what diffusion made of them;
    seed: of everything random; block: queries that are worked on together, at the most;
    explain: whether `Reranked.explained` is wanted, masks: whether its `masks` are.
    """

    ids: Sequence[str]
    vectors: Vectors
    queries: Mapping[str, Vectors]
    features_of: Callable[[str], LocalFeatures | None]
    verified: VerifiedPairs | None
    name: str
    seed: int
    block: int
    device: torch.device
    explain: bool
    masks: bool
    graph: Neighbours | None = None
    solves: Solves | None = None

    @cached_property
    def ranks(self) -> Rows:
        """Return the place of each id among all of them in text order, which breaks ties."""
        ranks = np.empty(len(self.ids), np.int64)
        ranks[np.argsort(np.array(self.ids, object), kind="stable")] = np.arange(len(self.ids))
        return ranks

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.ids)}

    def row(self, key: str) -> int | None:
        """Return the row of an item, None if there is no such item."""
        return self._rows.get(key)

    def vector(self, query: str) -> Vectors:
        """Return the unit vector of a query (d): of its embedding, else of the item of its id.

        Raises `UserError` if neither is there.
        """
        if query in self.queries:
            return self.queries[query]
        row = self.row(query)
        if row is None:
            raise UserError(
                f"the query {query!r} is no item of {self.name}; give its embedding with --queries"
            )
        return np.asarray(self.vectors[row])

    def neighbours(self, k: int) -> Neighbours:
        """Return the k nearest of each item, itself left out: of the graph, if it has as many."""
        wanted = min(k, len(self.ids) - 1)
        if self.graph is not None and self.graph.rows.shape[1] >= wanted:
            return self.graph.first(wanted)
        return nearest(self.vectors, self.vectors, wanted, device=self.device, without_self=True)

    def size(self, key: str) -> tuple[int, int] | None:
        """Return the width and height of an item's image in pixels, None if they are not known."""
        found = self.features_of(key)
        if found is not None:
            return found.width, found.height
        return None if self.verified is None else self.verified.size(key)

    def features(self, key: str) -> LocalFeatures:
        """Return the local features of an item or a query.

        Raises `UserError` if there are none.
        """
        found = self.features_of(key)
        if found is None:
            raise UserError(
                f"no local features of {key!r}; write them with hiertools embed --local and give"
                " them with --local"
            )
        return found
