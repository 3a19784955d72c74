"""The updates of all entities, and what becomes of their gradients.

The network of entities sees every entity in every step. So its updates are computed in chunks,
taken as numbers by the loss, and the gradients that the loss has for them are then sent back
through the network: from the graph where it is small, else chunk by chunk, computed again. Nothing
is lost by that: it is the chain rule.

Updates may be used for several steps, a window. Then the network takes one step a window, by the
mean of the gradients of its batches: the exact gradient of their mean loss in the network's
weights, which do not change within a window. All else learns in every step.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from hiertools.models import geo
from hiertools.models.dropout import Dropout
from hiertools.models.geo import GeoModel
from hiertools.models.geo_inputs import EntityInputs

UNITS_IN_GRAPH = 2**23  # hidden units of all entities for which a graph is kept: some 400 MB
ENTITY_STREAM = 1  # the part of a seed that tells entities from images


@dataclass
class EntityTape:
    """Updates by fold; window: for how many steps they are used; dropout: a rate.

    kept: gradients of the window's steps so far, by fold, which a checkpoint keeps.
    """

    model: GeoModel
    inputs: EntityInputs
    dropout: float
    seed: int
    window: int
    kept: dict[str, Tensor]
    _leaves: dict[int | None, Tensor] = field(default_factory=dict)
    _graphs: dict[int | None, Tensor] = field(default_factory=dict)

    def updates(self, step: int, fold: int | None) -> Tensor:
        """Return the updates of all entities in a step; its gradient is collected."""
        if fold not in self._leaves:
            chunks = []
            with torch.set_grad_enabled(self._is_small):
                for start in range(0, len(self.inputs), geo.ROWS_AT_ONCE):
                    chunks.append(self._chunk(start, step, fold))
                whole = torch.cat(chunks)
            if self._is_small:
                self._graphs[fold] = whole
            self._leaves[fold] = whole.detach().requires_grad_()
        return self._leaves[fold]

    def collected(self) -> list[Tensor]:
        """Return the gradients of the last step, for the ranks to add up."""
        return [leaf.grad for leaf in self._leaves.values() if leaf.grad is not None]

    def settle(self, step: int, *, is_last: bool) -> None:
        """Add the gradients of a step; at the end of a window send them through the network."""
        for fold, leaf in self._leaves.items():
            if leaf.grad is not None:
                name = _name(fold)
                before = self.kept.get(name)
                self.kept[name] = leaf.grad if before is None else before + leaf.grad
                leaf.grad = None
        if not is_last and (step + 1) % self.window:
            return
        steps = step % self.window + 1
        for fold in sorted(self._folds(), key=str):
            self.updates(step, fold)
            self._send(self.kept.pop(_name(fold)) / steps, step, fold)
        self._leaves.clear()
        self._graphs.clear()

    def _folds(self) -> list[int | None]:
        """Return the folds that have gradients, among them those of a checkpoint."""
        names = (name.removeprefix(_name("")) for name in self.kept if name.startswith(_name("")))
        return [None if name == "all" else int(name) for name in names]

    def _send(self, gradient: Tensor, step: int, fold: int | None) -> None:
        if self._is_small:
            torch.autograd.backward(self._graphs[fold], gradient)
            return
        for start in range(0, len(self.inputs), geo.ROWS_AT_ONCE):
            part = self._chunk(start, step, fold)
            torch.autograd.backward(part, gradient[start : start + len(part)])

    def _chunk(self, start: int, step: int, fold: int | None) -> Tensor:
        seed = (self.seed, ENTITY_STREAM, step // self.window, 0 if fold is None else fold + 1)
        drop = Dropout(self.dropout, seed, start)
        return self.model.deltas(self.inputs, start, without=fold, drop=drop)

    @property
    def _is_small(self) -> bool:
        return len(self.inputs) * self.model.shape.hidden <= UNITS_IN_GRAPH


def _name(fold: int | str | None) -> str:
    return f"updates/{'all' if fold is None else fold}"
