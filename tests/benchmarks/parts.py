"""Part hierarchies on real photographs: no training, flat and hyperbolic space.

    python tests/benchmarks/parts.py ../shared/data --work FOLDER [--seeds 3]

Embeds carparts/ (split by image) and coco_tiny/ (train2017 -> val2017) by `lite0`, mines the
hierarchy of the training images, chooses a learning rate for each geometry on validation images,
and judges cosine without training and each geometry with and without cross-image pairs on test
images. Prints a table, and a line of JSON for each data set: means over the seeds, their range, and
the 95 % interval over queries of the first seed. Files that are in FOLDER already are used again.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import measured

RATES = ("1e-5", "3e-5", "1e-4", "3e-4", "1e-3", "3e-3", "1e-2")
SHOWN = (
    ("same_class_precision", "children", "image", 5),
    ("same_class_precision", "parents", "box", 5),
    ("hierarchical_map", "children", "image", None),
    ("hierarchical_map", "parents", "box", None),
    ("ot_index", "children", "image", None),
)


@dataclass(frozen=True)
class Part:
    """Images of a split: their folder, annotations and ids."""

    folder: Path
    annotations: Path
    images: list[str]


@dataclass(frozen=True)
class Data:
    """A data set: its splits train, val and test, and how its hierarchy is mined."""

    name: str
    parts: dict[str, Part]
    format: str
    freq: int
    prop: float


def carparts(root: Path) -> Data:
    """Split by image: 60 % to train, 20 % to choose the rate, 20 % to test."""
    folder = root / "carparts" / "JPEGImages"
    images = sorted(path.stem for path in folder.glob("*.jpg"))
    random.Random(0).shuffle(images)
    ends = {"train": (0, 0.6), "val": (0.6, 0.8), "test": (0.8, 1)}
    parts = {
        name: Part(
            folder,
            root / "carparts" / "annotations.json",
            sorted(images[int(low * len(images)) : int(high * len(images))]),
        )
        for name, (low, high) in ends.items()
    }
    return Data("carparts", parts, "coco:skip=_background_", 20, 0.05)


def coco_tiny(root: Path) -> Data:
    """Train on 80 % of train2017, choose the rate on the others, test on val2017."""
    where = {name: root / "coco_tiny" / f"{name}2017" for name in ("train", "val")}
    names = {name: sorted(p.stem for p in path.glob("*.jpg")) for name, path in where.items()}
    random.Random(0).shuffle(names["train"])
    cut = int(0.8 * len(names["train"]))

    def part(split: str, images: list[str]) -> Part:
        annotations = root / "coco_tiny" / "annotations" / f"instances_{split}2017.json"
        return Part(where[split], annotations, sorted(images))

    parts = {
        "train": part("train", names["train"][:cut]),
        "val": part("train", names["train"][cut:]),
        "test": part("val", names["val"]),
    }
    return Data("coco_tiny", parts, "coco", 5, 0.05)


def run(*arguments: object) -> None:
    """Run a command of hiertools."""
    command = [sys.executable, "-m", "hiertools", *map(str, arguments), "-q"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")


def prepare(data: Data, work: Path) -> None:
    """Write embeddings of each split, and pairs and hierarchy of the training images."""
    work.mkdir(parents=True, exist_ok=True)
    for name, part in data.parts.items():
        listed = work / f"{name}.txt"
        listed.write_text("".join(f"{image}\n" for image in part.images))
        how = ("--format", data.format, "--images", listed, "--overwrite")
        if not (work / f"{name}.h5").exists():
            run("embed", part.folder, "--boxes", part.annotations, "--min-area", "0.001", *how,
                "-o", work / f"{name}.h5")  # fmt: skip
    train = data.parts["train"]
    run("mine-hierarchy", train.annotations, "--format", data.format, "--freq", data.freq,
        "--prop", data.prop, "--images", work / "train.txt", "--pairs", work / "pairs.h5",
        "-o", work / "tree.json", "--overwrite")  # fmt: skip


def judge(work: Path, split: str, model: Path | None) -> list[dict]:
    """Return the metrics of a model, or of no training, on a split."""
    index, metrics = work / "index.h5", work / "metrics.json"
    placed = () if model is None else ("--model", model)
    run("index", work / f"{split}.h5", *placed, "-o", index, "--overwrite")
    run("evaluate", "parts", index, work / f"{split}.h5", "--hierarchy", work / "tree.json",
        "--exclude", "image", "-o", metrics, "--overwrite")  # fmt: skip
    return json.loads(metrics.read_text())["metrics"]


def train(work: Path, geometry: str, rate: str, cross_image: int, seed: int) -> Path:
    """Train a head on the training images' embeddings."""
    model = work / f"{geometry}-{rate}-{cross_image}-{seed}.h5"
    if not model.exists():
        run("train", "parts", work / "pairs.h5", "--embeddings", work / "train.h5", "--geometry",
            geometry, "--rate", rate, "--cross-image", cross_image, "--seed", seed,
            "-o", model)  # fmt: skip
    return model


