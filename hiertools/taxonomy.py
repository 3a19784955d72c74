"""Classes in their order, and how a hierarchy relates them: what is above them, and how far apart.

A class is mostly a leaf, and may be any node. All arrays go by the order of the classes, which is
that of the outputs of a classifier.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.json import Document, Fields, line
from hiertools.hierarchy import Graph, at_or_above, children_of, parents_of, path_costs, reachable

PATH, HEIGHT = "path", "height"
DISTANCES = (PATH, HEIGHT)
SHOWN = 10  # of a list in a message


@dataclass(frozen=True)
class Taxonomy:
    """The classes of a hierarchy.

    classes: ids in order; nodes: ids of all that is a class or above one, parents before their
    children; names: of the nodes; parents: of each node, by id; distance: one of `DISTANCES`.
    """

    classes: list[str]
    nodes: list[str]
    names: dict[str, str]
    parents: Graph
    distance: str
    hierarchy: Hierarchy

    @cached_property
    def places(self) -> dict[str, int]:
        """Return the place of each class in the order."""
        return {key: place for place, key in enumerate(self.classes)}

    @cached_property
    def rows(self) -> dict[str, int]:
        """Return the place of each node among the nodes."""
        return {key: row for row, key in enumerate(self.nodes)}

    @cached_property
    def above(self) -> NDArray[np.bool_]:
        """Return which nodes are a class or above it: classes x nodes."""
        found = np.zeros((len(self.classes), len(self.nodes)), bool)
        for place, key in enumerate(self.classes):
            found[place, [self.rows[node] for node in (key, *reachable(self.parents, key))]] = True
        return found

    @cached_property
    def depths(self) -> NDArray[np.int64]:
        """Return the fewest edges from a root to each node: 0 for a root."""
        depths = np.zeros(len(self.nodes), np.int64)
        for row, key in enumerate(self.nodes):
            over = [depths[self.rows[parent]] for parent in self.parents[key]]
            depths[row] = min(over) + 1 if over else 0
        return depths

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Return the distance of every two classes (classes x classes), 0 on the diagonal."""
        if self.distance == PATH:
            return path_costs(self.hierarchy, self.classes)
        return height_costs(self.hierarchy, self.classes)

    @property
    def similarities(self) -> NDArray[np.float64]:
        """Return how near every two classes are: 1 / (1 + d), or 1 - d of heights.

        The first is WordNet's path similarity, the second that of Barz & Denzler 2019
        (arXiv:1809.09924), eq. 2.
        """
        return 1 - self.distances if self.distance == HEIGHT else 1 / (1 + self.distances)

    def parent(self, key: str) -> str | None:
        """Return the parent of least depth, of which the first by id; None for a root."""
        over = self.parents[key]
        if not over:
            return None
        return min(over, key=lambda node: (int(self.depths[self.rows[node]]), node))

    def path(self, key: str) -> list[str]:
        """Return a node and what is above it by parents of least depth, from the root."""
        path = [key]
        while (above := self.parent(path[-1])) is not None:
            path.append(above)
        return path[::-1]

    @property
    def digest(self) -> str:
        """Return the sha256 of the order of the classes, the nodes, the edges and the distance."""
        found = {**self.document(), "nodes": [{"id": k, "name": self.names[k]} for k in self.nodes]}
        return hashlib.sha256(line(found).encode()).hexdigest()

    def document(self) -> Document:
        """Return what a file keeps, so that `of_document` gives the same taxonomy."""
        return {
            "classes": self.classes,
            "nodes": [
                {"id": node.id, "name": node.name} | ({"level": node.level} if node.level else {})
                for node in self.hierarchy.nodes
            ],
            "edges": [[parent, key] for key in self.nodes for parent in self.parents[key]],
            "distance": self.distance,
        }


def of_hierarchy(
    hierarchy: Hierarchy, *, classes: Sequence[str] | None, distance: str | None
) -> Taxonomy:
    """Return the taxonomy of some classes: of the leaves in their order, if none are given.

    distance: what the hierarchy itself says if None. Raises `UserError` for classes that are no
    node, for a class that is there twice and for a distance that is not known.
    """
    chosen = list(hierarchy.leaves if classes is None else classes)
    distance = distance or hierarchy.distance
    if distance not in DISTANCES:
        raise UserError(f"the distance {distance!r} is not one of {', '.join(DISTANCES)}")
    if not chosen:
        raise UserError("the hierarchy has no leaves, so there are no classes")
    if len(set(chosen)) != len(chosen):
        twice = next(key for key in chosen if chosen.count(key) > 1)
        raise UserError(f"the class {twice!r} is there twice")
    parents = parents_of(hierarchy)
    unknown = [key for key in chosen if key not in parents]
    if unknown:
        raise UserError(f"the hierarchy lacks {listed(unknown)}")
    nodes = at_or_above(hierarchy, chosen)
    kept = set(nodes)
    names = {node.id: node.name for node in hierarchy.nodes if node.id in kept}
    above = replace(  # heights are of what a file keeps, so that they are the same there
        hierarchy,
        nodes=[node for node in hierarchy.nodes if node.id in kept],
        edges=[edge for edge in hierarchy.edges if edge.child in kept],
        leaves=chosen,
        distance=distance,
    )
    return Taxonomy(chosen, nodes, names, {node: parents[node] for node in nodes}, distance, above)


