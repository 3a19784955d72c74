"""Embedding files of images by lite0 on a CPU, beside the loop that one would write with timm."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import embed
import numpy as np
from kernel_rows.row import Row, in_turn

WORKERS = 2


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row for each number of images, of 512 x 512 pixels."""
    for count in (32,) if quick else (64, 128, 256):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            embed.make_images(folder, count)
            start = time.perf_counter()
            work = embed.ours(folder, WORKERS, "auto")
            ready = time.perf_counter() - start
            plain = embed.plain(folder)
            ours, theirs = in_turn(work, plain, rounds=2)
            one, other = work(), plain()
        cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        note = (
            f"{ours / count * 1e3:.1f} against {theirs / count * 1e3:.1f} ms an image; least cosine"
            f" {cosine.min():.7f}; the network is ready after {ready:.1f} s"
        )
        yield Row("embed, lite0", f"{count} images", "timm loop", ours, theirs, 1 / 3, note=note)
