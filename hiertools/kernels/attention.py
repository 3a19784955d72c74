"""What queries find among keys and values that all of them share: softmax(q k / sqrt(w)) v.

For inference alone: a training needs a gradient, which torch's own attention has. To make its
forward pass faster would take a private function of torch for the backward one, and saves an eighth
of both (30 ms in place of 55, beside 136 backward: 64 queries, 40,000 keys, one core). On CUDA
float32 goes through the Triton kernel of `gpu.attention`, on a CPU through the compiled loop of
`attention_lanes`.
"""

from collections.abc import Callable
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

WIDEST = 100  # of a head: numba takes no longer tuples, by which the loop is unrolled

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]


def attention(
    queries: Float[Tensor, "heads b w"],
    keys: Float[Tensor, "heads n w"],
    values: Float[Tensor, "heads n w"],
    *,
    kernel: Kernel | None = None,
) -> Float[Tensor, "heads b w"]:
    """Return what each query finds; 0 where there are no keys.

    kernel: None for what suits the device. Of float32 on a CPU, of heads up to `WIDEST`, what a
    query finds depends neither on the other queries nor on the number of threads. Keys and values
    are read fastest where a head has its rows side by side.
    """
    return (kernel or _kernel(queries))(queries, keys, values)


def plain(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the same by torch's own attention: the definition."""
    found = functional.scaled_dot_product_attention(queries[None], keys[None], values[None])
    return found[0]


def _kernel(queries: Tensor) -> Kernel:
    if queries.dtype != torch.float32:
        return plain
    if queries.is_cuda and find_spec("triton"):
        from hiertools.kernels.gpu.attention import attention as on_gpu

        return on_gpu
    if queries.device.type == "cpu" and queries.shape[2] <= WIDEST:
        from hiertools.kernels.attention_lanes import attention as by_lanes

        return by_lanes
    return plain
