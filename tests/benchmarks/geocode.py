"""Time geocoding of many coordinates: `python tests/benchmarks/geocode.py --places CSV`.

Prints one line of JSON: seconds to make the tree and to name the coordinates in both metrics (best
of n, after loading), beside reverse_geocoder where it can be imported, else beside a k-d tree of
scipy that is asked for one coordinate after the other; and the whole command with its peak memory.
`ratio` is how many times as long the other one takes as `degrees`. Without --places the places are
uniform over the sphere, as the coordinates are without --coordinates (a CSV with latitude and
longitude).
"""

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measured
import numpy as np
import polars as pl

from hiertools import places
from hiertools.files.inputs import Source
from hiertools.files.places import read_places


def best(work: Callable[[], object], times: int) -> float:
    """Return the seconds of the fastest of some runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return round(min(seconds), 3)


def uniform(n: int, seed: int) -> np.ndarray:
    """Return latitudes and longitudes that are uniform over the sphere, 2 x n."""
    rng = np.random.default_rng(seed)
    return np.stack([np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)])


def write_places(path: Path, n: int) -> None:
    """Write a table of places."""
    latitude, longitude = uniform(n, 1)
    names = [f"place {i}" for i in range(n)]
    frame = pl.DataFrame({"lat": latitude, "lon": longitude, "name": names})
    frame.with_columns(admin1=pl.lit("a"), admin2=pl.lit("b"), cc=pl.lit("NA")).write_csv(path)


def other(path: Path, table: np.ndarray, queries: np.ndarray) -> tuple[str, Callable[[], object]]:
    """Return what we are compared with, ready to be asked."""
    pairs = list(zip(*queries.tolist(), strict=True))
    try:
        import reverse_geocoder
    except ImportError:
        from scipy.spatial import cKDTree

        tree = cKDTree(table.T)
        return "scipy, one by one", lambda: [tree.query(pair) for pair in pairs]
    stream = io.StringIO(path.read_text("utf-8"))
    found = reverse_geocoder.RGeocoder(mode=2, verbose=False, stream=stream)
    return "reverse_geocoder, its processes", lambda: found.query(pairs)


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=Path)
    parser.add_argument("--coordinates", type=Path)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--best-of", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = arguments.places or Path(folder) / "places.csv"
        if not arguments.places:
            write_places(table, 145_000)
        queries = uniform(arguments.rows, 0)
        if arguments.coordinates:
            frame = pl.read_csv(arguments.coordinates, columns=["latitude", "longitude"])
            queries = np.resize(frame.to_numpy(), (arguments.rows, 2)).T
        print(
            json.dumps({**measured.machine(), **figures(Path(folder), table, queries, arguments)})
        )


def figures(
    folder: Path, table: Path, queries: np.ndarray, arguments: argparse.Namespace
) -> dict[str, object]:
    """Return all figures."""
    start = time.perf_counter()
    found = read_places(Source(table))
    loading = round(time.perf_counter() - start, 3)
    row: dict[str, object] = {
        "places": len(found), "rows": queries.shape[1], "best_of": arguments.best_of,
        "read_places_s": loading,
    }  # fmt: skip
    for metric in ("sphere", "degrees"):
        start = time.perf_counter()
        tree = places.tree(found.latitude, found.longitude, metric=metric)
        row[f"{metric}_tree_s"] = round(time.perf_counter() - start, 3)
        row[f"{metric}_s"] = best(
            lambda tree=tree: places.nearest(tree, *queries), arguments.best_of
        )
    name, ask = other(table, np.stack([found.latitude, found.longitude]), queries)
    row["other"], row["other_s"] = name, best(ask, arguments.best_of)
    row["ratio"] = round(row["other_s"] / row["degrees_s"], 2)  # type: ignore[operator]
    coordinates = folder / "coordinates.csv"
    pl.DataFrame({"latitude": queries[0], "longitude": queries[1]}).write_csv(coordinates)
    command = [sys.executable, "-m", "hiertools", "geocode", str(coordinates)]
    command += ["--places", str(table), "-o", str(folder / "out.csv")]
    whole = measured.run(*command)
    return {**row, **{f"command_{key}": whole[key] for key in ("wall_s", "cpu_s", "peak_mb")}}


if __name__ == "__main__":
    main()
