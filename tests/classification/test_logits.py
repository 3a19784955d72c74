"""Logits of files and of models, block by block, and what is none."""

import numpy as np
import pytest
import torch

from hiertools.classification import logits
from hiertools.errors import UserError
from hiertools.files.items import Items, encode
from hiertools.models.classes import of_weights
from tests.models import classes_made

RNG = np.random.default_rng(0)


def table(count):
    return Items(encode([f"i{i}" for i in range(count)]))


def of(rows, *, make=logits.of_logits, width=3):
    return make("file", table(len(rows)), rows, width)


@pytest.mark.parametrize("size", [1, 7, 8, 100])
def test_blocks_are_all_rows_in_order_and_whole(monkeypatch, size):
    monkeypatch.setattr(logits, "ROWS", 8)
    rows = RNG.normal(size=(19, 3))
    found = list(of(rows).blocks(size))
    assert [len(block) for _, block in found] == [8, 8, 8]
    assert [list(places) for places, _ in found] == [[*range(8)], [*range(8, 16)], [16, 17, 18]]
    joined = np.concatenate([block[: len(places)] for places, block in found])
    np.testing.assert_array_equal(joined, rows.astype(np.float32))
    np.testing.assert_array_equal(of(rows).all(), joined)
    np.testing.assert_array_equal(found[-1][1][3:], np.repeat(found[-1][1][2:3], 5, 0))


@pytest.mark.parametrize("make", [logits.of_logits, logits.of_probabilities])
def test_whole_blocks_of_a_file_are_copies(monkeypatch, make):
    """A memory map that is only read makes torch warn, and what is written would go nowhere."""
    monkeypatch.setattr(logits, "ROWS", 2)
    rows = np.full((2, 4), 0.25, np.float32)
    rows.flags.writeable = False
    for _, block in of(rows, make=make, width=4).blocks(2):
        assert block.flags.writeable
        torch.from_numpy(block)


def test_many_classes_are_fewer_rows_together():
    assert of(np.zeros((1, 10_000)), width=10_000).together == 419
    assert of(np.zeros((1, 3))).together == 1024


def test_no_rows():
    assert list(of(np.zeros((0, 3))).blocks(10)) == []
    assert of(np.zeros((0, 3))).all().shape == (0, 3)


def test_probabilities_become_their_logarithms():
    p = RNG.dirichlet([0.1] * 3, 50)
    p[0] = [0, 1, 0]
    found = of(p, make=logits.of_probabilities).all()
    assert np.isfinite(found).all()
    again = torch.softmax(torch.from_numpy(found), 1)
    torch.testing.assert_close(again, torch.from_numpy(p).float(), atol=1e-6, rtol=1e-5)


def test_the_head_of_a_model_makes_logits():
    model = classes_made.model()
    rows = RNG.normal(size=(5, 3)).astype(np.float32)
    found = logits.of_model("file", table(5), rows, model)
    head = of_weights(model.weights, model.meta)
    wanted = head.logits(head.embed(torch.from_numpy(rows)))
    torch.testing.assert_close(torch.from_numpy(found.all()), wanted)
    assert found.width == 3


def test_a_row_does_not_depend_on_how_many_others_there_are():
    rows = RNG.normal(size=(1500, 3)).astype(np.float32)
    whole = logits.of_model("file", table(1500), rows, classes_made.model()).all()
    first = logits.of_model("file", table(3), rows[:3], classes_made.model()).all()
    np.testing.assert_array_equal(first, whole[:3])


NAN, INFINITE = [[0, 0, 0], [0, np.nan, 0]], [[0, 0, 0], [0, -np.inf, 0]]


@pytest.mark.parametrize(
    ("rows", "make", "problem"),
    [
        (NAN, logits.of_logits, "file: the vector of 'i1' is not finite"),
        (INFINITE, logits.of_logits, "file: the vector of 'i1' is not finite"),
        ([[1e300, 0, 0]], logits.of_logits, "file: the vector of 'i0' is not finite"),
        (
            [[1, 0, 0], [0.5, 0.6, 0]],
            logits.of_probabilities,
            "the probabilities of 'i1' sum to 1.1; without --probabilities they are taken",
        ),
        ([[0.5, 0.4, 0]], logits.of_probabilities, "the probabilities of 'i0' sum to 0.9;"),
        ([[1.5, -0.5, 0]], logits.of_probabilities, "of 'i0' are partly below 0"),
        ([[np.nan, 0, 1]], logits.of_probabilities, "file: the vector of 'i0' is not finite"),
        ([[0, 0]], logits.of_logits, "file: has logits of 2 classes; there are 3"),
        ([[0.5, 0.5]], logits.of_probabilities, "file: has probabilities of 2 classes"),
    ],
)
def test_what_are_no_logits(rows, make, problem):
    with pytest.raises(UserError, match=problem):
        of(np.array(rows, np.float64), make=make).all()


def test_rows_that_are_not_those_of_the_ids():
    with pytest.raises(UserError, match="file: has 2 rows for 1 ids"):
        logits.of_logits("file", table(1), np.zeros((2, 3)), 3)


def test_a_model_takes_finite_embeddings():
    rows = np.array([[0, np.nan, 0]], np.float32)
    with pytest.raises(UserError, match="the vector of 'i0' is not finite"):
        logits.of_model("file", table(1), rows, classes_made.model()).all()
