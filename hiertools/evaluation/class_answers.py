"""What was predicted of items, as arrays: codes of labels, and how probable they are."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiertools.files.class_predictions import ClassPrediction
from hiertools.taxonomy import listed

Codes = NDArray[np.intp]
Floats = NDArray[np.float64]
NOTHING = -1  # the code where a list of classes has ended


@dataclass(frozen=True)
class Answers:
    """Predictions of n items.

    names: what was predicted, by code; top: classes, best first, `NOTHING` where a list is shorter
    (n x k); probability: of these, NaN where it is not known; node: of the hierarchy that an item
    was given (n); sureness: its probability, NaN where it is not known; labels: of the items in the
    file, None where it has none.
    """

    id: list[str]
    names: list[str]
    top: Codes
    probability: Floats
    node: Codes
    sureness: Floats
    labels: list[list[str] | None]

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: Codes) -> "Answers":
        """Return the predictions of some of the items."""
        chosen = rows.tolist()
        return replace(
            self,
            id=[self.id[i] for i in chosen],
            labels=[self.labels[i] for i in chosen],
            **{key: getattr(self, key)[rows] for key in ("top", "probability", "node", "sureness")},
        )

    def in_order_of(self, ids: list[str]) -> "tuple[Answers, list[str], list[str]]":
        """Return the predictions of those ids that have one, and ids that only one side has."""
        place = {key: row for row, key in enumerate(self.id)}
        rows = np.array([place[key] for key in ids if key in place], np.intp)
        known = set(ids)
        more = [key for key in self.id if key not in known]
        return self.take(rows), [key for key in ids if key not in place], more


def of_predictions(predictions: Iterable[ClassPrediction]) -> Answers:
    """Return predictions as arrays. Without a path the node is the first class."""
    ids, labels, lengths, flat, sure, node, node_sure = _columns(predictions)
    code = {name: i for i, name in enumerate(dict.fromkeys([*flat, *node]))}
    length = np.array(lengths, np.intp)
    rows = np.repeat(np.arange(len(ids)), length)
    columns = np.arange(len(flat)) - np.repeat(np.cumsum(length) - length, length)
    shape = len(ids), int(length.max(initial=0))
    top, probability = np.full(shape, NOTHING, np.intp), np.full(shape, np.nan)
    top[rows, columns] = [code[name] for name in flat]
    probability[rows, columns] = sure
    nodes = np.array([code[name] for name in node], np.intp)
    return Answers(ids, [*code], top, probability, nodes, np.array(node_sure, float), labels)


def _columns(
    predictions: Iterable[ClassPrediction],
) -> tuple[
    list[str], list[list[str] | None], list[int], list[str], list[float], list[str], list[float]
]:
    ids: list[str] = []
    labels: list[list[str] | None] = []
    lengths: list[int] = []
    flat: list[str] = []
    sure: list[float] = []
    node: list[str] = []
    node_sure: list[float] = []
    for found in predictions:
        known = found.probabilities or [np.nan] * len(found.top)
        ids.append(found.id)
        labels.append(found.labels)
        lengths.append(len(found.top))
        flat += found.top
        sure += known
        node.append(found.path[-1] if found.path else found.top[0])
        node_sure.append(found.path_probabilities[-1] if found.path else known[0])
    return ids, labels, lengths, flat, sure, node, node_sure


def lacking(who: str, what: str, keys: list[str]) -> list[str]:
    """Return what to say of ids that a file lacks: nothing, if it lacks none."""
    return [f"{who} lacks {what}: {listed(keys)}"] if keys else []
