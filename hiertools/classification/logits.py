"""Where logits come from: a model's head over embeddings, a file of logits or probabilities."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.embeddings import check_finite
from hiertools.files.items import Array, Items, decode
from hiertools.files.model import Model
from hiertools.models.classes import of_weights

ROWS = 1024  # computed together, at most: see `Outputs.together`
NUMBERS = 1 << 22  # of logits, computed together at most
LEAST = np.finfo(np.float32).tiny  # that a probability is taken for: its logarithm is finite
SUM_TOLERANCE = 1e-3  # of probabilities: float16 rounds them by about as much

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """Rows of a file, one for each item; `logits` makes finite logits of a block of them.

    name: of the file; width: of the logits.
    """

    name: str
    width: int
    items: Items
    rows: Array
    logits: Callable[[Array, int], Logits]  # of a block and of the place of its first row

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.items):
            raise UserError(f"{self.name}: has {len(self.rows):,} rows for {len(self.items):,} ids")

    @property
    def together(self) -> int:
        """Return how many rows are computed together: always as many.

        So no answer depends on how many others there are, or are asked for at a time.
        """
        return max(1, min(ROWS, NUMBERS // self.width))

    def all(self) -> Logits:
        """Return the logits of all items, in memory."""
        found = [block[: len(rows)] for rows, block in self.blocks(self.together)]
        return np.concatenate(found) if found else np.zeros((0, self.width), np.float32)

    def blocks(self, size: int) -> Iterator[tuple[range, Logits]]:
        """Yield the places of some rows and their logits, which end with copies of the last one.

        size: of what is read at a time, rounded up to whole blocks.
        """
        size = -(-size // self.together) * self.together
        for start in range(0, len(self.rows), size):
            read = np.asarray(self.rows[start : start + size])
            for first in range(0, len(read), self.together):
                block = read[first : first + self.together]
                places = range(start + first, start + first + len(block))
                if len(block) < self.together:
                    copies = np.repeat(block[-1:], self.together - len(block), 0)
                    block = np.concatenate([block, copies])
                yield places, self.logits(block, places.start)


def of_logits(name: str, items: Items, rows: Array, width: int) -> Outputs:
    """Return logits as a file has them. Raises `UserError` unless they are of `width` classes."""
    _check_width(name, rows, width, "logits")

    def logits(block: Array, start: int) -> Logits:
        with np.errstate(over="ignore"):
            found = np.array(block, np.float32, order="C")  # torch warns of what is only read
        _check(found, items, name, start)
        return found

    return Outputs(name, width, items, rows, logits)


def of_probabilities(name: str, items: Items, rows: Array, width: int) -> Outputs:
    """Return the logarithms of probabilities, of which each row must sum to 1.

    Raises `UserError` unless they are of `width` classes.
    """
    _check_width(name, rows, width, "probabilities")

    def logits(block: Array, start: int) -> Logits:
        found = np.array(block, np.float32)
        _check(found, items, name, start)
        sums = found.sum(1, dtype=np.float64)
        bad = (found < 0).any(1) | (abs(sums - 1) > SUM_TOLERANCE)
        if bad.any():
            row = int(bad.argmax())
            item = decode(items.id[start + row])
            what = f"sum to {sums[row]:.4g}" if (found[row] >= 0).all() else "are partly below 0"
            raise UserError(
                f"{name}: the probabilities of {item!r} {what}; without --probabilities they are"
                " taken for logits"
            )
        return np.log(np.maximum(found, LEAST), out=found)

    return Outputs(name, width, items, rows, logits)


def are_like_probabilities(rows: Array) -> bool:
    """Return whether rows could be probabilities: none below 0, and each sums to 1."""
    found = np.asarray(rows, np.float64)
    if not len(found) or found.ndim != 2 or found.shape[1] < 2:
        return False
    with np.errstate(invalid="ignore"):
        return bool((found >= 0).all() and (abs(found.sum(1) - 1) <= SUM_TOLERANCE).all())


def of_model(name: str, items: Items, rows: Array, model: Model) -> Outputs:
    """Return what the head of a model makes of embeddings, computed in float64."""
    head = of_weights(model.weights, model.meta).double()

    def logits(block: Array, start: int) -> Logits:
        _check(block, items, name, start)
        with torch.inference_mode():
            z = head.embed(torch.from_numpy(block.astype(np.float64)))
            found = head.logits(z).float().numpy()
        _check(found, items, name, start)
        return np.asarray(found)

    return Outputs(name, len(model.meta["counts"]), items, rows, logits)


def _check(block: Array, items: Items, name: str, start: int) -> None:
    """Raise `UserError` naming the first item with a number that is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(block.sum()):  # half the time of a look at each number
            return
    check_finite(block, items, name, start)


def _check_width(name: str, rows: Array, width: int, what: str) -> None:
    if rows.shape[1] != width:
        raise UserError(
            f"{name}: has {what} of {rows.shape[1]:,} classes; there are {width:,} in the list, the"
            " hierarchy or the model that was given"
        )
