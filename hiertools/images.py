"""Pictures on disk: found by id below a folder, opened without trust."""

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from hiertools.errors import UserError

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm")
    + (".tif", ".tiff", ".webp")
)


class BadImageError(Exception):
    """A picture that cannot be used; the message is its reason."""


def open_rgb(path: Path) -> Image.Image:
    """Open and decode a picture as RGB, in the orientation in which its pixels are stored.

    Raises `BadImageError` for a missing, damaged, truncated or absurdly large one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(path) as image:
                return image.convert("RGB")
    except FileNotFoundError:
        raise BadImageError("no such file") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadImageError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except Exception as error:  # decoders raise nearly anything on damaged data
        reason = " ".join(str(error).split()).replace(str(path), "").strip(" '")
        raise BadImageError(f"{type(error).__name__}: {reason}") from None


def below(root: Path) -> list[tuple[str, Path]]:
    """Return the pictures below a folder as (id, path), in the order of their paths.

    An id is the path below the folder without its suffix. Raises `UserError` if there are none.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    found = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # links in a circle
            folders.clear()
            continue
        seen.add(real)
        for name in files:
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES:
                found.append((path.relative_to(root).with_suffix("").as_posix(), path))
    if not found:
        raise UserError(f"{root}: no images below this folder")
    return sorted(found, key=lambda entry: entry[1].relative_to(root).parts)


class Finder:
    """Paths of images by id, below some folders; also by file name where only one has it."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._paths: dict[str, list[Path]] = {}
        self._by_name: dict[str, list[Path]] = {}
        for root in roots:
            for key, path in below(root):
                self._paths.setdefault(key, []).append(path)
                self._by_name.setdefault(path.stem, []).append(path)

    def find(self, image: str) -> Path | None:
        """Return an image's path, None if there is none.

        Raises `UserError` if several files could be meant.
        """
        found = self._paths.get(image) or self._by_name.get(image, [])
        if len(found) > 1:
            raise UserError(f"the image {image!r} could be {found[0]} or {found[1]}")
        return found[0] if found else None
