"""Stopping in order: a first signal sets a flag, a second one ends the program at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from hiertools.errors import STOPPED, InterruptedBySignal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def end_in_order() -> None:
    """Let a first signal end a command that cannot be continued, so that it cleans up."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for name in SIGNALS:
            signal.signal(name, lambda *_: os._exit(STOPPED))
        raise InterruptedBySignal

    for name in SIGNALS:
        signal.signal(name, stop)


def work_is_over() -> None:
    """Ignore signals from here on: the exit code is that of the work, while Python ends.

    Python itself would put back what kills the program.
    """
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)


class Flag:
    """Whether a signal came."""

    def __init__(self) -> None:
        self.raised: str | None = None

    def __bool__(self) -> bool:
        return self.raised is not None


@contextmanager
def stop_flag() -> Iterator[Flag]:
    """Yield a flag that the first SIGINT, SIGTERM or SIGUSR1 raises."""
    flag = Flag()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if flag:
            os._exit(STOPPED)
        flag.raised = signal.Signals(number).name

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_to_parent(worker: int) -> None:
    """Ignore signals in a worker process: the parent decides when to stop.

    torchrun, Slurm and terminals signal all processes at once; the parent still needs its workers
    to finish the batch. They end when they are told to, or when the parent is gone.
    """
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)