def quality(rows: list[dict]) -> float:
    """Return what the rate is chosen by: the mean of both directions' average precision."""
    return statistics.mean(
        row["value"]
        for row in rows
        if row["metric"] == "hierarchical_map"
        and (row["find"], row["of"]) in (("children", "image"), ("parents", "box"))
    )


def summary(runs: list[list[dict]]) -> list[dict]:
    """Return the shown metrics: mean and range over runs, interval of the first run."""
    found = []
    for metric, find, of, k in SHOWN:
        each = [
            [row for row in rows if (row["metric"], row.get("find"), row.get("of"))
             == (metric, find, of) and k in (None, row.get("k"))]
            for rows in runs
        ]  # fmt: skip
        for same in zip(*each, strict=True):
            first, values = same[0], [row["value"] for row in same]
            found.append({
                **{key: first[key] for key in ("metric", "find", "k", "chance") if key in first},
                "mean": round(statistics.mean(values), 4),
                "runs": [round(value, 4) for value in values],
                "interval": [round(first[end], 4) for end in ("low", "high")],
            })  # fmt: skip
    return found


def compare(data: Data, work: Path, seeds: int) -> dict:
    """Return the metrics on test images of all models."""
    prepare(data, work)
    rates = {}
    for geometry in ("euclidean", "lorentz"):
        scores = {
            rate: quality(judge(work, "val", train(work, geometry, rate, 1, 0))) for rate in RATES
        }
        rates[geometry] = {"chosen": max(scores, key=scores.__getitem__), "validation": scores}
    models = {"cosine, no training": summary([judge(work, "test", None)])}
    for cross_image in (1, 0):
        for geometry, found in rates.items():
            runs = [
                judge(work, "test", train(work, geometry, found["chosen"], cross_image, seed))
                for seed in range(seeds)
            ]
            models[f"{geometry}, {cross_image} cross-image"] = summary(runs)
    return {"data": data.name, "rates": rates, "models": models}


def show(found: dict) -> None:
    """Print a table of means, with chance and the interval of the first seed."""
    print(f"\n{found['data']}: rates", {g: r["chosen"] for g, r in found["rates"].items()})
    for name, rows in found["models"].items():
        print(f"  {name}")
        for row in rows:
            what = f"{row['metric']}{'@' + str(row['k']) if 'k' in row else ''} {row['find']}"
            low, high = row["interval"]
            print(f"    {what:36} {row['mean']:8.4f}  [{low:.4f}, {high:.4f}]  chance"
                  f" {row['chance']:.4f}  runs {row['runs']}")  # fmt: skip


def main() -> None:
    """Read the command line, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for data in (carparts(arguments.data), coco_tiny(arguments.data)):
        found = compare(data, arguments.work / data.name, arguments.seeds)
        show(found)
        print(json.dumps({**measured.machine(), **found}))


if __name__ == "__main__":
    main()
