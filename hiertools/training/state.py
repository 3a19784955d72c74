"""What a training has learned so far, and its way into a checkpoint and back.

Nothing else is needed to go on: order, draws and changes of pictures come from seed and epoch.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from hiertools.errors import UserError
from hiertools.files.json import Document
from hiertools.files.tensors import Arrays

MOMENTS = ("exp_avg", "exp_avg_sq")
BETAS = (0.9, 0.999)


class Learner(Protocol):
    """A model that is trained."""

    def named_parameters(self) -> Any:
        """Return names and parameters."""

    def clamp_(self) -> None:
        """Bring numbers back into their ranges; called after each step."""


M = TypeVar("M", bound=Learner)


@dataclass
class State(Generic[M]):
    """The model, the encoder if it learns too, the optimisers, and the number of steps done.

    Each parameter is of one optimiser at the most. losses: the sum of the losses since the last
    line of the log, and how many there were; kept: what else a task needs to go on, by name; pace:
    what learning rates are multiplied by in each step, None for nothing.
    """

    model: M
    encoder: nn.Module | None
    optimizers: list[Optimizer]
    step: int = 0
    losses: tuple[float, int] = (0.0, 0)
    kept: dict[str, Tensor] = field(default_factory=dict)
    pace: Callable[[int], float] | None = None
    parameters: dict[str, nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = _named(self.model, self.encoder)
        self._rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]

    @property
    def device(self) -> torch.device:
        """Return where the model is."""
        return next(iter(self.parameters.values())).device

    def forget_gradients(self) -> None:
        """Remove the gradients of an earlier step."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients that there are; an encoder may have a part that is for texts."""
        return {name: p.grad for name, p in self.parameters.items() if p.grad is not None}

    def take_step(self) -> None:
        """Let every optimiser take a step, at the rates of this step."""
        for optimizer, rates in zip(self.optimizers, self._rates, strict=True):
            if self.pace is not None:
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * self.pace(self.step)
            optimizer.step()
        self.model.clamp_()
        self.step += 1

    def arrays(self) -> Arrays:
        """Return the parameters and their moments, as a checkpoint keeps them.

        `step` is there for a parameter that took fewer steps than the others.
        """
        found = {f"parameter/{name}": _array(p) for name, p in self.parameters.items()}
        found |= {f"kept/{name}": _array(tensor) for name, tensor in self.kept.items()}
        for name, parameter in self.parameters.items():
            for optimizer in self.optimizers:
                moments = optimizer.state.get(parameter, {})
                found |= {f"{m}/{name}": _array(moments[m]) for m in MOMENTS if m in moments}
                if moments and int(moments["step"]) != self.step:
                    found[f"step/{name}"] = np.array(int(moments["step"]))
        return found

    def meta(self) -> Document:
        """Return the numbers of a checkpoint."""
        return {"step": self.step, "losses": list(self.losses)}

    @torch.no_grad()
    def restore(self, arrays: Arrays, meta: Document, name: str) -> None:
        """Go back to what a checkpoint keeps. Raises `UserError` if it is of other networks."""
        shapes = {f"parameter/{name}": tuple(p.shape) for name, p in self.parameters.items()}
        if shapes != {k: a.shape for k, a in arrays.items() if k.startswith("parameter/")}:
            raise UserError(f"{name}: is of another network; start again with --overwrite")
        self.step, self.losses = int(meta["step"]), (float(meta["losses"][0]), meta["losses"][1])
        for key, parameter in self.parameters.items():
            parameter.copy_(torch.from_numpy(arrays[f"parameter/{key}"]))
            if f"{MOMENTS[0]}/{key}" in arrays:
                self._restore_moments(key, parameter, arrays)
        self.kept.clear()  # in its place: the task has it too
        for key, array in arrays.items():
            if key.startswith("kept/"):
                self.kept[key.removeprefix("kept/")] = torch.from_numpy(array).to(self.device)

    def _restore_moments(self, key: str, parameter: nn.Parameter, arrays: Arrays) -> None:
        step = int(arrays.get(f"step/{key}", np.array(self.step)))
        (optimizer,) = (each for each in self.optimizers if _has(each, parameter))
        optimizer.state[parameter] = {
            # torch counts in float32, geoopt in whole numbers
            "step": torch.tensor(float(step)) if isinstance(optimizer, AdamW) else step,
            **{
                moment: torch.from_numpy(arrays[f"{moment}/{key}"]).to(parameter.device)
                for moment in MOMENTS
            },
        }


def start(model: M, encoder: nn.Module | None, *, rate: float, weight_decay: float) -> State[M]:
    """Return the state before the first step, of a training with one optimiser."""
    parameters = _named(model, encoder).values()
    return State(model, encoder, [adamw(parameters, rate=rate, weight_decay=weight_decay)])


def adamw(parameters: Iterable[nn.Parameter], *, rate: float, weight_decay: float) -> AdamW:
    """Return AdamW. Matrices decay; tau, alpha, c and biases do not."""
    given = list(parameters)
    groups = [
        {"params": [p for p in given if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in given if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=rate, betas=BETAS)


def _named(model: Learner, encoder: nn.Module | None) -> dict[str, nn.Parameter]:
    named = dict(model.named_parameters())
    for name, parameter in encoder.named_parameters() if encoder else ():
        named[f"encoder/{name}"] = parameter
    return named


def _has(optimizer: Optimizer, parameter: nn.Parameter) -> bool:
    return any(parameter is p for group in optimizer.param_groups for p in group["params"])


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().as_subclass(Tensor).cpu().numpy().copy()
