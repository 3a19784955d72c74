"""Topological verification of all pairs of some pictures, beside one homography a pair.

    python tests/benchmarks/topology.py FOLDER [--keypoints 2000] [--pairs FILE.jsonl]

Milliseconds a pair of matching, of spatial verification and of topological verification, the last
two without matching; matches of the largest region and inliers of the homography; and regions of
the same pairs when one picture's features stand at random places, which should have none. Prints
one line of JSON; --pairs writes one of each pair.
"""

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import measured
import numpy as np
import torch

from hiertools.files.local_features import LocalFeatures
from hiertools.images import open_rgb
from hiertools.local import topology, verification
from hiertools.local.extraction import Settings, of_picture
from hiertools.local.matching import matches

TOPOLOGY = topology.Topology(ratio=0.8, radius=50, agree=0.2, least=10, shift=0.6, checks=2000)
MATCHING = verification.Matching(ratio=0.8, pixels=4, model="homography", least=6, seed=0)


def features(path: Path, keypoints: int) -> LocalFeatures:
    """Return the features of a picture, RootSIFT."""
    raw = of_picture(open_rgb(path), Settings(keypoints=keypoints, max_side=1024))
    shares = raw.descriptors / raw.descriptors.sum(axis=1, keepdims=True, dtype=np.float64)
    return LocalFeatures(
        raw.frames[:, :2].copy(), np.sqrt(shares).astype(np.float32), raw.frames[:, 2].copy(),
        raw.width, raw.height,
    )  # fmt: skip


def elsewhere(made: LocalFeatures) -> LocalFeatures:
    """Return features that stand where others of them stood."""
    order = np.random.default_rng(0).permutation(len(made))
    return replace(made, keypoints=made.keypoints[order], scales=made.scales[order])


def timed(work: Any) -> tuple[Any, float]:
    """Return what work returns, and milliseconds."""
    start = time.perf_counter()
    found = work()
    return found, 1e3 * (time.perf_counter() - start)


def look(left: LocalFeatures, right: LocalFeatures) -> dict[str, Any]:
    """Return what is found of a pair, and how long it took."""
    tentative, matching = timed(lambda: matches(left, right, ratio=TOPOLOGY.ratio))
    plane, spatial = timed(lambda: verification.verify(left, right, MATCHING))
    found, whole = timed(lambda: topology.verify(left, right, TOPOLOGY))
    none, _ = timed(lambda: topology.verify(left, elsewhere(right), TOPOLOGY))
    return {
        "tentative": len(tentative), "inliers": len(plane), "largest": found.largest,
        "regions": len(found), "checks": found.checks, "largest_elsewhere": none.largest,
        "matching_ms": matching, "spatial_ms": spatial - matching,
        "topological_ms": whole - matching,
    }  # fmt: skip


def main() -> None:
    """Look at every pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keypoints", type=int, default=2000)
    parser.add_argument("--pairs", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() == ".jpg")
    known = {path.stem: features(path, options.keypoints) for path in paths}
    look(*list(known.values())[:2])  # compiles
    found = [
        {"left": left, "right": right, **look(known[left], known[right])}
        for left, right in itertools.combinations(known, 2)
    ]
    if options.pairs:
        options.pairs.write_text("".join(json.dumps(pair) + "\n" for pair in found))
    column = {key: [pair[key] for pair in found] for key in found[0]}
    print(
        json.dumps(
            {
                **measured.machine(),
                "pictures": len(known),
                "pairs": len(found),
                **{
                    key: round(float(np.median(column[key])), 2)
                    for key in ("matching_ms", "spatial_ms", "topological_ms", "checks")
                },
                **{
                    key: round(float(np.mean(column[key])), 1)
                    for key in ("tentative", "inliers", "largest", "regions")
                },
                "pairs_with_inliers": sum(count > 0 for count in column["inliers"]),
                "pairs_with_regions": sum(count > 0 for count in column["largest"]),
                "pairs_with_regions_elsewhere": sum(
                    count > 0 for count in column["largest_elsewhere"]
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
