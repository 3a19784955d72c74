"""A fine-tuned encoder is made of its own weights; nothing is fetched for it."""

import numpy as np
import pytest
import torch

from hiertools.encoder import digest, load
from hiertools.encoders.model import base
from hiertools.errors import UserError
from hiertools.files.model import Model, write_model

PRETRAINED = "timm:test_resnet"  # its weights would have to be fetched


@pytest.fixture(scope="module")
def tuned():
    return load("timm:test_resnet,random=true", seed=5)


def model(path, tuned, **more):
    meta = {
        "task": "parts", "geometry": "euclidean", "features": 96, "dimension": 2, "c": 1.0,
        "alpha": 1.0, "tau": 0.07, "encoder": PRETRAINED, "digest": digest(tuned),
        "preprocess": tuned.preprocess, "output": "embedding", "loss": "angular", "training": {},
        **more,
    }  # fmt: skip
    shapes = {"head.weight": (2, 96), "head.bias": (2,), "log_alpha": (), "log_tau": ()}
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    state = {name: tensor.numpy() for name, tensor in tuned.network.state_dict().items()}
    write_model(path, Model("parts", weights, state, meta), chain=[], overwrite=False)
    return f"model:{path}"


def test_weights_and_preprocessing_are_those_of_the_training(tmp_path, tuned):
    found = load(model(tmp_path / "m.h5", tuned), seed=0)
    assert digest(found) == digest(tuned)
    assert found.preprocess == tuned.preprocess
    pictures = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.embed(pictures), tuned.embed(pictures), rtol=0, atol=0)


def test_weights_of_another_file_or_tag_are_not_needed(tmp_path, tuned):
    spec = model(tmp_path / "m.h5", tuned, encoder=f"{PRETRAINED},weights=gone.pth")
    assert digest(load(spec, seed=0)) == digest(tuned)


def test_another_preprocessing_is_refused(tmp_path, tuned):
    spec = model(tmp_path / "m.h5", tuned, preprocess={**tuned.preprocess, "mean": [0, 0, 0]})
    with pytest.raises(UserError, match="was trained with another preprocessing"):
        load(spec, seed=0)


def test_a_tuned_encoder_tells_what_it_began_with(tmp_path, tuned):
    assert base("lite0") == "lite0"
    assert base(model(tmp_path / "m.h5", tuned)) == PRETRAINED
