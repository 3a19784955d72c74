"""Hierarchies as DAGs: orders, ancestors, descendants, and cycles broken where they are weakest."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

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
    children = children_of(hierarchy)
    edges = {(edge.parent, edge.child): edge for edge in hierarchy.edges}
    below = {node: reachable(children, node) for node in children}
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
        direct = [c for c in children[node] if not any(c in below[o] for o in children[node])]
        waiting += [(depth + 1, node, child) for child in reversed(direct)]
