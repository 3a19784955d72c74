"""Hierarchies as DAGs: orders, what is above and below, paths, trees, cycles broken."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.hierarchy import Edge, Hierarchy

Graph = dict[str, list[str]]


def children_of(hierarchy: Hierarchy) -> Graph:
    """Return the children of every node, by id."""
    return _graph(hierarchy, lambda edge: (edge.parent, edge.child))


def parents_of(hierarchy: Hierarchy) -> Graph:
    """Return the parents of every node, by id."""
    return _graph(hierarchy, lambda edge: (edge.child, edge.parent))


def _graph(hierarchy: Hierarchy, ends: Callable[[Edge], tuple[str, str]]) -> Graph:
    graph: Graph = {node.id: [] for node in hierarchy.nodes}
    for start, end in map(ends, hierarchy.edges):
        graph[start].append(end)
    return {node: sorted(ends) for node, ends in graph.items()}


def reachable(graph: Graph, start: str) -> set[str]:
    """Return the nodes that can be reached from a node, without the node itself.

    Over `children_of` these are its descendants, over `parents_of` its ancestors.
    """
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph[node]
    return seen


def topological(ids: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """Return ids in an order in which parents come before children; free places go by id."""
    children: defaultdict[str, list[str]] = defaultdict(list)
    missing = dict.fromkeys(ids, 0)
    for parent, child in edges:
        children[parent].append(child)
        missing[child] += 1
    ready = [node for node, parents in missing.items() if parents == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for child in children[node]:
            missing[child] -= 1
            if missing[child] == 0:
                heapq.heappush(ready, child)
    return order


def without_cycles(edges: Sequence[tuple[str, str]]) -> list[bool]:
    """Break cycles at their weakest edges. `edges` are (parent, child), strongest first.

    Returns which edges are kept. An edge is dropped when it
    closes a cycle with stronger edges that are kept; so every cycle loses its weakest edge, and
    no edge is lost to a cycle that another loss has broken already.
    """
    nodes = {node for edge in edges for node in edge}
    number = {node: i for i, node in enumerate(sorted(nodes))}
    component = _strong_components([(number[p], number[c]) for p, c in edges], len(nodes))
    graph: Graph = {node: [] for node in nodes}
    kept = []
    for parent, child in edges:
        on_cycle = component[number[parent]] == component[number[child]]
        keep = not on_cycle or (parent != child and parent not in reachable(graph, child))
        if keep and on_cycle:
            graph[parent].append(child)
        kept.append(keep)
    return kept


def _strong_components(edges: list[tuple[int, int]], size: int) -> Sequence[int]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = zip(*edges, strict=True) if edges else ((), ())
    graph = coo_array(([1] * len(edges), (rows, columns)), shape=(size, size))
    found: Sequence[int] = connected_components(graph, connection="strong")[1]
    return found


def outline(hierarchy: Hierarchy) -> Iterator[tuple[int, Edge | None, str, bool]]:
    """Yield the lines of the hierarchy's trees: depth, edge from above, node id, seen before.

    A node stands under a parent only if it is under none of that parent's other descendants, and
    its own children follow where it comes first: a DAG unrolled whole can be exponential.
    """
    children = children_of(transitive_reduction(hierarchy))
    edges = {(edge.parent, edge.child): edge for edge in hierarchy.edges}
    held = {edge.child for edge in hierarchy.edges}
    seen: set[str] = set()
    waiting: list[tuple[int, str | None, str]] = [
        (0, None, node.id) for node in reversed(hierarchy.nodes) if node.id not in held
    ]
    while waiting:
        depth, parent, node = waiting.pop()
        again = node in seen and bool(children[node])
        yield depth, edges.get((parent or "", node)), node, again
        if again:
            continue
        seen.add(node)
        waiting += [(depth + 1, node, child) for child in reversed(children[node])]


def transitive_reduction(hierarchy: Hierarchy) -> Hierarchy:
    """Return the hierarchy without the edges that a longer way down makes needless."""
    children = children_of(hierarchy)
    implied: dict[str, set[str]] = {
        node: set().union(*(reachable(children, child) for child in found))
        for node, found in children.items()
    }
    edges = [edge for edge in hierarchy.edges if edge.child not in implied[edge.parent]]
    return replace(hierarchy, edges=edges)


def depth_first_order(hierarchy: Hierarchy, labels: Iterable[str]) -> list[str]:
    """Return labels as a walk down the hierarchy meets them, roots and children by id.

    A node counts where the walk meets it first. Labels that are no node come last, by name.
    """
    children = children_of(hierarchy)
    held = {edge.child for edge in hierarchy.edges}
    waiting = sorted(children.keys() - held, reverse=True)
    met: dict[str, int] = {}
    while waiting:
        node = waiting.pop()
        if node not in met:
            met[node] = len(met)
            waiting += reversed(children[node])
    return sorted(labels, key=lambda label: (met.get(label, len(met)), label))


def at_or_above(hierarchy: Hierarchy, labels: Iterable[str]) -> list[str]:
    """Return the nodes that are labels or stand above one, parents first."""
    parents = parents_of(hierarchy)
    found: set[str] = set()
    for label in parents.keys() & set(labels):
        found |= {label, *reachable(parents, label)}
    return [node.id for node in hierarchy.nodes if node.id in found]


def forest(hierarchy: Hierarchy, labels: Iterable[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the nodes at or above labels, parents first, and the place of each one's parent.

    The trees are those of the transitive reduction; -1 stands for the parent of a root. Labels
    that are no node come last, as roots. Raises `UserError` where a node has several parents.
    """
    labels = list(labels)
    parents = parents_of(transitive_reduction(hierarchy))
    nodes = at_or_above(hierarchy, labels)
    for node in nodes:
        if len(parents[node]) > 1:
            raise UserError(
                f"the hierarchy is no tree: {node!r} has {len(parents[node])} parents, such as"
                f" {parents[node][0]!r} and {parents[node][1]!r}; measure along its paths"
                " (--ground path)"
            )
    place = {node: row for row, node in enumerate(nodes)}
    above = [place[parents[node][0]] if parents[node] else -1 for node in nodes]
    foreign = sorted(set(labels) - parents.keys())
    return nodes + foreign, np.array(above + [-1] * len(foreign), np.int64)


def path_costs(hierarchy: Hierarchy, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the path distances of labels, n x n: fewest edges up from both to one node.

    WordNet's path distance: min over common ancestors a of up(x, a) + up(y, a), with all edges as
    they are stored. A virtual root joins all roots, and all labels that are no node, by an edge
    each. In a forest these are the lengths of the paths. Where a node has several parents the
    triangle inequality can fail, because no path goes down and up again.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import shortest_path

    parents = parents_of(hierarchy)
    foreign = [label for label in labels if label not in parents]
    nodes = [*at_or_above(hierarchy, labels), *foreign]
    place = {node: row for row, node in enumerate(nodes)}
    top = len(nodes)
    steps = [(place[node], place[p]) for node in nodes for p in parents.get(node, [])]
    steps += [(place[node], top) for node in nodes if not parents.get(node)]
    rows, columns = zip(*steps, strict=True)
    graph = coo_array(([1] * len(steps), (rows, columns)), shape=(top + 1, top + 1))
    up = shortest_path(graph.tocsr(), unweighted=True, indices=[place[label] for label in labels])
    up_from = np.ascontiguousarray(
        up.T
    )  # a label has few nodes above it: those alone are looked at
    over = [np.flatnonzero(np.isfinite(row)) for row in up]
    return np.array(
        [(up_from[o] + row[o, None]).min(axis=0) for o, row in zip(over, up, strict=True)]
    )
