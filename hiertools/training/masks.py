"""Which pairs of a batch attract each other, which repel, and which may do neither.

A column attracts a row if it is a pair of the row's own item. It repels unless it is known, or
might be drawn, as true: an item of the same image; or, where cross-image pairs are drawn, a box of
a class that the full image has.
"""

import numpy as np
import torch
from torch import Tensor

from hiertools.losses.contrast import Masks
from hiertools.training.pairs import BOX, IMAGE, Batch, Examples


def masks(examples: Examples, batch: Batch, rows: slice, good: Tensor) -> tuple[Masks, Masks]:
    """Return the masks of some rows of a batch: parents to children, and children to parents.

    good: which pairs of the batch count, n; the others are in no mask. The masks are on its device.
    """
    parent, child = (
        torch.from_numpy(codes).to(good.device) for codes in (batch.parent, batch.child)
    )
    both_good = good[rows, None] & good
    unrelated = ~_related(examples, batch, good.device)
    found = []
    for code, apart in ((parent, unrelated[rows]), (child, unrelated[:, rows].T)):
        same = code[rows, None] == code
        found.append(Masks(same & both_good, apart & ~same & both_good))
    return found[0], found[1]


def _related(examples: Examples, batch: Batch, device: torch.device) -> Tensor:
    """Return whether each parent (rows) may hold each child (columns), n x n."""
    image = examples.image
    of_parent, of_child = (
        torch.from_numpy(image[codes]).to(device) for codes in (batch.parent, batch.child)
    )
    related = of_parent[:, None] == of_child
    if examples.classes is None or examples.items.kind is None or examples.items.labels is None:
        return related
    whole = examples.items.kind[batch.parent] == IMAGE
    box = examples.items.kind[batch.child] == BOX
    classes = examples.classes.take(image[batch.parent])
    labels = examples.items.labels.take(batch.child)
    known, code = np.unique(np.concatenate([classes.codes, labels.codes]), return_inverse=True)
    tables = []
    for kind, offsets, codes in (
        (whole, classes.offsets, code[: len(classes.codes)]),
        (box, labels.offsets, code[len(classes.codes) :]),
    ):
        table = np.zeros((len(batch), len(known)), np.float32)
        table[np.repeat(np.arange(len(batch)), np.diff(offsets)), codes] = 1
        table[~kind] = 0
        tables.append(torch.from_numpy(table).to(device))
    return related | (tables[0] @ tables[1].T > 0)
