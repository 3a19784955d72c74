"""The ablations of HierLoc on stand-ins for photographs, in one table.

    python tests/benchmarks/geo.py COORDINATES.csv --wheel GEOCLIP.whl --work FOLDER
        [--images 12000] [--seeds 3] [--epochs 6] [--rows NAME,NAME]

COORDINATES.csv has id, latitude, longitude and the names of places (OSV5M's columns). Of its rows
in the EU, 12,000 are taken by a seed and split 80/10/10: to train, to choose the learning rate of
each geometry, and to test. There are no photographs: the stand-ins of examples/stand_ins.py say
where they are and mostly other things; no figure of this table is a result on images.

Each row is a run of the real commands; what is in FOLDER already is not run again. Prints a table
as it goes, and at the end a line of JSON with all rows.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import measured
import numpy as np

COUNTRIES = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"
LEVELS = ("country", "region", "sub-region", "city")
GEOMETRIES = ("lorentz", "euclidean", "sphere")
RATES = ("3e-4", "1e-3", "3e-3")
BATCH = 512
NUISANCE_OF_EUROPE = 0.32  # the nearest mean finds 56 % of the countries of 20,000, 50 of 12,000
STAND_INS = Path(__file__).parents[2] / "examples" / "stand_ins.py"


@dataclass(frozen=True)
class Row:
    """A row of the table: options of train and query; the tables of the paper that it is of."""

    name: str
    table: str = ""
    train: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    seeds: bool = False
    model: bool = True


def rows() -> list[Row]:
    """Return the rows: what differs from the defaults."""
    found = [
        Row("zero-shot, nearest mean a level", "7", query=("--method", "flat"), model=False),
        Row("zero-shot, beam 10", "7", model=False),
        Row("lorentz", "6, 9", seeds=True),
        Row("euclidean", "6, 9", ("--geometry", "euclidean"), seeds=True),
        Row("sphere", "", ("--geometry", "sphere"), seeds=True),
        Row("InfoNCE (lambda 0)", "7, 13", ("--lambda", "0")),
        Row("no attention", "7", ("--no-attention",)),
        Row("distance not squared", "7", ("--unsquared",)),
        Row("no location", "7", ("--without", "location")),
        Row("own image in its prototypes", "", ("--no-cross-fit",)),
        Row("tau, lambda, sigma learned", "", ("--learn", "tau,lambda,sigma")),
    ]
    found += [
        Row(f"no means of {LEVELS[0]}" + (f" to {LEVELS[depth]}" if depth else ""), "10",
            ("--without-means", ",".join(LEVELS[: depth + 1])))
        for depth in range(len(LEVELS))
    ]  # fmt: skip
    found += [Row(f"K {k}", "11", ("--curvature", str(1 / k))) for k in (0.5, 1.0, 1.5, 2.0)]
    found += [Row(f"tau {tau}", "12", ("--tau", tau)) for tau in ("0.07", "0.15", "0.3")]
    found += [Row(f"lambda {value}", "13", ("--lambda", value)) for value in ("0.5", "2", "5")]
    found += [Row(f"kernel {name}", "14", ("--kernel", name)) for name in ("gauss", "inverse")]
    found += [Row(f"beam {width}", "8", query=("--beam", width)) for width in ("1", "50")]
    found += [
        Row("flat: each level by itself", "8", query=("--method", "flat")),
        Row("exact", "8", query=("--method", "exact")),
        Row("ranked by ip", "8", query=("--score", "ip")),
        Row("ranked by the last level", "8", query=("--score", "last")),
        Row("located by expected km", "", query=("--locate", "expected-km")),
    ]
    return found


def run(*arguments: object) -> None:
    """Run a command of hiertools."""
    command = [sys.executable, "-m", "hiertools", *map(str, arguments), "-q"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")


def prepare(
    data: Path, wheel: Path, work: Path, *, images: int | None, europe: bool, nuisance: float
) -> None:
    """Write the splits, their stand-ins, and the entities of the training images."""
    if (work / "entities.h5").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    with open(data, encoding="utf-8", newline="") as file:
        found = [
            row for row in csv.DictReader(file) if not europe or row["country"] in COUNTRIES.split()
        ]
    order = np.random.default_rng(0).permutation(len(found))[:images]
    part = np.array(["test", "val", *["train"] * 8])[np.arange(len(order)) % 10]
    for name in ("train", "val", "test"):
        with open(work / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(found[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(found[i] for i in sorted(order[part == name]))
    tables = [str(work / f"{name}.csv") for name in ("train", "val", "test")]
    command = [sys.executable, str(STAND_INS), "embed", str(wheel), *tables]
    subprocess.run([*command, "--nuisance", str(nuisance)], check=True)
    for name in ("train", "val", "test"):
        run("embed", "--from", work / f"{name}.npy", "--ids", work / f"{name}.ids", "--made-by",
            "geoclip-stand-in", "-o", work / f"{name}.h5", "--overwrite")  # fmt: skip
    run("build-entities", work / "train.csv", "--embeddings", work / "train.h5",
        "-o", work / "entities.h5")  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Where files are, and what all trainings share."""

    work: Path
    epochs: int

    def model(self, options: tuple[str, ...], rate: str, seed: int) -> Path:
        """Train, if it was not done yet."""
        out = self.work / f"model-{_name((*options, rate, str(seed), str(self.epochs)))}.h5"
        if not out.exists():
            start = time.perf_counter()
            run("train", "geo", self.work / "entities.h5", "--embeddings", self.work / "train.h5",
                "--epochs", self.epochs, "--batch-size", BATCH, "--rate", rate,
                "--anchor-rate", rate, "--seed", seed, *options, "-o", out, "--resume")  # fmt: skip
            out.with_suffix(".seconds").write_text(f"{time.perf_counter() - start:.1f}")
        return out

    def judge(self, model: Path | None, query: tuple[str, ...], split: str) -> list[dict]:
        """Return the metrics of a model, or of none, on a split."""
        stem = f"{'zero-shot' if model is None else model.stem}-{_name(query)}-{split}"
        metrics = self.work / f"{stem}.json"
        if not metrics.exists():
            index, answers = self.work / "index.h5", self.work / "predictions.jsonl"
            placed = () if model is None else ("--model", model)
            run("index", self.work / "entities.h5", *placed, "-o", index, "--overwrite")
            run("query", index, self.work / f"{split}.h5", *query, "-o", answers, "--overwrite")
            run("evaluate", "geo", answers, "--truth", self.work / f"{split}.csv", "--entities",
                self.work / "entities.h5", "-o", metrics)  # fmt: skip
        return json.loads(metrics.read_text())["metrics"]


