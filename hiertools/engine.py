"""What runs an encoder's network: PyTorch, or ONNX Runtime, which is faster on a CPU.

ONNX Runtime folds batch normalisation and activations into convolutions: a third of the time of
PyTorch in its default memory format for EfficientNet-Lite0, two thirds for ResNets. Networks
without batch normalisation gain next to nothing and stay with PyTorch, if nothing else is asked.
"""

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hiertools.encoder import Encoder
from hiertools.errors import UsageError, UserError
from hiertools.terminal import say

NAMES = ("auto", "torch", "onnx")
EXAMPLES = 2  # pictures of noise that the network is traced with; one more for the comparison
LARGEST_ERROR = 1e-3  # of an answer, as a share of its length

Forward = Callable[[Tensor], Tensor]


def with_engine(
    encoder: Encoder, name: str, *, output: str, device: torch.device, precision: str, texts: bool
) -> tuple[Encoder, str]:
    """Return an encoder whose `output` is computed by an engine, and the engine's name.

    name: of `NAMES`; auto is onnx where it is faster and gives the same. output: embedding or
    logits. Raises `UsageError` for onnx elsewhere than on a CPU, in float32, on pictures, and
    `UserError` where it cannot run the network.
    """
    fits = device.type == "cpu" and precision == "float32" and not texts
    if name == "torch" or (name == "auto" and not (fits and _is_normalised(encoder.network))):
        return encoder, "torch"
    if not fits:
        raise UsageError(
            "--engine onnx is for images, on a CPU, in float32: give --device cpu --precision"
            " float32, or leave it out"
        )
    forward = encoder.logits if output == "logits" else encoder.embed
    if forward is None:
        return encoder, "torch"  # which says what is missing
    try:
        shape = encoder.prepare(Image.new("RGB", (8, 8))).shape
        run = _exported(encoder.network, forward, shape)
    except UserError as error:
        if name == "onnx":
            raise UserError(f"{error}: --engine torch") from None
        say(f"{error}; PyTorch runs it", level=2)
        return encoder, "torch"
    by_onnx = replace(encoder, logits=run) if output == "logits" else replace(encoder, embed=run)
    return by_onnx, "onnx"


def _is_normalised(network: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def _exported(network: nn.Module, forward: Forward, shape: torch.Size) -> Forward:
    """Return the same function of batches of pictures, by ONNX Runtime."""
    examples = torch.randn(EXAMPLES + 1, *shape, generator=torch.Generator().manual_seed(0))
    try:
        run = _session(_model(network, forward, examples[:EXAMPLES]))
        with torch.inference_mode():
            found, wanted = run(examples), forward(examples)
        apart = (found - wanted).norm(dim=1) / wanted.norm(dim=1)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"ONNX Runtime cannot run this encoder ({reason})") from None
    if not bool((apart <= LARGEST_ERROR).all()):
        raise UserError("ONNX Runtime gives other vectors for this encoder")
    return run


class _Forward(nn.Module):
    """A function of a network's, as a module that the exporter can trace."""

    def __init__(self, network: nn.Module, function: Forward) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self, pixels: Tensor) -> Tensor:
        return self.function(pixels)


def _model(network: nn.Module, forward: Forward, examples: Tensor) -> bytes:
    """Return the network in ONNX."""
    file = io.BytesIO()
    with _quietly(), _plain_attention():
        torch.onnx.export(
            _Forward(network, forward).eval(),
            (examples,),
            file,  # type: ignore[arg-type]  # which takes a file too, says its documentation
            dynamo=False,
            input_names=["pixels"],
            dynamic_axes={"pixels": {0: "batch"}},
        )
    return file.getvalue()


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what the exporter says, for its developers, from standard output and from warnings."""
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        kept = os.open(os.devnull, os.O_WRONLY)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Let attention be made of operations that ONNX has."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _session(model: bytes) -> Forward:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    # threads that spin would take the processors from those that decode
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(pixels: Tensor) -> Tensor:
        (found,) = session.run(None, {"pixels": pixels.contiguous().numpy()})
        return torch.from_numpy(np.asarray(found))

    return run
