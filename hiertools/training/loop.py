"""The loop: a batch, its loss, a step of the optimiser; a line of log, a checkpoint, a stop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hiertools.errors import DeviceError, StoppedError, UserError
from hiertools.files.json import Document
from hiertools.losses.contrast import Contrast
from hiertools.models.parts import PartsModel
from hiertools.plugins import Choice
from hiertools.signals import Flag
from hiertools.terminal import Tick
from hiertools.training.inputs import Inputs, Source
from hiertools.training.masks import masks
from hiertools.training.pairs import Examples
from hiertools.training.ranks import Ranks
from hiertools.training.state import State

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Settings:
    """How to train. clip_norm: largest norm of the gradient, 0 for any; log_every: in steps."""

    loss: Choice
    epochs: int
    clip_norm: float
    log_every: int
    checkpoint_every_s: float
    device: torch.device


@dataclass(frozen=True)
class Keeping:
    """What becomes of the work: lines for the log, checkpoints, a signal to stop, progress."""

    log: Callable[[Document], None] | None
    checkpoint: Callable[[], None]
    flag: Flag
    tick: Tick


@dataclass(frozen=True)
class _Step:
    """What a step saw: its n pairs, the sums of all ranks, and the points of all pairs."""

    pairs: int
    stop: bool
    capped: float
    points: Tensor


def train(
    state: State,
    examples: Examples,
    source: Source,
    settings: Settings,
    ranks: Ranks,
    keeping: Keeping,
) -> None:
    """Train to the end.

    Raises `StoppedError` once a signal has come and a checkpoint is written, and `UserError`
    where a loss or a gradient is not finite; then the checkpoint of an earlier step stays.
    """
    total = examples.steps * settings.epochs
    saved = logged = time.monotonic()
    pairs = 0
    while state.step < total:
        epoch, first_step = divmod(state.step, examples.steps)
        batches = list(examples.batches(epoch, first_step=first_step))
        for inputs in source.load(batches, ranks):
            done = _step(state, examples, source, inputs, settings, ranks, keeping.flag)
            pairs += done.pairs
            keeping.tick(done.pairs)
            if state.step % settings.log_every == 0 or state.step % examples.steps == 0:
                rate = pairs / (time.monotonic() - logged)
                if keeping.log:
                    keeping.log(_line(state, epoch, done, rate))
                state.losses, pairs, logged = (0.0, 0), 0, time.monotonic()
            if state.step == total:
                return
            due = time.monotonic() - saved >= settings.checkpoint_every_s
            if ranks.is_first and (done.stop or due):
                keeping.checkpoint()
                saved = time.monotonic()
            if done.stop:
                signal = keeping.flag.raised or "a signal to another rank"
                text = f"stopped by {signal} after {state.step:,} of {total:,} steps"
                raise ranks.once(StoppedError(f"{text}; --resume continues"))


def _step(
    state: State,
    examples: Examples,
    source: Source,
    inputs: Inputs,
    settings: Settings,
    ranks: Ranks,
    flag: Flag,
) -> _Step:
    model = state.model
    state.optimizer.zero_grad(set_to_none=True)
    try:
        features = source.encode(inputs.values.to(settings.device)).float()
        tangents = model.tangents(features)
        contrast = _contrast(model, examples, inputs, model.points(tangents), ranks)
        loss = settings.loss.call(contrast)
        loss.backward()
    except torch.cuda.OutOfMemoryError:
        raise DeviceError("the GPU is out of memory; try a smaller --batch-size") from None
    sums = torch.stack([loss.detach(), model.capped(tangents).sum(), loss.new_tensor(bool(flag))])
    gradients = state.gradients()
    ranks.add([*gradients.values(), sums])
    norm = torch.nn.utils.get_total_norm(list(gradients.values()))
    mean, capped, stop = sums.tolist()
    if not math.isfinite(mean + float(norm)):
        raise ranks.once(UserError(_fault(state, inputs, contrast, gradients)))
    if settings.clip_norm:
        learned = [
            parameter for parameter in state.parameters.values() if parameter.grad is not None
        ]
        torch.nn.utils.clip_grads_with_norm_(learned, settings.clip_norm, norm)
    state.optimizer.step()
    model.clamp_()
    state.step += 1
    state.losses = (state.losses[0] + mean, state.losses[1] + 1)
    points = torch.cat([contrast.all_parents, contrast.all_children]).detach()
    return _Step(len(inputs.batch), stop > 0, capped, points)


def _contrast(
    model: PartsModel, examples: Examples, inputs: Inputs, points: Tensor, ranks: Ranks
) -> Contrast:
    """Return this rank's rows against the points of all ranks."""
    batch = inputs.batch
    parents, children = points.chunk(2) if len(points) else (points, points)
    gathered = ranks.gather(torch.cat([parents, children], 1), len(batch))
    all_parents, all_children = gathered.chunk(2, 1)
    good = ranks.gather(inputs.good.to(points), len(batch)) > 0
    down, up = masks(examples, batch, ranks.rows(len(batch)), good)
    return Contrast(
        parents, children, all_parents, all_children, down, up, int(good.sum()),
        model.geometry, model.c, model.tau,
    )  # fmt: skip


def _line(state: State, epoch: int, done: _Step, rate: float) -> Document:
    """Return a line of the log: the mean loss since the line before, the rest of this step."""
    model = state.model
    with torch.no_grad():
        norms = model.c.sqrt() * done.points.double().norm(dim=1)
        quantiles = torch.quantile(norms, norms.new_tensor(QUANTILES)).tolist()
    return {
        "step": state.step,
        "epoch": epoch,
        "loss": state.losses[0] / state.losses[1],
        "tau": model.tau.item(),
        **({} if model.log_c is None else {"c": model.c.item()}),
        "alpha": model.alpha.item(),
        "sqrt_c_norm": quantiles,
        "saturated": done.capped / len(done.points),
        "rows_per_second": round(rate, 1),
    }


def _fault(state: State, inputs: Inputs, contrast: Contrast, gradients: dict[str, Tensor]) -> str:
    """Say which tensor is the first one that is not finite, in the order of the computation."""
    candidates: dict[str, Tensor] = {"inputs": inputs.values}
    candidates |= {f"parameter {name}": p for name, p in state.parameters.items()}
    candidates |= {"points of parents": contrast.all_parents}
    candidates |= {"points of children": contrast.all_children}
    candidates |= {f"gradient of {name}": gradient for name, gradient in gradients.items()}
    bad = (name for name, tensor in candidates.items() if not bool(tensor.isfinite().all()))
    return (
        f"the loss or its gradient is not finite in step {state.step + 1:,}; the first bad tensor:"
        f" {next(bad, 'loss')}; the checkpoint of an earlier step stays; try a lower --rate"
    )
