"""What people read, on standard error: notes, warnings and progress."""

import resource
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

Tick = Callable[[int], None]

PLAIN_LINE_EVERY_S = 30.0
TABLE_WIDTH = 160

_level = 1
_start = time.monotonic()


def set_level(level: int) -> None:
    """Say nothing (0), what matters (1, the default) or everything (2)."""
    global _level
    _level = level


def is_verbose() -> bool:
    """Return whether everything is said."""
    return _level >= 2


def say(text: str, *, level: int = 1) -> None:
    """Write a line for people."""
    if level <= _level:
        _write(text)


def say_cost() -> None:
    """Say how long the program has run and how much memory it took, if more is wanted."""
    seconds = time.monotonic() - _start
    say(f"took {seconds:,.1f} s and {peak_memory_mb():,.0f} MB at the most", level=2)


def peak_memory_mb(*, workers: bool = False) -> float:
    """Return the most memory that the process has had; of its workers, that of the largest."""
    who = resource.RUSAGE_CHILDREN if workers else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / 1024


def warn(text: str) -> None:
    """Write a line that people should not miss, unless they asked for quiet."""
    say(f"warning: {text}")


def fail(text: str) -> None:
    """Write an error's line: not even `-q` silences it."""
    _write(text)


def _write(text: str) -> None:
    # when nobody reads standard error any more, the exit code still tells
    with suppress(OSError, ValueError, AttributeError):
        print(text, file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, texts: Collection[str]) -> str:
    """Return a table as lines of text. texts: columns that are no numbers."""
    from io import StringIO

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    found = Table(box=SIMPLE_HEAD)
    for column in columns:
        found.add_column(column, justify="left" if column in texts else "right", no_wrap=True)
    for row in rows:
        found.add_row(*row)
    text = StringIO()
    Console(file=text, width=TABLE_WIDTH).print(found)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def cell(value: object) -> str:
    """Return what a table shows of a value."""
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def progress(task: str, total: int | None) -> Iterator[Tick]:
    """Show how far `task` is: a bar on a terminal, else a line every 30 seconds.

    Yields a function that takes the number of items just done.
    """
    if _level == 0:
        yield lambda done: None
    elif sys.stderr is not None and sys.stderr.isatty():
        with _bar(task, total) as tick:
            yield tick
    else:
        yield _Lines(task, total)


@contextmanager
def _bar(task: str, total: int | None) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task(task, total=total)
        yield lambda done: bar.advance(row, done)


class _Lines:
    """Plain progress lines: done, total, rate and time left."""

    def __init__(self, task: str, total: int | None) -> None:
        self.task, self.total, self.done = task, total, 0
        self.start = self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        self.done += done
        now = time.monotonic()
        if now - self.last >= PLAIN_LINE_EVERY_S:
            self.last = now
            say(self.line(now - self.start))

    def line(self, seconds: float) -> str:
        rate = self.done / seconds
        if not self.total:
            return f"{self.task}: {self.done:,} done, {rate:,.1f}/s"
        left = (self.total - self.done) / rate if rate else float("inf")
        return f"{self.task}: {self.done:,}/{self.total:,}, {rate:,.1f}/s, {left:,.0f} s left"
