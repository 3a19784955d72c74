"""The task of `train parts`: pairs of parent and child, contrasted with those of all ranks."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hiertools.files.json import Document
from hiertools.losses.contrast import Contrast
from hiertools.models.parts import PartsModel
from hiertools.plugins import Choice
from hiertools.training.inputs import Inputs, Source
from hiertools.training.loop import Outcome, quantiles
from hiertools.training.masks import masks
from hiertools.training.pairs import Examples
from hiertools.training.ranks import Ranks


@dataclass(frozen=True)
class PartsTask:
    """The model that learns, the pairs of every epoch, their inputs, and the loss."""

    model: PartsModel
    examples: Examples
    source: Source
    loss: Choice
    device: torch.device
    ranks: Ranks

    @property
    def steps(self) -> int:
        """Return how many batches an epoch has."""
        return self.examples.steps

    def load(self, epoch: int, first_step: int) -> Iterator[Inputs]:
        """Yield the batches of an epoch from a step on, with the inputs of this rank's rows."""
        batches = list(self.examples.batches(epoch, first_step=first_step))
        return self.source.load(batches, self.ranks)

    def outcome(self, batch: Inputs, step: int) -> Outcome:
        """Return what comes of a batch."""
        features = self.source.encode(batch.values.to(self.device)).float()
        tangents = self.model.tangents(features)
        contrast = self._contrast(batch, self.model.points(tangents))
        loss: Tensor = self.loss.call(contrast)
        points = torch.cat([contrast.all_parents, contrast.all_children]).detach()
        return Outcome(
            len(batch.batch),
            loss,
            [self.model.capped(tangents).sum()],
            lambda sums: self._line(points, capped=sums[0]),
            batch.values,
            {
                "points of parents": contrast.all_parents,
                "points of children": contrast.all_children,
            },
        )

    def collected(self) -> list[Tensor]:
        """Return nothing: only parameters have gradients."""
        return []

    def settle(self, step: int, *, is_last: bool) -> None:
        """Do nothing: there is nothing collected."""

    def _contrast(self, inputs: Inputs, points: Tensor) -> Contrast:
        """Return this rank's rows against the points of all ranks."""
        batch, model, ranks = inputs.batch, self.model, self.ranks
        parents, children = points.chunk(2) if len(points) else (points, points)
        gathered = ranks.gather(torch.cat([parents, children], 1), len(batch))
        all_parents, all_children = gathered.chunk(2, 1)
        good = ranks.gather(inputs.good.to(points), len(batch)) > 0
        down, up = masks(self.examples, batch, ranks.rows(len(batch)), good)
        return Contrast(
            parents, children, all_parents, all_children, down, up, int(good.sum()),
            model.geometry, model.c, model.tau,
        )  # fmt: skip

    @torch.no_grad()
    def _line(self, points: Tensor, *, capped: float) -> Document:
        """Return what the log says of a step."""
        model = self.model
        return {
            "tau": model.tau.item(),
            **({} if model.log_c is None else {"c": model.c.item()}),
            "alpha": model.alpha.item(),
            "sqrt_c_norm": quantiles(model.c.sqrt() * points.double().norm(dim=1)),
            "saturated": capped / len(points),
        }
