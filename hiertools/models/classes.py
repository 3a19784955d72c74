"""The head that tells classes apart: features to an embedding, an embedding to logits.

z = g(W f + b) is the embedding of features f, with g the activation; where an encoder learns too,
there may be no such layer, and z = f. The logits are V z + u; of a model whose classifier compares
directions they are s V z / |z| + u, with s the scale.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hiertools import taxonomy
from hiertools.errors import UserError
from hiertools.files.json import Document
from hiertools.files.model import Model
from hiertools.files.tensors import Arrays
from hiertools.taxonomy import Taxonomy

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "tanh": torch.tanh,
    "linear": lambda x: x,
}


class ClassesModel(nn.Module):
    """Features (b x f) to embeddings (b x d), and these to logits (b x classes).

    activation: of the hidden layer, None for no hidden layer, where d = f; scale: None where the
    logits are of the embeddings as they are. The names of its parameters are those in model.h5.
    """

    def __init__(
        self,
        features: int,
        dimension: int,
        classes: int,
        *,
        activation: str | None,
        scale: float | None,
    ) -> None:
        super().__init__()
        self.activation, self.scale = activation, scale
        self.hidden = None if activation is None else nn.Linear(features, dimension)
        self.classifier = nn.Linear(dimension, classes)

    def embed(self, features: Tensor) -> Tensor:
        """Return the embeddings of features, as they are (not normalised)."""
        z = features.to(self.classifier.weight.dtype)
        if self.hidden is None or self.activation is None:
            return z
        return ACTIVATIONS[self.activation](self.hidden(z))

    def logits(self, z: Tensor) -> Tensor:
        """Return the logits of embeddings."""
        if self.scale is not None:
            z = self.scale * functional.normalize(z, dim=-1)
        found: Tensor = self.classifier(z)
        return found

    def forward(self, features: Tensor) -> Tensor:
        """Return the embeddings of features."""
        return self.embed(features)

    def fix_classes(self, rows: Tensor) -> None:
        """Let the classifier be some rows (classes x d), which do not learn."""
        with torch.no_grad():
            self.classifier.weight.copy_(rows)
            self.classifier.bias.zero_()
        self.classifier.requires_grad_(False)

    def clamp_(self) -> None:
        """Do nothing: no number has a range."""

    def weights(self) -> Arrays:
        """Return the weights as files keep them."""
        return {name: value.cpu().numpy().copy() for name, value in self.state_dict().items()}


def of_weights(weights: Arrays, meta: Document) -> ClassesModel:
    """Return the model that has these weights, as files keep them."""
    classes, dimension = weights["classifier.weight"].shape
    model = ClassesModel(
        meta["features"], dimension, classes, activation=meta["hidden"],
        scale=meta["scale"] if meta["normalised"] else None,
    )  # fmt: skip
    model.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})
    return model.requires_grad_(False)


def taxonomy_of(model: Model, name: str) -> Taxonomy:
    """Return the classes of a model, in the order of its logits, and what is above them.

    name: of the model's file, for messages. Raises `UserError` for a model of another task, and
    for a taxonomy that is not the one that the model says it has.
    """
    if model.task != "classes":
        raise UserError(f"{name}: is a model of {model.task}; one of `train classes` is needed")
    found = taxonomy.of_document(model.meta["taxonomy"], name)
    if found.digest != model.meta["taxonomy_digest"]:
        raise UserError(f"{name}: its taxonomy is damaged: it has another digest than it says")
    return found
