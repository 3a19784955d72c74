"""The Triton kernel of the beam against the compiled loop, interpreted on the CPU, and on a GPU."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from hiertools.kernels import beam
from hiertools.search.path_scores import PathScore
from hiertools.search.path_values import CODES, rated, sides
from hiertools.search.tree import Tree
from tests.kernels.interpreted import interpreted
from tests.search.entity_trees import C, grown, points, score, tree

CPU = torch.device("cpu")


def found(space, queries, shifts, width, device):
    """Return what the loop and the kernel find."""
    from hiertools.kernels.gpu.beam import Expansion

    widths = np.minimum(width, np.diff(space.tree.offsets))
    given = {"widths": widths, "weights": space.score.weights, "rule": space.rule}
    asked = queries, sides(queries, space.score), shifts
    return Expansion(space.nodes, **given, device=device)(*asked), beam.beam(
        space.nodes, *asked, **given
    )


def check(space, queries, shifts, width, device=CPU):
    rows, wanted = found(space, queries, shifts, width, device)
    np.testing.assert_array_equal(rows, wanted)


def every_case():
    rng = np.random.default_rng(0)
    kinds = ("lorentz energy", "lorentz ip", "euclidean ip", "euclidean last", "sphere energy")
    for place, kind in enumerate((*kinds, "lorentz last")):
        geometry, by = kind.split()
        rate = score(by, geometry=geometry, squared=place < 4, levels=3)
        space = rated(tree(place, geometry=geometry, levels=3, top=2), rate)
        check(space, points(rng, 1, geometry), rng.normal(size=(1, 3)), 1 + place)


def odd_shapes():
    rng = np.random.default_rng(0)
    lone = Tree(
        points(rng, 37, "lorentz"), np.array([0, 37]), np.full(37, -1),
        np.zeros((37, 2), np.int64), np.zeros(37, bool),
    )  # fmt: skip
    space = rated(lone, score(levels=1))
    for width in (1, 5, 100):  # wider than there are entities
        check(space, points(rng, 3, "lorentz"), np.zeros((3, 1)), width)
    check(space, points(rng, 0, "lorentz"), np.zeros((0, 1)), 4)
    offsets, parent, children = grown([[2, 0, 3], [0, 5, 0, 4, 0]])  # some have no children
    hidden = np.zeros(len(parent), bool)
    hidden[[0, 3, 8]] = True
    barren = Tree(points(rng, len(parent), "lorentz"), offsets, parent, children, hidden)
    check(rated(barren, score(levels=3)), points(rng, 4, "lorentz"), np.zeros((4, 3)), 6)


def ties_and_many_dimensions():
    offsets, parent, children = grown([[20, 40]])
    same = Tree(np.ones((62, 2), np.float32), offsets, parent, children, np.zeros(62, bool))
    space = rated(same, score("distance", geometry="euclidean", levels=2))
    check(space, np.zeros((1, 2), np.float32), np.zeros((1, 2)), 7)
    check(space, np.ones((1, 2), np.float32), np.zeros((1, 2)), 7)  # all values are 0
    rng = np.random.default_rng(3)
    wide = (rng.normal(size=(62, 131)) / 9).astype(np.float32)
    energy = PathScore("energy", "lorentz", C, (1.0, 2.0), 0.3, True)
    space = rated(Tree(wide, offsets, parent, children, np.zeros(62, bool)), energy)
    check(space, wide[[3, 40]] * np.float32(1.1), rng.normal(size=(2, 2)), 10)


needs_triton = pytest.mark.skipif(not find_spec("triton"), reason="Triton is for Linux alone")


@needs_triton
@pytest.mark.parametrize("case", ["every_case", "odd_shapes", "ties_and_many_dimensions"])
def test_the_kernel_is_the_loop(case):
    interpreted("test_beam", case)


@needs_triton
@pytest.mark.parametrize("geometry", range(3))
def test_the_kernel_compiles_for_a_gpu(geometry):
    from hiertools.kernels.gpu.beam import _expand
    from tests.kernels.compiled import compiled

    named = {
        "*fp32": "queries points", "*fp64": "query_sides shifts sides", "*i1": "implicit",
        "*i64": "ranges names before after", "fp32": "weight c",
        "i32": "count bare width level depth d",
    }  # fmt: skip
    types = {name: kind for kind, names in named.items() for name in names.split()}
    kind = {"GEOMETRY": geometry, "SQUARED": geometry != 1, "INNER": geometry == 1, "LAST": False}
    assert compiled(_expand, types, {**kind, "WIDE": 16, "D": 128}).asm["cubin"]


@needs_triton
def test_a_hierarchy_is_kept_where_there_is_a_gpu(monkeypatch):
    """Only paths of a width that a program can hold go there."""
    from hiertools.kernels.gpu import beam as gpu

    made = []
    monkeypatch.setattr(gpu, "Expansion", lambda *a, device, **k: made.append(device))
    nodes = rated(tree(1), score()).nodes
    for device, width in (("cpu", 5), ("cuda", 5), ("cuda", 513)):
        given = {"weights": np.ones(4), "rule": rated(tree(1), score()).rule}
        beam.expander(nodes, widths=np.full(4, width), **given, device=torch.device(device))
    assert made == [torch.device("cuda")]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("geometry", CODES)
@pytest.mark.parametrize("by", ["energy", "ip", "last"])
def test_the_kernel_is_the_loop_on_a_gpu(geometry, by):
    rng = np.random.default_rng(0)
    space = rated(tree(5, levels=4, top=500, geometry=geometry), score(by, geometry=geometry))
    queries, shifts = points(rng, 300, geometry), rng.normal(size=(300, 4))
    for width in (1, 10, 300):
        rows, wanted = found(space, queries, shifts, width, torch.device("cuda"))
        assert (rows == wanted).mean() > 0.995  # but for near ties
