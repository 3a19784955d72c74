"""Embeddings to an index: the points of all shards, their items, and what is said of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.embeddings import Embeddings, Vectors, finite
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.files.model import Model, digest_of
from hiertools.files.tensors import Arrays
from hiertools.search import approximate
from hiertools.search.choosing import Rows
from hiertools.search.placing import BLOCK, Placer, check_fit
from hiertools.search.space import Space
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
        kept = (
            ("task", "geometry", "c", "dimension") if model.task == "parts" else tuple(model.meta)
        )
        meta |= {key: model.meta[key] for key in kept}
        meta |= {"model": digest_of(model)}
    return meta


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
    space = Space(method, by, draft.meta["geometry"], draft.meta["c"])
    structure = approximate.build(points, space, parameters=parameters, seed=seed, tick=tick)
    about = approximate.describe(space, parameters, seed)
    meta = {**draft.meta, "method": method, "by": by, "structure": about}
    return replace(draft, meta=meta, blocks=[points], structure=structure)
