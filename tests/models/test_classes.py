"""The head of classes: what it computes, and that files keep it."""

import numpy as np
import pytest
import torch

from hiertools.errors import UserError
from hiertools.files import classes_model, kinds
from hiertools.files.model import Model, read_model, write_model
from hiertools.models import classes
from tests.models.classes_made import CLASSES, meta, model, weights

X = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def applied(found):
    with torch.no_grad():
        z = found(torch.from_numpy(X))
        return z.numpy(), found.logits(z).numpy()


def by_hand(named):
    z = X @ named["hidden.weight"].T + named["hidden.bias"]
    return np.maximum(z, 0)


def test_a_hidden_layer_and_a_classifier():
    named = weights()
    z, logits = applied(classes.of_weights(named, meta()))
    np.testing.assert_allclose(z, by_hand(named), rtol=1e-5, atol=1e-7)
    expected = z @ named["classifier.weight"].T + named["classifier.bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-7)


def test_directions_are_compared_at_a_scale():
    named = weights()
    about = meta(hidden="linear", normalised=True, scale=8.0)
    z, logits = applied(classes.of_weights(named, about))
    np.testing.assert_allclose(z, X @ named["hidden.weight"].T + named["hidden.bias"], rtol=1e-5)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    expected = 8 * unit @ named["classifier.weight"].T + named["classifier.bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_without_a_hidden_layer_the_features_are_the_embedding():
    named = {"classifier.weight": np.eye(3, dtype=np.float32), "classifier.bias": np.zeros(3, "f4")}
    z, logits = applied(classes.of_weights(named, meta(hidden=None, dimension=3)))
    np.testing.assert_array_equal(z, X)
    np.testing.assert_allclose(logits, X, rtol=1e-6)


def test_fixed_classes_do_not_learn():
    made = classes.ClassesModel(3, 3, 3, activation="linear", scale=2.0)
    made.fix_classes(torch.eye(3))
    made.logits(made(torch.from_numpy(X))).sum().backward()
    assert made.classifier.weight.grad is None
    assert made.hidden.weight.grad is not None
    np.testing.assert_array_equal(made.weights()["classifier.weight"], np.eye(3))


def test_every_activation_that_files_know_is_there():
    assert tuple(classes.ACTIVATIONS) == classes_model.ACTIVATIONS
    for name in classes.ACTIVATIONS:
        assert np.isfinite(applied(classes.of_weights(weights(), meta(hidden=name)))[1]).all()


def test_a_file_gives_back_model_and_taxonomy(tmp_path):
    path = tmp_path / "m.h5"
    write_model(path, model(), chain=[], overwrite=False)
    assert kinds.check(path, full=True) == "model"
    found = read_model(path)
    tree = classes.taxonomy_of(found, str(path))
    assert tree.classes == CLASSES
    assert tree.digest == found.meta["taxonomy_digest"]
    np.testing.assert_array_equal(tree.distances, [[0, 4, 4], [4, 0, 2], [4, 2, 0]])
    about = kinds.KINDS["model"].describe(path)
    assert (about["task"], about["parameters"]) == ("classes", 17)


def test_a_model_of_another_task_has_no_taxonomy():
    with pytest.raises(UserError, match=r"x: is a model of others; one of `train classes` is"):
        classes.taxonomy_of(Model("others", {}, {}, {"task": "others"}), "x")


def test_another_taxonomy_than_the_model_says_is_refused():
    with pytest.raises(UserError, match="x: its taxonomy is damaged"):
        classes.taxonomy_of(model(taxonomy_digest="1" * 64), "x")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("geometry", "lorentz", "geometry is not one of euclidean"),
        ("scale", 0, "scale is not above 0"),
        ("normalised", 1, "normalised is neither true nor false"),
        ("hidden", "sine", "hidden is not one of relu, gelu, tanh, linear"),
        ("hidden", None, "without a hidden layer features is not dimension"),
        ("counts", [1, 2], "counts is not a whole number for each class"),
        ("counts", [1, 2, -3], "counts is not a whole number for each class"),
        ("taxonomy", {"classes": []}, "there are no classes"),
        ("features", 4, "the weights of this classes model have the shapes"),
        ("dimension", 0, "features or dimension is 0"),
        ("related", None, "related is not an object"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(key, value, message):
    with pytest.raises(UserError, match=message):
        model(**{key: value})


def test_weights_are_float32():
    wide = weights(**{"classifier.bias": np.zeros(3)})
    with pytest.raises(UserError, match="the weights of a classes model are float32"):
        Model("classes", wide, {}, meta())
