"""Attention is softmax(q k / sqrt(w)) v, to the rounding of float32, for all sizes and layouts."""

from importlib.util import find_spec

import pytest
import torch

from hiertools.kernels.attention import attention, plain
from tests.kernels.interpreted import interpreted

SIZES = [  # heads, queries, keys, width
    (8, 64, 1000, 16), (2, 5, 7, 4), (1, 1, 1, 4), (3, 17, 128, 16), (3, 16, 129, 5),
    (1, 33, 40_000, 16),
]  # fmt: skip


def given(heads, b, n, width, *, scale=1.0, device="cpu"):
    made = torch.Generator().manual_seed(heads * b * n * width)
    shapes = ((heads, b, width), (heads, n, width), (heads, n, width))
    queries, *others = (torch.randn(shape, generator=made).to(device) for shape in shapes)
    return scale * queries, *others


def exact(queries, keys, values):
    """Return the same from plain softmax in float64."""
    q, k, v = (each.double() for each in (queries, keys, values))
    return torch.softmax(q @ k.mT * q.shape[2] ** -0.5, -1) @ v


def check(found, inputs, *, wide=4.0):
    """Errors are `wide` eps of the greatest value and score, for the scores are rounded too."""
    queries, keys, values = inputs
    score = (queries.double() @ keys.double().mT).abs().max() * queries.shape[2] ** -0.5
    bound = wide * torch.finfo(torch.float32).eps * float(values.abs().max()) * float(1 + score)
    torch.testing.assert_close(found.double(), exact(*inputs), rtol=0, atol=bound)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("size", SIZES)
def test_is_softmax_in_double_precision(size, scale):
    inputs = given(*size, scale=scale)
    found = attention(*inputs)
    assert found.dtype == torch.float32
    check(found, inputs)


def test_wide_heads_are_torchs():
    check(attention(*given(1, 3, 20, 128)), given(1, 3, 20, 128))


def test_average_values_are_as_right_as_those_of_torch():
    inputs = given(8, 64, 50_000, 16)
    error, of_torch = (
        (kernel(*inputs).double() - exact(*inputs)).abs().max() for kernel in (attention, plain)
    )
    assert error < 2 * of_torch


def test_scores_far_apart_and_large_neither_overflow_nor_vanish():
    queries, keys, values = given(2, 20, 500, 16, scale=300.0)
    check(attention(queries, keys, values), (queries, keys, values))
    keys = -keys.abs()  # all scores are far below 0
    inputs = (queries.abs(), keys, values)
    check(attention(*inputs), inputs)


def test_no_keys_find_nothing_and_no_queries_nobody():
    queries, keys, values = given(2, 3, 4, 16)
    assert not attention(queries, keys[:, :0], values[:, :0]).any()
    assert attention(queries[:, :0], keys, values).shape == (2, 0, 16)


def test_a_query_does_not_depend_on_the_others_nor_on_threads():
    import numba

    queries, keys, values = given(8, 64, 40_000, 16)
    whole = attention(queries, keys, values)
    for part in (slice(0, 1), slice(5, 40), slice(63, 64)):
        torch.testing.assert_close(
            attention(queries[:, part], keys, values), whole[:, part], rtol=0, atol=0
        )
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = attention(queries, keys, values)
    finally:
        numba.set_num_threads(threads)
    torch.testing.assert_close(alone, whole, rtol=0, atol=0)


def split(rows):
    """Return heads as views of one matrix of rows, as linear layers make them."""
    return rows.transpose(0, 1).contiguous().transpose(0, 1)


def backward(rows):
    """Return the same numbers, no two of a row side by side in memory."""
    return rows.mT.contiguous().mT


@pytest.mark.parametrize("layout", [split, backward])
def test_layouts_of_memory_do_not_matter(layout):
    inputs = given(3, 9, 300, 16)
    strided = [layout(each) for each in inputs]
    assert not strided[1].is_contiguous()
    torch.testing.assert_close(attention(*strided), attention(*inputs), rtol=0, atol=0)


def test_other_precisions_are_torchs():
    inputs = [each.double() for each in given(2, 5, 30, 4)]
    torch.testing.assert_close(attention(*inputs), exact(*inputs))


def compare_with_triton(size, *, layout=split, scale=1.0, device="cpu"):
    from hiertools.kernels.gpu.attention import attention as on_gpu

    inputs = [layout(each) for each in given(*size, scale=scale, device=device)]
    found = attention(*inputs, kernel=on_gpu)
    assert found.device.type == device
    score = 0.0
    if found.numel() and size[2]:
        check(found.cpu(), [each.cpu() for each in inputs])
        score = float((inputs[0] @ inputs[1].mT).abs().max())
    torch.testing.assert_close(
        found, plain(*inputs), rtol=0, atol=1e-6 * (1 + score), msg=lambda m: f"{size}: {m}"
    )


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not importable")
def test_interpreted_kernel_is_the_definition():
    interpreted("test_attention", "compare_interpreted")


def compare_interpreted():
    for size in [(2, 5, 7, 4), (1, 1, 1, 1), (2, 65, 300, 16), (1, 3, 600, 20), (2, 3, 0, 16)]:
        compare_with_triton(size)
    compare_with_triton((2, 0, 9, 16))
    compare_with_triton((2, 64, 128, 16), layout=backward)
    compare_with_triton((1, 7, 70, 16), scale=100.0)


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not importable")
@pytest.mark.parametrize("entry", range(4))
def test_kernel_compiles_for_a_gpu(entry):
    from hiertools.kernels.gpu.attention import TABLE, add_up
    from tests.kernels.compiled import compiled

    assert len(TABLE) == 4
    arrays = "queries keys values sums highest totals"
    numbers = "b n width each key_head key_row value_head value_row key_column value_column"
    types = {name: "*fp32" for name in arrays.split()} | {name: "i32" for name in numbers.split()}
    made = compiled(add_up, types, {"WIDE": 16}, entry=entry)
    assert made.asm["cubin"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("size", [*SIZES, (8, 64, 210_000, 16), (8, 512, 30_001, 16)])
def test_kernel_is_the_definition(size):
    for layout in (split, backward):
        compare_with_triton(size, layout=layout, device="cuda")
