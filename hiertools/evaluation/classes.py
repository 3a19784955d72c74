"""The classes of an evaluation: those of the hierarchy, and labels that it lacks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.files.hierarchy import Hierarchy
from hiertools.files.items import Labels, decode
from hiertools.hierarchy import children_of, parents_of, reachable

Codes = NDArray[np.int32]


@dataclass(frozen=True)
class Classes:
    """Classes by code: first the `nodes` of the hierarchy, parents first, then other labels.

    below, above: codes of each node's descendants and ancestors; depth: of each node, the edges of
    the longest path down to it from a virtual root above all roots, so that a root has depth 1.
    """

    names: list[str]
    nodes: int
    below: list[Codes]
    above: list[Codes]
    depth: NDArray[np.int64]

    def codes_of(self, labels: Labels) -> Codes:
        """Return the codes of labels, in their order."""
        code = {name: i for i, name in enumerate(self.names)}
        names = [decode(name) for name in labels.names]
        table = np.array([code[name] for name in names] or [0], np.int32)
        return table[labels.codes]

    def at_or_below(self, codes: Codes) -> Codes:
        """Return the nodes among codes and all nodes below them, rising."""
        known = codes[codes < self.nodes]
        return np.unique(np.concatenate([known, *(self.below[code] for code in known)]))


def of_hierarchy(hierarchy: Hierarchy, tables: Sequence[Labels]) -> Classes:
    """Return the classes of a hierarchy and of the labels that some items have."""
    nodes = [node.id for node in hierarchy.nodes]
    code = {name: i for i, name in enumerate(nodes)}
    used = {decode(table.names[i]) for table in tables for i in np.unique(table.codes)}
    return Classes(
        names=nodes + sorted(used - code.keys()),
        nodes=len(nodes),
        below=_reached(children_of(hierarchy), code),
        above=_reached(parents_of(hierarchy), code),
        depth=_depths(parents_of(hierarchy)),
    )


def _reached(graph: dict[str, list[str]], code: dict[str, int]) -> list[Codes]:
    return [
        np.array(sorted(code[end] for end in reachable(graph, node)), np.int32) for node in code
    ]


def _depths(parents: dict[str, list[str]]) -> NDArray[np.int64]:
    depth: dict[str, int] = {}
    for node, above in parents.items():  # parents come first
        depth[node] = 1 + max((depth[parent] for parent in above), default=0)
    return np.array([*depth.values()], np.int64)