def _name(options: tuple[str, ...]) -> str:
    return "_".join(option.lstrip("-") for option in options) or "defaults"


def number(found: list[dict], metric: str, of: str | None = None, key: str = "value") -> float:
    """Return a number of a metric."""
    (row,) = [row for row in found if row["metric"] == metric and row.get("of") == of]
    return row[key]


def rates(bench: Bench) -> dict[str, str]:
    """Return the learning rate of each geometry whose GeoScore on validation images is best."""
    best = {}
    for geometry in GEOMETRIES:
        options = () if geometry == "lorentz" else ("--geometry", geometry)
        scores = {
            rate: number(bench.judge(bench.model(options, rate, 0), (), "val"), "geoscore")
            for rate in RATES
        }
        best[geometry] = max(scores, key=scores.__getitem__)
        print(f"{geometry}: GeoScore on validation images by rate {scores}", flush=True)
    return best


def measure(bench: Bench, row: Row, rate: str, seeds: int) -> dict:
    """Return the numbers of a row: means over its seeds, and their range."""
    count = seeds if row.seeds else 1
    runs = [
        bench.judge(bench.model(row.train, rate, seed) if row.model else None, row.query, "test")
        for seed in range(count)
    ]
    wanted = [("accuracy", level) for level in LEVELS]
    wanted += [("geoscore", None), ("mean_km", None), ("median_km", None)]
    found = {}
    for metric, of in wanted:
        values = [number(each, metric, of) for each in runs]
        found[of or metric] = {"mean": statistics.mean(values), "runs": values}
    coverage = {level: number(runs[0], "accuracy", level, "coverage") for level in LEVELS}
    return {"row": row.name, "table": row.table, "rate": rate, **found, "coverage": coverage}


def show(found: dict) -> None:
    """Print a row of the table."""
    accuracy = "  ".join(f"{100 * found[level]['mean']:5.1f}" for level in LEVELS)
    geoscore, mean_km, median_km = (
        found[key]["mean"] for key in ("geoscore", "mean_km", "median_km")
    )
    runs = found["geoscore"]["runs"]
    spread = f"  {min(runs):.0f} to {max(runs):.0f}" if len(runs) > 1 else ""
    about = f"{found['row']:34} {found['table']:5}"
    print(f"{about} {accuracy} {geoscore:8.0f} {mean_km:8.0f} {median_km:9.0f}{spread}", flush=True)


def main() -> None:
    """Read the command line, run the rows, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rows", help="names of rows, with commas between; all by default")
    arguments = parser.parse_args()
    size = {"images": arguments.images, "europe": True, "nuisance": NUISANCE_OF_EUROPE}
    prepare(arguments.data, arguments.wheel, arguments.work, **size)
    bench = Bench(arguments.work, arguments.epochs)
    best = rates(bench)
    print("stand-ins for photographs: no figure here is a result on images")
    head = "country region sub-reg city  GeoScore  mean km median km  GeoScores of the seeds"
    print(f"{'':34} table {head}")
    done = []
    for row in rows():
        if arguments.rows and row.name not in arguments.rows.split(","):
            continue
        geometry = row.train[1] if "--geometry" in row.train else "lorentz"
        done.append(measure(bench, row, best[geometry], arguments.seeds))
        show(done[-1])
    ceiling = "  ".join(f"{100 * done[0]['coverage'][level]:5.1f}" for level in LEVELS)
    print(f"{'ceiling: known in training':40} {ceiling}")
    print(json.dumps({**measured.machine(), "images": arguments.images, "epochs": arguments.epochs,
                      "batch": BATCH, "rows": done}))  # fmt: skip


if __name__ == "__main__":
    main()
