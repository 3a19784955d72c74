"""The nodes of a hierarchy: how probable they are, the ways to them, the deepest that is sure."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hiertools.taxonomy import Taxonomy

Probabilities = NDArray[np.float32]
Rows = NDArray[np.int64]
NONE = -1


class Nodes:
    """The nodes that are classes or above them, in the taxonomy's order.

    classes: the row of each class (C); depths: fewest edges from a root; paths: the nodes from a
    root to each node by parents of least depth (nodes x most), then `NONE`.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._above = csr_array(taxonomy.above.T.astype(np.float32))
        self._at_or_above = taxonomy.above
        self.keys = taxonomy.nodes
        self.names = [taxonomy.names[key] for key in taxonomy.nodes]
        self.depths = taxonomy.depths
        self.classes = np.array([taxonomy.rows[key] for key in taxonomy.classes])
        ways = [[taxonomy.rows[node] for node in taxonomy.path(key)] for key in taxonomy.nodes]
        most = max(map(len, ways))
        self.paths: Rows = np.array([way + [NONE] * (most - len(way)) for way in ways])

    @property
    def roots(self) -> Rows:
        """Return the rows of the roots."""
        return np.flatnonzero(self.depths == 0)

    def sums(self, p: Probabilities) -> Probabilities:
        """Return the probability of each node (b x nodes): the sum over the classes at or below.

        p: b x C. In a DAG a class counts once for each node above it.
        """
        found: Probabilities = (self._above @ np.ascontiguousarray(p.T)).T
        return np.minimum(found, np.float32(1), out=found)

    def along(self, sums: Probabilities, rows: Rows) -> Probabilities:
        """Return the probabilities along the paths to nodes (b x most), 0 beyond their ends.

        sums: of all nodes (b x nodes); rows: a node for each item. What rounding would let rise
        on the way down does not.
        """
        paths = self.paths[rows]
        found = np.where(paths == NONE, 0, np.take_along_axis(sums, paths, 1))
        return np.minimum.accumulate(found, 1)

    def deepest(self, sums: Probabilities, threshold: float) -> Rows:
        """Return for each item the deepest node that is more probable than a threshold.

        Of equally deep ones the most probable, then the first. Where none is, it is the most
        probable root.
        """
        depths = np.where(sums > threshold, self.depths, NONE)
        best = depths.max(1, keepdims=True)
        found = np.where(depths == best, sums, -1).argmax(1)
        return np.where(best[:, 0] == NONE, self._fallback(sums), found)

    def _fallback(self, sums: Probabilities) -> Rows:
        found: Rows = self.roots[sums[:, self.roots].argmax(1)]
        return found

    def right_above(self, sums: Probabilities, truth: Rows) -> NDArray[np.float64]:
        """Return for each item the least threshold from which on `deepest` is right.

        Right is a node that is the true class or above it; truth: places of classes (b). As the
        threshold falls, ever deeper nodes are chosen: those that are deeper than all that are as
        probable. The probability of the first of these that is wrong is the threshold that is
        looked for; 0 if all are right; inf if the most probable root is wrong, since it is chosen
        where no other node is.
        """
        right = self._at_or_above[truth]
        order = np.lexsort((np.broadcast_to(-self.depths, sums.shape), -sums), axis=1)
        depths = self.depths[order]
        deeper = np.maximum.accumulate(depths, 1)
        chosen = np.ones(order.shape, bool)
        chosen[:, 1:] = depths[:, 1:] > deeper[:, :-1]
        wrong = chosen & ~np.take_along_axis(right, order, 1)
        first = wrong.argmax(1)[:, None]
        found = np.take_along_axis(np.take_along_axis(sums, order, 1), first, 1)[:, 0]
        found = np.where(wrong.any(1), found, 0).astype(np.float64)
        rows = np.arange(len(truth))
        return np.where(right[rows, self._fallback(sums)], found, np.inf)
