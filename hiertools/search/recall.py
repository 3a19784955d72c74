"""How much of exact search an index's structure finds, and how fast both are."""

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.files.index import Index
from hiertools.files.json import Document
from hiertools.search import choosing, flat, folding
from hiertools.search.approximate import Effort, Structure
from hiertools.search.beside import Beside
from hiertools.search.best import Collection, Hits, Queries, Wanted
from hiertools.search.class_costs import Weighing
from hiertools.search.class_scores import ClassRequest, ClassScorer
from hiertools.search.scores import Measure, Scoring

HITS = (1, 10, 100)
BATCH = 256


def report(
    index: Index, name: str, effort: Effort, *, queries: int, seed: int, mu: float
) -> list[Document]:
    """Return recall@1, 10 and 100 and milliseconds a query, of random items as queries.

    A query is not among its own hits. Of an index with a model by cosine, angles are told too, but
    of one of classes. mu: how much classes count in soft weighting.
    """
    n = len(index.items)
    rows = np.sort(np.random.default_rng(seed).choice(n, min(queries, n), replace=False))
    everything = np.arange(n)
    structure, points, measures = _searched(index, name, mu)
    collection = Collection(points, everything, choosing.ranks(index.items), everything)
    batches = [
        Queries(np.asarray(points[batch]), batch)
        for batch in np.split(rows, range(BATCH, len(rows), BATCH))
    ]

    def exact(batch: Queries, wanted: Wanted) -> list[Hits]:
        return flat.search(wanted, collection, batch, device=torch.device("cpu"), block=None)

    def near(batch: Queries, wanted: Wanted) -> list[Hits]:
        return structure.search(wanted, collection, batch, effort)

    found: list[Document] = []
    for about, measure in measures:
        counts = [k for k in HITS if k < n]
        truth, exact_ms = _timed(exact, batches, measure, max(counts, default=1))
        for k in counts:
            hits, ms = _timed(near, batches, measure, k)
            both = zip(truth, hits, strict=True)
            shares = [np.isin(a.rows[:k], b.rows).mean() for a, b in both]
            found.append(
                {
                    **about,
                    "k": k,
                    "queries": len(rows),
                    "recall": round(float(np.mean(shares)), 6),
                    "approximate_ms": round(ms, 3),
                    "exact_ms": round(exact_ms, 3),
                }
            )
    return found


def _searched(
    index: Index, name: str, mu: float
) -> tuple[Structure, NDArray[np.float32] | Beside, list[tuple[Document, Scoring]]]:
    """Return the structure, rows of the items, and what these are ranked by."""
    if index.meta["by"] == folding.SOFT:
        structure = folding.structure_of(index, name, mu=mu)
        request = ClassRequest(Weighing("soft", mu, 0.0, None), "predicted", False)
        scorer = ClassScorer(index, name, request, structure=structure)
        return structure, scorer.points, [({"by": "soft", "mu": mu}, scorer.measure)]
    measures: list[tuple[Document, Scoring]] = [(_about(each), each) for each in _measures(index)]
    return Structure(index, name), index.points, measures


def _about(measure: Measure) -> Document:
    found: Document = {"by": measure.by}
    return found | ({"find": measure.find} if measure.by == "angle" else {})


def _measures(index: Index) -> list[Measure]:
    geometry, c = index.meta["geometry"], index.meta["c"]
    measures = [Measure(index.meta["by"], "children", "ext", geometry, c)]
    if index.meta["task"] == "parts" and index.meta["by"] == "cosine":
        measures += [Measure("angle", find, "ext", geometry, c) for find in ("children", "parents")]
    return measures


def _timed(
    search: Callable[[Queries, Wanted], list[Hits]],
    batches: list[Queries],
    measure: Scoring,
    k: int,
) -> tuple[list[Hits], float]:
    """Return the hits of all batches and the milliseconds that a query takes."""
    wanted = Wanted(measure, k, -np.inf, by_radius=False)
    start = time.perf_counter()
    hits = [each for batch in batches for each in search(batch, wanted)]
    return hits, 1e3 * (time.perf_counter() - start) / len(hits)


def table(lines: list[Document], effort: Effort, method: str) -> str:
    """Return a report as text for people."""
    rows = [f"{'by':18} {'k':>4} {'recall':>7} {'ms/query':>9} {'exact':>9}"]
    for line in lines:
        by = f"{line['by']} {line.get('find', '')}".strip()
        rows.append(
            f"{by:18} {line['k']:4d} {line['recall']:7.3f} {line['approximate_ms']:9.3f}"
            f" {line['exact_ms']:9.3f}"
        )
    parts = {"flat": "", "ivf": f", probes {effort.probes}", "hnsw": f", ef {effort.ef}"}
    return "\n".join([f"{method}, oversample {effort.oversample}{parts[method]}:", *rows])
