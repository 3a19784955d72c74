"""The losses of `train geo` and `train parts`, forward and backward, beside torch over all pairs.

Memory is the growth of a process's peak over what it has with inputs and their gradients, in a
process of its own. An allocator that keeps freed memory is glibc's with M_MMAP_THRESHOLD and
M_TRIM_THRESHOLD so high that it gives nothing back.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from kernel_rows.row import Row
from torch import Tensor

from hiertools.geometry import lorentz
from hiertools.kernels.angle_contrast import angle_contrast
from hiertools.kernels.geo_contrast import Rule, geo_contrast
from hiertools.kernels.geo_weights import Places
from hiertools.losses.contrast import Masks, info_nce

C, DIMENSION, BATCH = 1.25, 128, 64
RULE = Rule("lorentz", C, True, "laplace", 1.0)
KEEPING = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
SCALARS = (0.1, 1.0, 0.05)  # tau, lambda, sigma in radians

Step = Callable[[], object]


def geo_inputs(n: int, m: int, *, radii: float, tau: float) -> tuple[list[Tensor], Tensor, Places]:
    """Return points, tau, lambda and sigma, who belongs to whom, and places."""
    made = torch.Generator().manual_seed(0)

    def points(count: int) -> Tensor:
        v = torch.randn(count, DIMENSION, generator=made)
        v *= radii / C**0.5 / v.norm(dim=1, keepdim=True)
        return lorentz.exp(v, C).requires_grad_()

    scalars = [torch.tensor(value, requires_grad=True) for value in (tau, *SCALARS[1:])]
    u, w = (torch.nn.functional.normalize(torch.randn(k, 3, generator=made), dim=1) for k in (n, m))
    positive = torch.randint(0, m, (n,), generator=made)
    return [points(n), points(m), *scalars], positive, Places(u, w)


def fused_geo(inputs: list[Tensor], positive: Tensor, places: Places) -> Tensor:
    """Return the losses as the program makes them."""
    x, y, tau, weight, sigma = inputs
    return geo_contrast(x, y, positive, places, tau=tau, weight=weight, sigma=sigma, rule=RULE)


def plain_geo(inputs: list[Tensor], positive: Tensor, places: Places) -> Tensor:
    """Return the losses from n x m logits, as the paper's formulas read, in the inputs' type."""
    x, y, tau, weight, sigma = inputs
    time_x, time_y = ((1 / C + each.square().sum(1)).sqrt() for each in (x, y))
    inner = torch.outer(time_x, time_y) - x @ y.T
    d = torch.acosh((C * inner).clamp(min=1 + 1e-7)) / C**0.5
    half = (1 - places.images @ places.entities.T).clamp(min=0).div(2).sqrt()
    w = 1 + weight * torch.exp(-2 * torch.asin(half.clamp(max=1)) / sigma)
    e = d.square()
    own = positive[:, None]
    logits = (w.scatter(1, own, 1.0).log() - e / tau).to(e.dtype)
    return logits.logsumexp(1) + e.gather(1, own)[:, 0] / tau


def angle_inputs(n: int) -> tuple[list[Tensor], Masks]:
    """Return parents, children and tau, and masks of pairs of which some share an end."""
    made = torch.Generator().manual_seed(0)

    def points(radius: float) -> Tensor:
        v = radius / DIMENSION**0.5 * torch.randn(n, DIMENSION, generator=made)
        return lorentz.exp(v, 1.0).requires_grad_()

    label = torch.randint(0, n // 2, (n,), generator=made)
    same = label[:, None] == label
    tau = torch.tensor(0.1, requires_grad=True)
    return [points(1.5), points(2.5), tau], Masks(same, ~same)


def fused_angle(inputs: list[Tensor], masks: Masks) -> Tensor:
    """Return the loss of both directions as the program makes it."""
    parents, children, tau = inputs
    shares = torch.full((len(parents),), 1 / len(parents))

    def of(x: Tensor, y: Tensor, *, inward: bool) -> Tensor:
        return angle_contrast(
            x, y, masks.positive, masks.negative, shares, c=1.0, tau=tau, geometry="lorentz",
            inward=inward, positives="out",
        )  # fmt: skip

    return of(parents, children, inward=False) + of(children, parents, inward=True)


def plain_angle(inputs: list[Tensor], masks: Masks) -> Tensor:
    """Return the same from two matrices of angles."""
    parents, children, tau = inputs
    beta1 = torch.pi - lorentz.pairwise_angle(parents, children, 1.0)
    alpha2 = lorentz.pairwise_angle(children, parents, 1.0)
    down, up = (info_nce(each / tau, masks, positives="out") for each in (beta1, alpha2))
    return (down + up).mean()


def products(inputs: list[Tensor]) -> Step:
    """Return the three matrix products of a step, forward and for both gradients, alone."""
    x, y = (each.detach() for each in inputs[:2])
    pairs = torch.empty(len(x), len(y))

    def step() -> None:
        torch.mm(x, y.T, out=pairs)
        pairs @ y
        pairs.T @ x

    return step


def prepared(name: str, size: int) -> tuple[list[Tensor], Step]:
    """Return inputs, and what makes their gradients."""
    if name.endswith("angle"):
        inputs, masks = angle_inputs(size)
        loss = fused_angle if name == "fused_angle" else plain_angle

        def total() -> Tensor:
            return loss(inputs, masks).mean()
    else:
        inputs, positive, places = geo_inputs(BATCH, size, radii=1.0, tau=SCALARS[0])
        losses = fused_geo if name == "fused_geo" else plain_geo

        def total() -> Tensor:
            return losses(inputs, positive, places).mean()

    def step() -> None:
        for each in inputs:
            each.grad = None
        total().backward()  # type: ignore[no-untyped-call]

    return inputs, products(inputs) if name == "products" else step


def measure(name: str, size: int, rounds: int) -> None:
    """Print the least seconds of a step, and the growth of the peak beyond gradients in MB."""
    prepared(name, 100)[1]()  # what is compiled and started the first time
    inputs, step = prepared(name, size)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, best = status_mb("VmRSS"), float("inf")
    for _ in range(rounds + 1):
        start = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - start)
    more = status_mb("VmHWM") - before
    gradients = sum(each.numel() * each.element_size() for each in inputs)
    print(json.dumps([best, max(0.1, more - gradients / 2**20)]))


def status_mb(field: str) -> float:
    """Return a figure of Linux's about this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measured(name: str, size: int, rounds: int, **environment: str) -> tuple[float, float]:
    """Measure in a process of its own; return the seconds and the growth of the peak in MB."""
    command = [sys.executable, "-m", "kernel_rows.losses", name, str(size), str(rounds)]
    folder = Path(__file__).parents[1]
    done = subprocess.run(
        command, capture_output=True, check=True, cwd=folder, env={**os.environ, **environment},
        text=True,
    )  # fmt: skip
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def errors(size: int) -> str:
    """Return how far gradients are from those in float64 where rounding hurts most, in words."""
    found = {}
    for label, radii, tau in (("as above", 1.0, 0.1), ("tau .02, 4 radii", 4.0, 0.02)):
        inputs, *others = geo_inputs(8, size, radii=radii, tau=tau)
        exact = [each.detach().double().requires_grad_() for each in inputs]
        positive, places = others
        wide = Places(places.images.double(), places.entities.double())
        pairs = zip(
            torch.autograd.grad(fused_geo(inputs, positive, places).mean(), inputs),
            torch.autograd.grad(fused_geo(exact, positive, wide).mean(), exact),
            strict=True,
        )
        found[label] = max(float((a - b).norm() / b.norm()) for a, b in pairs)
    return "; ".join(f"gradients to {error:.0e} ({label})" for label, error in found.items())


