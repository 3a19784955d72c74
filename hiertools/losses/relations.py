"""How near classes are to each other in a hierarchy: pure functions of arrays, in numpy and torch.

d: distances of every two classes, from the taxonomy; `joins`: edges from the root down to where
the ways to two classes part. A way goes by the parents of least depth, so that also in a DAG a
class has one way.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from torch import Tensor

from hiertools.losses.outputs import Relations


def of(
    distances: Float[Array, "C C"],
    similarities: Float[Array, "C C"],
    related: Bool[Array, "C C"],
    joins: Int[Array, "C C"],
    *,
    like: Tensor,
) -> Relations:
    """Return what losses need, of the type of floats and on the device of a tensor."""
    return Relations(
        torch.as_tensor(distances).to(like),
        torch.as_tensor(similarities).to(like),
        torch.as_tensor(related).to(like.device),
        torch.as_tensor(joins).to(like.device),
    )


def omega(
    distances: Float[Tensor, "C C"], decay: float | int, *, with_self: bool
) -> Float[Tensor, "C C"]:
    """Return Omega: exp(-a d_ij) / sum over k of exp(-a d_ik), of rows that sum to 1.

    Muñoz Guerrero et al. 2025, "Leveraging ImageNet's Hierarchical Structure for Enhanced Image
    Classification and Retrieval", eq. 6; decay: its alpha. The class itself is among k, unless
    `with_self` is false: then the diagonal is 0. A decay of inf gives the identity, or without the
    class itself equal shares to those that are nearest.
    """
    places = torch.arange(len(distances), device=distances.device)
    return shares(distances, places, decay, with_self=with_self)


def shares(
    distances: Float[Tensor, "n C"],
    classes: Int[Tensor, " n"],
    decay: float | int,
    *,
    with_self: bool,
) -> Float[Tensor, "n C"]:
    """Return the rows of Omega of some classes, from their distances to all."""
    own = classes[:, None]
    if not with_self:
        others = distances.scatter(1, own, torch.inf).min(1, keepdim=True).values
        distances = distances - others  # so that some term of the sum is 1, whatever the decay
    powers = -decay * distances if decay < math.inf else torch.where(distances > 0, -decay, 0)
    powers = powers.to(distances)
    if not with_self:
        powers = powers.scatter(1, own, -torch.inf)
    return powers.softmax(1).nan_to_num(0)  # of a class without others


def kernel(distances: Float[Tensor, "*n"], decay: float | int) -> Float[Tensor, "*n"]:
    """Return exp(-a d), of which Omega is made: 1 where d is 0, even with a decay of inf."""
    return torch.where(distances > 0, -decay * distances, 0).exp()


def related_within(distances: Float[Array, "C C"], *, at_most: float | int) -> Bool[Array, "C C"]:
    """Return which distinct classes are at most so far apart."""
    return (distances <= at_most) & ~np.eye(len(distances), dtype=bool)


def related_at_depth(
    above: Bool[Array, "C nodes"], depths: Int[Array, " nodes"], *, at_least: int
) -> Bool[Array, "C C"]:
    """Return which distinct classes share a node so deep or deeper. A root has the depth 0.

    above: which nodes are a class or above it; depths: the fewest edges from a root to each.
    """
    deep = above[:, depths >= at_least].astype(np.float32)
    return (deep @ deep.T > 0) & ~np.eye(len(above), dtype=bool)


def share(related: Bool[Array, "C C"]) -> float:
    """Return the share of the pairs of distinct classes that are related; 0 if there are none."""
    n = len(related)
    return float(related.sum()) / max(1, n * (n - 1))


def joins(ways: Sequence[Sequence[str]]) -> Int[Array, "C C"]:
    """Return the edges from the root down to where the ways to two classes part.

    ways: the nodes from a root to each class. A class that is above others has itself as a leaf
    below it, so that its own is the deepest. If there are several roots, one above them counts.
    """
    below_one = len({way[0] for way in ways}) == 1
    found = np.full((len(ways), len(ways)), 0 if below_one else -1)
    for depth in range(max(map(len, ways))):
        met: dict[str, list[int]] = {}
        for place, way in enumerate(ways):
            if len(way) > depth:
                met.setdefault(way[depth], []).append(place)
        for places in met.values():
            found[np.ix_(places, places)] = depth
    found += 0 if below_one else 1
    own = np.arange(len(ways))
    off = found.copy()
    off[own, own] = -1
    found[own, own] += off.max(1, initial=-1) == found[own, own]
    return found
