"""Diffusion on the graph of mutual neighbours: how heat spreads from the nearest items of a query.

(I - alpha S) f = y: Zhou et al. 2003, "Ranking on Data Manifolds", without the constant factor;
with mutual neighbours and y on the nearest items: Iscen et al. 2017 (arXiv:1611.05113).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from hiertools.errors import UsageError, UserError
from hiertools.files.json import Document
from hiertools.reranking import offline, seeding
from hiertools.reranking.affinity import Edges, affinity, normalised
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.neighbours import Vectors, nearest
from hiertools.reranking.shortlist import Rows, Scores, Shortlist
from hiertools.reranking.solving import Solving, solve
from hiertools.reranking.solving_parts import solve_within

LARGE = 100_000  # items up to which the whole graph is solved
TRUNCATED = 10_000  # nearest items, beyond that
OFFLINE = 1000  # nearest items of an item

Source = tuple[Rows, Scores]  # rows and values of y
Heat = tuple[Scores, Rows]  # f of the items (n), and the rows where it came from


@dataclass(frozen=True)
class Settings:
    """How heat spreads. truncate: nearest items on whose part of the graph; 0 for the usual."""

    mode: str
    k: int
    alpha: float
    power: float
    seeds: int
    tolerance: float
    iterations: int
    truncate: int

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"diffusion: no mode '{self.mode}'; there are {', '.join(MODES)}")
        if not 0 <= self.alpha < 1:
            raise UsageError(f"diffusion: alpha={self.alpha:g} is not in the range 0<=x<1")
        for name in ("power", "tolerance"):
            if not 0 < getattr(self, name) < np.inf:
                raise UsageError(f"diffusion: {name}={getattr(self, name):g} is not above 0")
        for name, least in (("k", 1), ("seeds", 1), ("iterations", 1), ("truncate", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"diffusion: {name}={getattr(self, name)} is not at least {least}")

    @property
    def how(self) -> Solving:
        """Return how far a solve goes."""
        return Solving(self.alpha, self.tolerance, self.iterations)

    @property
    def offline(self) -> Document:
        """Return what solves that were made before must have been made with."""
        return {
            "k": self.k, "alpha": self.alpha, "power": self.power, "tolerance": self.tolerance,
            "iterations": self.iterations, "truncate": self.truncate or OFFLINE,
        }  # fmt: skip


@dataclass(frozen=True)
class Spreading:
    """A graph that is ready, and what spreads heat on it. edges: S; names: ids of its nodes."""

    edges: Callable[[], Edges]
    names: Sequence[str]
    spread: Callable[[Sequence[Shortlist]], Iterator[Heat]]


def prepare(gallery: Gallery, settings: Settings, everything: Sequence[Shortlist]) -> Spreading:
    """Return what spreads heat. everything: all queries, if the mode is transductive."""
    if settings.mode == "online" and len(gallery.ids) > LARGE:
        return _truncated(gallery, settings, everything)
    return MODES[settings.mode](gallery, settings, everything)


def _online(gallery: Gallery, settings: Settings, _: Sequence[Shortlist]) -> Spreading:
    """Solve on the whole graph, several queries in one pass."""
    normal = normalised(affinity(gallery.neighbours(settings.k), power=settings.power))

    def spread(batch: Sequence[Shortlist]) -> Iterator[Heat]:
        sources = _sources(gallery, batch, settings)
        solved = solve(normal, sources, settings.how, device=gallery.device)
        for f, (rows, _) in zip(solved, sources, strict=True):
            yield f, rows

    return Spreading(lambda: normal, gallery.ids, spread)


def _truncated(gallery: Gallery, settings: Settings, _: Sequence[Shortlist]) -> Spreading:
    """Solve on the graph of a query's nearest items alone, normalised anew."""
    edges = affinity(gallery.neighbours(settings.k), power=settings.power)

    def spread(batch: Sequence[Shortlist]) -> Iterator[Heat]:
        sources = _sources(gallery, batch, settings)
        queries = _queries(gallery, batch)
        return _among_nearest(gallery, settings, edges, gallery.vectors, queries, sources)

    return Spreading(cache(lambda: normalised(edges)), gallery.ids, spread)


