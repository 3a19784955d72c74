"""Make an OpenImages-like CSV of boxes of any size: `python box_csv.py OUT.csv --images N`."""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

BOXES_PER_IMAGE = 14_600_000 / 1_900_000
CLASSES = 600
TOPICS = 100
CLASSES_OF_TOPIC = 25
NESTED_SHARE = 0.4
PART_SHARE = 0.5
BLOCK_IMAGES = 100_000


def write(path: Path, *, images: int, seed: int, shuffled: bool) -> int:
    """Write a CSV with the 13 columns of OpenImages and return its number of boxes.

    Two boxes in five lie within an earlier box of their image, and half of these are of a class
    that belongs to the other's. An image has a topic; classes within one follow Zipf's law.
    """
    boxes = 0
    with open(path, "wb") as file:
        for start in range(0, images, BLOCK_IMAGES):
            rng = np.random.default_rng([seed, start])
            frame = _block(rng, start, min(BLOCK_IMAGES, images - start))
            if shuffled:
                frame = frame.sample(fraction=1, shuffle=True, seed=seed)
            frame.write_csv(file, include_header=start == 0, float_precision=6)
            boxes += len(frame)
    return boxes


def _block(rng: np.random.Generator, start: int, images: int) -> pl.DataFrame:
    counts = 1 + rng.poisson(BOXES_PER_IMAGE - 1, images)
    image = np.repeat(np.arange(images), counts)
    n = len(image)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    corners = _corners(rng, n)
    parent = first + (rng.random(n) * (np.arange(n) - first)).astype(int)
    nested = (rng.random(n) < NESTED_SHARE) & (parent < np.arange(n))
    low, side = corners[parent, :2], corners[parent, 2:] - corners[parent, :2]
    inner = np.concatenate([low + side * corners[:, :2], low + side * corners[:, 2:]], axis=1)
    corners = np.where(nested[:, None], inner, corners)
    labels = _labels(rng, image)
    is_part = nested & (rng.random(n) < PART_SHARE)
    labels = np.where(is_part, (labels[parent] + 1) % CLASSES, labels)
    flags = rng.random((5, n)) < 0.1
    ids = pl.Series(
        [f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}" for i in range(start, start + images)]
    )
    names = pl.Series([f"/m/{i:05d}" for i in range(CLASSES)])
    return pl.DataFrame(
        {
            "ImageID": ids.gather(image),
            "Source": pl.repeat("xclick", n, eager=True),
            "LabelName": names.gather(labels),
            "Confidence": pl.repeat(1, n, eager=True),
            "XMin": corners[:, 0], "XMax": corners[:, 2],
            "YMin": corners[:, 1], "YMax": corners[:, 3],
            **{
                name: flag.astype(np.int8)
                for name, flag in zip(
                    ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside"),
                    flags, strict=True,
                )
            },
        }
    )  # fmt: skip


def _labels(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    fixed = np.random.default_rng(0)
    topics = np.stack([fixed.permutation(CLASSES)[:CLASSES_OF_TOPIC] for _ in range(TOPICS)])
    weights = 1 / np.arange(1, CLASSES_OF_TOPIC + 1)
    ranks = rng.choice(CLASSES_OF_TOPIC, len(image), p=weights / weights.sum())
    return topics[image % TOPICS, ranks]


def _corners(rng: np.random.Generator, n: int) -> np.ndarray:
    side = rng.beta(1, 2, (n, 2)) * 0.9 + 0.02
    low = rng.random((n, 2)) * (1 - side)
    return np.concatenate([low, low + side], axis=1)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=1_900_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shuffled", action="store_true", help="rows of an image far apart")
    arguments = parser.parse_args()
    boxes = write(
        arguments.out,
        images=arguments.images,
        seed=arguments.seed,
        shuffled=arguments.shuffled,
    )
    print(f"{boxes} boxes")


if __name__ == "__main__":
    main()
