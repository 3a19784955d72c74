"""Rows to vectors: decoding in worker processes, the network in batches of a fixed shape.

A batch is always `batch_size` rows long: the last one, and the places of rows that cannot be
used, are zeros. So a row's vector does not depend on its neighbours, on the workers or on how the
work is cut into shards and continued, to the last bit.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hiertools import signals
from hiertools.encoder import Encoder, digest
from hiertools.errors import DeviceError, UsageError, UserError
from hiertools.files import items, json
from hiertools.files.json import Document
from hiertools.images import BadImageError, open_rgb
from hiertools.inventory import Inventory

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Settings:
    """How to run the network.

    output: embedding or logits; precision: float32, or float16 or bfloat16 by autocast; min_size:
    least side of a crop in pixels; blur: standard deviation of a Gaussian, as a share of the
    picture's shorter side (0: none); engine: what runs it, of `engine.with_engine`.
    """

    output: str
    device: torch.device
    precision: str
    batch_size: int
    workers: int
    min_size: int
    blur: float
    engine: str


@dataclass(frozen=True)
class Embedded:
    """The rows of a batch: which were used, their vectors, and why others were not.

    rows: the batch's rows in the inventory; used: of these, those with a vector (k x d);
    too_small: how many crops were below the least size.
    """

    rows: range
    used: NDArray[np.int64]
    vectors: Vectors
    rejects: list[dict[str, str]]
    too_small: int


@dataclass(frozen=True)
class _Decoded:
    pixels: Tensor
    good: list[int]
    rejects: list[dict[str, str]]
    too_small: int


def choose_device(name: str) -> torch.device:
    """Return the device of `auto`, `cpu`, `cuda` or `cuda:I`. Raises `DeviceError`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: there are auto, cpu and cuda[:I]")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"--device {name}: this machine has no such GPU; use --device cpu")
    return device


def describe(inventory: Inventory, encoder: Encoder, settings: Settings, *, name: str) -> Document:
    """Return what the output says of how it was made; `config` is a digest of all of it.

    Raises `UserError` where the encoder lacks what the output needs.
    """
    _forward(encoder, settings, texts=inventory.texts is not None)
    about: Document = {
        "encoder": name,
        "digest": digest(encoder),
        "output": settings.output,
        "preprocess": encoder.preprocess,
        "precision": settings.precision,
        "engine": settings.engine,
        "device": settings.device.type,
        "batch_size": settings.batch_size,
        "min_size": settings.min_size,
        "blur": settings.blur,
    }
    text = json.line({**about, "inventory": inventory.digest()})
    return {**about, "config": hashlib.sha256(text.encode()).hexdigest()}


def embed(
    inventory: Inventory, encoder: Encoder, settings: Settings, *, start: int
) -> Iterator[Embedded]:
    """Yield the vectors of the rows from `start` on, batch by batch, in the rows' order.

    `start` is a multiple of the batch size.
    """
    forward = _forward(encoder, settings, texts=inventory.texts is not None)
    encoder.network.to(settings.device)
    if _is_last(settings) and inventory.texts is None:
        encoder.network.to(memory_format=torch.channels_last)  # twice as fast for convolutions
    batches = _Batches(inventory, encoder, settings, start)
    for rows, decoded in zip(batches.ranges, _decode(batches, settings), strict=True):
        vectors = _run(forward, decoded.pixels, settings)[decoded.good]
        used = np.array([rows[i] for i in decoded.good], np.int64)
        yield Embedded(rows, used, vectors, decoded.rejects, decoded.too_small)


def _forward(encoder: Encoder, settings: Settings, *, texts: bool) -> Callable[[Tensor], Tensor]:
    if texts and settings.output == "logits":
        raise UserError("--logits is for images; a text has none")
    wanted = encoder.embed_text if texts else encoder.embed
    if settings.output == "logits":
        wanted = encoder.logits
    if wanted is None:
        raise UserError(f"this encoder has no {'text side' if texts else 'classifier'}")
    return wanted


def _run(forward: Callable[[Tensor], Tensor], pixels: Tensor, settings: Settings) -> Vectors:
    pixels = pixels.to(settings.device, non_blocking=True)
    if pixels.ndim == 4 and _is_last(settings):
        pixels = pixels.contiguous(memory_format=torch.channels_last)
    try:
        with torch.inference_mode(), _autocast(settings):
            return np.asarray(forward(pixels).float().cpu().numpy())
    except torch.cuda.OutOfMemoryError:
        raise DeviceError("the GPU is out of memory; try a smaller --batch-size") from None


