"""Embedding beside the network alone, and beside a plain timm loop over the same files.

    python tests/benchmarks/embed.py [--images 512] [--workers 2]

Prints one line of JSON with images per second, of JPEG files of 512 x 512 pixels:
`hiertools embed` (its loop, without starting the program), the same network's forward pass on
tensors that are ready, in the memory format that embed uses and in PyTorch's default one, and a
loop that opens, transforms and embeds a batch after the other in one process.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measured
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data import create_transform, resolve_data_config

from hiertools import embedding, inventory
from hiertools.encoder import load
from hiertools.engine import with_engine

BATCH = 32
SIZE = 512
ROUNDS = 3


def make_images(folder: Path, count: int) -> None:
    """Write JPEG files with the detail of photographs: noise over smooth colour."""
    rng = np.random.default_rng(0)
    for number in range(count):
        smooth = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8))
        pixels = np.asarray(smooth.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.int16)
        noisy = pixels + rng.normal(0, 12, pixels.shape)
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{number:05d}.jpg", quality=90)


def rate(count: int, work: Callable[[], object]) -> float:
    """Return items per second, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return round(count / best, 1)


def ours(folder: Path, workers: int, engine: str) -> Callable[[], NDArray[np.float32]]:
    """Return what `hiertools embed` does with the files, once the network is ready."""
    cpu, numbers = torch.device("cpu"), "float32"
    encoder, engine = with_engine(
        load("lite0", seed=0),
        engine,
        output="embedding",
        device=cpu,
        precision=numbers,
        texts=False,
    )
    rows = inventory.of_images([folder], root=None)
    settings = embedding.Settings("embedding", cpu, numbers, BATCH, workers, 1, 0.0, engine)

    def loop() -> NDArray[np.float32]:
        batches = embedding.embed(rows, encoder, settings, start=0)
        return np.concatenate([batch.vectors for batch in batches])

    return loop


def bare(count: int, memory_format: torch.memory_format) -> Callable[[], object]:
    """Return forward passes on tensors that are ready."""
    network = load("lite0", seed=0).network.to(memory_format=memory_format)
    pixels = torch.randn(BATCH, 3, 224, 224).contiguous(memory_format=memory_format)

    def forward() -> None:
        with torch.inference_mode():
            for _ in range(count // BATCH):
                network.forward_head(network.forward_features(pixels), pre_logits=True)

    return forward


def plain(folder: Path) -> Callable[[], NDArray[np.float32]]:
    """Return the loop that one would write with timm, with the weights of lite0."""
    network = load("lite0", seed=0).network
    transform = create_transform(**resolve_data_config(model=network))
    paths = sorted(folder.iterdir())

    def batch(start: int) -> NDArray[np.float32]:
        images = [Image.open(path).convert("RGB") for path in paths[start : start + BATCH]]
        features = network.forward_features(torch.stack([transform(image) for image in images]))
        return np.asarray(network.forward_head(features, pre_logits=True))

    def loop() -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.concatenate([batch(start) for start in range(0, len(paths), BATCH)])

    return loop


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    count = arguments.images // BATCH * BATCH
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder, count)
        found = {
            "hiertools": rate(count, ours(folder, arguments.workers, "auto")),
            "hiertools_engine_torch": rate(count, ours(folder, arguments.workers, "torch")),
            "bare_forward": rate(count, bare(count, torch.channels_last)),
            "bare_forward_default_format": rate(count, bare(count, torch.contiguous_format)),
            "plain_timm_loop": rate(count, plain(folder)),
        }
    ratios = {
        f"to_{other}": round(found["hiertools"] / found[other], 2)
        for other in found
        if other != "hiertools"
    }
    sizes = {"images": count, "pixels": SIZE, "batch_size": BATCH, "workers": arguments.workers}
    print(json.dumps({**measured.machine(), **sizes, "images_per_s": found, "ratio": ratios}))


if __name__ == "__main__":
    main()
