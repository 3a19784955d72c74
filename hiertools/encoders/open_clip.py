"""Any model of open_clip: an image side, a text side, one space.

Radford et al. 2021 (arXiv:2103.00020); Ilharco et al. 2021, OpenCLIP
(doi:10.5281/zenodo.5143773).
"""

from pathlib import Path
from typing import Any

import open_clip
import torch

from hiertools.encoder import Encoder, load_weights
from hiertools.encoders.timm import read_weights
from hiertools.errors import UsageError, UserError


def load(model: str, *, weights: str | None = None, random: bool = False) -> Encoder:
    """Load ARCH/TAG; with weights=FILE or random=true, ARCH, or ARCH/TAG for TAG's preprocessing.

    weights: a .safetensors or .pth file; random: untrained weights.
    """
    architecture, _, tag = model.partition("/")
    if open_clip.get_model_config(architecture) is None:
        close = [name for name in open_clip.list_models() if architecture.lower() in name.lower()]
        hint = f"; it has {', '.join(close[:3])}" if close else ""
        raise UserError(f"open_clip has no model '{architecture}'{hint}")
    given = (weights is not None) + random
    if given > 1 or not (given or tag):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)[:4])
        raise UsageError(
            f"open_clip:{architecture} needs one of a tag ({architecture}/TAG: {tags}),"
            " weights=FILE and random=true"
        )
    network, prepare = _create(
        architecture, "" if given else tag, **_preprocessing(architecture, tag)
    )
    if weights is not None:
        load_weights(network, read_weights(Path(weights)), weights)
    return Encoder(
        network=network,
        prepare=prepare,
        embed=network.encode_image,
        preprocess=_described(network),
        tokenize=open_clip.get_tokenizer(architecture),
        embed_text=network.encode_text,
    )


def _preprocessing(architecture: str, tag: str) -> dict[str, Any]:
    """Return the options of the preprocessing of pretrained weights, which need not be there."""
    about = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    keys = ("mean", "std", "interpolation", "resize_mode")
    return {f"image_{key}": about[key] for key in keys if key in about}


def _create(architecture: str, tag: str, **preprocessing: Any) -> tuple[Any, Any]:
    try:
        network, _, prepare = open_clip.create_model_and_transforms(
            architecture, pretrained=tag or None, device=torch.device("cpu"), **preprocessing
        )
    except Exception as error:
        if not tag:
            raise
        raise UserError(
            f"the weights {architecture}/{tag} cannot be fetched ({type(error).__name__}); give"
            f" open_clip:{architecture},weights=FILE"
        ) from error
    return network, prepare


def _described(network: Any) -> dict[str, Any]:
    about = dict(open_clip.get_model_preprocess_cfg(network))
    return {key: list(v) if isinstance(v, tuple) else v for key, v in about.items()}
