"""Small batches of outputs to try losses of classes on, and a tree whose classes are uneven."""

from dataclasses import replace

import numpy as np
import torch

from hiertools import plugins
from hiertools.losses import relations
from hiertools.losses.outputs import Outputs

# a way down to each class: `dog` is above `puppy`, `rock` is near to the root
WAYS = [
    ["all", "animal", "dog"],
    ["all", "animal", "dog", "puppy"],
    ["all", "animal", "cat"],
    ["all", "animal", "fish", "carp"],
    ["all", "animal", "fish", "eel"],
    ["all", "thing", "car", "taxi"],
    ["all", "thing", "car", "van"],
    ["all", "rock"],
]


def loss(spec, outputs):
    return plugins.parse(plugins.CLASS_LOSSES, spec).call(outputs)


def distances(ways):
    """Return the edges between the ends of every two ways of a tree."""
    shared = [[sum(a == b for a, b in zip(x, y, strict=False)) for y in ways] for x in ways]
    lengths = np.array([len(way) for way in ways])
    return (lengths[:, None] + lengths - 2 * np.array(shared)).astype(float)


def of_ways(ways=WAYS, *, dtype=torch.float64, at_most=2):
    d = distances(ways)
    related = relations.related_within(d, at_most=at_most)
    joins = relations.joins(ways)
    return relations.of(d, 1 / (1 + d), related, joins, like=torch.zeros((), dtype=dtype))


def outputs(seed=0, *, b=12, d=5, scale=1.0, dtype=torch.float64, ways=WAYS, at_most=2):
    """Make a batch in which the class `cat` is not there and others are several times."""
    rng = np.random.default_rng(seed)
    there = [place for place in range(len(ways)) if place != 2]
    labels = torch.tensor(rng.choice(there, b) if b else [], dtype=torch.int64)
    made = [
        torch.tensor(rng.normal(size=size) * scale, dtype=dtype)
        for size in ((b, d), (b, len(ways)), (len(ways), d))
    ]
    tables = of_ways(ways, dtype=dtype, at_most=at_most)
    return Outputs(made[0], made[1], labels, made[2], tables, None)


def with_tensors(given, embeddings, logits, rows):
    return replace(given, embeddings=embeddings, logits=logits, rows=rows)


def averages(given, seed=5):
    """Return moving averages in which the class `rock` was never seen."""
    rng = np.random.default_rng(seed)
    found = torch.tensor(rng.normal(size=given.rows.shape), dtype=given.rows.dtype) / 3
    found[-1] = 0
    return found


def cross_entropy(given):
    """Return the mean of -log p by loops."""
    total = 0.0
    for logits, label in zip(given.logits.tolist(), given.labels.tolist(), strict=True):
        total += np.log(np.exp(logits).sum()) - logits[label]
    return total / len(given.labels)


def vectors(given, form, average=False):
    """Return (class, vector, is it in the batch) of a form, by loops."""
    if form == "head":
        made = [(c, row / np.linalg.norm(row)) for c, row in enumerate(given.rows.numpy())]
        return [(c, vector, True) for c, vector in made]
    units = [
        (c, z / np.linalg.norm(z))
        for c, z in zip(given.labels.tolist(), given.embeddings.numpy(), strict=True)
    ]
    if form == "sample":
        return [(c, z, True) for c, z in units]
    found = []
    for c in range(len(given.rows)):
        own = [z for label, z in units if label == c]
        if own:
            found.append((c, sum(own) / len(own), True))
        elif average and given.averages is not None and given.averages[c].any():
            found.append((c, given.averages[c].numpy(), False))
    return found


def ordered_pairs(given, form, average=False):
    """Yield i, j and the distance of every ordered pair of distinct classes, by loops."""
    eps = 4 * torch.finfo(given.embeddings.dtype).eps
    made = vectors(given, form, average)
    for i, x, x_is_there in made:
        for j, y, y_is_there in made:
            if i != j and (x_is_there or y_is_there):
                yield i, j, float(np.sqrt(((x - y) ** 2).sum() + eps))
