"""Steps of `train geo` on a made-up world: seconds and memory, of the loss alone and of all of it.

    python tests/benchmarks/train_geo.py [--entities 233,4946,29214,209894] [--batch 512]
        [--features 1024] [--steps 2] [--refresh 1] [--loss | --all-pairs]

Prints one line of JSON. The default is the full size of the paper's table of entities. --loss
takes the contrast alone, forward and backward; --all-pairs the same from all pairs at once, as a
plain definition has it. Memory is the growth of the process's peak over what it had before the
first step, when points or weights, mean images and moments were not yet there or not yet used.
"""

import argparse
import json
import os
import resource
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program has it

import measured
import numpy as np
import torch

from hiertools.geometry import lorentz
from hiertools.kernels.geo_contrast import Rule
from hiertools.losses import gwh
from hiertools.models.geo import GeoModel, Shape
from hiertools.models.geo_inputs import EntityInputs
from hiertools.models.location import features as of_places
from hiertools.training import anchors
from hiertools.training.embedded import Embedded
from hiertools.training.entity_tape import EntityTape
from hiertools.training.geo import GeoRule, GeoTask, Globe
from hiertools.training.geo_examples import GeoExamples
from hiertools.training.ranks import Ranks
from hiertools.training.state import State, adamw

C, DIMENSION, HIDDEN, IMAGES = 1.25, 128, 512, 4096
RULE = Rule("lorentz", C, True, "laplace", 1.0)
CPU = torch.device("cpu")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def of_globe(n: int, rng: np.random.Generator) -> torch.Tensor:
    found = rng.normal(size=(n, 3))
    return torch.from_numpy(found / np.linalg.norm(found, axis=1, keepdims=True)).float()


def scalars() -> gwh.Scalars:
    numbers = (torch.tensor(value, requires_grad=True) for value in (0.1, 1.0, 300.0))
    return gwh.Scalars(*numbers)


def by_all_pairs(x, own_row, y, at, places, given):
    """Return the loss of each image from n x m distances, by the textbook."""
    d = lorentz.pairwise_distance(x, y, C).square()
    half = (places[:, None] - at[None]).norm(dim=2).clamp(max=2) / 2
    w = 1 + given.weight * torch.exp(-2 * 6371 * torch.asin(half) / given.sigma_km)
    w = w.scatter(1, own_row[:, None], 1.0)
    logits = w.log() - d / given.tau
    return logits.logsumexp(1) + d.gather(1, own_row[:, None])[:, 0] / given.tau


def loss_alone(sizes: list[int], batch: int, steps: int, all_pairs: bool) -> dict[str, float]:
    """Measure the loss of points that are there already."""
    rng = np.random.default_rng(0)
    made = torch.Generator().manual_seed(0)
    given = scalars()

    def points(n: int) -> torch.Tensor:
        return lorentz.exp(0.1 * torch.randn(n, DIMENSION, generator=made), C).requires_grad_()

    x, places = points(batch), of_globe(batch, rng)
    levels = [gwh.Level(points(n), of_globe(n, rng)) for n in sizes]
    rows = [torch.randint(0, n, (batch,), generator=made) for n in sizes]
    for each in (x, *(level.points for level in levels)):
        each.grad = torch.zeros_like(each)
    before, took = peak_mb(), []
    for _ in range(steps):
        start = time.perf_counter()
        total = torch.zeros(())
        for level, row in zip(levels, rows, strict=True):
            if all_pairs:
                losses = by_all_pairs(x, row, level.points, level.places, places, given)
            else:
                losses = gwh.losses(x, places, row, level, given, rule=RULE, geo_from="image")
            total = total + losses.mean()
        torch.autograd.backward(total)
        took.append(time.perf_counter() - start)
    gradients = 4 * DIMENSION * (sum(sizes) + batch) / 2**20
    return {
        "s": round(min(took), 3),
        "more_mb": round(peak_mb() - before),
        "gradients_mb": round(gradients),
        "loss": round(float(total.detach()), 4),
    }


def whole_steps(
    sizes: list[int], batch: int, features: int, steps: int, refresh: int
) -> dict[str, object]:
    """Measure steps with network, attention, loss and both optimisers."""
    rng = np.random.default_rng(0)
    n = sum(sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    sums = rng.standard_normal((2 * n, features), np.float32)
    at = np.degrees(rng.uniform(-1.2, 1.2, n)), rng.uniform(-180, 180, n)
    where = of_places(*at, scales=32, r_min=1e-3, r_max=1.0)
    inputs = EntityInputs(offsets, 2, sums, np.zeros(n, bool), None, where)
    positive = np.stack([rng.integers(0, size, IMAGES) for size in sizes], 1).astype(np.int32)
    fold = rng.integers(0, 2, IMAGES).astype(np.uint8)
    vectors = rng.standard_normal((IMAGES, features), np.float32)
    globe = Globe(of_globe(IMAGES, rng), [of_globe(size, rng) for size in sizes])
    shape = Shape(
        "lorentz", C, features, DIMENSION, HIDDEN, len(sizes), 8, True, "manifold", n, inputs.width
    )
    model = GeoModel(shape, anchor_scale=0.01, alpha=0.1)
    others = [p for name, p in model.named_parameters() if name != "entity.anchors"]
    optimizers = [adamw(others, rate=2e-4, weight_decay=0.01)]
    state = State(model, None, [*optimizers, anchors.optimizer(model, rate=2e-4)])
    task = GeoTask(
        model,
        EntityTape(model, inputs, 0.1, 0, refresh, state.kept),
        GeoExamples(positive, fold, batch_size=batch, seed=0),
        Embedded([vectors], np.zeros(IMAGES, np.int64), np.arange(IMAGES)),
        [torch.ones(size, dtype=torch.bool) for size in sizes],
        globe,
        GeoRule(RULE, "image", (1.0,) * len(sizes), False, 0.1, 0),
        CPU,
        Ranks(0, 1),
    )
    before = peak_mb()
    shares: dict[str, float] = {}
    took = []
    for step, rows in zip(range(steps), task.load(0, 0), strict=False):
        start = time.perf_counter()
        marks = {}
        state.forget_gradients()
        outcome = task.outcome(rows, step)
        marks["forward"] = time.perf_counter()
        torch.autograd.backward(outcome.loss)
        marks["backward"] = time.perf_counter()
        task.settle(step, is_last=False)
        marks["entities"] = time.perf_counter()
        state.take_step()
        marks["optimisers"] = time.perf_counter()
        took.append(marks["optimisers"] - start)
        last = start
        for name, mark in marks.items():
            shares[name] = round(shares.get(name, 0) + (mark - last) / steps, 3)
            last = mark
    return {
        "s": round(min(took), 3), "mean_s": round(sum(took) / len(took), 3), "shares_s": shares,
        "more_mb": round(peak_mb() - before), "peak_mb": round(peak_mb()),
        "inputs_mb": round((sums.nbytes + where.nbytes) / 2**20),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entities", default="233,4946,29214,209894")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--features", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--refresh", type=int, default=1)
    parser.add_argument("--loss", action="store_true")
    parser.add_argument("--all-pairs", action="store_true")
    given = parser.parse_args()
    sizes = [int(size) for size in given.entities.split(",")]
    torch.set_num_threads(2)
    if given.loss or given.all_pairs:
        found = loss_alone(sizes, given.batch, given.steps, given.all_pairs)
    else:
        found = whole_steps(sizes, given.batch, given.features, given.steps, given.refresh)
    print(json.dumps({**measured.machine(), **vars(given), **found}))


if __name__ == "__main__":
    main()
