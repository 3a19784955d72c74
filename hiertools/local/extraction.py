"""Local features of pictures: SIFT, by worker processes, in the order of the pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from hiertools import signals
from hiertools.files.local_features import Raw
from hiertools.images import BadImageError, open_rgb
from hiertools.local import opencv


@dataclass(frozen=True)
class Settings:
    """How features are found: the most of an image, and its longest side in pixels at the most."""

    keypoints: int
    max_side: int


def extract(files: list[Path | None], settings: Settings, *, workers: int) -> Iterator[Raw | str]:
    """Yield the features of each picture, or the reason why it has none that can be used.

    workers: processes; 0 is none beside this one. What comes out does not depend on them.
    """
    pictures = _Pictures(files, settings)
    if workers == 0 or not files:
        return (pictures[place] for place in range(len(files)))
    loader: DataLoader[Raw | str] = DataLoader(
        pictures,
        batch_size=None,
        num_workers=min(workers, len(files)),
        worker_init_fn=signals.leave_to_parent,
    )
    return iter(loader)


class _Pictures(Dataset[Raw | str]):
    """The features of pictures on disk; runs in worker processes."""

    def __init__(self, files: list[Path | None], settings: Settings) -> None:
        self.files, self.settings = files, settings

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Raw | str:
        return of_file(self.files[place], self.settings)


def of_file(path: Path | None, settings: Settings) -> Raw | str:
    """Return the features of a picture on disk, or the reason why it cannot be used."""
    if path is None:
        return "no file of this image below the image root"
    try:
        return of_picture(open_rgb(path), settings)
    except BadImageError as error:
        return str(error)


def of_picture(picture: Image.Image, settings: Settings) -> Raw:
    """Return the features of a picture, in pixels of its own size.

    One that is longer than `max_side` is looked at in that size.
    """
    width, height = picture.size
    pixels = np.asarray(picture.convert("L"))
    scale = settings.max_side / max(width, height)
    if scale < 1:
        small = [max(1, round(side * scale)) for side in (width, height)]
        pixels = opencv.resized(pixels, *small)
    frames, descriptors = opencv.sift(pixels, settings.keypoints)
    if scale < 1:
        ratio = np.array([width / pixels.shape[1], height / pixels.shape[0]], np.float64)
        frames[:, :2] = (frames[:, :2] + 0.5) * ratio - 0.5  # centres of pixels
        frames[:, 2] *= np.sqrt(ratio.prod())
    return Raw(frames, descriptors, width, height)
