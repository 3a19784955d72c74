"""From logits to answers, block by block: probabilities, a rule, the best classes, the path."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.classification.choosing import best, softmax
from hiertools.classification.mixing import Mixing
from hiertools.classification.nodes import NONE, Nodes, Rows
from hiertools.classification.rules import Judged, judge
from hiertools.files.classified import ClassPrediction
from hiertools.taxonomy import Taxonomy

DIGITS = 6  # of a probability or a cost that float32 is sure of
SMALLEST = 1e-22  # below it a number is 0

Logits = NDArray[np.float32]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What b items are given.

    top: places of classes, best first (b x k), with probabilities and, for rules that have them,
    costs; node: the row of the predicted node (b), with the probabilities along its path
    (b x most, 0 beyond its end). Numbers have `DIGITS` digits.
    """

    top: Rows
    probabilities: Values
    costs: Values | None
    node: Rows
    path_probabilities: Values

    def __len__(self) -> int:
        return len(self.node)


class Classifier:
    """Answers by a rule.

    mixing: of the rules paper and restart, else None; temperature: that logits are divided by,
    None for 1; threshold: of the rule ancestor, else None; k: classes of the top.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        rule: str,
        mixing: Mixing | None,
        *,
        temperature: float | None,
        threshold: float | None,
        k: int,
    ) -> None:
        self._judge = judge(rule, taxonomy, mixing)
        self._nodes, self._taxonomy = Nodes(taxonomy), taxonomy
        self._temperature, self._threshold = temperature, threshold
        self._k = min(k, len(taxonomy.classes))
        self._ways = [
            [(self._nodes.keys[row], self._nodes.names[row]) for row in way if row != NONE]
            for way in self._nodes.paths.tolist()
        ]

    def answers(self, logits: Logits) -> Answers:
        """Return the answers to some items (b x C)."""
        top, judged = self.choose(logits)
        sums = self._nodes.sums(judged.probabilities.numpy())
        node = self._nodes.classes[top[:, 0]]
        if self._threshold is not None:
            node = self._nodes.deepest(sums, self._threshold)
        costs = None if judged.costs is None else _taken(judged.costs, top)
        along = rounded(self._nodes.along(sums, node))
        return Answers(top, _taken(judged.probabilities, top).clip(0, 1), costs, node, along)

    @torch.inference_mode()
    def choose(self, logits: Logits) -> tuple[Rows, Judged]:
        """Return the places of the best classes (b x k), and what they were chosen by."""
        z = torch.from_numpy(logits)
        judged = self._judge(z, softmax(z, self._temperature))
        return best(judged.ranks, z, self._k), judged

    def predictions(
        self, logits: Logits, ids: list[str], labels: list[list[str]] | None
    ) -> Iterator[ClassPrediction]:
        """Yield the answers to items as files keep them; rows beyond these are of no item.

        labels: the true ones, if they are known.
        """
        answers = self.answers(logits)
        classes, ways = self._taxonomy.classes, self._ways
        columns = (answers.top, answers.probabilities, answers.node, answers.path_probabilities)
        rows = zip(ids, *(column[: len(ids)].tolist() for column in columns), strict=True)
        costs = None if answers.costs is None else answers.costs.tolist()
        for row, (key, top, probabilities, node, along) in enumerate(rows):
            yield ClassPrediction(
                key,
                [classes[place] for place in top],
                probabilities,
                None if costs is None else costs[row],
                [each for each, _ in ways[node]],
                [name for _, name in ways[node]],
                along[: len(ways[node])],
                None if labels is None else labels[row],
            )


def _taken(values: Tensor, places: Rows) -> Values:
    return rounded(np.take_along_axis(values.numpy(), places, 1))


def rounded(values: NDArray[np.float32]) -> Values:
    """Return numbers of at least 0 with `DIGITS` digits; the order stays."""
    wide = values.astype(np.float64)
    wide[wide < SMALLEST] = 0
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.where(wide > 0, wide, 1))))
    found: Values = np.rint(wide * scale) / scale
    return found
