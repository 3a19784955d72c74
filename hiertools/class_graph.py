"""Classes and the kinds that they are of, as a table or WordNet has them, made into a hierarchy."""

import graphlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hiertools.errors import UserError
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.json import Document
from hiertools.hierarchy import Graph, reachable, topological


@dataclass(frozen=True)
class ClassGraph:
    """What is a kind of what.

    classes: ids in order; names: of every node; parents: of every node, by id; levels: of those
    nodes that are of one.
    """

    classes: list[str]
    names: dict[str, str]
    parents: Graph
    levels: dict[str, str]


def assemble(
    graph: ClassGraph, *, root: str | None, prune: bool, distance: str, source: Document
) -> Hierarchy:
    """Return the hierarchy of the classes and of all that is above them.

    root: id of a node to put above all roots. prune: leave out what has one child and is no class.
    Raises `UserError` for a cycle, which it names.
    """
    check_acyclic(graph.parents)
    kept = above(graph, graph.classes)
    statistics = {"classes": len(graph.classes), "left_out": len(graph.parents) - len(kept.parents)}
    kept = with_root(kept, root) if root is not None else kept
    nodes = len(kept.parents)
    kept = pruned(kept) if prune else kept
    statistics["pruned"] = nodes - len(kept.parents)
    statistics["several_parents"] = len(several_parents(kept))
    edges = [(parent, child) for child, over in kept.parents.items() for parent in over]
    order = topological(kept.parents, edges)
    place = {node: row for row, node in enumerate(order)}
    return Hierarchy(
        nodes=[Node(node, kept.names[node], kept.levels.get(node)) for node in order],
        edges=[Edge(*ends) for ends in sorted(edges, key=lambda e: (place[e[0]], place[e[1]]))],
        leaves=kept.classes,
        dropped=[],
        source=source,
        parameters={"prune": prune} | ({"root": root} if root is not None else {}),
        statistics=statistics,
        distance=distance,
    )


def check_acyclic(parents: Graph) -> None:
    """Raise `UserError` for a cycle, named from above to below."""
    try:
        graphlib.TopologicalSorter(parents).prepare()
    except graphlib.CycleError as error:
        found = [str(node) for node in error.args[1]]
        raise UserError(f"has a cycle: {' > '.join(found)}") from None


def above(graph: ClassGraph, classes: Iterable[str]) -> ClassGraph:
    """Return the graph without what is neither one of the classes nor above one."""
    kept: set[str] = set()
    for key in classes:
        kept |= {key, *reachable(graph.parents, key)} if key not in kept else set()
    return _of_nodes(graph, {node: over for node, over in graph.parents.items() if node in kept})


def with_root(graph: ClassGraph, root: str) -> ClassGraph:
    """Return the graph with a node above all its roots; as it is if that node is there already.

    Raises `UserError` if the node is there and is not above all others.
    """
    roots = [node for node, over in graph.parents.items() if not over]
    if roots == [root]:
        return graph
    if root in graph.parents:
        raise UserError(f"there is a node {root!r} already: give --root an id that no node has")
    parents: Graph = {root: []} | {node: over or [root] for node, over in graph.parents.items()}
    return _of_nodes(replace(graph, names={root: root} | graph.names), parents)


def pruned(graph: ClassGraph) -> ClassGraph:
    """Return the graph without the nodes that have one child and are no class.

    The child takes such a node's place under its parents. From below to above: what is left with
    one child because two of its own have become one goes too.
    """
    children: dict[str, list[str]] = {node: [] for node in graph.parents}
    for node, over in graph.parents.items():
        for parent in over:
            children[parent].append(node)
    classes, stands_for = set(graph.classes), dict[str, str]()
    below: dict[str, list[str]] = {}
    for node in graphlib.TopologicalSorter(children).static_order():  # children come first
        found = list(dict.fromkeys(stands_for[child] for child in children[node]))
        chain = len(found) == 1 and node not in classes
        stands_for[node] = found[0] if chain else node
        if not chain:
            below[node] = found
    parents: Graph = {node: [] for node in graph.parents if node in below}
    for node in parents:
        for child in below[node]:
            parents[child].append(node)
    return _of_nodes(graph, parents)


def several_parents(graph: ClassGraph) -> list[str]:
    """Return the classes that have several parents or are under a node that has."""
    split = {node for node, over in graph.parents.items() if len(over) > 1}
    return [key for key in graph.classes if split & {key, *reachable(graph.parents, key)}]


def repeated(keys: Iterable[str]) -> list[str]:
    """Return the keys that are there more than once."""
    return [key for key, times in Counter(keys).items() if times > 1]


def _of_nodes(graph: ClassGraph, parents: Graph) -> ClassGraph:
    """Return the graph with other nodes and edges, and the names and levels of those alone."""
    levels = {node: level for node, level in graph.levels.items() if node in parents}
    return ClassGraph(graph.classes, {node: graph.names[node] for node in parents}, parents, levels)
