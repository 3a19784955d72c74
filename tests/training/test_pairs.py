"""Pairs across images, the order of an epoch, and pairs whose items are not there."""

from collections import Counter

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files.items import Items, decode
from hiertools.files.pairs import Pairs
from hiertools.training.pairs import Examples, with_items
from tests.training.items import pairs, scenes


def examples(found, *, cross_image=1, batch_size=7, seed=0):
    return Examples(found, cross_image=cross_image, batch_size=batch_size, seed=seed)


def epoch(made, number=0, first_step=0):
    batches = list(made.batches(number, first_step=first_step))
    parent, child = (np.concatenate([getattr(b, s) for b in batches]) for s in ("parent", "child"))
    return list(zip(parent.tolist(), child.tolist(), strict=True)), batches


def drawn(made, number=0):
    """Return the pairs of an epoch that are not within images."""
    image = made.items.image
    return [(p, c) for p, c in epoch(made, number)[0] if image[p] != image[c]]


def test_without_draws_an_epoch_is_the_pairs_in_another_order():
    found = scenes()
    made = examples(found, cross_image=0)
    expected = list(zip(found.parent.tolist(), found.child.tolist(), strict=True))
    shuffled = epoch(made)[0]
    assert shuffled != expected
    assert sorted(shuffled) == sorted(expected)
    assert len(made) == len(expected)


@pytest.mark.parametrize("count", [1, 3])
def test_for_each_class_of_an_image_boxes_come_from_other_images(count):
    found = scenes()
    made = examples(found, cross_image=count)
    table = found.items
    classes = {i: set(table.labels.of(i)) for i in np.flatnonzero(table.kind == 0).tolist()}
    there = Counter(
        label
        for row in np.flatnonzero(table.kind == 0).tolist()
        for label in classes[row]  # images, not boxes, that have the class
    )
    expected = Counter(
        {(row, label): count for row in classes for label in classes[row] if there[label] > 1}
    )
    for number in range(3):
        pairs_drawn = drawn(made, number)
        assert all(table.kind[p] == 0 and table.kind[c] == 1 for p, c in pairs_drawn)
        assert Counter((p, table.labels.of(c)[0]) for p, c in pairs_drawn) == expected
        assert len(made) == len(found.parent) + len(pairs_drawn)


def test_every_box_of_other_images_is_drawn_alike():
    found = pairs([["a", "a"], ["a"], ["a", "b", "a"]])
    made = examples(found, cross_image=500)
    table = found.items
    ids = [decode(i) for i in table.id]
    counts = Counter((ids[p], ids[c]) for p, c in drawn(made))
    assert set(counts) == {
        ("0", "1#0"), ("0", "2#0"), ("0", "2#2"),
        ("1", "0#0"), ("1", "0#1"), ("1", "2#0"), ("1", "2#2"),
        ("2", "0#0"), ("2", "0#1"), ("2", "1#0"),
    }  # fmt: skip
    for (image, _), count in counts.items():
        assert abs(count - 500 / {"0": 3, "1": 4, "2": 3}[image]) < 50


def test_an_image_that_is_no_parent_gets_no_boxes():
    found = pairs([["a", "b"], ["a", "b"]])
    kept = found.parent != 0  # the first full image holds nothing any more
    made = examples(Pairs(found.parent[kept], found.child[kept], found.items, {}))
    assert {p for p, _ in drawn(made)} == {3}


def test_draws_and_order_come_from_seed_and_epoch():
    found = scenes()
    one, again, other = examples(found), examples(found), examples(found, seed=1)
    assert epoch(one, 2)[0] == epoch(again, 2)[0]
    assert epoch(one, 2)[0] != epoch(one, 3)[0]
    assert epoch(one, 2)[0] != epoch(other, 2)[0]


def test_batches_can_be_taken_up_at_any_step():
    made = examples(scenes())
    _, batches = epoch(made)
    assert len(batches) == made.steps
    assert {len(batch) for batch in batches[:-1]} == {7}
    assert 0 < len(batches[-1]) <= 7
    for step, batch in enumerate(made.batches(0, first_step=3), 3):
        np.testing.assert_array_equal(batch.parent, batches[step].parent)
        np.testing.assert_array_equal(batch.child, batches[step].child)
        assert batch.first == 7 * step
    assert made.seen(2 * made.steps + 3) == 2 * len(made) + 21


def test_pairs_without_images_or_labels_are_refused():
    found = pairs([["a", "b"]])
    bare = Items(found.items.id)
    with pytest.raises(UserError, match="what the image and the kind of an item is"):
        examples(Pairs(found.parent, found.child, bare, {}))
    no_labels = Items(found.items.id, found.items.image, found.items.kind)
    with pytest.raises(UserError, match="no labels to draw cross-image pairs by"):
        examples(Pairs(found.parent, found.child, no_labels, {}))
    examples(Pairs(found.parent, found.child, no_labels, {}), cross_image=0)


def test_pairs_with_an_item_that_is_missing_are_left_out():
    found = pairs([["a", "b"], ["c"]])
    there = np.array([decode(i) != "0#1" for i in found.items.id])
    kept = with_items(found, there)
    ids = [decode(i) for i in kept.items.id]
    assert ids == ["0", "0#0", "1", "1#0"]
    assert [(ids[p], ids[c]) for p, c in zip(kept.parent, kept.child, strict=True)] == [
        ("0", "0#0"), ("1", "1#0"),
    ]  # fmt: skip
    assert with_items(found, np.ones(5, bool)) is found
    assert len(with_items(found, np.zeros(5, bool)).parent) == 0
