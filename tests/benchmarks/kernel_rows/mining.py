"""Mining beside polars' bare parse of the same CSV: whole processes, imports included.

The aim is that of the largest size; at smaller ones imports and the table of 120,000 pairs of
classes, which do not grow with the boxes, are a larger share.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import box_csv
import measured
from kernel_rows.row import Row

IMAGES = (195_000, 650_000, 1_900_000)
FEW_IMAGES = 20_000
ROUNDS = 3
BARE_PARSE = "import polars, sys; print(len(polars.read_csv(sys.argv[1])))"


def rows(quick: bool) -> Iterator[Row]:
    """Yield the rows, with the boxes of an image adjacent and not; quick: of a small size alone."""
    for images in (FEW_IMAGES,) if quick else IMAGES:
        for shuffled in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                yield _row(Path(folder), images, shuffled, 1 if quick else ROUNDS)


def _row(folder: Path, images: int, shuffled: bool, rounds: int) -> Row:
    boxes, small = folder / "boxes.csv", folder / "small.csv"
    n = box_csv.write(boxes, images=images, seed=0, shuffled=shuffled)
    box_csv.write(small, images=1000, seed=0, shuffled=True)
    mine = [sys.executable, "-m", "hiertools", "mine-hierarchy", "-q", "--overwrite"]
    mine += ["-o", str(folder / "hierarchy.json")]
    measured.run(*mine, str(small))  # compiles
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(measured.run(sys.executable, "-c", BARE_PARSE, str(boxes)))
        ours.append(measured.run(*mine, str(boxes)))
    our_s, our_cpu_s, our_mb = _least(ours)
    their_s, their_cpu_s, their_mb = _least(theirs)
    return Row(
        "mining",
        f"{n:,} boxes, {'shuffled' if shuffled else 'adjacent'}",
        "polars' bare parse",
        our_s,
        their_s,
        aim=2.5 if images == IMAGES[-1] else None,
        memory=our_mb / their_mb,
        note=f"peak {our_mb:,.0f} MB; of CPU time {our_cpu_s / their_cpu_s:.2f}",
    )


def _least(runs: list[dict[str, float | str]]) -> list[float]:
    return [min(float(run[key]) for run in runs) for key in ("wall_s", "cpu_s", "peak_mb")]
