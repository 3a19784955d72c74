"""Spatial verification of pairs beside cv2.findHomography(RANSAC), matching and geometry apart.

    python tests/benchmarks/verification.py [LOCAL.h5] [--pairs 20]

First on matches that are made up: 300 of a plane, 1 pixel of noise, and a share of them anywhere;
the model is known, so recall (share of true matches that are inliers) and precision are too. Then,
with LOCAL.h5 from `hiertools embed --local`, on all pairs of its images. OpenCV's RANSAC is run as
it comes (2,000 rounds, confidence .995) and as sure as ours (5,000 rounds, .999). Milliseconds are
means over pairs, of the best of 3 runs each. One thread; prints one line of JSON.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import measured
import numpy as np
import torch

from hiertools.files import items
from hiertools.files.local_features import read_local
from hiertools.local.matching import matches
from hiertools.local.verification import Matching, _model, inliers_of

MATCHES, NOISE, SIZE, REPEATS = 300, 1.0, (1024, 768), 3
SHARES = (0.2, 0.3, 0.5, 0.8)
MATCHING = Matching(ratio=0.8, pixels=4.0, model="homography", least=6, seed=0)
Found = Any


def ours(x: Any, y: Any) -> Found:
    """Return which matches are inliers, by the same steps as `hiertools verify`."""
    found = _model(x, y, MATCHING)
    return np.zeros(len(x), bool) if found is None else found[1]


def ransac(rounds: int, sure: float) -> Callable[[Any, Any], Found]:
    """Return OpenCV's RANSAC; its inliers are worked out from its model too."""

    def find(x: Any, y: Any) -> Found:
        model, _ = cv2.findHomography(x, y, cv2.RANSAC, 4.0, None, rounds, sure)
        if model is None:
            return np.zeros(len(x), bool)
        return inliers_of(model, x, y, pixels=4.0)[0]

    return find


METHODS = {
    "magsac": ours,
    "ransac": ransac(2000, 0.995),
    "ransac_as_sure": ransac(5000, 0.999),
}


def made(share: float, seed: int) -> tuple[Any, Any, Any]:
    """Return matches (m x 2 each) and which of them are true."""
    rng = np.random.default_rng(seed)
    turn, grow = rng.uniform(-0.6, 0.6), rng.uniform(0.6, 1.5)
    model = np.array(
        [
            [grow * np.cos(turn), -grow * np.sin(turn), rng.uniform(-100, 200)],
            [grow * np.sin(turn), grow * np.cos(turn), rng.uniform(-100, 200)],
            [*rng.uniform(-2e-4, 2e-4, 2), 1.0],
        ]
    )
    x = rng.uniform(0, SIZE, (MATCHES, 2))
    lifted = np.hstack([x, np.ones((MATCHES, 1))]) @ model.T
    y = lifted[:, :2] / lifted[:, 2:] + rng.normal(0, NOISE, x.shape)
    true = np.arange(MATCHES) < round(share * MATCHES)
    y[~true] = rng.uniform(y.min(0), y.max(0), ((~true).sum(), 2))
    return x, y, true


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what work returns, and its least milliseconds."""
    best = np.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = work()
        best = min(best, 1e3 * (time.perf_counter() - start))
    return found, best


def synthetic(pairs: int) -> list[dict[str, Any]]:
    """Return recall, precision and time by the share of true matches."""
    rows = []
    for share in SHARES:
        row: dict[str, Any] = {"true_share": share}
        for name, method in METHODS.items():
            recall, right, ms = [], [], []
            for seed in range(pairs):
                x, y, true = made(share, seed)
                found, each = timed(lambda x=x, y=y, method=method: method(x, y))
                recall.append(found[true].mean())
                right.append(true[found].mean() if found.any() else 1.0)
                ms.append(each)
            row[name] = {
                "recall": round(float(np.mean(recall)), 3),
                "precision": round(float(np.mean(right)), 3),
                "ms": round(float(np.mean(ms)), 3),
            }
        rows.append({**row, **faster(row)})
    return rows


def real(path: Path) -> dict[str, Any]:
    """Return inliers and time over all pairs of a file of local features."""
    local = read_local(path)
    features = [local.of(row) for row in range(len(local.items))]
    counts: dict[str, list[int]] = {name: [] for name in METHODS}
    ms: dict[str, list[float]] = {name: [] for name in ("matching", *METHODS)}
    tentative = []
    for left, right in itertools.combinations(features, 2):
        rows, each = timed(lambda left=left, right=right: matches(left, right, ratio=0.8))
        ms["matching"].append(each)
        tentative.append(len(rows))
        scale = [1024 / max(image.width, image.height) for image in (left, right)]
        x = left.keypoints[rows[:, 0]].astype(np.float64) * scale[0]
        y = right.keypoints[rows[:, 1]].astype(np.float64) * scale[1]
        for name, method in METHODS.items():
            if len(x) < MATCHING.least:
                continue
            found, each = timed(lambda x=x, y=y, method=method: method(x, y))
            counts[name].append(int(found.sum()))
            ms[name].append(each)
    row: dict[str, Any] = {
        name: {"inliers": round(float(np.mean(counts[name])), 1), "ms": mean(ms[name])}
        for name in METHODS
    }
    return {
        "images": [items.decode(key) for key in local.items.id][:2] + ["..."],
        "pairs": len(tentative),
        "tentative": round(float(np.mean(tentative)), 1),
        "matching_ms": mean(ms["matching"]),
        **row,
        **faster(row),
    }


def faster(row: dict[str, Any]) -> dict[str, float]:
    """Return how many times longer OpenCV's RANSAC takes."""
    times = {name: row[name]["ms"] / row["magsac"]["ms"] for name in METHODS if name != "magsac"}
    return {f"{name}_by_magsac": round(value, 1) for name, value in times.items()}


def mean(values: list[float]) -> float:
    """Return the mean, rounded."""
    return round(float(np.mean(values)), 3)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("local", type=Path, nargs="?")
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = {**measured.machine(), "synthetic": synthetic(options.pairs)}
    if options.local:
        found["real"] = real(options.local)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
