"""What commands that train share: going on from a checkpoint, the loop, the files at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.files.model import Model
    from hiertools.files.provenance import Run
    from hiertools.training.loop import Task
    from hiertools.training.ranks import Ranks
    from hiertools.training.state import State
    from hiertools.training.store import Store


@dataclass(frozen=True)
class Files:
    """Where a training keeps its work, and whether it goes on with an earlier one's."""

    output: Path
    log: Path
    log_every: int
    checkpoint_every_s: float
    resume: bool
    overwrite: bool


@dataclass(frozen=True)
class Training:
    """A training that is ready to start.

    config: digest of all that decides its result; rows: of an epoch; seen: how many rows the
    steps before one have seen; start, task, model: the state before the first step, what there is
    to learn, and what a file keeps of it.
    """

    config: str
    epochs: int
    clip_norm: float
    rows: int
    seen: Callable[[int], int]
    start: Callable[[], "State[Any]"]
    task: Callable[["State[Any]"], "Task"]
    model: Callable[["State[Any]"], "Model"]


def check_log(log: Path) -> None:
    """Raise an error where the log of a training cannot go."""
    from hiertools.files import atomic

    if log == atomic.STDOUT:
        raise UsageError("--log -: name a file, to which a training that is continued adds")
    atomic.check_writable(log, overwrite=True, option="--log")


def complete(run: "Run", files: Files, training: Training, ranks: "Ranks") -> bool:
    """Train to the end and write the model; return whether there was something to do."""
    from hiertools.terminal import say
    from hiertools.training.store import Store

    kept = Store(files.output, training.config)
    if files.resume and kept.is_complete():
        say(f"{files.output}: is complete already")
        return False
    state = training.start()
    found = kept.begin(resume=files.resume, overwrite=files.overwrite)
    if found is not None:
        state.restore(found.arrays, found.meta, str(kept.checkpoint))
        say(f"continues after step {state.step:,}")
    elif files.resume:
        say(f"{kept.checkpoint}: is not there; the training starts")
    _to_the_end(run, files, training, state, kept, ranks)
    if ranks.is_first:
        kept.finish(training.model(state), chain=run.chain(), overwrite=files.overwrite)
    return True


def _to_the_end(
    run: "Run",
    files: Files,
    training: Training,
    state: "State[Any]",
    kept: "Store",
    ranks: "Ranks",
) -> None:
    from hiertools import profiling
    from hiertools.files.log import LogWriter
    from hiertools.signals import stop_flag
    from hiertools.terminal import progress
    from hiertools.training.loop import Keeping, Settings, train

    settings = Settings(
        training.epochs, training.clip_norm, files.log_every, files.checkpoint_every_s
    )
    header = {"provenance": run.chain(), "config": kept.config}
    write = None
    if ranks.is_first:
        write = LogWriter(files.log, header, keep_until_step=state.step or None).write
    with stop_flag() as flag, progress("training", training.rows * training.epochs) as tick:
        tick(training.seen(state.step))
        task = training.task(state)
        with profiling.work("training", steps=task.steps * training.epochs - state.step) as done:

            def both(rows: int) -> None:
                tick(rows)
                done(rows)

            keeping = Keeping(write, partial(kept.keep, state), flag, both)
            train(state, task, settings, ranks, keeping)
