"""The Triton kernels of the graph solver against the compiled loop, interpreted, and on a GPU."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from hiertools.kernels import graph
from hiertools.kernels.graph import Graph, Sides
from tests.kernels.interpreted import interpreted

CPU = torch.device("cpu")
HOW = {"alpha": 0.9, "tolerance": 1e-6, "iterations": 20}


def made(n, count, seed=0, share=0.2):
    """Return a symmetric graph of which some rows are empty, and right sides, one of nothing."""
    rng = np.random.default_rng(seed)
    dense = np.triu(rng.random((n, n)) * (rng.random((n, n)) < share), 1)
    dense[n // 2] = 0
    dense = dense + dense.T
    dense /= max(dense.sum(1).max(), 1)
    rows, columns = np.nonzero(dense)
    starts = np.searchsorted(rows, np.arange(n + 1))
    number = np.repeat(np.arange(count), 3)
    where = np.concatenate([rng.choice(n, 3, replace=False) for _ in range(count)])
    values = rng.random(3 * count)
    values[:3] = 0
    return (
        Graph(starts, columns.astype(np.int32), dense[rows, columns]),
        Sides(count, number, where, values),
        dense,
    )


def compare(n, count, device, how=HOW, **options):
    from hiertools.kernels.gpu.graph import solve

    given, sides, _ = made(n, count, **options)
    found = solve(given, sides, **how, device=device)
    wanted = graph.solve(given, sides, **how, device=CPU)
    assert found.shape == (count, n)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def every_case():
    compare(37, 5, CPU, {**HOW, "tolerance": 0.3})
    compare(260, 33, CPU, {**HOW, "iterations": 2}, share=0.005)  # two parts, and two groups
    compare(5, 1, CPU, {**HOW, "alpha": 0.0})
    compare(9, 2, CPU, {**HOW, "iterations": 0})
    compare(9, 2, CPU, share=0)


def test_the_loop_is_the_dense_solve():
    given, sides, dense = made(37, 11)
    found = graph.solve(given, sides, alpha=0.9, tolerance=1e-14, iterations=999, device=CPU)
    y = np.zeros((37, 11))
    y[sides.rows, sides.number] = sides.values
    np.testing.assert_allclose(found.T, np.linalg.solve(np.eye(37) - 0.9 * dense, y), atol=1e-12)


needs_triton = pytest.mark.skipif(not find_spec("triton"), reason="Triton is for Linux alone")


@needs_triton
def test_the_kernels_are_the_loop():
    interpreted("test_graph", "every_case")


@needs_triton
@pytest.mark.parametrize("name", ["_image", "_advance", "_turn"])
def test_the_kernels_compile_for_a_gpu(name):
    from hiertools.kernels.gpu import graph as gpu
    from tests.kernels.compiled import compiled

    arrays = "values direction image sums f residual step keep alpha"
    types = dict.fromkeys(arrays.split(), "*fp64") | {"n": "i32"}
    types |= {"starts": "*i64", "columns": "*i32"}
    sizes = {"PART": gpu.PART, "W": gpu.WIDE}
    assert compiled(getattr(gpu, name), types, sizes).asm["cubin"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_kernels_are_the_loop_on_a_gpu():
    compare(1003, 70, torch.device("cuda"), share=0.02)
