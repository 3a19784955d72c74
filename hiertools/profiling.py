"""What a run costs: rows per second, peak memory, and a trace of a few steps.

A process is one run of the program, so its meter is kept here, as `terminal` keeps how much is
said; loops deep inside tell it of their rows without handing it on. Without a trace a stage is a
context that does nothing, and torch is not imported for it.
"""

import gzip
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from hiertools import terminal
from hiertools.errors import (
    InterruptedBySignal,
    NoSpaceError,
    SkippedError,
    StoppedError,
    UsageError,
    UserError,
)
from hiertools.files import atomic

if TYPE_CHECKING:
    import torch

TRACED_STEPS = 10
WARM_UP = 2  # steps of a training that are not traced: the first do what no other does
GZIP_LEVEL = 6

Item = TypeVar("Item")
Done = Callable[[int], None]
Range = AbstractContextManager[Any]

_NOTHING: Range = nullcontext()


class Trace:
    """A trace of some steps, which is written as soon as they are over."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        if path == atomic.STDOUT:
            raise UsageError("--profile: a trace cannot go through a pipe; name a file")
        atomic.check_writable(path, overwrite=overwrite, option="--profile")
        self.path, self._overwrite = path, overwrite
        self.steps, self._skip = 0, 0
        self.is_written = False
        self._profiler: torch.profiler.profile | None = None

    @property
    def is_on(self) -> bool:
        """Return whether ranges may be recorded."""
        return self._profiler is not None

    @property
    def first(self) -> int:
        """Return which step is the first one traced, counted from 1."""
        return self._skip + 1

    def start(self, skip: int) -> None:
        """Start, unless it has been on before. skip: steps that are not traced."""
        if self._profiler is not None or self.is_written:
            return
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it would tell people of its inner life
        import torch
        from torch.profiler import ProfilerActivity, profile

        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._skip = skip
        self._profiler = profile(
            activities=activities, schedule=self._schedule, on_trace_ready=self._write
        )
        self._profiler.start()

    def step(self) -> None:
        """Say that a step is over."""
        if self._profiler is None:
            return
        self.steps += 1
        self._profiler.step()
        if self.is_written:
            self._profiler = None  # its events go

    def stop(self, *, keep: bool) -> None:
        """Stop before the steps are over, and write what was seen if it is to be kept."""
        profiler, self._profiler = self._profiler, None
        if profiler is not None:
            profiler.on_trace_ready = self._write if keep else None
            profiler.stop()

    def range(self, name: str) -> Range:
        """Return a named range."""
        import torch

        return torch.profiler.record_function(name)

    def _schedule(self, step: int) -> "torch.profiler.ProfilerAction":
        from torch.profiler import ProfilerAction

        last = self._skip + TRACED_STEPS - 1
        if step > last or step < self._skip - 1:
            return ProfilerAction.NONE
        if step == self._skip - 1:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if step == last else ProfilerAction.RECORD

    def _write(self, profiler: "torch.profiler.profile") -> None:
        """Write the trace. Raises `NoSpaceError` where it is cut off: torch says nothing of it."""
        folder, beside = self.path.parent, f".{self.path.name}."
        with (
            atomic.replacing(self.path, overwrite=self._overwrite, option="--profile") as temporary,
            TemporaryDirectory(dir=folder, prefix=beside, suffix=".part") as room,
        ):
            exported = Path(room) / "trace.json"
            profiler.export_chrome_trace(str(exported))
            found = exported.read_bytes() if exported.exists() else b""
            if not found.rstrip().endswith(b"}"):
                raise NoSpaceError(f"{self.path}: no space left for the trace")
            if self.path.suffix == ".gz":
                found = gzip.compress(found, GZIP_LEVEL)
            temporary.write_bytes(found)
        self.is_written = True


class Meter:
    """Rows that a run has done, and the seconds that it was at them."""

    def __init__(self, trace: Trace | None) -> None:
        self.trace, self.rows, self.seconds = trace, 0, 0.0

    @contextmanager
    def work(self, name: str, steps: int | None) -> Iterator[Done]:
        """Time a block, and count the rows of each step in it; tracing takes no time of it."""
        if self.trace is not None:
            self.trace.start(0 if steps is None else max(0, min(WARM_UP, steps - 1)))
        start = time.monotonic()
        try:
            with self.stage(name):
                yield self._done
        finally:
            self.seconds += time.monotonic() - start

    def stage(self, name: str) -> Range:
        """Return a named range of the trace."""
        return self.trace.range(name) if self.trace is not None and self.trace.is_on else _NOTHING

    def _done(self, rows: int) -> None:
        self.rows += rows
        if self.trace is not None:
            start = time.monotonic()
            self.trace.step()
            self.seconds -= time.monotonic() - start

    def end(self, *, workers: bool) -> None:
        """Say what was done, and write the trace if it is not there yet."""
        if self.trace is not None:
            self.trace.stop(keep=True)
            self._say_traced(self.trace)
        if self.rows:
            rate = self.rows / max(self.seconds, 1e-9)
            decimals = 0 if rate >= 100 else 1
            terminal.say(
                f"{self.rows:,} rows in {self.seconds:,.1f} s: {rate:,.{decimals}f} rows/s;"
                f" {memory(workers=workers)}"
            )

    def _say_traced(self, trace: Trace) -> None:
        if not trace.is_written:
            terminal.say(f"{trace.path}: is not written: there was no step to trace")
            return
        steps = f"step {trace.first:,}"
        if trace.steps > trace.first:
            steps = f"steps {trace.first:,} to {trace.steps:,}"
        terminal.say(f"{trace.path}: a trace of {steps}")


_meter = Meter(None)


@contextmanager
def measured(path: Path | None, *, overwrite: bool, workers: bool) -> Iterator[None]:
    """Say what the block cost when it is done or stopped in order. path: of a trace, if wanted.

    Of several ranks the first one alone is traced. Raises `UsageError`, or `UserError`
    as `atomic.check_writable`, for a path that cannot be written.
    """
    global _meter
    trace = None if path is None else Trace(path, overwrite=overwrite)
    first = os.environ.get("RANK", "0") == "0"
    _meter = Meter(trace if first else None)
    try:
        if trace is not None:
            atomic.taken.add(trace.path.resolve())
        yield
    except (SkippedError, StoppedError, InterruptedBySignal):
        try:
            _meter.end(workers=workers)
        except UserError as error:  # of the trace: the exit code is that of the work
            terminal.warn(str(error))
        raise
    else:
        _meter.end(workers=workers)
    finally:
        if trace is not None:
            trace.stop(keep=False)  # nothing, unless the command has failed
            atomic.taken.discard(trace.path.resolve())
        _meter = Meter(None)


def work(name: str, *, steps: int | None = None) -> AbstractContextManager[Done]:
    """Time a block that goes through rows; yields what takes the rows of a step that is done.

    steps: of a training, how many there are; its first ones are not traced if there are more.
    """
    return _meter.work(name, steps)


def stage(name: str) -> Range:
    """Return a range for the trace; without one it does nothing."""
    return _meter.stage(name)


def staged(name: str, items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, each of which is made within a range for the trace."""
    iterator = iter(items)
    while True:
        with stage(name):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def memory(*, workers: bool) -> str:
    """Return how much memory was taken at the most. workers: whether it had worker processes.

    That of a GPU is what torch has allocated there.
    """
    said = f"peak memory {terminal.peak_memory_mb():,.0f} MB"
    if workers:
        said += f", {terminal.peak_memory_mb(workers=True):,.0f} MB in the largest worker"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        devices = range(torch.cuda.device_count())
        most = max(torch.cuda.max_memory_allocated(device) for device in devices)
        said += f", {most / 2**20:,.0f} MB on the GPU"
    return said
