"""Embeddings to points, by the head of a model."""

import numpy as np
import pytest
import torch

from hiertools.errors import UserError
from hiertools.files.model import read_model
from hiertools.models.parts import of_weights
from hiertools.search.placing import Placer, check_fit
from tests.search import material


@pytest.mark.parametrize("geometry", ["lorentz", "euclidean"])
def test_points_are_those_of_the_model(tmp_path, geometry):
    weights = read_model(material.save_model(tmp_path / "m.h5", geometry=geometry)).weights
    vectors = np.random.default_rng(0).standard_normal((9, material.FEATURES)).astype(np.float32)
    expected = of_weights(weights, geometry=geometry)(torch.from_numpy(vectors))
    found = Placer(weights, {"task": "parts", "geometry": geometry}).place(vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_point_does_not_depend_on_the_others(tmp_path):
    weights = read_model(material.save_model(tmp_path / "m.h5")).weights
    vectors = np.random.default_rng(0).standard_normal((600, material.FEATURES)).astype(np.float32)
    placer = Placer(weights, {"task": "parts", "geometry": "lorentz"})
    together = placer.place(vectors)
    alone = np.concatenate([placer.place(vectors[i : i + 7]) for i in range(0, 600, 7)])
    assert alone.tobytes() == together.tobytes()
    rows = np.arange(0, 600, 5)
    assert np.concatenate(list(placer.blocks(vectors, rows))).tobytes() == together[rows].tobytes()


def test_without_a_head_embeddings_are_points():
    vectors = np.ones((3, 2), np.float32)
    assert Placer({}, {"task": "plain"}).place(vectors) is not None
    np.testing.assert_array_equal(Placer({}, {"task": "plain"}).place(vectors), vectors)


def test_vectors_of_another_maker_are_refused_with_a_way_out():
    taken = {"encoder": "from:clip", "digest": "a" * 64, "output": "embedding", "features": 3}
    with pytest.raises(UserError, match=r"embed --from FILE --made-by clip$"):
        check_fit({**taken, "digest": "b" * 64}, 3, "q.h5", taken, "i.h5")
