"""Small batches to try losses on."""

import numpy as np
import torch

from hiertools.losses.contrast import Contrast, Masks


def contrast(seed=0, *, n=6, d=4, geometry="lorentz", dtype=torch.float64, scale=1.0, rows=None):
    """Make a batch of n pairs with repeated parents and children, of which `rows` are ours."""
    rng = np.random.default_rng(seed)
    parents, children = (torch.tensor(rng.normal(size=(n, d)) * scale, dtype=dtype) for _ in "pc")
    of_parent, of_child = rng.integers(0, max(1, n // 2), n), rng.integers(0, n, n)
    apart = rng.random((n, n)) < 0.7
    return of_points(parents, children, of_parent, of_child, apart, geometry=geometry, rows=rows)


def of_points(parents, children, of_parent, of_child, apart, *, geometry, rows=None, tau=0.3):
    n = len(parents)
    rows = slice(0, n) if rows is None else rows
    masks = []
    for code, unrelated in ((of_parent, apart), (of_child, apart.T)):
        same = code[:, None] == code[None]
        positive, negative = (torch.tensor(m[rows]) for m in (same, unrelated & ~same))
        masks.append(Masks(positive, negative))
    c, tau = torch.tensor(0.7, dtype=parents.dtype), torch.tensor(tau, dtype=parents.dtype)
    return Contrast(
        parents[rows], children[rows], parents, children, masks[0], masks[1], n, geometry, c, tau
    )
