"""Masks against plain loops over the pairs of a batch."""

import numpy as np
import pytest
import torch

from hiertools.training.masks import masks
from hiertools.training.pairs import Examples
from tests.training.items import pairs, scenes


def by_loops(made, batch, good):
    """Return positive and negative, parents by children and children by parents."""
    table, n = made.items, len(batch)

    def related(parent, child):
        if table.image[parent] == table.image[child]:
            return True
        if not made.cross_image or table.kind[parent] != 0 or table.kind[child] != 1:
            return False
        return bool(set(table.labels.of(parent)) & set(table.labels.of(child)))

    found = np.zeros((4, n, n), bool)
    for i in range(n):
        for j in range(n):
            if not (good[i] and good[j]):
                continue
            found[0, i, j] = batch.parent[i] == batch.parent[j]
            found[1, i, j] = not found[0, i, j] and not related(batch.parent[i], batch.child[j])
            found[2, i, j] = batch.child[i] == batch.child[j]
            found[3, i, j] = not found[2, i, j] and not related(batch.parent[j], batch.child[i])
    return found


@pytest.mark.parametrize("cross_image", [0, 2])
def test_are_what_loops_give(cross_image):
    made = Examples(scenes(), cross_image=cross_image, batch_size=24, seed=0)
    rng = np.random.default_rng(0)
    seen = np.zeros(4, int)
    for batch in made.batches(0, first_step=0):
        good = rng.random(len(batch)) < 0.9
        expected = by_loops(made, batch, good)
        for rows in (slice(0, len(batch)), slice(5, 11), slice(3, 3)):
            down, up = masks(made, batch, rows, torch.tensor(good))
            found = (down.positive, down.negative, up.positive, up.negative)
            for mask, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(mask.numpy(), wanted[rows])
        seen += expected.any(axis=(1, 2))
    assert seen.min() > 0


def test_a_pair_is_its_own_positive_and_nothing_is_both():
    made = Examples(scenes(), cross_image=1, batch_size=16, seed=0)
    for batch in made.batches(0, first_step=0):
        for mask in masks(made, batch, slice(0, len(batch)), torch.ones(len(batch)) > 0):
            assert mask.positive.diagonal().all()
            assert not (mask.positive & mask.negative).any()


def test_a_class_that_an_image_has_beside_the_pairs_is_masked_too():
    made = Examples(
        pairs([["a"], ["b"], ["c"]], whole={0: ["b"]}), cross_image=1, batch_size=9, seed=0
    )
    (batch,) = made.batches(0, first_step=0)
    down, _ = masks(made, batch, slice(0, 3), torch.ones(3) > 0)
    row = {int(made.image[p]): place for place, p in enumerate(batch.parent)}
    assert not down.negative[row[0], row[1]]  # the first image has a b too
    assert down.negative[row[1], row[0]]
    assert down.negative[row[0], row[2]]
