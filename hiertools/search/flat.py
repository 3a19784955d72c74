"""Exact search: all points are looked at.

A scan in float32 (`kernels.scans`) tells which points may be among the best hits; for few pairs,
and for scores that a scan does not know, float64 products of each block of points do. These points
are scored alone. So hits and scores do not depend on the blocks, on the other queries or on the
device, and memory does not grow with the number of points.
"""

import sys

import torch
from torch import Tensor

from hiertools.kernels import scans
from hiertools.search.best import Best, Collection, Hits, Queries, Wanted, compactly, radii
from hiertools.search.scores import Measure

PAIRS = {"cpu": 1 << 16, "cuda": 1 << 24}  # of one product; on a CPU they fit its cache
LEAST_POINTS = 256
COSTLY = 50  # what scoring a pair alone costs, in bounds of pairs by a product
SCANNED = {"cpu": 1 << 19, "cuda": 1 << 24}  # pairs of a block of a scan: 2 MB, 128 MB
MOST_POINTS = {"cpu": 1 << 13, "cuda": 1 << 18}
ADDED = 1 << 17  # pairs that are scored together, whose coordinates are copied
WORTH_A_SCAN = 1 << 20  # pairs, where compiled loops are there already
WORTH_COMPILED = 1 << 22  # pairs for which it pays to load them: 0.5 s


def search(
    wanted: Wanted,
    collection: Collection,
    queries: Queries,
    *,
    device: torch.device,
    block: int | None,
) -> list[Hits]:
    """Return the hits of each query. block: points looked at together, None for a guess."""
    best = Best(wanted, collection, queries)
    if _scannable(wanted, collection, queries, device):
        return _scan(wanted, collection, queries, best, device, block)
    size = block or max(LEAST_POINTS, PAIRS[device.type] // max(1, len(queries.points)))
    x = torch.from_numpy(queries.points).to(device)
    groups = torch.from_numpy(queries.group).to(device)[:, None]
    for start in range(0, len(collection.rows), size):
        rows = collection.rows[start : start + size]
        points = collection.points[rows]
        others = (groups < 0) | (groups != torch.from_numpy(collection.group[rows]).to(device))
        floor = torch.from_numpy(best.floor).to(device)
        found = _candidates(wanted, floor, x, torch.from_numpy(points).to(device), others).cpu()
        if wanted.by_radius:
            found &= torch.from_numpy(-radii(points, wanted.measure) >= best.floor[:, None])
        query, point = found.numpy().nonzero()
        best.add(query, rows[point])
    return best.hits()


def _scannable(
    wanted: Wanted, collection: Collection, queries: Queries, device: torch.device
) -> bool:
    if not isinstance(wanted.measure, Measure) or wanted.by_radius or not scans.runs_on(device):
        return False
    loaded = device.type == "cpu" and "numba" in sys.modules
    pairs = len(queries.points) * len(collection.rows)
    return pairs >= (WORTH_A_SCAN if loaded else WORTH_COMPILED)


def _scan(
    wanted: Wanted,
    collection: Collection,
    queries: Queries,
    best: Best,
    device: torch.device,
    block: int | None,
) -> list[Hits]:
    """Return the hits of each query by a scan in float32, whose candidates are scored alone."""
    assert isinstance(wanted.measure, Measure)
    asked, kind = torch.from_numpy(queries.points).to(device), device.type
    scan = scans.scan(wanted.measure.ranked, asked, queries.group, k=wanted.k)
    scan.raise_floor(best.floor.clip(min=wanted.least))
    b, n = len(queries.points), len(collection.rows)
    size = block or max(LEAST_POINTS, min(MOST_POINTS[kind], SCANNED[kind] // max(1, b)))
    for start in range(0, n, size):
        part = slice(start, start + size)
        rows = collection.rows[part]
        points = torch.from_numpy(collection.points[compactly(rows)]).to(device)
        norms = collection.norms[part] if kind == "cpu" else None
        if scan.add(points, rows, collection.group[rows], norms=norms):
            _add(best, scan.take())
            scan.raise_floor(best.floor)
    _add(best, scan.take())
    return best.hits()


def _add(best: Best, found: scans.Found) -> None:
    for start in range(0, len(found[0]), ADDED):
        best.add(*(each[start : start + ADDED] for each in found))


def _candidates(wanted: Wanted, floor: Tensor, x: Tensor, y: Tensor, others: Tensor) -> Tensor:
    """Return which points (m) may be hits of the queries (b) still: b x m.

    others: which points are not of a query's own group.
    """
    floor = torch.full_like(floor, -torch.inf) if wanted.by_radius else floor
    floor = floor.clamp(min=wanted.least)
    if floor.isfinite().all():
        found = wanted.measure.may_reach(x, y, floor)
        if found is not None and found.count_nonzero() * COSTLY < found.numel():
            return found & others
    lower, upper = wanted.measure.bounds(x, y)
    if not wanted.by_radius and wanted.k < len(y):
        known = lower.where(others, -torch.inf)
        floor = floor.maximum(known.topk(wanted.k).values[:, -1])
    return (upper >= floor[:, None]) & others
