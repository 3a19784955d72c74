"""What a training has learned so far, and its way into a checkpoint and back.

Nothing else is needed to go on: order, draws and changes of pictures come from seed and epoch.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from hiertools.errors import UserError
from hiertools.files.json import Document
from hiertools.files.tensors import Arrays
from hiertools.models.parts import PartsModel

MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class State:
    """The model, the encoder if it learns too, the optimiser, and the number of steps done.

    losses: the sum of the losses since the last line of the log, and how many there were.
    """

    model: PartsModel
    encoder: nn.Module | None
    optimizer: AdamW
    step: int = 0
    losses: tuple[float, int] = (0.0, 0)
    parameters: dict[str, nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = _named(self.model, self.encoder)

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients that there are; an encoder may have a part that is for texts."""
        return {name: p.grad for name, p in self.parameters.items() if p.grad is not None}

    def arrays(self) -> Arrays:
        """Return the parameters and their moments, as a checkpoint keeps them."""
        found = {f"parameter/{name}": _array(p) for name, p in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for moment in MOMENTS:
                if moment in self.optimizer.state[parameter]:
                    found[f"{moment}/{name}"] = _array(self.optimizer.state[parameter][moment])
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
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.step)),
                    **{
                        moment: torch.from_numpy(arrays[f"{moment}/{key}"]).to(parameter.device)
                        for moment in MOMENTS
                    },
                }


def start(
    model: PartsModel, encoder: nn.Module | None, *, rate: float, weight_decay: float
) -> State:
    """Return the state before the first step. Matrices decay; tau, alpha, c and biases do not."""
    parameters = _named(model, encoder).values()
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return State(model, encoder, AdamW(groups, lr=rate, betas=(0.9, 0.999)))


def _named(model: PartsModel, encoder: nn.Module | None) -> dict[str, nn.Parameter]:
    named = dict(model.named_parameters())
    for name, parameter in encoder.named_parameters() if encoder else ():
        named[f"encoder/{name}"] = parameter
    return named


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