def in_turns(
    names: tuple[str, ...], size: int, rounds: int, turns: int, **environment: str
) -> list[tuple[float, float]]:
    """Measure each name in turn, some times; return the least seconds of each, and its memory.

    A machine of others' guests is at times half as fast as at others, for seconds on end.
    """
    found = [[measured(name, size, rounds, **environment) for name in names] for _ in range(turns)]
    return [min(each) for each in zip(*found, strict=True)]


def rows(quick: bool) -> Iterator[Row]:
    """Yield the rows of both losses."""
    rounds = 1 if quick else 4
    for size in (2000,) if quick else (20_000, 70_000, 210_000):
        sizes = f"{BATCH} x {size:,} x {DIMENSION}"
        largest = size == 210_000
        turns = 4 if largest else 1
        (ours, more), (theirs, other) = in_turns(("fused_geo", "plain_geo"), size, rounds, turns)
        yield Row(
            "geo loss", sizes, "torch, all logits", ours, theirs, 0.35 if largest else None,
            more / other, 0.1 if largest else None,
            f"{more:.1f} against {other:.1f} MB; {errors(size)}",
        )  # fmt: skip
        names = ("fused_geo", "plain_geo", "products")
        kept = in_turns(names, size, rounds, turns, **KEEPING)
        ours, theirs, floor = (seconds for seconds, _ in kept)
        aim = 0.6 if largest else None
        yield Row("geo loss", sizes, "the same, keeping freed memory", ours, theirs, aim)
        aim = 3.0 if largest else None
        yield Row("geo loss", sizes, "its three products alone", ours, floor, aim)
    for size in (128,) if quick else (256, 1024, 2048):
        turns = 4 if size == 1024 else 1
        (ours, more), (theirs, other) = in_turns(
            ("fused_angle", "plain_angle"), size, rounds, turns
        )
        aims = (0.5, 0.2) if size == 1024 else (None, None)
        yield Row(
            "parts loss", f"batch {size:,} x {DIMENSION}", "torch, all angles", ours, theirs,
            aims[0], more / other, aims[1], f"{more:.1f} against {other:.1f} MB",
        )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("size", type=int)
    parser.add_argument("rounds", type=int)
    given = parser.parse_args()
    measure(given.name, given.size, given.rounds)
