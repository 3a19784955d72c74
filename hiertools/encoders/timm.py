"""Any image model of timm, with its pretrained weights, a file of weights, or random ones.

Wightman 2019, PyTorch Image Models (doi:10.5281/zenodo.4414861).
"""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timm
import torch
from timm.data import create_transform, resolve_data_config
from timm.models import load_state_dict
from torch import Tensor

from hiertools.encoder import Encoder, load_weights
from hiertools.errors import UsageError, UserError
from hiertools.files.inputs import open_input

if TYPE_CHECKING:
    from PIL.Image import Image


def load(
    model: str,
    *,
    weights: str | None = None,
    random: bool = False,
    classes: int | None = None,
    size: int | None = None,
) -> Encoder:
    """Load a model by timm's name for it.

    weights: a .safetensors or .pth file, instead of what timm would fetch; random: untrained
    weights; classes: outputs of the classifier, where they are not the pretrained model's;
    size: height and width of the pictures that it takes, where not those that it was made for.
    """
    if not timm.is_model(model):
        close = ", ".join(timm.list_models(f"*{model}*")[:3])
        raise UserError(f"timm has no model '{model}'" + (f"; it has {close}" if close else ""))
    if weights is not None and random:
        raise UsageError("give an encoder weights=FILE or random=true, not both")
    more: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if (
        size is not None
        and timm.get_pretrained_cfg(model, allow_unregistered=True).fixed_input_size
    ):
        more["img_size"] = size
    network = create(model, pretrained=weights is None and not random, **more)
    if weights is not None:
        load_weights(network, read_weights(Path(weights)), weights)
    return wrap(network, size=size)


def create(model: str, *, pretrained: bool, **more: Any) -> Any:
    """Make a model. Raises `UserError` if its pretrained weights cannot be fetched."""
    try:
        return timm.create_model(model, pretrained=pretrained, **more)
    except Exception as error:
        if not pretrained:
            raise
        raise UserError(
            f"the pretrained weights of {model} cannot be fetched ({type(error).__name__}); give"
            f" timm:{model},weights=FILE or, for untrained weights, random=true"
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights without running anything in it."""
    open_input(path).close()
    try:
        weights: dict[str, Tensor] = load_state_dict(str(path), use_ema=False, weights_only=True)
        return weights
    except Exception as error:
        if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
            raise UserError(
                f"{path}: holds more than weights, which could run programs; save its state_dict"
            ) from error
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: is not a file of weights: {reason}") from error


def wrap(network: Any, *, size: int | None) -> Encoder:
    """Return a timm network as an encoder: pooled features before the classifier.

    Raises `UserError` for a size that is too small.
    """
    if size is not None and size < 1:
        raise UsageError(f"an encoder takes no pictures of size={size}")
    given = {} if size is None else {"input_size": (3, size, size)}
    config = resolve_data_config(given, model=network)
    transform = create_transform(**config)

    def embed(pixels: Tensor) -> Tensor:
        features = network.forward_features(pixels)
        return torch.as_tensor(network.forward_head(features, pre_logits=True))

    return Encoder(
        network=network,
        prepare=_Prepare(transform),
        embed=embed,
        preprocess={key: _plain(value) for key, value in config.items()},
        logits=network if getattr(network, "num_classes", 0) else None,
    )


class _Prepare:
    """timm's transform; a class, so that worker processes can be given one."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, image: "Image") -> Tensor:
        return torch.as_tensor(self.transform(image))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
