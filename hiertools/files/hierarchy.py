"""hierarchy.json: nodes and edges of a DAG, for boxes, classes and places alike."""

import graphlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiertools.errors import UserError
from hiertools.files import json
from hiertools.files.inputs import Source
from hiertools.files.json import Document, Fields

KIND = "hierarchy"
VERSION = 1
REASONS = ("same-class", "frequency", "proportion", "cycle")


@dataclass(frozen=True)
class Node:
    """A class, a place or a part. `count`: how many boxes or members it has."""

    id: str
    name: str
    level: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Edge:
    """A child under a parent, and how often it was seen there.

    frequency: pairs of boxes; holders: boxes of the parent that hold the child; proportion:
    holders / count of the parent, in [0, 1].
    """

    parent: str
    child: str
    frequency: int | None = None
    holders: int | None = None
    proportion: float | None = None


@dataclass(frozen=True)
class Dropped(Edge):
    """A pair that is not in the hierarchy, and the reason (one of `REASONS`)."""

    reason: str = ""


@dataclass(frozen=True)
class Hierarchy:
    """A DAG. Nodes stand in an order in which every parent comes before its children."""

    nodes: list[Node]
    edges: list[Edge]
    leaves: list[str]
    dropped: list[Dropped]
    source: Document
    parameters: Document
    statistics: Document
    distance: str
    chain: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        place = {node.id: row for row, node in enumerate(self.nodes)}
        if len(place) != len(self.nodes):
            raise UserError("a node's id is there twice")
        unknown = [end for e in self.edges for end in (e.parent, e.child) if end not in place]
        unknown += [leaf for leaf in self.leaves if leaf not in place]
        if unknown:
            raise UserError(f"{unknown[0]!r} is in an edge or a leaf and is no node")
        if len({(edge.parent, edge.child) for edge in self.edges}) != len(self.edges):
            raise UserError("an edge is there twice")
        _check_order(self, place)


def _check_order(hierarchy: Hierarchy, place: dict[str, int]) -> None:
    parents: dict[str, list[str]] = {node.id: [] for node in hierarchy.nodes}
    for edge in hierarchy.edges:
        parents[edge.child].append(edge.parent)
    try:
        graphlib.TopologicalSorter(parents).prepare()
    except graphlib.CycleError as error:
        raise UserError(f"the hierarchy has a cycle: {' > '.join(error.args[1])}") from None
    for edge in hierarchy.edges:
        if place[edge.parent] > place[edge.child]:
            raise UserError(f"node {edge.child!r} stands before its parent {edge.parent!r}")


def write_hierarchy(
    path: Path, hierarchy: Hierarchy, *, chain: list[Document], overwrite: bool
) -> None:
    """Write a hierarchy to a file, or to standard output for `-`."""
    document = {
        "kind": KIND,
        "version": VERSION,
        "provenance": chain,
        "source": hierarchy.source,
        "parameters": hierarchy.parameters,
        "statistics": hierarchy.statistics,
        "distance": hierarchy.distance,
        "nodes": [_without_none(node) for node in hierarchy.nodes],
        "edges": [_without_none(edge) for edge in hierarchy.edges],
        "leaves": hierarchy.leaves,
        "dropped": [_without_none(edge) for edge in hierarchy.dropped],
    }
    json.write(path, document, overwrite=overwrite)


def _without_none(item: Node | Edge) -> Document:
    return {key: value for key, value in vars(item).items() if value is not None}


def read_hierarchy(source: Source | Path) -> Hierarchy:
    """Read a hierarchy. Raises `UserError` for another kind, unknown nodes and cycles."""
    source = source if isinstance(source, Source) else Source(source)
    document = json.read(source, KIND, VERSION)
    fields = Fields(document, source.name)
    nodes = [_node(node) for node in fields.objects("nodes")]
    edges = [Edge(**_edge(edge)) for edge in fields.objects("edges")]
    dropped = [Dropped(**_edge(edge), reason=_reason(edge)) for edge in fields.objects("dropped")]
    leaves = fields.texts("leaves")
    about = {key: fields.object(key) for key in ("source", "parameters", "statistics")}
    try:
        return Hierarchy(
            nodes,
            edges,
            leaves,
            dropped,
            **about,
            distance=fields.text("distance"),
            chain=fields.list("provenance"),
        )
    except UserError as error:
        raise UserError(f"{source.name}: {error}") from None


def _node(node: Fields) -> Node:
    level = node.text("level") if "level" in node.document else None
    count = node.count("count") if "count" in node.document else None
    return Node(node.text("id"), node.text("name"), level, count)


def _edge(edge: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {key: edge.text(key) for key in ("parent", "child")}
    for key in ("frequency", "holders"):
        found[key] = edge.count(key) if key in edge.document else None
    found["proportion"] = edge.number("proportion") if "proportion" in edge.document else None
    return found


def _reason(edge: Fields) -> str:
    reason = edge.text("reason")
    if reason not in REASONS:
        raise UserError(f"{edge.name}: {edge.place}.reason is not one of {', '.join(REASONS)}")
    return reason


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_hierarchy(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_hierarchy(path)
    children = {edge.child for edge in found.edges}
    reasons = [edge.reason for edge in found.dropped]
    return {
        "nodes": len(found.nodes),
        "edges": len(found.edges),
        "roots": len(found.nodes) - len(children),
        "leaves": len(found.leaves),
        "dropped": {reason: reasons.count(reason) for reason in REASONS if reason in reasons},
        "distance": found.distance,
        "source": found.source,
        "parameters": found.parameters,
        "statistics": found.statistics,
    }
