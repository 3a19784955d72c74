"""Exterior angles of all pairs: one entrance for the CPU and the GPU.

The geometries' `pairwise_angle` is the definition. On CUDA, float32 points go through a Triton
kernel that sums differences in float32: a matrix product in float32 would cancel, and few GPUs are
fast in float64. The backward pass is the definition's, in blocks of rows.
"""

from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hiertools.geometry import euclidean, lorentz, polar, sphere
from hiertools.geometry.polar import Pair, Scalar

GEOMETRIES = {"lorentz": lorentz, "euclidean": euclidean, "sphere": sphere}
BLOCK = 2**20  # pairs at a time in the backward pass: some 200 MB of float64


def pairwise_angle(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar, *, geometry: str
) -> Float[Tensor, "n m"]:
    """Return the exterior angle at each x towards each y, in [0, pi]; see `lorentz.angle`.

    geometry: a name of `GEOMETRIES`. Differentiable in x, y and c.
    """
    module = GEOMETRIES[geometry]
    if x.is_cuda and x.dtype == torch.float32 and find_spec("triton"):
        return by_triton(x, y, c, module)
    angles: Tensor = module.pairwise_angle(x, y, c)
    return angles


def by_triton(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar, module: ModuleType
) -> Float[Tensor, "n m"]:
    """Return `module.pairwise_angle` of float32 points, forward by the Triton kernel."""
    angles: Tensor = _Angles.apply(x, y, torch.as_tensor(c, device=x.device), module)
    return angles


class _Angles(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, c: Tensor, module: ModuleType) -> Tensor:
        ctx.module = module
        ctx.save_for_backward(x, y, c)
        angles: Tensor = module.angle_by(_separate, x[:, None], y[None], c)
        return angles

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, y, c = ctx.saved_tensors
        y, c = y.detach().requires_grad_(), c.detach().requires_grad_()
        of_x, of_y, of_c = torch.empty_like(x), torch.zeros_like(y), torch.zeros_like(c)
        rows = max(1, BLOCK // max(1, len(y)))
        for i in range(0, len(x), rows):
            part = x[i : i + rows].detach().requires_grad_()
            with torch.enable_grad():
                angles = ctx.module.pairwise_angle(part, y, c)
            of_x[i : i + rows], more_y, more_c = torch.autograd.grad(
                angles, (part, y, c), gradient[i : i + rows], materialize_grads=True
            )
            of_y += more_y
            of_c += more_c
        return of_x, of_y, of_c, None


def _separate(x: Tensor, y: Tensor) -> Pair:
    """Return all pairs of n x 1 x d with 1 x m x d, like `polar.separate_all`."""
    from hiertools.kernels.gpu.differences import squared_differences

    a, b = polar.norm(x.double()), polar.norm(y.double())
    u, w = x / polar.nonzero(a)[..., None], y / polar.nonzero(b)[..., None]
    minus, plus = squared_differences(u[:, 0].float(), w[0].float())
    noise = polar.NOISE * torch.finfo(torch.float32).eps
    return Pair(
        a.float(),
        b.float(),
        gap=(b - a).float(),
        versine=minus / 2,
        sine=polar.damped_root(minus * plus / 4, minus.new_tensor(noise * noise)),
    )