def _is_last(settings: Settings) -> bool:
    """Whether channels come last in memory, which PyTorch likes on a CPU."""
    return settings.device.type == "cpu" and settings.engine == "torch"


def _autocast(settings: Settings) -> AbstractContextManager[Any]:
    if settings.precision == "float32":
        return nullcontext()
    return torch.autocast(settings.device.type, getattr(torch, settings.precision))


def _decode(batches: "_Batches", settings: Settings) -> Iterator[_Decoded]:
    if settings.workers == 0 or batches.inventory.texts is not None:
        return (batches[i] for i in range(len(batches)))
    loader: DataLoader[_Decoded] = DataLoader(
        batches,
        batch_size=None,
        num_workers=min(settings.workers, len(batches)) or 1,
        worker_init_fn=signals.leave_to_parent,
        pin_memory=False,
    )
    return iter(loader)


class _Batches(Dataset[_Decoded]):
    """The batches of an inventory; runs in worker processes."""

    def __init__(
        self, inventory: Inventory, encoder: Encoder, settings: Settings, start: int
    ) -> None:
        self.inventory, self.min_size, self.blur = inventory, settings.min_size, settings.blur
        self.prepare, self.tokenize = encoder.prepare, encoder.tokenize
        self.size = settings.batch_size
        stop = len(inventory)
        self.ranges = [range(i, min(i + self.size, stop)) for i in range(start, stop, self.size)]

    def __len__(self) -> int:
        return len(self.ranges)

    def __getitem__(self, index: int) -> _Decoded:
        rows = self.ranges[index]
        return self._texts(rows) if self.inventory.texts is not None else self._images(rows)

    def _texts(self, rows: range) -> _Decoded:
        assert self.inventory.texts is not None
        assert self.tokenize is not None
        texts = [self.inventory.texts[row] for row in rows]
        tokens = self.tokenize(texts + [""] * (self.size - len(texts)))
        return _Decoded(tokens, list(range(len(rows))), [], 0)

    def _images(self, rows: range) -> _Decoded:
        pictures: dict[int, Image.Image | str] = {}
        good: list[int] = []
        tensors: list[Tensor] = []
        rejects: list[dict[str, str]] = []
        too_small = 0
        for place, row in enumerate(rows):
            file = int(self.inventory.file_of[row])
            if file not in pictures:
                pictures = {file: self._open(file)}  # rows of an image stand together
            picture = pictures[file]
            if isinstance(picture, str):
                rejects.append(self._reject(row, picture))
                continue
            crop = self._crop(picture, row)
            if crop is None:
                too_small += 1
                continue
            good.append(place)
            tensors.append(self.prepare(_blurred(crop, self.blur)))
        return _Decoded(self._padded(tensors, good), good, rejects, too_small)

    def _open(self, file: int) -> Image.Image | str:
        path = self.inventory.files[file]
        try:
            return open_rgb(path) if path else "no file of this image below the image root"
        except BadImageError as error:
            return str(error)

    def _reject(self, row: int, reason: str) -> dict[str, str]:
        path = self.inventory.files[int(self.inventory.file_of[row])]
        key = items.decode(self.inventory.items.id[row])
        return {"id": key, "path": str(path or ""), "reason": reason}

    def _crop(self, picture: Image.Image, row: int) -> Image.Image | None:
        """Return the picture within a row's box, None if that is too small."""
        box, kind = self.inventory.items.box, self.inventory.items.kind
        if box is None or kind is None or kind[row] == 0:
            return picture
        corners = pixel_corners(box[row], picture.width, picture.height)
        if min(corners[2] - corners[0], corners[3] - corners[1]) < self.min_size:
            return None
        return picture.crop(corners)

    def _padded(self, tensors: list[Tensor], good: list[int]) -> Tensor:
        if not tensors:
            shape = self.prepare(Image.new("RGB", (8, 8))).shape
            return torch.zeros(self.size, *shape)
        batch = torch.zeros(self.size, *tensors[0].shape)
        batch[good] = torch.stack(tensors)
        return batch


def _blurred(picture: Image.Image, share: float) -> Image.Image:
    if share == 0:
        return picture
    return picture.filter(ImageFilter.GaussianBlur(share * min(picture.size)))


def pixel_corners(box: NDArray[np.float64], width: int, height: int) -> tuple[int, int, int, int]:
    """Return a box (in [0, 1]) in whole pixels: every pixel of which it covers at least half."""
    x0, y0, x1, y1 = np.rint(box * [width, height, width, height]).astype(int).tolist()
    return x0, y0, x1, y1
