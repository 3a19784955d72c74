"""Queries among entities at full size: paths beside flat search, and 5 million images.

    python tests/benchmarks/places.py [--queries 2048] [--sample 100000] [--json FILE]

A synthetic hierarchy has as many entities as HierLoc's, 233 / 4,946 / 29,214 / 209,894, with as
uneven branching as GeoNames (at most 208 / 315 / 2,137 children); a query is a city's tangent
vector and noise. Prints tables and one line of JSON. Search over 5 million images of 1,024 numbers
is NOT run: a sample is searched, and its time is multiplied. Takes a few minutes and 3 GB.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import measured
import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.geometry import lorentz
from hiertools.models.geo import GeoModel, Shape
from hiertools.search import beam, exact_paths
from hiertools.search.answers import PathSearch
from hiertools.search.path_scores import PathScore
from hiertools.search.path_values import Rated, rated
from hiertools.search.space import Space
from hiertools.search.tree import Tree

LEVELS = ("country", "region", "sub-region", "city")
SIZES = (233, 4_946, 29_214, 209_894)
MOST = (208, 315, 2_137)  # children of an entity
SCALES = (0.6, 0.5, 0.4, 0.3)  # of what each level adds to tangent vectors
NOISE = 1.5  # of queries
D, C, TAU = 128, 1.25, 0.1
FEATURES, HIDDEN, HEADS = 1024, 512, 8
WIDTHS = (1, 2, 5, 10, 20, 50)
IMAGES = 5_000_000
BATCH = 256

Array = NDArray[Any]


def children_of(rng: np.random.Generator, parents: int, children: int, most: int) -> Array:
    """Return how many children each parent has: few, and of some very many."""
    share = rng.pareto(1.1, parents)
    counts = np.minimum(1 + np.floor(share / share.sum() * (children - parents)), most).astype(int)
    counts[share.argmax()] = most
    while (rest := children - counts.sum()) != 0:
        rows = rng.integers(0, parents, abs(rest))
        np.add.at(counts, rows, np.sign(rest))
        counts = np.clip(counts, 1, most)
    return counts


def world() -> tuple[Tree, Array]:
    """Return the hierarchy and the tangent vectors of its entities."""
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(SIZES)])
    parent, children = np.full(offsets[-1], -1), np.zeros((offsets[-1], 2), np.int64)
    tangents = rng.standard_normal((offsets[-1], D), np.float32) / np.float32(D**0.5)
    for level in range(len(SIZES)):
        rows = np.arange(*offsets[level : level + 2])
        tangents[rows] *= SCALES[level]
        if level:
            tangents[rows] += tangents[parent[rows]]
        if level + 1 < len(SIZES):
            counts = children_of(rng, SIZES[level], SIZES[level + 1], MOST[level])
            ends = offsets[level + 1] + np.cumsum(counts)
            children[rows] = np.stack([ends - counts, ends], 1)
            parent[offsets[level + 1] : offsets[level + 2]] = np.repeat(rows, counts)
    points = lorentz.exp(torch.from_numpy(tangents), C).numpy()
    return Tree(points, offsets, parent, children, np.zeros(len(points), bool)), tangents


def ms(work: Callable[[Array], Any], queries: Array, batch: int, *, repeats: int = 5) -> float:
    """Return the milliseconds a query takes in batches of a size: the best of some."""
    batches = [queries[i * batch : (i + 1) * batch] for i in range(len(queries) // batch)]
    work(batches[0])
    times = []
    for each in batches[: repeats if batch > 1 else 40]:
        start = time.perf_counter()
        work(each)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times) / batch


def gathered(space: Rated, queries: Array, width: int) -> tuple[Array, int]:
    """Return the best leaf by a beam with torch alone, and how many entities were looked at."""
    tree, weight = space.tree, float(space.score.weights[0])
    points, times = torch.from_numpy(tree.points), torch.from_numpy(space.sides).float()
    x, children = torch.from_numpy(queries), torch.from_numpy(tree.children)
    x_times = torch.sqrt(1 / C + x.square().sum(1))
    b, seen = len(x), 0
    first = torch.zeros(b, 1, dtype=torch.int64)
    end, total = first + int(tree.offsets[1]), torch.zeros(b, 1)
    rows = first
    for _ in range(tree.depth):
        counts = (end - first).reshape(-1)
        owner = torch.repeat_interleave(torch.arange(counts.numel()), counts)
        start = counts.cumsum(0) - counts
        row = first.reshape(-1)[owner] + torch.arange(len(owner)) - start[owner]
        query = owner // first.shape[1]
        seen += len(row)
        inner = (points[row] * x[query]).sum(1) - times[row] * x_times[query]
        value = -weight * (torch.acosh((-C * inner).clamp(min=1)).square() / C)
        score = total.reshape(-1)[owner] + value
        size = torch.bincount(query, minlength=b)
        place = torch.arange(len(row)) - (size.cumsum(0) - size)[query]
        table = torch.full((b, int(size.max())), -torch.inf)
        table[query, place] = score
        index = torch.zeros_like(table, dtype=torch.int64)
        index[query, place] = row
        total, chosen = table.topk(min(width, table.shape[1]), 1)
        rows = index.gather(1, chosen)
        first, end = children[rows].unbind(-1)
        end = torch.where(total > -torch.inf, end, first)
    return rows[:, 0].numpy(), seen


def brute(space: Rated, queries: Array) -> tuple[Array, Array]:
    """Return the score of every path, b x leaves, in float64, and the best leaf."""
    tree, x = space.tree, torch.from_numpy(queries).double()
    total = torch.zeros(len(x), 1)
    for level in range(tree.depth):
        rows = tree.rows(level)
        values = torch.cat([
            lorentz.pairwise_distance(x, torch.from_numpy(part).double(), C)
            for part in np.array_split(tree.points[rows], max(1, SIZES[level] // 8192))
        ], 1)  # fmt: skip
        values = -space.score.weights[level] * values.square()
        above = torch.from_numpy(tree.parent[rows] - (tree.offsets[level - 1] if level else 0))
        total = values if not level else values + total[:, above]
    score = (total / tree.depth).numpy()
    return score, score.argmax(1) + tree.offsets[-2]


def searches(space: Rated, queries: Array) -> list[dict[str, Any]]:
    """Return milliseconds a query of paths, and of flat search over all levels."""
    tree = space.tree
    shape = Space("flat", "distance", "lorentz", C)
    flat = []
    for level in range(tree.depth):
        flat.append(faiss.IndexFlatIP(D + 1))
        flat[-1].add(shape.stored(tree.points[tree.rows(level)]))
    stored = torch.from_numpy(shape.stored(tree.points))
    works: dict[str, Callable[[Array], Any]] = {}
    zeros = np.zeros((BATCH, tree.depth))
    for width in (1, 10, 50):
        search = PathSearch(tree, space.score, width=width, least=width, device=beam.CPU)
        works[f"beam {width}"] = lambda x, w=width: beam.search(
            space, x, zeros[: len(x)], width=w, k=w
        )
        works[f"beam {width}, scored again in float64"] = search.paths
        works[f"beam {width}, torch gather"] = lambda x, w=width: gathered(space, x, w)
    works["FAISS flat, all levels, k 10"] = lambda x: [
        index.search(shape.asked(x), 10) for index in flat
    ]
    works["torch matmul and topk, all levels, k 10"] = lambda x: [
        (torch.from_numpy(shape.asked(x)) @ stored[tree.rows(level)].T).topk(10)
        for level in range(tree.depth)
    ]
    bounds = exact_paths.bounded(space)
    works["exact"] = lambda x: exact_paths.search(space, bounds, x, zeros[: len(x)], k=1)
    return [
        {"search": name, **{f"batch {b}": ms(work, queries, b) for b in (1, BATCH)}}
        for name, work in works.items()
    ]


def accuracy(space: Rated, queries: Array, truth: Array) -> list[dict[str, Any]]:
    """Return what each beam width finds, and how long it takes (Fig. 3)."""
    tree, found = space.tree, []
    checked = queries[:BATCH]
    scores, best = brute(space, checked)
    place = np.arange(len(checked))
    wanted = tree.paths(truth)
    for width in (*WIDTHS, None):
        search = PathSearch(tree, space.score, width=width, least=1, device=beam.CPU)
        start = time.perf_counter()
        paths = [search.paths(queries[i : i + BATCH]) for i in range(0, len(queries), BATCH)]
        seconds = time.perf_counter() - start
        rows = np.concatenate([part.rows[:, 0] for part in paths])
        first = paths[0]
        np.testing.assert_allclose(
            first.scores[:, 0], scores[place, first.rows[:, 0, -1] - tree.offsets[-2]], rtol=1e-6
        )
        if width is None:
            np.testing.assert_array_equal(first.rows[:, 0, -1], best)
        found.append({
            "beam": "exact" if width is None else width,
            **dict(zip(LEVELS, (rows == wanted).mean(0).tolist(), strict=True)),
            "best path": float((first.rows[:, 0, -1] == best).mean()),
            "ms": 1e3 * seconds / len(queries),
        })  # fmt: skip
    return [*found, apart(space, queries, wanted)]


def apart(space: Rated, queries: Array, wanted: Array) -> dict[str, Any]:
    """Return what the nearest entity of each level by itself gives (Table 8's flat row)."""
    tree, shape = space.tree, Space("flat", "distance", "lorentz", C)
    start, found = time.perf_counter(), {}
    for level, name in enumerate(LEVELS):
        rows = tree.rows(level)
        stored = shape.stored(tree.points[rows])
        nearest = faiss.knn(shape.asked(queries), stored, 1, faiss.METRIC_INNER_PRODUCT)[1][:, 0]
        found[name] = float((nearest + rows.start == wanted[:, level]).mean())
    return {
        "beam": "flat", **found, "best path": None,
        "ms": 1e3 * (time.perf_counter() - start) / len(queries),
    }  # fmt: skip


def end_to_end(space: Rated, tangents: Array) -> dict[str, float]:
    """Return milliseconds a query from raw embeddings to paths, by parts; once: for the index."""
    models = [
        GeoModel(
            Shape("lorentz", C, FEATURES, D, HIDDEN, 4, HEADS, on, "tangent", 0, 0),
            anchor_scale=0.01,
            alpha=D**-0.5,
        ).eval()
        for on in (False, True)
    ]
    embeddings = np.random.default_rng(3).standard_normal((BATCH * 3, FEATURES), np.float32)
    offsets = space.tree.offsets
    rows = [torch.from_numpy(part) for part in np.split(tangents, offsets[1:-1])]
    search = PathSearch(space.tree, space.score, width=10, least=20, device=beam.CPU)
    with torch.inference_mode():
        start = time.perf_counter()
        shared = models[1].shared(rows, [torch.ones(len(part), dtype=torch.bool) for part in rows])
        once = time.perf_counter() - start

        def placed(x: Array, *, on: bool) -> Array:
            parts = [
                models[on].images(torch.from_numpy(x[i : i + 64]), shared if on else None)
                for i in range(0, len(x), 64)
            ]
            return torch.cat(parts).numpy()

        head = ms(lambda x: placed(x, on=False), embeddings, BATCH, repeats=3)
        both = ms(lambda x: placed(x, on=True), embeddings, BATCH, repeats=3)
        points = placed(embeddings, on=True)
    found = {"head": head, "attention": both - head, "search": ms(search.paths, points, BATCH)}
    return {**found, "total": sum(found.values()), "keys and values, once (ms)": 1e3 * once}


def beside_images(
    space: Rated, queries: Array, sample: int, beam_ms: float, placing_ms: float
) -> list[dict[str, Any]]:
    """Return storage, work and time of entities, and of 5 million image vectors (Fig. 4)."""
    rng = np.random.default_rng(4)
    index = faiss.IndexFlatIP(FEATURES)
    for _ in range(0, sample, 10_000):
        index.add(rng.standard_normal((10_000, FEATURES), np.float32))
    asked = rng.standard_normal((BATCH * 3, FEATURES), np.float32)
    scaled = ms(lambda x: index.search(x, 10), asked, BATCH, repeats=3) * IMAGES / index.ntotal
    seen = gathered(space, queries[:BATCH], 10)[1] / BATCH
    entities = len(space.tree)
    return [
        {
            "what": f"{IMAGES:,} images, flat (from {index.ntotal:,}, scaled)",
            "storage_mb": IMAGES * FEATURES * 4 / 1e6, "mflop": 2 * IMAGES * FEATURES / 1e6,
            "ms": scaled,
        },
        {
            "what": f"{entities:,} entities, beam 10 ({seen:,.0f} looked at)",
            "storage_mb": entities * (D + 1) * 4 / 1e6, "mflop": 3 * seen * D / 1e6, "ms": beam_ms,
        },
        {
            "what": "their attention and the image head, too",
            "storage_mb": 2 * entities * D * 4 / 1e6,
            "mflop": (4 * entities * D + 2 * (FEATURES * HIDDEN + 2 * HIDDEN**2)) / 1e6,
            "ms": placing_ms,
        },
    ]  # fmt: skip


def show(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows as a table."""
    print(f"\n{title}")
    table = [list(rows[0]), *([cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        first, *others = zip(line, widths, strict=True)
        print("  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]))


def cell(value: Any) -> str:
    """Return a value of a table as text."""
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    tree, tangents = world()
    rng = np.random.default_rng(1)
    truth = rng.integers(tree.offsets[-2], tree.offsets[-1], given.queries)
    noise = NOISE * rng.standard_normal((given.queries, D), np.float32) / np.float32(D**0.5)
    queries = lorentz.exp(torch.from_numpy(tangents[truth] + noise), C).numpy()
    space = rated(tree, PathScore("energy", "lorentz", C, (1.0,) * 4, TAU, True))
    found: dict[str, Any] = {"accuracy": accuracy(space, queries, truth)}
    show("Accuracy and time by beam width", found["accuracy"])
    found["searches"] = searches(space, queries)
    show("Milliseconds a query", found["searches"])
    found["end_to_end"] = end_to_end(space, tangents)
    show(f"End to end, batch {BATCH}: milliseconds a query", [found["end_to_end"]])
    beam_ms = next(row for row in found["searches"] if row["search"] == "beam 10")
    placing = sum(found["end_to_end"][part] for part in ("head", "attention"))
    found["beside_images"] = beside_images(
        space, queries, given.sample, beam_ms[f"batch {BATCH}"], placing
    )
    show("Beside images", found["beside_images"])
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    line = json.dumps({**measured.machine(), "sizes": SIZES, "queries": given.queries, **found})
    print(f"\n{line}")
    if given.json:
        given.json.write_text(line + "\n")


if __name__ == "__main__":
    main()
