"""Small pairs and embeddings to train on."""

import numpy as np

from hiertools.files.items import Items, encode, label_sets
from hiertools.files.pairs import Pairs


def pairs(images, *, whole=()):
    """Make pairs of images, each a list of the labels of its boxes.

    The full image holds every box, and the first box holds the others. whole: more labels that
    the full images have, by their place.
    """
    ids, of_image, kinds, labels, parent, child = [], [], [], [], [], []
    for number, boxes in enumerate(images):
        first = len(ids)
        more = dict(whole).get(number, ())
        for place in range(-1, len(boxes)):
            ids.append(f"{number}#{place}" if place >= 0 else f"{number}")
            of_image.append(str(number))
            kinds.append(int(place >= 0))
            labels.append([boxes[place]] if place >= 0 else [*boxes, *more])
        for place in range(len(boxes)):
            parent.append(first)
            child.append(first + 1 + place)
            if place:
                parent.append(first + 1)
                child.append(first + 1 + place)
    table = Items(
        encode(ids),
        encode(of_image),
        np.array(kinds, np.uint8),
        label_sets(labels),
        np.tile([0.0, 0.0, 1.0, 1.0], (len(ids), 1)),
    )
    return Pairs(np.array(parent), np.array(child), table, {})


def scenes(count=12, seed=0):
    """Make pairs of some images with two to four boxes of five classes each."""
    rng = np.random.default_rng(seed)
    return pairs(
        [[f"class{k}" for k in rng.integers(0, 5, rng.integers(2, 5))] for _ in range(count)]
    )
