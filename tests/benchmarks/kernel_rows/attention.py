"""Attention of images to entities, as `query` has it, beside torch's own and beside a late start.

Keys, values and queries are normal; those of torch lie as a linear layer leaves them, which is how
a training has them, or head by head, as an index keeps them: torch is faster so.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from kernel_rows.row import Row, in_turn

from hiertools.files.entity_index import (
    EntityIndex,
    Nodes,
    read_entity_index,
    write_entity_index,
)
from hiertools.files.items import Items, encode
from hiertools.geometry import lorentz
from hiertools.kernels.attention import attention, plain
from hiertools.models.geo import GeoModel, Shape, of_weights
from hiertools.models.geo_networks import Shared
from hiertools.search.entity_placing import EntityPlacer

LEVELS = (233, 4946, 29_214, 209_894)  # of HierLoc
SHARES = (10, 3, 1)  # of which one is taken: 24k, 81k, 244k
HEADS, WIDTH = 8, 16
DIMENSION = HEADS * WIDTH
IMAGES, FEATURES, HIDDEN = 64, 512, 512
C = 1.25
AIM = 0.7
HEAD_BY_HEAD, OF_A_LAYER = "torch's, head by head", "torch's, as a layer leaves them"


def rows(quick: bool) -> Iterator[Row]:
    """Yield attention for three sizes, beside both layouts, and the start of `query`."""
    for share in SHARES[: 1 if quick else 3]:
        sizes = [max(1, size // share) for size in LEVELS]
        yield from attentions(sizes, rounds=3 if quick else 15)
        yield start(sizes, rounds=1 if quick else 3)


def attentions(sizes: list[int], *, rounds: int) -> Iterator[Row]:
    """Yield the time of all levels, and the greatest error beside float64."""
    made = torch.Generator().manual_seed(0)

    def normal(size: int) -> torch.Tensor:
        return torch.randn(size, HEADS, WIDTH, generator=made).transpose(0, 1)

    queries = normal(IMAGES)
    layers = [(normal(size), normal(size)) for size in sizes]
    heads = [(keys.contiguous(), values.contiguous()) for keys, values in layers]
    works = [
        partial(each, kernel, queries, given)
        for kernel, given in ((attention, heads), (plain, heads), (plain, layers))
    ]
    ours, *theirs = in_turn(*works, rounds=rounds)
    errors = [
        max(
            float((kernel(queries, *pair).double() - exact(queries, *pair)).abs().max())
            for pair in heads
        )
        for kernel in (attention, plain)
    ]
    note = f"errors {errors[0]:.1e}, torch's {errors[1]:.1e}"
    for against, seconds in zip((HEAD_BY_HEAD, OF_A_LAYER), theirs, strict=True):
        yield Row(
            "query attention", f"{IMAGES} images, {sum(sizes):,} entities x {DIMENSION}",
            against, ours, seconds, AIM, note=note,
        )  # fmt: skip


def each(kernel: object, queries: torch.Tensor, levels: list[tuple[torch.Tensor, ...]]) -> object:
    assert callable(kernel)
    with torch.inference_mode():
        return [kernel(queries, *level) for level in levels]


def exact(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the same in float64, one head after the other."""
    found = [
        torch.softmax(q.double() @ k.double().T * WIDTH**-0.5, 1) @ v.double()
        for q, k, v in zip(queries, keys, values, strict=True)
    ]
    return torch.stack(found)


def start(sizes: list[int], *, rounds: int) -> Row:
    """Return reading an index and placing 64 images, beside making keys and values from points."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.h5"
        write_entity_index(path, index_of(sizes), chain=[], overwrite=True)
        images = np.random.default_rng(1).standard_normal((IMAGES, FEATURES), np.float32)

        def ours() -> object:
            found = read_entity_index(path)
            return EntityPlacer(found, device=torch.device("cpu")).place(images)

        def theirs() -> object:
            with torch.inference_mode():
                model, shared = projected(read_entity_index(path))
                return model.images(torch.from_numpy(images), shared)

        seconds = in_turn(ours, theirs, rounds=rounds)
        megabytes = path.stat().st_size / 1e6
    return Row(
        "start of query with attention", f"{sum(sizes):,} entities x {DIMENSION}",
        "keys and values made at the start", *seconds, None, note=f"index of {megabytes:.0f} MB",
    )  # fmt: skip


def projected(index: EntityIndex) -> tuple[GeoModel, Shared]:
    """Return the model of an index, and keys and values of its points, as `query` made them."""
    model = of_weights(index.head, index.meta).eval()
    tangents = [
        lorentz.log(torch.from_numpy(index.points[start:end].astype(np.float64)), C).float()
        for start, end in pairwise(index.nodes.offsets.tolist())
    ]
    return model, model.shared(tangents, [torch.ones(len(each), dtype=bool) for each in tangents])


def index_of(sizes: list[int]) -> EntityIndex:
    """Return an index of an untrained model, whose entities lie at chance."""
    torch.manual_seed(0)
    shape = Shape(
        "lorentz", C, FEATURES, DIMENSION, HIDDEN, len(sizes), HEADS, True, "tangent", 0, 0
    )
    model = GeoModel(shape, anchor_scale=0.01, alpha=DIMENSION**-0.5).requires_grad_(False)
    tangents = [0.1 * torch.randn(size, DIMENSION) for size in sizes]
    shared = model.shared(tangents, [torch.ones(size, dtype=bool) for size in sizes])
    keys, values = (
        torch.cat([rows.flatten(0, 1) for rows in levels]).numpy()
        for levels in (shared.keys, shared.values)
    )
    points = np.concatenate([lorentz.exp(rows, C).numpy() for rows in tangents])
    count, offsets = len(points), np.concatenate([[0], np.cumsum(sizes)])
    children, parent = np.zeros((count, 2), np.int64), np.full(count, -1)
    children[offsets[-2] :] = count
    for level, (above, below) in enumerate(pairwise(sizes)):
        ends = offsets[level + 1] + np.arange(above + 1) * below // above
        here = slice(offsets[level], offsets[level + 1])
        children[here] = np.stack([ends[:-1], ends[1:]], 1)
        parent[ends[0] : ends[-1]] = np.repeat(np.arange(here.start, here.stop), np.diff(ends))
    names = encode([str(row) for row in range(count)])
    nodes = Nodes(names, offsets, parent, children, np.zeros(count, bool), np.ones(count, np.int64))
    meta = {
        "task": "geo", "geometry": "lorentz", "c": C, "features": FEATURES, "hidden": HIDDEN,
        "dimension": DIMENSION, "heads": HEADS, "attention": True, "anchor": "tangent",
        "levels": [f"level {level}" for level in range(len(sizes))], "beta": [1.0] * len(sizes),
        "tau": 0.1, "squared": True, "encoder": "made", "digest": "0" * 64, "preprocess": {},
        "output": "embedding", "entities": "1" * 64, "model": "2" * 64, "temperature": None,
        "calibration": None,
    }  # fmt: skip
    head = model.weights(images_only=True)
    return EntityIndex(points, Items(names), nodes, head, keys, values, meta, [])
