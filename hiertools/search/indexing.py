"""Embeddings to an index: the points of all shards, their items, and what is said of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.embeddings import Embeddings, Vectors, finite
from hiertools.files.index import CLASSES
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.files.model import Model, digest_of
from hiertools.files.tensors import Arrays
from hiertools.search import building, folding
from hiertools.search.beside import Columns
from hiertools.search.choosing import Rows
from hiertools.search.class_head import Head
from hiertools.search.placing import BLOCK, Placer, check_fit
from hiertools.search.space import Holding, Space
from hiertools.terminal import Tick


@dataclass(frozen=True)
class Shard:
    """Rows of an embeddings file."""

    path: Path
    embeddings: Embeddings
    rows: Rows


@dataclass(frozen=True)
class Draft:
    """What an index will be: its points come in blocks, in the order of its items."""

    items: Items
    blocks: Iterable[Vectors]
    head: Arrays
    meta: Document
    structure: bytes = b""


def check_shards(shards: Sequence[Shard], taken: Document | None, taker: str) -> None:
    """Raise `UserError` unless all shards are of one encoder: that of a model or an index."""
    for shard in shards:
        meta, features = shard.embeddings.meta, shard.embeddings.vectors.shape[1]
        check_fit(meta, features, str(shard.path), taken or _taken(shards[0]), taker)


def _taken(shard: Shard) -> Document:
    return {**shard.embeddings.meta, "features": shard.embeddings.vectors.shape[1]}


def describe(shards: Sequence[Shard], model: Model | None) -> Document:
    """Return the meta of an index by exact search, without what depends on its rows."""
    about = _taken(shards[0])
    kept = ("features", "encoder", "digest", "preprocess", "output")
    meta: Document = {key: about[key] for key in kept}
    meta |= {"task": "plain", "geometry": "euclidean", "c": 1.0, "dimension": meta["features"]}
    meta |= {"model": None, "method": "exact", "by": "cosine", "structure": {}}
    if model is not None:
        placed = {key: model.meta[key] for key in ("task", "geometry", "c", "dimension")}
        head = {key: value for key, value in model.meta.items() if key not in kept}
        meta |= head if model.task == CLASSES else placed
        meta |= {"model": digest_of(model)}
    return meta


def classes_of(draft: Draft) -> Callable[[Vectors], NDArray[np.int32]] | None:
    """Return what tells the classes of points, None for an index that has none."""
    if draft.meta["task"] != CLASSES:
        return None
    head = Head(draft.head, draft.meta)
    return lambda points: head.classes(points).astype(np.int32)


def table(shards: Sequence[Shard], before: Items | None) -> Items:
    """Return the items of shards, behind those `before`. Raises `UserError` for an id twice."""
    parts = [shard.embeddings.items.take(shard.rows) for shard in shards]
    if before is not None:
        parts.insert(0, before)
    try:
        return items.concatenate(parts)
    except UserError as error:
        names = ", ".join(str(shard.path) for shard in shards)
        raise UserError(f"{names}: {error}") from None


def blocks(shards: Iterable[Shard], placer: Placer, before: Vectors | None) -> Iterator[Vectors]:
    """Yield the points of shards, behind those `before`, block by block."""
    old = () if before is None else (before[i : i + BLOCK] for i in range(0, len(before), BLOCK))
    new = (placer.blocks(shard.embeddings.vectors, shard.rows) for shard in shards)
    return chain(old, chain.from_iterable(new))


def with_structure(
    draft: Draft,
    name: str,
    *,
    method: str,
    by: str,
    parameters: dict[str, int],
    seed: int,
    tick: Tick,
) -> Draft:
    """Return the draft with its points in memory and a structure that FAISS makes of them."""
    points = np.empty((len(draft.items), draft.meta["dimension"]), np.float32)
    start = 0
    for block in finite(draft.blocks, draft.items, name):
        points[start : start + len(block)] = block
        start += len(block)
    meta = draft.meta
    rows: Columns = points
    space: Holding = Space(method, by, meta["geometry"], meta["c"])
    if by == folding.SOFT:
        rows, space, kernel = folding.folded(points, draft.head, meta, name=name, method=method)
        meta = {**meta, "kernel": kernel.document()}
    structure = building.build(rows, space, parameters=parameters, seed=seed, tick=tick)
    about = building.describe(space, parameters, seed)
    meta = {**meta, "method": method, "by": by, "structure": about}
    return replace(draft, meta=meta, blocks=[points], structure=structure)
