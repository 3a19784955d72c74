"""Exact search: all points are looked at.

For each block of points matrix products tell which may be among the best hits so far; these are
scored alone. So hits and scores do not depend on the blocks, on the other queries or on the device,
and memory does not grow with the number of points.
"""

import torch
from torch import Tensor

from hiertools.search.best import Best, Collection, Hits, Queries, Wanted, radii

PAIRS = {"cpu": 1 << 16, "cuda": 1 << 24}  # of one product; on a CPU they fit its cache
LEAST_POINTS = 256
COSTLY = 50  # what scoring a pair alone costs, in bounds of pairs by a product


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
