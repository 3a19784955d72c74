"""Encoders: pictures or lines of text to vectors. Members of the family make one of these."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hiertools import plugins
from hiertools.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Encoder:
    """A network with the preprocessing that it was trained with.

    network: holds the weights, in evaluation mode; prepare: RGB picture -> float tensor (3 x h x
    w); embed: batch of these -> b x dimension; logits: the same -> b x classes, where there is a
    classifier; tokenize, embed_text: texts -> tokens -> b x dimension, where there is a text
    side; preprocess: what `prepare` does, as files record it.
    """

    network: nn.Module
    prepare: Callable[["Image"], Tensor]
    embed: Callable[[Tensor], Tensor]
    preprocess: dict[str, Any]
    logits: Callable[[Tensor], Tensor] | None = None
    tokenize: Callable[[list[str]], Tensor] | None = None
    embed_text: Callable[[Tensor], Tensor] | None = None


def load(spec: str, *, seed: int) -> Encoder:
    """Load the encoder that `NAME:…` names; `seed` is for weights that are asked to be random.

    Raises `UserError` for weights that are missing, damaged or of another network.
    """
    choice = plugins.parse(plugins.ENCODERS, spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder: Encoder = _silently(choice.call)
    encoder.network.eval().requires_grad_(False)
    return encoder


def _silently(make: Callable[[], Encoder]) -> Encoder:
    """Keep libraries from warning of retries and untrained weights: errors say what matters."""
    logging.disable(logging.WARNING)
    try:
        return make()
    finally:
        logging.disable(logging.NOTSET)


def digest(encoder: Encoder) -> str:
    """Return the sha256 of the network's weights, with their names, types and shapes."""
    sha256 = hashlib.sha256()
    for name, tensor in encoder.network.state_dict().items():
        sha256.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha256.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return sha256.hexdigest()


def load_weights(network: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    """Load weights that must fit exactly. Raises `UserError` naming what does not."""
    expected = network.state_dict()
    missing = [key for key in expected if key not in weights]
    unknown = [key for key in weights if key not in expected]
    other = [k for k in expected if k in weights and weights[k].shape != expected[k].shape]
    for what, keys in (("lacks", missing), ("has the unknown", unknown)):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise UserError(f"{name}: {what} weight '{keys[0]}'{more}; is it of this network?")
    if other:
        key = other[0]
        raise UserError(
            f"{name}: '{key}' has the shape {tuple(weights[key].shape)}, not"
            f" {tuple(expected[key].shape)}; is it of this network?"
        )
    network.load_state_dict(weights, strict=True)
