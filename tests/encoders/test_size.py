"""Encoders that take pictures of another size than they were made for."""

import pytest
import torch
from PIL import Image

from hiertools.encoder import load
from hiertools.errors import UsageError

PICTURE = Image.new("RGB", (50, 40), (200, 100, 0))


@pytest.mark.parametrize(
    "spec", ["lite0", "timm:test_resnet,random=true", "timm:test_vit,random=true"]
)
def test_pictures_are_prepared_in_the_size(spec):
    usual = load(spec, seed=0)
    mark = "," if ":" in spec else ":"
    small = load(f"{spec}{mark}size=48", seed=0)
    pixels = small.prepare(PICTURE)
    assert pixels.shape == (3, 48, 48)
    assert small.preprocess == {**usual.preprocess, "input_size": [3, 48, 48]}
    with torch.no_grad():
        found, expected = small.embed(pixels[None]), usual.embed(usual.prepare(PICTURE)[None])
    assert found.shape == expected.shape


def test_a_size_is_above_0():
    with pytest.raises(UsageError, match="an encoder takes no pictures of size=0"):
        load("timm:test_resnet,random=true,size=0", seed=0)
