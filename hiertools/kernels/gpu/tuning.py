"""Which sizes of blocks a Triton kernel tries: a small fixed table.

On a GPU the fastest entry is found at the first call for a new key, by running all of them, and
kept for the process. The interpreter has no clock worth asking: it takes the first entry. Nothing
here looks for a device when it is imported.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import triton


@dataclass(frozen=True)
class Entry:
    """One choice: sizes of blocks by name, and the warps that work on a program."""

    blocks: dict[str, int]
    warps: int = 4
    stages: int = 2


def tuned(
    table: Sequence[Entry], *, key: Sequence[str], added_to: Sequence[str] = ()
) -> Callable[[Any], Any]:
    """Return a decorator for a `triton.jit` function; key: arguments whose values choose anew.

    added_to: arguments that the function adds to, which start at 0 again after each try.
    """
    if os.environ.get("TRITON_INTERPRET") == "1":
        table = table[:1]
    configs = [
        triton.Config(entry.blocks, num_warps=entry.warps, num_stages=entry.stages)
        for entry in table
    ]
    decorate: Callable[[Any], Any] = triton.autotune(
        configs=configs, key=list(key), reset_to_zero=list(added_to)
    )
    return decorate
