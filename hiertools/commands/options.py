"""Options that several commands share: declared once, spelled the same everywhere."""

import os
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hiertools import plugins
from hiertools.errors import UsageError

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an earlier run that stopped.")]
NoProvenance = Annotated[
    bool,
    typer.Option(
        "--no-provenance",
        help="Leave out what the file came from: same input, same bytes.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON for each file.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows that are worked on together.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read and decode images.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:I]", help="Where to compute.")]
Shard = Annotated[
    str,
    typer.Option(
        metavar="I/N",
        help="Do only part I of N, from 0 to N-1. Default: the Slurm array task, else the torchrun"
        " rank.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(metavar="LIST|-", help="Take only the images whose ids are the lines of LIST."),
]


Format = Annotated[
    str,
    typer.Option(
        metavar="auto|FORMAT",
        help=f"Format of the annotations: auto, or one of {plugins.listing(plugins.ANNOTATIONS)}.",
    ),
]


def parse_decimal(text: str) -> Decimal:
    """Read an exact decimal in [0, 1] with at most 6 places."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not a number") from None
    if not value.is_finite() or not 0 <= value <= 1:
        raise typer.BadParameter(f"{text} is not in the range 0<=x<=1")
    normal = value.normalize()
    if int(normal.as_tuple().exponent) < -6:
        raise typer.BadParameter(f"{text} has more than 6 decimal places")
    return Decimal(format(normal, "f"))


MinArea = Annotated[
    Decimal,
    typer.Option(
        parser=parse_decimal,
        metavar="SHARE",
        help="Leave out boxes of less than this share of the image.",
    ),
]


MaxArea = Annotated[
    Decimal,
    typer.Option(
        parser=parse_decimal,
        metavar="SHARE",
        help="Leave out boxes of more than this share of the image.",
    ),
]
Log = Annotated[
    Path | None,
    typer.Option(
        metavar="JSONL",
        help="Where the log of the training goes. [default: OUT.log.jsonl]",
        show_default=False,
    ),
]
Oversample = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Approximate search: candidates for each hit."),
]
Probes = Annotated[
    int, typer.Option(min=1, metavar="N", help="Approximate search by ivf: lists to look into.")
]
Ef = Annotated[
    int, typer.Option(min=1, metavar="N", help="Approximate search by hnsw: candidates to keep.")
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="NAME=VALUE",
        help="A word for tables and plots of several metrics, such as loss=hxe; may come again.",
        show_default=False,
    ),
]
LogEvery = Annotated[
    int,
    typer.Option(min=1, metavar="STEPS", help="Steps between two lines of the log."),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(min=0, metavar="SECONDS", help="Time between two checkpoints; 0 is every step."),
]
Profile = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="Write a torch profiler trace of ten steps early in the run, as Chrome's JSON; gzipped"
        " if FILE ends in .gz.",
        show_default=False,
    ),
]


def parse_tags(given: list[str] | None) -> dict[str, str]:
    """Read NAME=VALUE, once for each name; the names come in their order.

    A name is letters, digits, - and _; a value is any text. Raises `UsageError` for anything else.
    """
    found: dict[str, str] = {}
    for text in given or []:
        name, mark, value = text.partition("=")
        if not mark or not value or not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"--tag {text}: write NAME=VALUE, such as loss=hxe")
        if name in found:
            raise UsageError(f"--tag {text}: {name} is there already, as {found[name]!r}")
        found[name] = value
    return found


def parse_shard(text: str) -> tuple[int, int]:
    """Read I/N; without it, take the place in a Slurm array or under torchrun, else (0, 1).

    Raises `UsageError` for anything but 0 <= I < N.
    """
    spec = text or _shard_of_the_environment()
    part, _, total = spec.partition("/")
    if not part.isdecimal() or not total.isdecimal() or int(part) >= int(total):
        raise UsageError(f"--shard {spec}: write I/N with 0 <= I < N")
    return int(part), int(total)


def _shard_of_the_environment() -> str:
    task, tasks = (
        os.environ.get("SLURM_ARRAY_TASK_ID"),
        os.environ.get("SLURM_ARRAY_TASK_COUNT"),
    )
    if task and tasks:
        start = os.environ.get("SLURM_ARRAY_TASK_MIN", "0")
        step = os.environ.get("SLURM_ARRAY_TASK_STEP", "1")
        if not all(value.isdecimal() for value in (task, start, step)) or step == "0":
            raise UsageError(
                f"SLURM_ARRAY_TASK_ID={task} is no number; name the shard: --shard I/N"
            )
        return f"{(int(task) - int(start)) // int(step)}/{tasks}"
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return f"{os.environ['RANK']}/{os.environ['WORLD_SIZE']}"
    return "0/1"


class By(StrEnum):
    """What hits are ranked by."""

    angle = "angle"
    distance = "distance"
    cosine = "cosine"


class ParentScore(StrEnum):
    """Angles that rank parents."""

    ext = "ext"
    alpha2 = "alpha2"


MAX_COUNTS = 100


def parse_counts(text: str, option: str) -> tuple[int, ...]:
    """Read whole numbers above 0 with commas between them; rising, each once.

    Raises `UsageError` for anything else, and for more than `MAX_COUNTS`.
    """
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise UsageError(f"{option} {text}: write numbers above 0, such as 5,10,50")
    if len(words) > MAX_COUNTS:
        raise UsageError(f"{option} has {len(words)} numbers; give up to {MAX_COUNTS}")
    return tuple(sorted({int(word) for word in words}))
