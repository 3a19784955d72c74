"""The task of `train geo`: images against all entities of each level of their fold."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hiertools.files.json import Document
from hiertools.geometry import polar
from hiertools.kernels.geo_contrast import Rule
from hiertools.losses import gwh
from hiertools.models.dropout import Dropout
from hiertools.models.geo import GeoModel
from hiertools.training.embedded import Embedded
from hiertools.training.entity_tape import EntityTape
from hiertools.training.geo_examples import GeoBatch, GeoExamples
from hiertools.training.loop import Outcome, quantiles
from hiertools.training.ranks import Ranks

IMAGE_STREAM = 2  # the part of a seed that tells images from entities


@dataclass(frozen=True)
class GeoRule:
    """How to compare: the contrast's rule, what is near to what, and the weight of each level.

    detach: entities learn nothing from being keys and values of attention.
    """

    rule: Rule
    geo_from: str
    beta: tuple[float, ...]
    detach: bool
    dropout: float
    seed: int


@dataclass(frozen=True)
class Globe:
    """Unit vectors of items (rows x 3), if known, and of named entities by level (m x 3)."""

    items: Tensor | None
    levels: list[Tensor]


@dataclass(frozen=True)
class GeoTask:
    """The model that learns, its images and entities; named: which entities of a level have a name.

    globe: None for entities without coordinates.
    """

    model: GeoModel
    tape: EntityTape
    examples: GeoExamples
    vectors: Embedded
    named: list[Tensor]
    globe: Globe | None
    rule: GeoRule
    device: torch.device
    ranks: Ranks

    @property
    def steps(self) -> int:
        """Return how many batches an epoch has."""
        return self.examples.steps

    def load(self, epoch: int, first_step: int) -> Iterator[GeoBatch]:
        """Yield the batches of an epoch from a step on."""
        return self.examples.batches(epoch, first_step=first_step)

    def collected(self) -> list[Tensor]:
        """Return the gradients of the updates of entities."""
        return self.tape.collected()

    def settle(self, step: int, *, is_last: bool) -> None:
        """Send the gradients of the updates through the network of entities."""
        self.tape.settle(step, is_last=is_last)

    def outcome(self, batch: GeoBatch, step: int) -> Outcome:
        """Return what comes of a batch."""
        model = self.model
        own = self.ranks.rows(len(batch))
        rows = batch.rows[own] if own.stop > own.start else batch.rows[:1]  # some row, not counted
        features = torch.from_numpy(self.vectors.take(rows)).to(self.device)
        free = model.free_tangents(self.tape.updates(step, batch.fold))
        levels = self._levels(model.capped(free))
        keys = [level.detach() for level in levels] if self.rule.detach else levels
        shared = model.image.shared(keys) if model.shape.attention else None
        drop = Dropout(self.rule.dropout, (self.rule.seed, IMAGE_STREAM, step), own.start)
        z = model.image_tangents(features, shared, drop=drop)
        images, entities = model.points(model.capped(z)), [model.points(level) for level in levels]
        sums = self._losses(batch, rows, images, entities)
        if own.stop == own.start:
            sums = sums * 0
        loss = (sums * torch.tensor(self.rule.beta).to(sums)).sum()
        lengths = self.ranks.gather(_lengths(z)[: own.stop - own.start], len(batch))
        named = torch.cat(self.named)
        return Outcome(
            len(batch), loss, list(sums.detach()),
            lambda found: self._line(found, lengths, _lengths(free[named])),
            features,
            {"tangents of entities": free, "tangents of images": z, "points of images": images},
        )  # fmt: skip

    def _levels(self, tangents: Tensor) -> list[Tensor]:
        """Return the tangent vectors of the named entities by level."""
        split = torch.split(tangents, [len(mask) for mask in self.named])
        return [
            rows if mask.all() else rows[mask] for rows, mask in zip(split, self.named, strict=True)
        ]

    def _losses(
        self, batch: GeoBatch, rows: np.ndarray, images: Tensor, entities: list[Tensor]
    ) -> Tensor:
        """Return this rank's share of the mean loss at each level, over the images that have it."""
        model = self.model
        scalars = gwh.Scalars(model.tau, model.weight, model.sigma)
        globe = self.globe
        places = None if globe is None or globe.items is None else globe.items[rows]
        counts = np.maximum(1, (self.examples.positive[batch.rows] >= 0).sum(0)).tolist()
        positive = torch.from_numpy(self.examples.positive[rows].astype(np.int64)).to(self.device)
        found = []
        for number, (points, count) in enumerate(zip(entities, counts, strict=True)):
            at = None if globe is None else globe.levels[number]
            losses = gwh.losses(
                images, places, positive[:, number], gwh.Level(points, at), scalars,
                rule=self.rule.rule, geo_from=self.rule.geo_from,
            )  # fmt: skip
            found.append(losses.sum() / count)
        return torch.stack(found)

    @torch.no_grad()
    def _line(self, losses: list[float], images: Tensor, entities: Tensor) -> Document:
        """Return what the log says of a step; images, entities: lengths of tangents, uncapped."""
        model = self.model
        assert model.entity is not None
        radius = model.c**-0.5
        long = sum(int((lengths > model.cap).sum()) for lengths in (images, entities))
        return {
            "level_loss": losses,
            "tau": model.tau.item(),
            "lambda": model.weight.item(),
            "sigma": model.sigma.item(),
            "alpha_image": model.image.alpha.item(),
            "alpha_entity": model.entity.alpha.item(),
            "image_radii": quantiles(images / radius),
            "entity_radii": quantiles(entities / radius),
            "saturated": long / (len(images) + len(entities)),
        }


def _lengths(tangents: Tensor) -> Tensor:
    """Return the lengths of tangent vectors; in float64 they do not overflow."""
    return polar.norm(tangents.detach().double())
