"""Dropout that is a function of a seed, so that any process can repeat it at any time.

Which units of a row are dropped depends on the seed, the layer and the row's number alone: not on
the rows that are worked on together, on the process that has them, or on what was drawn before.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROWS_PER_DRAW = 1024
STEPS = 2**16  # a unit's number is one of so many; the rate is a multiple of 1 / STEPS


@dataclass(frozen=True)
class Dropout:
    """Drops units at a rate in [0, 1). seed: whole numbers; first: the number of the first row."""

    rate: float
    seed: tuple[int, ...]
    first: int = 0

    def __call__(self, x: Tensor, layer: int) -> Tensor:
        """Return n x m units, of which a share is 0 and the others make up for it."""
        share = round(self.rate * STEPS)
        if not share:
            return x
        end = self.first + len(x)
        draws = range(self.first // ROWS_PER_DRAW, -(-end // ROWS_PER_DRAW))
        numbers = [self._numbers(layer, draw, x.shape[1], x.device) for draw in draws]
        if not numbers:
            return x
        start = self.first - draws.start * ROWS_PER_DRAW
        drawn = torch.cat(numbers)[start : start + len(x)]
        return x * ((drawn >= share - STEPS // 2) * (STEPS / (STEPS - share))).to(x.dtype)

    def _numbers(self, layer: int, draw: int, m: int, device: torch.device) -> Tensor:
        """Return 16 random bits for each unit of some rows: four units share a 64-bit number."""
        mixed = np.random.SeedSequence([*self.seed, layer, draw]).generate_state(1, np.uint64)
        generator = torch.Generator(device).manual_seed(int(mixed[0]))
        words = torch.empty(ROWS_PER_DRAW * m // 4, dtype=torch.int64, device=device)
        words.random_(-(2**63), None, generator=generator)
        return words.view(torch.int16).view(ROWS_PER_DRAW, m)
