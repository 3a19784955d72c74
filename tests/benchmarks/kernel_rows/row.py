"""A row of the table of kernels: one operation, beside what else one would do, in one run."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A measured operation.

    operation, against: what is compared; sizes: words for people; ours, theirs: seconds, the best
    of several rounds taken in turn; aim: the greatest ratio of ours to theirs, None where there is
    none; memory: the ratio of peaks, None where it is not measured; memory_aim: the greatest one;
    note: what else is to be known, such as the greatest error.
    """

    operation: str
    sizes: str
    against: str
    ours: float
    theirs: float
    aim: float | None = None
    memory: float | None = None
    memory_aim: float | None = None
    note: str = ""


def in_turn(*works: Callable[[], object], rounds: int) -> list[float]:
    """Return the least seconds of each work, which take turns; one round before is not counted."""
    best = [float("inf")] * len(works)
    for turn in range(rounds + 1):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            if turn:
                best[place] = min(best[place], time.perf_counter() - start)
    return best
