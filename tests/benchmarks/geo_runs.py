"""Three more runs of entities, beside the table of geo.py: all coordinates, and real images.

    python tests/benchmarks/geo_runs.py full COORDINATES.csv --wheel GEOCLIP.whl --work FOLDER
    python tests/benchmarks/geo_runs.py osv5m FOLDER_OF_OSV5M --embeddings H5 --work FOLDER
    python tests/benchmarks/geo_runs.py cifar LEVELS.csv --embeddings H5 --work FOLDER

full: stand-ins for photographs at all coordinates, one epoch of batches of 512: the full size
trains, and is no result on images. osv5m: 121 photographs of OpenStreetView-5M, embedded by
`hiertools embed FOLDER_OF_OSV5M`; entities are of 80, the other 41 test. cifar: the test images of
CIFAR-100, embedded by `hiertools embed test --label-from folder`; 8,000 train and 2,000 test.

Prints a row for each model and way to search, and at the end a line of JSON with all rows.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import geo
import measured
import numpy as np

from hiertools.files.embeddings import read_embeddings, write_embeddings

TRAIN_OSV5M, TRAIN_CIFAR = 80, 8_000
NUISANCE_OF_THE_WORLD = 0.19  # with more countries less of it hides as many of them
SEARCHES = (("--beam", "10"), ("--method", "flat"))
MODELS = ("zero-shot", "lorentz", "euclidean")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("mode", choices=("full", "osv5m", "cifar"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--embeddings", type=Path)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    done = {"full": full, "osv5m": osv5m, "cifar": cifar}[given.mode](given)
    print(json.dumps({**measured.machine(), "mode": given.mode, "rows": done}))


def full(given: argparse.Namespace) -> list[dict]:
    """Train on nine of ten of all coordinates for an epoch, and test on the others."""
    print("stand-ins for photographs: no figure here is a result on images")
    work = given.work
    size = {"images": None, "europe": False, "nuisance": NUISANCE_OF_THE_WORLD}
    geo.prepare(given.data, given.wheel, work, **size)
    trained = train(work, "lorentz", work / "train.h5", "--epochs", 1, "--batch-size", geo.BATCH,
                    "--rate", "1e-3", "--anchor-rate", "1e-3")  # fmt: skip
    print(json.dumps({"train": trained}), flush=True)
    test = ((work / "test.h5",), work / "test.csv")
    return [judge(work, model, search, *test) for model in MODELS[:2] for search in SEARCHES]


def osv5m(given: argparse.Namespace) -> list[dict]:
    """Make entities of 80 street views, and find where 41 others are."""
    work = given.work
    found = [row for name in ("select", "select2") for row in street_views(given.data, name)]
    order = np.random.default_rng(0).permutation(len(found))
    for name, rows in (("train", order[:TRAIN_OSV5M]), ("test", order[TRAIN_OSV5M:])):
        with open(work / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(found[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(found[i] for i in rows)
        listed = "".join(f"{found[i]['id']}\n" for i in rows)
        (work / f"{name}.list").write_text(listed)
    geo.run("build-entities", work / "train.csv", "--embeddings", given.embeddings, "--sort",
            "--images", work / "train.list", "-o", work / "entities.h5", "--overwrite")  # fmt: skip
    for model in MODELS[1:]:
        train(work, model, given.embeddings, "--images", work / "train.list", "--epochs", 50)
    test = ((given.embeddings, "--images", work / "test.list"), work / "test.csv")
    return [judge(work, model, search, *test) for model in MODELS for search in SEARCHES]


def street_views(folder: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a table of OSV5M images, with the ids that `hiertools embed` gives."""
    with open(folder / f"{name}.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = [row.get("id") or row["image_id"] for row in rows]
    areas = [row["area"] if "area" in row else row["sub-region"] for row in rows]
    kept = ("latitude", "longitude", "country", "region", "city")
    return [
        {"id": f"{name}/{each}", **{key: row[key] for key in kept}, "sub-region": area}
        for each, area, row in zip(ids, areas, rows, strict=True)
    ]


def cifar(given: argparse.Namespace) -> list[dict]:
    """Learn kingdoms, superclasses and classes of images; there are no coordinates."""
    work = given.work
    split(given.embeddings, work, TRAIN_CIFAR)
    for name, out in (("train", "entities"), ("test", "truth")):
        geo.run("build-entities", given.data, "--on", "label", "--embeddings", work / f"{name}.h5",
                "-o", work / f"{out}.h5", "--overwrite")  # fmt: skip
    for model in MODELS[1:]:
        train(work, model, work / "train.h5", "--epochs", 20, "--batch-size", 128,
              "--rate", "3e-4", "--anchor-rate", "3e-4")  # fmt: skip
    test = ((work / "test.h5",), work / "truth.h5")
    return [judge(work, model, search, *test) for model in MODELS for search in SEARCHES]


def split(path: Path, work: Path, n: int) -> None:
    """Write n rows of embeddings, drawn by a seed, to train.h5, and the others to test.h5."""
    whole = read_embeddings(path)
    order = np.random.default_rng(0).permutation(len(whole.items))
    for name, rows in (("train", np.sort(order[:n])), ("test", np.sort(order[n:]))):
        write_embeddings(
            work / f"{name}.h5", [whole.vectors[rows]], whole.vectors.shape[1],
            whole.items.take(rows), meta=whole.meta, chain=whole.chain, overwrite=True,
        )  # fmt: skip


def train(work: Path, geometry: str, vectors: Path, *options: object) -> dict:
    """Train a model, and return how long it took and how much memory."""
    command = [sys.executable, "-m", "hiertools", "train", "geo", work / "entities.h5",
               "--embeddings", vectors, "--geometry", geometry, "-o", work / f"{geometry}.h5",
               "--overwrite", "-q", *options]  # fmt: skip
    return measured.run(*map(str, command))


def judge(work: Path, model: str, search: tuple[str, ...], queries: tuple, truth: Path) -> dict:
    """Print and return the numbers of a model and a way to search."""
    placed = () if model == "zero-shot" else ("--model", work / f"{model}.h5")
    index, answers, metrics = (work / name for name in ("index.h5", "found.jsonl", "metrics.json"))
    entities = work / "entities.h5"
    geo.run("index", entities, *placed, "-o", index, "--overwrite")
    geo.run("query", index, *queries, *search, "-o", answers, "--overwrite")
    geo.run("evaluate", "geo", answers, "--truth", truth, "--entities", entities, "-o", metrics,
            "--overwrite")  # fmt: skip
    found = json.loads(metrics.read_text())["metrics"]
    kept = ("accuracy", "geoscore", "mean_km", "median_km")
    row = {"row": f"{model}, {' '.join(search).replace('--', '')}"}
    for each in found:
        if each["metric"] in kept:
            row[each.get("of") or each["metric"]] = {
                key: each[key] for key in ("value", "low", "high", "coverage") if key in each
            }
    shown = "  ".join(f"{key} {value['value']:.3f}" for key, value in row.items() if key != "row")
    print(f"{row['row']:28} {shown}", flush=True)
    return row


if __name__ == "__main__":
    main()
