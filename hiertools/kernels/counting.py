"""Which labels are within the first k, for ks up to all points: for evaluation, without sorting.

The definition sorts keys. On a CPU a compiled loop (`counting_loops`) is some 8 times as fast as
numpy's argsort and bincount, products included; numba pays, as torch takes a sort for each query.
On CUDA torch selects among keys that a Triton kernel writes.
"""

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hiertools.kernels.ranked import (
    Ranked,
    columns,
    cosine_errors,
    directions,
    inverses,
    of_norms,
    radii,
    scores,
)

PRODUCTS = 1 << 24  # that are there together: 64 MB


def label_counts(
    ranked: Ranked,
    queries: Float[Tensor, "b d"],
    points: Float[Tensor, "n d"],
    codes: Int[Tensor, " n"],
    *,
    ks: tuple[int, ...],
    labels: int,
    barred: tuple[Int[Tensor, " b1"], Int[Tensor, " m"]] | None,
) -> Int[Tensor, "b k l"]:
    """Return how often each label is among the first k points of each query, for rising ks.

    codes: a label (of so many) of each point. barred: starts and places, those of query q being
    places[starts[q] : starts[q + 1]], each once, which are not ranked. Points and queries are
    float32; equal keys are ranked by place. Flat distances are told apart where their squares are
    float32 numbers: above some 1e-19.
    """
    x, y = queries.contiguous(), points.contiguous()
    if x.is_cuda:
        if find_spec("triton"):
            from hiertools.kernels.gpu import counting

            return counting.label_counts(ranked, x, y, codes, ks=ks, labels=labels, barred=barred)
        return definition(ranked, x, y, codes, ks=ks, labels=labels, barred=barred)
    return _by_loops(ranked, x, y, codes, ks, labels, barred)


def definition(
    ranked: Ranked,
    queries: Tensor,
    points: Tensor,
    codes: Tensor,
    *,
    ks: tuple[int, ...],
    labels: int,
    barred: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """Return `label_counts` by sorting scores in float64."""
    found = torch.zeros(len(queries), len(ks), labels, dtype=torch.int64, device=queries.device)
    for q, row in enumerate(scores(ranked, queries, points)):
        out = row.new_zeros(len(row), dtype=torch.bool)
        if barred is not None:
            starts, places = barred
            out[places[starts[q] : starts[q + 1]]] = True
        order = torch.argsort(row, descending=True, stable=True)
        order = codes[order[~out[order]]]
        for i, k in enumerate(ks):
            found[q, i] = torch.bincount(order[:k], minlength=labels)
    return found


def _by_loops(
    ranked: Ranked,
    x: Tensor,
    y: Tensor,
    codes: Tensor,
    ks: tuple[int, ...],
    labels: int,
    barred: tuple[Tensor, Tensor] | None,
) -> Tensor:
    import numba

    from hiertools.kernels import counting_loops as loops

    found = np.zeros((len(x), len(ks), labels), np.int64)
    if not len(x) or not len(y) or not ks:
        return torch.from_numpy(found)
    of_x = radii(x, ranked)
    of_y = of_norms(torch.from_numpy(loops.norms(y.numpy())), ranked)
    near, flat = columns(ranked, of_x, of_query=True)
    g = cosine_errors(of_x.norm, x.shape[1])
    query = _arrays(x, *of_x, near, flat, g)
    inverse = inverses(of_y.norm)
    point = loops.Point(*_arrays(y, *of_y, *columns(ranked, of_y, of_query=False), inverse))
    kind = loops.KINDS[ranked.by, ranked.at if ranked.by == "angle" else "query"]
    farthest = ranked.farthest and ranked.by == "angle"
    none = torch.zeros(len(x) + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    starts, places = _arrays(*(none if barred is None else barred))
    unit, threads = directions(x, of_x.norm), numba.get_num_threads()
    step = min(len(x), max(threads, PRODUCTS // len(y)))
    products = torch.empty(step, len(y))
    for start in range(0, len(x), step):
        part = slice(start, min(start + step, len(x)))
        block = products[: part.stop - start]
        torch.mm(unit[part], y.T, out=block)
        loops.count(
            block.numpy(), kind, ranked.curved, farthest,
            loops.Query(*(each[part] for each in query)), point,
            loops.Barred(starts[start : part.stop + 1], places),
            codes.numpy(), np.array(ks), found[part], threads,
        )  # fmt: skip
    return torch.from_numpy(found)


def _arrays(*tensors: Tensor) -> list[Any]:
    return [tensor.numpy() for tensor in tensors]
