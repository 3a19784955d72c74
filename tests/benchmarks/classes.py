"""Class hierarchies on real photographs: every loss, every rule, every search.

    python tests/benchmarks/classes.py ../shared/data/cifar100 --work FOLDER [--seeds 3]

Embeds the 10,000 test images of CIFAR-100 by `lite0`, and trains a head on 80 of each class (8,000
images) with every loss of the family. The other 2,000 images are classified by every rule and
searched among each other, plain, weighted and hierarchical. Prints tables of means over the seeds
and the range of the seeds, and one line of JSON. Files that are in FOLDER already are used again.
"""

import argparse
import json
import random
import statistics
import sys
import tarfile
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import measured

from hiertools import cli

SIBLINGS = ("--related-distance", "2")  # classes of a superclass; 4 are all animals, or all things
LOSSES = {
    "cross_entropy": ("cross_entropy",),
    "pairwise": ("pairwise", *SIBLINGS),
    "pairwise, related 4": ("pairwise",),
    "pairwise, literal": ("pairwise:repelling=literal", *SIBLINGS),
    "pairwise, uniform": ("pairwise:repelling=uniform", *SIBLINGS),
    "pairwise, margin 1": ("pairwise:margin=1", *SIBLINGS),
    "pairwise, sample": ("pairwise:form=sample", *SIBLINGS),
    "pairwise, head": ("pairwise:form=head", *SIBLINGS),
    "graded": ("graded",),
    "hxe": ("hxe",),
    "soft_labels": ("soft_labels",),
    "unit_sphere": ("unit_sphere",),
}
RULES = {
    "argmax": (),
    "paper": (),
    "paper, T = 10": ("--steps", "10"),
    "crm": (),
    "restart": (),
    "hie": (),
    "ancestor": ("--threshold", "0.5"),
}
SEARCHES = {
    "plain": ("--by", "cosine"),
    "weighted": ("--by", "weighted"),
    "weighted, power": ("--by", "weighted", "--weighting", "power"),
    "weighted, soft": ("--by", "weighted", "--weighting", "soft"),
    "hierarchical, 5": ("--by", "hierarchical", "--top-categories", "5"),
    "hierarchical, 20": ("--by", "hierarchical", "--top-categories", "20"),
}
CLASSIFIED = (
    ("top-1", None), ("hierarchical-distance", 1), ("hierarchical-distance", 5),
    ("mistake-severity", 1),
)  # fmt: skip
NODES = (("coverage", None), ("information", None), ("distance", None), ("depth", None))
RETRIEVED = (("map", None), ("ndcg", 10), ("ndcg", 100))


def run(*arguments: object) -> None:
    """Run a command of hiertools in this process."""
    said, command = StringIO(), [*map(str, arguments), "-q"]
    with redirect_stderr(said), redirect_stdout(StringIO()):
        code = cli.main(command)
    if code:
        raise SystemExit(f"hiertools {' '.join(command)}: exit {code}: {said.getvalue()}")


