"""Beam search and exact descent beside flat searches by FAISS and by torch's products.

Entities have the sizes of HierLoc's levels and a branching as skewed as that of GeoNames; children
are at a distance of their parents, in directions of chance, and queries as far from a leaf. Seconds
are those of a batch of several in a row, as a file of queries has them; notes have milliseconds a
query.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import faiss
import numpy as np
import torch
from kernel_rows.row import Row, in_turn
from numpy.typing import NDArray

from hiertools.search import beam, exact_paths
from hiertools.search.answers import PathSearch
from hiertools.search.path_scores import PathScore
from hiertools.search.path_values import Rated, rated
from hiertools.search.tree import Tree

LEVELS = (233, 4946, 29214, 209894)
LARGEST = (208, 315, 2137)  # children of an entity
SHARES = (10, 3, 1)  # of the levels' sizes, one of so many
SKEW = 1.3  # of the logarithm of how many children an entity has
DIMENSION, WIDTH, K, BATCH = 128, 10, 10, 256
ENERGY, LAST = (
    PathScore(by, "lorentz", 1.0, (1.0,) * len(LEVELS), 1.0, True) for by in ("energy", "last")
)

Points = NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """Entities, and queries near some of the last level."""

    space: Rated
    queries: Points


def rows(quick: bool) -> Iterator[Row]:
    """Yield what beams and exact descents cost, at three sizes."""
    rounds = 2 if quick else 4
    for share in SHARES[: 1 if quick else None]:
        world = made(share, apart=0.2)
        yield from beams(world, rounds=rounds)
        yield exact(world, "0.2 from parents", rounds=rounds, aim=1 / 10)
    for apart in () if quick else (0.5, 1.0, None):
        what = "anywhere" if apart is None else f"{apart} from parents"
        yield exact(made(SHARES[-1], apart=apart), what, rounds=rounds)


def beams(world: World, *, rounds: int) -> Iterator[Row]:
    """Yield a batch and a query alone, as found and as answered."""
    space = world.space
    fast = flat(space, range(space.tree.depth))
    answering = PathSearch(space.tree, space.score, width=WIDTH, least=K, device=beam.CPU)

    def found(queries: Points) -> object:
        shifts = np.zeros((len(queries), space.tree.depth))
        return beam.search(space, queries, shifts, width=WIDTH, k=K)

    for size, times in ((BATCH, 8), (1, 64)):
        parts = [world.queries[i % BATCH :][:size] for i in range(times)]
        theirs = parts[: 1 if size > 1 else times]

        def each(
            way: Callable[[Points], object], parts: list[Points]
        ) -> Callable[[], list[object]]:
            return lambda: [way(part) for part in parts]

        works = [each(found, parts), each(answering.paths, parts)]
        works += [each(way, theirs) for way in fast.values()]
        ours, reported, *others = in_turn(*works, rounds=rounds)
        others = [other / len(theirs) for other in others]
        yield row(f"beam {WIDTH}, batch {size}", space, fast, ours / times, others, size, 1 / 50)
        what = f"beam {WIDTH} with float64 scores, batch {size}"
        yield row(what, space, fast, reported / times, others, size)


def exact(world: World, what: str, *, rounds: int, aim: float | None = None) -> Row:
    """Return the nearest entity by descent, checked against float64."""
    space, depth = rated(world.space.tree, LAST), world.space.tree.depth
    bounds, shifts = exact_paths.bounded(space), np.zeros((BATCH, depth))
    fast = flat(space, [depth - 1])
    ways = [partial(way, world.queries) for way in fast.values()]

    def found() -> NDArray[np.int64]:
        return exact_paths.search(space, bounds, world.queries, shifts, k=1)

    ours, *theirs = in_turn(found, *ways, rounds=rounds)
    same = float(np.mean(found()[:, 0] == nearest(space, world.queries)))
    return row(
        f"exact nearest, children {what}", space, fast, ours, theirs, BATCH, aim,
        f"{same:.1%} as in float64",
    )  # fmt: skip


def row(
    operation: str,
    space: Rated,
    ways: dict[str, object],
    ours: float,
    theirs: list[float],
    size: int,
    aim: float | None = None,
    note: str = "",
) -> Row:
    """Return a row beside the faster of flat searches."""
    best = min(theirs)
    each = f"{1e3 * ours / size:.4f} ms a query, theirs {1e3 * best / size:.2f}"
    return Row(
        operation, f"{len(space.tree):,} entities x {DIMENSION}", list(ways)[theirs.index(best)],
        ours, best, aim, note=f"{each}; {note}" if note else each,
    )  # fmt: skip


def flat(space: Rated, levels: range | list[int]) -> dict[str, Callable[[Points], object]]:
    """Return flat searches of levels by inner products of points with their times."""
    stored = [
        np.concatenate([-space.sides[part, None], space.tree.points[part]], 1).astype(np.float32)
        for part in map(space.tree.rows, levels)
    ]
    tensors = [torch.from_numpy(part) for part in stored]
    indexes = [faiss.IndexFlatIP(part.shape[1]) for part in stored]
    for index, part in zip(indexes, stored, strict=True):
        index.add(part)

    def asked(queries: Points) -> Points:
        times = np.sqrt(1 + (queries.astype(np.float64) ** 2).sum(1, keepdims=True))
        return np.concatenate([times, queries], 1).astype(np.float32)

    def by_torch(queries: Points) -> object:
        x = torch.from_numpy(asked(queries))
        return [torch.topk(x @ part.T, K) for part in tensors]

    def by_faiss(queries: Points) -> object:
        return [index.search(asked(queries), K) for index in indexes]

    return {"torch's product and topk": by_torch, "FAISS flat": by_faiss}


def nearest(space: Rated, queries: Points) -> NDArray[np.int64]:
    """Return the nearest of the last level, of the best hundred in float32, in float64."""
    last = space.tree.rows(space.tree.depth - 1)
    points = space.tree.points[last]
    x = torch.from_numpy(queries)
    times = torch.sqrt(1 + x.double().square().sum(1, keepdim=True)).float()
    sides = torch.from_numpy(space.sides[last].astype(np.float32))
    near = torch.topk(x @ torch.from_numpy(points).T - times * sides, 100).indices.numpy()
    near.sort(1)
    levels = np.full(near.size, space.tree.depth - 1)
    many = np.repeat(queries, near.shape[1], 0)
    values = space.score.values(many, points[near.ravel()], levels).reshape(near.shape)
    return last.start + np.take_along_axis(near, values.argmax(1)[:, None], 1)[:, 0]


def made(share: int, *, apart: float | None) -> World:
    """Return entities, one of `share` of those of HierLoc's levels; apart: None for chance."""
    rng = np.random.default_rng(0)
    sizes = [max(2, size // share) for size in LEVELS]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    children = np.zeros((offsets[-1], 2), np.int64)
    parent = np.full(offsets[-1], -1)
    points = [around(np.zeros((sizes[0], DIMENSION)), 1.0, rng)]
    for level, size in enumerate(sizes[1:]):
        numbers = branching(sizes[level], size, LARGEST[level], rng)
        ends = offsets[level + 1] + np.cumsum(numbers)
        here = slice(offsets[level], offsets[level + 1])
        children[here] = np.stack([ends - numbers, ends], 1)
        parent[offsets[level + 1] : offsets[level + 2]] = np.repeat(
            np.arange(here.start, here.stop), numbers
        )
        above = np.repeat(points[-1], numbers, 0) * (apart is not None)
        points.append(around(above, 1.0 if apart is None else apart, rng))
    every = np.concatenate(points).astype(np.float32)
    tree = Tree(every, offsets, parent, children, np.zeros(len(every), bool))
    leaves = points[-1][rng.integers(0, sizes[-1], BATCH)]
    queries = around(leaves, 0.2 if apart is None else apart, rng).astype(np.float32)
    return World(rated(tree, ENERGY), queries)


def branching(
    parents: int, children: int, largest: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return how many children each has, one at least."""
    weights = rng.lognormal(0, SKEW, parents)
    low, high = 0.0, 10.0 * children
    for _ in range(60):  # the factor by which they add up
        middle = (low + high) / 2
        found = np.clip((weights * middle).astype(np.int64), 1, largest)
        low, high = (middle, high) if found.sum() <= children else (low, middle)
    numbers = np.clip((weights * low).astype(np.int64), 1, largest)
    numbers[np.argsort(numbers)[: children - numbers.sum()]] += 1
    return numbers


def around(
    centres: NDArray[np.float64], far: float | NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return points at a distance of centres (c = 1), in directions of chance there."""
    tangents = rng.standard_normal(centres.shape)
    times = np.sqrt(1 + (centres**2).sum(1))
    rise = (tangents * centres).sum(1) / times  # tangents have this time
    length = np.sqrt((tangents**2).sum(1) - rise**2)
    far = np.broadcast_to(far, len(centres))
    found: NDArray[np.float64] = (
        centres * np.cosh(far)[:, None] + tangents * (np.sinh(far) / length)[:, None]
    )
    return found
