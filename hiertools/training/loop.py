"""The loop: a batch, its loss, a step of the optimisers; a line of log, a checkpoint, a stop.

What a batch is and what its loss is, the task knows.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from hiertools.errors import DeviceError, StoppedError, UserError
from hiertools.files.json import Document
from hiertools.profiling import stage, staged
from hiertools.signals import Flag
from hiertools.terminal import Tick
from hiertools.training.ranks import Ranks
from hiertools.training.state import State

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Settings:
    """How to train. clip_norm: largest norm of the gradient, 0 for any; log_every: in steps."""

    epochs: int
    clip_norm: float
    log_every: int
    checkpoint_every_s: float


@dataclass(frozen=True)
class Keeping:
    """What becomes of the work: lines for the log, checkpoints, a signal to stop, progress."""

    log: Callable[[Document], None] | None
    checkpoint: Callable[[], None]
    flag: Flag
    tick: Tick


@dataclass(frozen=True)
class Outcome:
    """What came of a batch.

    rows: of the batch, on all ranks; loss: this rank's share of the batch's; sums: more numbers
    that the ranks add up; line: what the log says, from those sums; inputs, seen: tensors in the
    order of the computation, to name the first bad one.
    """

    rows: int
    loss: Tensor
    sums: list[Tensor]
    line: Callable[[list[float]], Document]
    inputs: Tensor
    seen: dict[str, Tensor]


class Task(Protocol):
    """What there is to learn from."""

    @property
    def steps(self) -> int:
        """Return how many batches an epoch has."""

    def load(self, epoch: int, first_step: int) -> Iterator[Any]:
        """Yield the batches of an epoch from a step on, with the inputs of this rank's rows."""

    def outcome(self, batch: Any, step: int) -> Outcome:
        """Return what comes of a batch in a step, counted from 0."""

    def collected(self) -> list[Tensor]:
        """Return gradients of what is no parameter, for the ranks to add up."""

    def settle(self, step: int, *, is_last: bool) -> None:
        """Turn what was collected into gradients of parameters."""


@dataclass(frozen=True)
class _Step:
    rows: int
    stop: bool
    line: Callable[[], Document]


def train(
    state: State[Any], task: Task, settings: Settings, ranks: Ranks, keeping: Keeping
) -> None:
    """Train to the end.

    Raises `StoppedError` once a signal has come and a checkpoint is written, and `UserError`
    where a loss or a gradient is not finite; then an earlier checkpoint stays, if there is one.
    """
    total = task.steps * settings.epochs
    saved = logged = time.monotonic()
    rows = 0
    while state.step < total:
        epoch, first_step = divmod(state.step, task.steps)
        for batch in staged("loading", task.load(epoch, first_step)):
            is_last = state.step + 1 == total
            done = _step(state, task, batch, settings, ranks, keeping.flag, is_last=is_last)
            rows += done.rows
            keeping.tick(done.rows)
            if state.step % settings.log_every == 0 or state.step % task.steps == 0:
                rate = rows / (time.monotonic() - logged)
                if keeping.log:
                    keeping.log(_line(state, epoch, done, rate))
                state.losses, rows, logged = (0.0, 0), 0, time.monotonic()
            if is_last:
                return
            due = time.monotonic() - saved >= settings.checkpoint_every_s
            if ranks.is_first and (done.stop or due):
                with stage("checkpoint"):
                    keeping.checkpoint()
                saved = time.monotonic()
            if done.stop:
                signal = keeping.flag.raised or "a signal to another rank"
                text = f"stopped by {signal} after {state.step:,} of {total:,} steps"
                raise ranks.once(StoppedError(f"{text}; --resume continues"))


def _step(
    state: State[Any],
    task: Task,
    batch: Any,
    settings: Settings,
    ranks: Ranks,
    flag: Flag,
    *,
    is_last: bool,
) -> _Step:
    state.forget_gradients()
    try:
        with stage("forward"):
            outcome = task.outcome(batch, state.step)
        with stage("backward"):
            torch.autograd.backward(outcome.loss)
        loss = outcome.loss.detach()
        sums = torch.stack([loss, loss.new_tensor(bool(flag)), *outcome.sums])
        with stage("adding up"):
            ranks.add([*state.gradients().values(), *task.collected(), sums])
        with stage("settling"):
            task.settle(state.step, is_last=is_last)
    except torch.cuda.OutOfMemoryError:
        raise DeviceError("the GPU is out of memory; try a smaller --batch-size") from None
    gradients = state.gradients()
    norm = torch.nn.utils.get_total_norm(list(gradients.values()))
    mean, stop, *more = sums.tolist()
    if not math.isfinite(mean + float(norm)):
        raise ranks.once(UserError(_fault(state, outcome, gradients)))
    if settings.clip_norm:
        learned = [
            parameter for parameter in state.parameters.values() if parameter.grad is not None
        ]
        torch.nn.utils.clip_grads_with_norm_(learned, settings.clip_norm, norm)
    with stage("stepping"):
        state.take_step()
    state.losses = (state.losses[0] + mean, state.losses[1] + 1)
    return _Step(outcome.rows, stop > 0, lambda: outcome.line(more))


def _line(state: State[Any], epoch: int, done: _Step, rate: float) -> Document:
    """Return a line of the log: the mean loss since the line before, the rest of this step."""
    return {
        "step": state.step,
        "epoch": epoch,
        "loss": state.losses[0] / state.losses[1],
        **done.line(),
        "rows_per_second": round(rate, 1),
    }


def quantiles(values: Tensor) -> list[float]:
    """Return a few quantiles of some numbers."""
    found: list[float] = torch.quantile(values, values.new_tensor(QUANTILES)).tolist()
    return found


def _fault(state: State[Any], outcome: Outcome, gradients: dict[str, Tensor]) -> str:
    """Say which tensor is the first one that is not finite, in the order of the computation."""
    candidates: dict[str, Tensor] = {"inputs": outcome.inputs}
    candidates |= {f"parameter {name}": p for name, p in state.parameters.items()}
    candidates |= outcome.seen
    candidates |= {f"gradient of {name}": gradient for name, gradient in gradients.items()}
    names = (name for name, tensor in candidates.items() if not bool(tensor.isfinite().all()))
    bad = next(names, "loss")
    what = "look at the embeddings with hiertools check --full"
    advice = what if bad == "inputs" else "try a lower --rate"
    return (
        f"the loss or its gradient is not finite in step {state.step + 1:,}; the first bad tensor:"
        f" {bad}; an earlier checkpoint, if there is one, stays; {advice}"
    )
