"""Batches of one fold each, their order, and who is at which entity."""

import numpy as np
import pytest

from hiertools.training.geo_examples import GeoExamples, positives

FOLD = np.array([0, 1, 1, 0, 2, 1, 1, 0, 1, 2, 1], np.uint8)
POSITIVE = np.zeros((11, 2), np.int32)


def made(fold=FOLD, batch_size=3, seed=0):
    return GeoExamples(POSITIVE, fold, batch_size=batch_size, seed=seed)


def rows(found, epoch=0):
    return [batch.rows.tolist() for batch in found.batches(epoch, first_step=0)]


def test_an_epoch_sees_each_item_once_and_each_batch_is_of_one_fold():
    found = made()
    assert (len(found), found.steps) == (11, 4)
    for epoch in range(3):
        batches = list(found.batches(epoch, first_step=0))
        assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(11))
        assert all((FOLD[batch.rows] == batch.fold).all() for batch in batches)
        assert sorted(map(len, batches)) == [2, 3, 3, 3]


def test_without_folds_batches_are_of_all():
    found = made(None)
    batches = list(found.batches(0, first_step=0))
    assert {batch.fold for batch in batches} == {None}
    assert sorted(map(len, batches)) == [2, 3, 3, 3]
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(11))


@pytest.mark.parametrize("fold", [FOLD, None])
def test_order_comes_from_seed_and_epoch(fold):
    found = made(fold)
    assert rows(found, 1) == rows(made(fold), 1)
    assert rows(found, 1) != rows(found, 2)
    assert rows(found, 1) != rows(made(fold, seed=1), 1)


def test_batches_can_be_taken_up_at_any_step():
    found = made()
    whole = list(found.batches(1, first_step=0))
    for step in range(found.steps + 1):
        rest = list(found.batches(1, first_step=step))
        assert [batch.rows.tolist() for batch in rest] == [b.rows.tolist() for b in whole[step:]]
        assert found.seen(found.steps + step) == 11 + sum(map(len, whole[:step]))


def test_positives_are_places_among_named_entities():
    offsets = np.array([0, 2, 6])
    implicit = np.array([False, False, True, False, True, False])
    entity = np.array([[0, 2], [0, 3], [1, 4], [1, 5]], np.int32)
    expected = [[0, -1], [0, 0], [1, -1], [1, 1]]
    assert positives(entity, offsets, implicit).tolist() == expected