def of_document(document: Document, name: str) -> Taxonomy:
    """Return the taxonomy that a file keeps. Raises `UserError` with the file's name."""
    fields = Fields(document, name)
    nodes = [
        Node(
            node.text("id"),
            node.text("name"),
            node.text("level") if "level" in node.document else None,
        )
        for node in fields.objects("nodes")
    ]
    edges = []
    for edge in fields.list("edges"):
        if not (isinstance(edge, list) and [type(end) for end in edge] == [str, str]):
            raise UserError(f"{name}: an edge is not a parent and a child")
        edges.append(Edge(*edge))
    try:
        hierarchy = Hierarchy(
            nodes, edges, fields.texts("classes"), [], {}, {}, {}, distance=fields.text("distance")
        )
        return of_hierarchy(hierarchy, classes=None, distance=None)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def check_same(found: Taxonomy, wanted: Taxonomy, *, name: str, other: str) -> None:
    """Raise `UserError` unless two files have the same classes in the same order."""
    problem = difference(found.classes, wanted.classes, name=name, other=other)
    if not problem and found.classes != wanted.classes:
        place = next(i for i, pair in enumerate(zip(found.classes, wanted.classes, strict=True))
                     if pair[0] != pair[1])  # fmt: skip
        problem = (
            f"{name}: has its classes in another order than {other}: class {place} is"
            f" {found.classes[place]!r} and there {wanted.classes[place]!r}"
        )
    if problem:
        raise UserError(problem)


def difference(found: Sequence[str], wanted: Sequence[str], *, name: str, other: str) -> str | None:
    """Say which classes only one of two lists has, the first ten of each; None if all are alike."""
    lacking = sorted(set(wanted) - set(found))
    more = sorted(set(found) - set(wanted))
    if not lacking and not more:
        return None
    parts = [f"{other} lacks {listed(more)}"] if more else []
    parts += [f"{name} lacks {listed(lacking)}"] if lacking else []
    return f"{name}: has other classes than {other}: {'; '.join(parts)}"


def listed(keys: Sequence[str]) -> str:
    """Return how many ids there are and the first ten, for a message."""
    more = ", …" if len(keys) > SHOWN else ""
    return f"{len(keys):,} ({', '.join(keys[:SHOWN])}{more})"


def height_costs(hierarchy: Hierarchy, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the height of the lowest common ancestor of labels, n x n, in [0, 1].

    The height of a node is the length of the longest way down from it, as a share of the greatest.
    Barz & Denzler 2019 (arXiv:1809.09924), eq. 1. In a DAG the common ancestor of least height
    counts. Labels without a common ancestor are 1 apart; a label is 0 from itself.
    """
    parents, heights = parents_of(hierarchy), _heights(hierarchy)
    greatest = max(heights.values(), default=0)
    greatest += sum(not over for over in parents.values()) > 1  # a root above all roots
    nodes = at_or_above(hierarchy, labels)
    place = {node: row for row, node in enumerate(nodes)}
    costs = np.full((len(nodes), len(labels)), np.inf)
    for column, label in enumerate(labels):
        for node in (label, *reachable(parents, label)):
            costs[place[node], column] = heights[node] / max(1, greatest)
    found = np.ones((len(labels), len(labels)))
    for column in range(len(labels)):
        shared = costs[np.isfinite(costs[:, column])]
        found[column] = np.minimum(shared.min(axis=0), 1)
    np.fill_diagonal(found, 0)
    return found


def _heights(hierarchy: Hierarchy) -> dict[str, int]:
    """Return the length of the longest way down from each node."""
    children = children_of(hierarchy)
    heights: dict[str, int] = {}
    for node in reversed(hierarchy.nodes):
        heights[node.id] = max((heights[child] + 1 for child in children[node.id]), default=0)
    return heights
