"""Inputs that are pictures: the items' images or crops, each time changed a little.

The changes are those of "Learning Visual Hierarchies in Hyperbolic Space for Image Retrieval"
(arXiv:2411.17490), supplement, section 2.1, but for the last: the resizing is the encoder's own, as
`hiertools embed` does it. They depend on the seed, the epoch and the place in the epoch alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from hiertools import signals
from hiertools.embedding import pixel_corners
from hiertools.encoder import Encoder
from hiertools.encoders.model import base
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.pairs import Pairs
from hiertools.images import BadImageError, Finder, open_rgb
from hiertools.inventory import Inventory
from hiertools.training.inputs import Inputs, Material
from hiertools.training.pairs import IMAGE, Batch, with_items
from hiertools.training.ranks import Ranks

CHANGES = v2.Compose(
    [
        v2.RandomHorizontalFlip(0.2),
        v2.RandomVerticalFlip(0.2),
        v2.RandomRotation(15),
        v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
        v2.GaussianBlur(5, (0.3, 1.5)),
    ]
)

Change = Callable[[Any], Any]

PAIRS_PER_PIECE = 8  # pictures pass from process to process through little shared memory


def find(pairs: Pairs, folder: Path) -> tuple[Pairs, Inventory]:
    """Return the pairs whose images are below a folder, and the files of their items.

    Raises `UserError` if no image is there, or if the items are not known as boxes of images.
    """
    table = pairs.items
    if table.image is None or table.kind is None or table.box is None:
        raise UserError("the pairs do not say of which image the items are, or which part of it")
    finder = Finder([folder])
    names, row = np.unique(table.image, return_inverse=True)
    files = [finder.find(items.decode(name)) for name in names]
    there = np.array([file is not None for file in files], bool)[row]
    if not there.any():
        first = items.decode(names[0]) if len(names) else ""
        raise UserError(f"{folder}: has none of the images of the pairs, such as {first!r}")
    kept = with_items(pairs, there)
    assert kept.items.image is not None
    return kept, Inventory(kept.items, files, np.searchsorted(names, kept.items.image))


def material(
    pairs: Pairs, found: Inventory, encoder: Encoder, spec: str, *, seed: int, workers: int
) -> Material:
    """Return the pairs of an inventory's items, for an encoder all of whose weights learn."""
    encoder.network.requires_grad_(True)
    with torch.no_grad():
        features = encoder.embed(empty(encoder)[None]).shape[1]
    about = {"encoder": base(spec), "preprocess": encoder.preprocess, "output": "embedding"}
    source = Pictures(found, encoder, seed=seed, workers=workers)
    return Material(pairs, source, features, about, encoder)


def empty(encoder: Encoder) -> Tensor:
    """Return a picture of zeros, in the encoder's size."""
    return encoder.prepare(Image.new("RGB", (8, 8))) * 0


def prepared(picture: Image.Image, changes: Change, prepare: Change, seed: Sequence[int]) -> Tensor:
    """Return what an encoder takes of a picture that is changed at random, as a seed decides."""
    with torch.random.fork_rng(devices=[]):
        number = np.random.SeedSequence(seed).generate_state(1)[0]
        torch.default_generator.manual_seed(int(number))
        return torch.as_tensor(prepare(changes(picture)))


class Pictures:
    """Pictures of an inventory's items, for an encoder that learns.

    The network stays in evaluation mode: batch normalisation keeps its statistics, and nothing is
    dropped out.
    """

    def __init__(self, found: Inventory, encoder: Encoder, *, seed: int, workers: int) -> None:
        self.inventory, self.encoder, self.seed, self.workers = found, encoder, seed, workers
        self.empty = empty(encoder)[None]
        self.bad: dict[str, str] = {}

    def load(self, batches: list[Batch], ranks: Ranks) -> Iterator[Inputs]:
        """Yield the inputs of this rank's rows of each batch; pictures that are bad are zeros."""
        crops = _Crops(self.inventory, self.encoder, self.seed, batches, ranks)
        loader: DataLoader[_Piece] = DataLoader(
            crops,
            batch_size=None,
            num_workers=min(self.workers, len(crops)),
            worker_init_fn=signals.leave_to_parent,
        )
        pieces = iter(loader)
        for batch, count in zip(batches, crops.pieces_of, strict=True):
            parents, children, good = [self.empty[:0]], [self.empty[:0]], [_NONE]
            for piece in islice(pieces, count):
                parents.append(piece.parents)
                children.append(piece.children)
                good.append(piece.good)
                self.bad |= piece.bad
            yield Inputs(batch, torch.cat(parents + children), torch.cat(good))

    def encode(self, values: Tensor) -> Tensor:
        """Return the encoder's features; of no pictures too, so that all ranks do the same."""
        padded = values if len(values) else values.new_zeros(1, *values.shape[1:])
        return self.encoder.embed(padded)[: len(values)]


_NONE = torch.zeros(0, dtype=torch.bool)


@dataclass(frozen=True)
class _Piece:
    parents: Tensor
    children: Tensor
    good: Tensor
    bad: dict[str, str]


class _Crops(Dataset[_Piece]):
    """The rows of an epoch's batches in pieces; runs in worker processes.

    pieces_of: how many pieces each batch has.
    """

    def __init__(
        self, found: Inventory, encoder: Encoder, seed: int, batches: list[Batch], ranks: Ranks
    ) -> None:
        self.inventory, self.prepare, self.seed = found, encoder.prepare, seed
        self.empty = empty(encoder)
        rows = [range(len(batch))[ranks.rows(len(batch))] for batch in batches]
        self.pieces_of = [-(-len(own) // PAIRS_PER_PIECE) for own in rows]
        self.pieces = [
            (batch, own[start : start + PAIRS_PER_PIECE])
            for batch, own in zip(batches, rows, strict=True)
            for start in range(0, len(own), PAIRS_PER_PIECE)
        ]

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> _Piece:
        batch, rows = self.pieces[index]
        bad: dict[str, str] = {}
        sides = []
        for side, column in enumerate((batch.parent, batch.child)):
            seeds = ([self.seed, batch.epoch, batch.first + row, side] for row in rows)
            pictures = zip(column[rows.start : rows.stop].tolist(), seeds, strict=True)
            sides.append([self._picture(item, seed, bad) for item, seed in pictures])
        good = [p is not None and c is not None for p, c in zip(*sides, strict=True)]
        parents, children = (
            torch.stack([self.empty if picture is None else picture for picture in side])
            for side in sides
        )
        return _Piece(parents, children, torch.tensor(good), bad)

    def _picture(self, item: int, seed: list[int], bad: dict[str, str]) -> Tensor | None:
        """Return an item's picture, changed; None if it is bad, whose reason goes to `bad`."""
        path = self.inventory.files[int(self.inventory.file_of[item])]
        assert path is not None
        try:
            picture = self._crop(open_rgb(path), item)
        except BadImageError as error:
            bad[items.decode(self.inventory.items.id[item])] = str(error)
            return None
        return prepared(picture, CHANGES, self.prepare, seed)

    def _crop(self, picture: Image.Image, item: int) -> Image.Image:
        box, kind = self.inventory.items.box, self.inventory.items.kind
        assert box is not None
        assert kind is not None
        if kind[item] == IMAGE:
            return picture
        corners = pixel_corners(box[item], picture.width, picture.height)
        if corners[0] == corners[2] or corners[1] == corners[3]:
            raise BadImageError("the box is smaller than a pixel")
        return picture.crop(corners)
