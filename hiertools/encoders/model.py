"""The encoder that `hiertools train` fine-tuned, from the model that holds its weights.

Its network and preprocessing are those of the encoder that the training began with; nothing is
fetched. "Learning Visual Hierarchies in Hyperbolic Space for Image Retrieval" (arXiv:2411.17490)
trains its encoders so.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hiertools import plugins
from hiertools.encoder import Encoder, load_weights
from hiertools.errors import UserError
from hiertools.files.model import Model, read_model

MODEL = "model"


def load(path: str) -> Encoder:
    """Load the encoder of a model.h5 that was trained on images."""
    found = read_model(Path(path))
    if not found.encoder:
        raise UserError(
            f"{path}: holds no encoder, it was trained on embeddings; embed with the encoder"
            f" {found.meta['encoder']}"
        )
    encoder = _untrained(found)
    weights = {name: torch.from_numpy(np.array(array)) for name, array in found.encoder.items()}
    load_weights(encoder.network, weights, path)
    if encoder.preprocess != found.meta["preprocess"]:
        raise UserError(f"{path}: was trained with another preprocessing than its encoder has here")
    return encoder


def base(spec: str) -> str:
    """Return the encoder that a fine-tuned one began with; any other is its own."""
    choice = plugins.parse(plugins.ENCODERS, spec)
    if choice.member.name != MODEL:
        return spec
    return str(read_model(Path(choice.values[0])).meta["encoder"])


def _untrained(found: Model) -> Encoder:
    """Return the network and its preprocessing, with random weights where it can have them."""
    choice = plugins.parse(plugins.ENCODERS, found.meta["encoder"])
    if any(option.name == "random" for option in choice.member.options):
        options = {name: value for name, value in choice.options.items() if name != "weights"}
        choice = replace(choice, options={**options, "random": True})
    encoder: Encoder = choice.call()
    return encoder
