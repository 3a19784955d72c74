"""The Triton kernel against the definition: interpreted on the CPU, and on a GPU."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from hiertools.kernels import pairwise_angle

# Radians, float32; degenerate pairs on a ray hold the rounding of unit vectors times the radius.
TOLERANCE = 1e-5


def points(geometry, n, device="cpu"):
    """Return x (n x 9) and c; x holds equal points, opposite ones, rays and the origin."""
    x = torch.randn(n, 9, generator=torch.Generator().manual_seed(n))
    x[:5] = torch.stack([x[6], 2 * x[6], -x[6], 0 * x[6], 1e-20 * x[6]])
    if geometry == "sphere":
        x[3:5] = x[7]
        x = torch.nn.functional.normalize(x, dim=-1)
    return x.to(device).requires_grad_(), torch.tensor(1.0, device=device, requires_grad=True)


def compare(geometry, by_kernel, n=70, m=130, device="cpu"):
    """Compare angles and gradients with those of the definition."""
    x, c = points(geometry, n, device)
    y = points(geometry, m, device)[0]
    weights = torch.randn(n, m, generator=torch.Generator().manual_seed(0)).to(device)
    definition = pairwise_angle.GEOMETRIES[geometry].pairwise_angle(x, y, c)
    angles = by_kernel(x, y, c)
    assert_close(angles, definition, atol=TOLERANCE, rtol=0)
    found, expected = [
        torch.autograd.grad(a, (x, y, c), weights, materialize_grads=True)
        for a in (angles, definition)
    ]
    assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not importable")
def test_interpreted_kernel_is_the_definition():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tests.kernels.test_pairwise_angle import interpreted as t; t()",
        ],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def interpreted():
    pairwise_angle.BLOCK = 1000  # the backward pass in several blocks, the last one shorter
    for geometry, module in pairwise_angle.GEOMETRIES.items():
        compare(geometry, lambda x, y, c, m=module: pairwise_angle.by_triton(x, y, c, m))
        x = points(geometry, 9)[0]
        assert pairwise_angle.by_triton(x, x[:0], 1.0, module).shape == (9, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("geometry", pairwise_angle.GEOMETRIES)
def test_kernel_is_the_definition(geometry):
    def angles(x, y, c):
        return pairwise_angle.pairwise_angle(x, y, c, geometry=geometry)

    compare(geometry, angles, 300, 500, device="cuda")


@pytest.mark.parametrize("geometry", pairwise_angle.GEOMETRIES)
def test_the_cpu_takes_the_definition(geometry):
    def angles(x, y, c):
        return pairwise_angle.pairwise_angle(x, y, c, geometry=geometry)

    compare(geometry, angles)