def _offline(gallery: Gallery, settings: Settings, _: Sequence[Shortlist]) -> Spreading:
    """Combine solves of single items, made before or now."""
    found = gallery.solves
    if found is not None:
        _check_same(found.options, settings.offline)

    @cache
    def edges() -> Edges:
        return normalised(affinity(gallery.neighbours(settings.k), power=settings.power))

    def spread(batch: Sequence[Shortlist]) -> Iterator[Heat]:
        sources = _sources(gallery, batch, settings)
        items = np.unique(np.concatenate([rows for rows, _ in sources]))
        if found is not None:
            parts = {int(item): found.of(item) for item in items}
        else:
            solved = offline.solved(
                gallery.vectors, edges(), items, settings.how,
                truncate=settings.truncate or OFFLINE, device=gallery.device,
            )  # fmt: skip
            parts = dict(zip(items.tolist(), solved, strict=True))
        for rows, y in sources:
            yield offline.combined([parts[row] for row in rows], y, len(gallery.ids)), rows

    return Spreading(edges, gallery.ids, spread)


def _check_same(made: Document, wanted: Document) -> None:
    for name, value in wanted.items():
        if made.get(name) != value:
            raise UserError(
                f"diffusion: the graph was solved with {name}={made.get(name)}, not {value}; give"
                f" {name}={made.get(name)}, or make the graph anew (hiertools graph --offline)"
            )


def _transductive(
    gallery: Gallery, settings: Settings, everything: Sequence[Shortlist]
) -> Spreading:
    """Solve on a graph of items and all queries; a query that is an item is there already."""
    new = [each.query for each in everything if _is_new(gallery, each.query)]
    added = np.array([gallery.vector(query) for query in new], np.float32)
    vectors = np.concatenate([gallery.vectors, added.reshape(-1, gallery.vectors.shape[1])])
    near = nearest(vectors, vectors, settings.k, device=gallery.device, without_self=True)
    edges = affinity(near, power=settings.power)
    normal, n = normalised(edges), len(gallery.ids)
    place = {query: n + number for number, query in enumerate(new)}

    def spread(batch: Sequence[Shortlist]) -> Iterator[Heat]:
        own = [
            place[each.query] if each.query in place else gallery.row(each.query) for each in batch
        ]
        barred = [each.barred[each.barred != row] for each, row in zip(batch, own, strict=True)]
        queries = _queries(gallery, batch)
        sources = _heats(vectors, queries, barred, gallery, settings)
        if n > LARGE or settings.truncate:
            found = _among_nearest(gallery, settings, edges, vectors, queries, sources)
        else:
            solved = solve(normal, sources, settings.how, device=gallery.device)
            found = ((f, rows) for f, (rows, _) in zip(solved, sources, strict=True))
        yield from found

    return Spreading(lambda: normal, [*gallery.ids, *new], spread)


def _is_new(gallery: Gallery, query: str) -> bool:
    return query in gallery.queries or gallery.row(query) is None


def _among_nearest(
    gallery: Gallery,
    settings: Settings,
    edges: Edges,
    vectors: Vectors,
    queries: Vectors,
    sources: list[Source],
) -> Iterator[Heat]:
    """Yield f, solved among the nearest nodes of each query; it is 0 elsewhere."""
    truncate = settings.truncate or TRUNCATED
    near = nearest(vectors, queries, truncate, device=gallery.device, without_self=False).rows
    parts = [np.union1d(own, rows) for own, (rows, _) in zip(near, sources, strict=True)]
    solved = solve_within(edges, parts, sources, settings.how, renormalise=True)
    for part, values, (rows, _) in zip(parts, solved, sources, strict=True):
        f = np.zeros(len(vectors))
        f[part] = values
        yield f, rows


def _queries(gallery: Gallery, batch: Sequence[Shortlist]) -> Vectors:
    return np.stack([gallery.vector(each.query) for each in batch])


def _sources(gallery: Gallery, batch: Sequence[Shortlist], settings: Settings) -> list[Source]:
    barred = [each.barred for each in batch]
    return _heats(gallery.vectors, _queries(gallery, batch), barred, gallery, settings)


def _heats(
    vectors: Vectors, queries: Vectors, barred: list[Rows], gallery: Gallery, settings: Settings
) -> list[Source]:
    found = seeding.seeds(vectors, queries, barred, settings.seeds, device=gallery.device)
    return [seeding.heat(each, power=settings.power) for each in found]


MODES = {
    "online": _online, "truncated": _truncated, "offline": _offline, "transductive": _transductive,
}  # fmt: skip
