"""What a training's network takes, batch by batch; where it comes from is another module."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from hiertools.encoder import Encoder, digest
from hiertools.files.json import Document
from hiertools.files.pairs import Pairs
from hiertools.training.pairs import Batch
from hiertools.training.ranks import Ranks


@dataclass(frozen=True)
class Inputs:
    """What b pairs put in: the parents, then the children (2b), and which pairs are good (b)."""

    batch: Batch
    values: Tensor
    good: Tensor


class Source(Protocol):
    """Where inputs come from, and how features (2b x f) are made of them."""

    @property
    def bad(self) -> dict[str, str]:
        """Return the items of this rank that could not be used so far, with the reason of each."""

    def load(self, batches: list[Batch], ranks: Ranks) -> Iterator[Inputs]:
        """Yield the inputs of this rank's rows of each batch."""

    def encode(self, values: Tensor) -> Tensor:
        """Return the features of inputs."""


@dataclass(frozen=True)
class Material:
    """Pairs, all of whose items have inputs, and what makes features of those.

    features: their dimension; about: encoder, digest, preprocess and output, as embeddings and
    models record them; encoder: the one that learns too, if any.
    """

    pairs: Pairs
    source: Source
    features: int
    about: Document
    encoder: Encoder | None = None

    def described(self) -> Document:
        """Return what a model says of the features that it takes."""
        if self.encoder is None:
            return self.about
        return {**self.about, "digest": digest(self.encoder)}
