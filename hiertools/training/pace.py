"""How learning rates change over a training: a warm-up, then constant, linear or cosine."""

import math

SCHEDULES = ("constant", "linear", "cosine")


def pace(step: int, *, total: int, warmup: int, schedule: str) -> float:
    """Return what rates are multiplied by in a step, counted from 0, of a training of `total`.

    It rises in equal steps to 1 over the first `warmup` steps. From there `linear` falls in a line
    and `cosine` in half a wave (Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without
    restarts), to 0 behind the last step.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    done = (step - warmup) / max(1, total - warmup)
    return 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
