"""The task of `train classes`: items, their classes, and what the hierarchy says of these."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hiertools.files.json import Document
from hiertools.losses import prototypes
from hiertools.losses.outputs import Outputs, Relations
from hiertools.models.classes import ClassesModel
from hiertools.plugins import Choice
from hiertools.training.class_examples import ClassExamples, ClassInputs
from hiertools.training.class_material import Source
from hiertools.training.embedded import Embedded
from hiertools.training.loop import Outcome
from hiertools.training.ranks import Ranks

AVERAGES = "averages"  # among what a state keeps
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class HeldOut:
    """Embeddings of known classes that nothing is learned from."""

    vectors: Embedded
    labels: NDArray[np.int64]

    @torch.no_grad()
    def accuracy(self, model: ClassesModel, device: torch.device) -> float:
        """Return the share of items whose class has the greatest logit."""
        right = 0
        for start in range(0, len(self.labels), ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, len(self.labels)))
            z = model(torch.from_numpy(self.vectors.take(rows)).to(device))
            found = model.logits(z).argmax(1).cpu().numpy()
            right += int((found == self.labels[rows]).sum())
        return right / len(self.labels)


@dataclass(frozen=True)
class ClassesTask:
    """The model that learns, its items, and the loss.

    share: of the pairs of classes that are related; momentum: of the moving averages of classes, 0
    for none; kept: what a state keeps, where these are.
    """

    model: ClassesModel
    examples: ClassExamples
    source: Source
    loss: Choice
    relations: Relations
    share: float
    momentum: float
    kept: dict[str, Tensor]
    held_out: HeldOut | None
    device: torch.device
    ranks: Ranks

    @property
    def steps(self) -> int:
        """Return how many batches an epoch has."""
        return self.examples.steps

    def load(self, epoch: int, first_step: int) -> Iterator[ClassInputs]:
        """Yield the batches of an epoch from a step on, with the inputs of this rank's rows."""
        batches = list(self.examples.batches(epoch, first_step=first_step))
        return self.source.load(batches, self.ranks)

    def outcome(self, batch: ClassInputs, step: int) -> Outcome:
        """Return what comes of a batch. Each rank has all of it, and takes its share of the loss.

        Only what is good of a batch counts.
        """
        outputs = self._outputs(batch)
        if self.momentum:
            self.kept[AVERAGES] = prototypes.moved(
                self.kept[AVERAGES], outputs.embeddings, outputs.labels, momentum=self.momentum
            )
        loss: Tensor = self.loss.call(outputs)
        return Outcome(
            len(batch.batch),
            loss / self.ranks.size,
            [number / self.ranks.size for number in _numbers(outputs, loss)],
            lambda sums: self._line(sums, step),
            batch.values,
            {"embeddings": outputs.embeddings, "logits": outputs.logits},
        )

    def collected(self) -> list[Tensor]:
        """Return nothing: only parameters have gradients."""
        return []

    def settle(self, step: int, *, is_last: bool) -> None:
        """Do nothing: there is nothing collected."""

    def _outputs(self, batch: ClassInputs) -> Outputs:
        model, ranks, n = self.model, self.ranks, len(batch.batch)
        good = batch.good.to(self.device)
        features = self.source.encode(batch.values.to(self.device), good, ranks).float()
        z = ranks.gather(model.embed(features), n)
        labels = torch.from_numpy(self.examples.labels[batch.batch.rows]).to(self.device)
        is_good = ranks.gather(good.to(z), n) > 0
        if not bool(is_good.all()):
            z, labels = z[is_good], labels[is_good]
        return Outputs(
            z, model.logits(z), labels, model.classifier.weight, self.relations,
            self.kept.get(AVERAGES),
        )  # fmt: skip

    def _line(self, sums: list[float], step: int) -> Document:
        """Return what the log says of a step."""
        items, right, cross_entropy, loss = sums
        found: Document = {
            "accuracy": right / items if items else None,
            "cross_entropy": cross_entropy,
            "hierarchy": loss - cross_entropy,
            "related": self.share,
        }
        if self.held_out is not None and (step + 1) % self.steps == 0:
            found["held_out"] = self.held_out.accuracy(self.model, self.device)
        return found


@torch.no_grad()
def _numbers(outputs: Outputs, loss: Tensor) -> list[Tensor]:
    """Return how many items there are, how many were right, their cross-entropy and the loss."""
    logits, labels = outputs.logits, outputs.labels
    items = loss.new_tensor(float(len(labels)))
    right = (logits.argmax(1) == labels).sum().to(loss)
    total = functional.cross_entropy(logits, labels, reduction="sum")
    return [items, right, total / items.clamp(min=1), loss.detach()]
