"""How pictures are changed at random, before the encoder's own preprocessing."""

from PIL import Image
from torchvision.transforms import RandomResizedCrop, v2

LEAST_AREA = 0.25  # of the picture
RATIOS = (3 / 4, 4 / 3)  # width to height


def cropped(picture: Image.Image) -> Image.Image:
    """Return a random part of a picture, stretched to a square.

    Szegedy et al. 2015 (arXiv:1409.4842), section 6, with a larger least area: at 8 % a small
    picture has no object left.
    """
    top, left, height, width = RandomResizedCrop.get_params(
        picture, scale=[LEAST_AREA, 1.0], ratio=list(RATIOS)
    )
    part = picture.crop((left, top, left + width, top + height))
    side = max(height, width)
    return part.resize((side, side), Image.Resampling.BICUBIC)


def unchanged(picture: Image.Image) -> Image.Image:
    """Return the picture."""
    return picture


_FLIP = v2.RandomHorizontalFlip(0.5)
_COLOUR = v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)

# each one does what those before it do
CHANGES = {
    "none": unchanged,
    "flip": v2.Compose([_FLIP]),
    "crop": v2.Compose([_FLIP, cropped]),
    "colour": v2.Compose([_FLIP, cropped, _COLOUR]),
}