def prepare(data: Path, work: Path) -> None:
    """Write the hierarchy, and embeddings of the images to train on and to test with."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "tree.json").exists():
        run("build-taxonomy", "table", data / "levels.csv", "-o", work / "tree.json")
    if not all((work / f"{name}.h5").exists() for name in ("train", "test")):
        with tarfile.open(data / "test.tar") as archive:
            archive.extractall(work, filter="data")
        for name, images in split(work / "test").items():
            listed = work / f"{name}.txt"
            listed.write_text("".join(f"{image}\n" for image in images))
            run("embed", work / "test", "--label-from", "folder", "--images", listed,
                "-o", work / f"{name}.h5", "--overwrite")  # fmt: skip


def split(folder: Path) -> dict[str, list[str]]:
    """Return the ids of 80 images of each class to train on, and of the others."""
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        images = sorted(f"{kind.name}/{path.stem}" for path in kind.iterdir())
        random.Random(0).shuffle(images)
        parts["train"] += images[:80]
        parts["test"] += images[80:]
    return {name: sorted(images) for name, images in parts.items()}


def train(work: Path, loss: str, seed: int, epochs: int) -> Path:
    """Train a head, and return where its files are."""
    name = "".join(letter if letter.isalnum() else "_" for letter in loss)
    folder = work / "runs" / f"{name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "model.h5").exists():
        start = time.perf_counter()
        run("train", "classes", work / "tree.json", "--embeddings", work / "train.h5",
            "--loss", *LOSSES[loss], "--seed", seed, "--epochs", epochs,
            "-o", folder / "model.h5")  # fmt: skip
        (folder / "seconds").write_text(f"{time.perf_counter() - start:.1f}")
    return folder


def classify(work: Path, folder: Path, rule: str) -> dict[str, float]:
    """Return what a rule comes to on the test images."""
    name = rule.replace(", ", "-").replace(" = ", "")
    predictions, metrics = folder / f"{name}.jsonl", folder / f"{name}.json"
    if not metrics.exists():
        run("classify", work / "test.h5", "--model", folder / "model.h5",
            "--rule", rule.partition(",")[0], *RULES[rule], "-o", predictions,
            "--overwrite")  # fmt: skip
        run("evaluate", "classes", predictions, "--hierarchy", work / "tree.json",
            "-o", metrics, "--overwrite")  # fmt: skip
    if rule == "ancestor":  # its answers are nodes, and its classes those of argmax
        return values(metrics, NODES, of="node")
    return values(metrics, CLASSIFIED)


def search(work: Path, folder: Path, way: str) -> dict[str, float]:
    """Return what a search among the test images comes to, each of them a query."""
    index = folder / "index.h5"
    if not index.exists():
        run("index", work / "test.h5", "--model", folder / "model.h5", "-o", index)
    metrics = folder / f"{''.join(c for c in way if c.isalnum())}.json"
    if not metrics.exists():
        run("evaluate", "retrieval", index, work / "test.h5", *SEARCHES[way],
            "--hierarchy", work / "tree.json", "-o", metrics)  # fmt: skip
    return values(metrics, RETRIEVED)


def values(
    path: Path, wanted: tuple[tuple[str, int | None], ...], of: str | None = None
) -> dict[str, float]:
    """Return some metrics of a file, and their chance as `NAME chance`."""
    found = json.loads(path.read_text())["metrics"]
    rows = {(row["metric"], row.get("k")): row for row in found if row.get("of") == of}
    numbers: dict[str, float] = {}
    for metric, k in wanted:
        row, name = rows.get((metric, k)), metric if k is None else f"{metric}@{k}"
        if row is not None:
            numbers[name] = row["value"]
            if "chance" in row:
                numbers[f"{name} chance"] = row["chance"]
    return numbers


def summary(runs: list[dict[str, float]]) -> dict[str, list[float]]:
    """Return mean, least and greatest of each number over the seeds."""
    return {
        key: [statistics.mean(v), min(v), max(v)]
        for key in runs[0]
        if (v := [run[key] for run in runs if key in run])
    }


def show(title: str, rows: dict[str, dict[str, list[float]]]) -> None:
    """Print a table: means, and half of the range of the seeds."""
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    chances = {key: row[key][0] for row in rows.values() for key in row if key.endswith(" chance")}
    columns = [key for key in columns if key not in chances]
    print(f"\n| {title} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, row in rows.items():
        cells = [
            f"{row[key][0]:.4f} ± {(row[key][2] - row[key][1]) / 2:.4f}" if key in row else ""
            for key in columns
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    named = [f"{key.removesuffix(' chance')} {value:.4f}" for key, value in chances.items()]
    print(f"\nchance: {', '.join(named)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--losses", default=";".join(LOSSES))
    arguments = parser.parse_args()
    work, losses = arguments.work, arguments.losses.split(";")
    prepare(arguments.data, work)
    rules: dict[str, dict[str, list[float]]] = {}
    searches: dict[str, dict[str, list[float]]] = {}
    for loss in losses:
        folders = [train(work, loss, seed, arguments.epochs) for seed in range(arguments.seeds)]
        for rule in RULES:
            rules[f"{loss} / {rule}"] = summary([classify(work, f, rule) for f in folders])
        for way in SEARCHES:
            searches[f"{loss} / {way}"] = summary([search(work, f, way) for f in folders])
        print(f"{loss}: done", file=sys.stderr)
    show("loss / rule", rules)
    show("loss / search", searches)
    print(json.dumps({"rules": rules, "searches": searches, **measured.machine()}))


if __name__ == "__main__":
    main()
