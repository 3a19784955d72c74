"""`hiertools graph`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiertools.commands.options import Device, NoProvenance, Overwrite
from hiertools.errors import UsageError

if TYPE_CHECKING:
    import torch

    from hiertools.files.graph import Solves
    from hiertools.reranking.diffusing import Settings
    from hiertools.reranking.neighbours import Neighbours, Vectors

ALPHA, POWER, TRUNCATE = 0.99, 3.0, 1000
TOLERANCE, ITERATIONS = 1e-6, 20


def graph(
    index: Annotated[
        Path,
        typer.Argument(
            metavar="INDEX", help="From hiertools index, of embeddings.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="H5", help="Where the graph goes.")
    ] = Path("graph.h5"),
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Neighbours of each item.")] = 50,
    offline: Annotated[
        bool, typer.Option("--offline", help="Solve diffusion for every item, for mode=offline.")
    ] = False,
    alpha: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="With --offline: share of heat that goes on, from 0 to below 1."
        ),
    ] = ALPHA,
    power: Annotated[
        float, typer.Option(metavar="POWER", help="With --offline: power of the similarities.")
    ] = POWER,
    tolerance: Annotated[
        float,
        typer.Option(metavar="SHARE", help="With --offline: residual at which a solve is done."),
    ] = TOLERANCE,
    iterations: Annotated[
        int, typer.Option(min=1, metavar="N", help="With --offline: most steps of a solve.")
    ] = ITERATIONS,
    truncate: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="With --offline: nearest items that are solved for."),
    ] = TRUNCATE,
    device: Device = "auto",
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Find the nearest neighbours of every item of an index, for `hiertools rerank`.

    They are exact. With --offline, what diffusion makes of each item is worked out too.
    """
    options = dict(locals())
    from hiertools.embedding import choose_device
    from hiertools.files import atomic, inputs
    from hiertools.files.graph import write_graph
    from hiertools.files.index import read_index
    from hiertools.files.provenance import Run
    from hiertools.reranking.diffusing import Settings
    from hiertools.reranking.directions import directions

    if not offline:
        _check_none_given(options)
    settings = Settings("offline", k, alpha, power, 1, tolerance, iterations, truncate)
    atomic.check_writable(output, overwrite=overwrite)
    where = choose_device(device)
    run = Run("graph", options, keep=not no_provenance)
    found, sha256 = read_index(index), inputs.digest_file(index)
    run.add_input(index, sha256, found.chain)
    vectors = directions(found.points)
    near = _neighbours(vectors, k, where)
    solves = _solves(vectors, near, settings, where) if offline else None
    write_graph(
        output, near.rows, near.similarities, solves, index=sha256, k=k, chain=run.chain(),
        overwrite=overwrite,
    )  # fmt: skip
    _say(output, near, solves)


def _check_none_given(options: dict[str, object]) -> None:
    """Raise `UsageError` for an option that is of --offline alone."""
    usual = {
        "alpha": ALPHA, "power": POWER, "tolerance": TOLERANCE, "iterations": ITERATIONS,
        "truncate": TRUNCATE,
    }  # fmt: skip
    for name, value in usual.items():
        if options[name] != value:
            raise UsageError(f"--{name} is for --offline; give that too, or leave it out")


def _neighbours(vectors: "Vectors", k: int, device: "torch.device") -> "Neighbours":
    from hiertools.reranking.neighbours import nearest
    from hiertools.terminal import progress

    with progress("searching", len(vectors)) as tick:
        return nearest(vectors, vectors, k, device=device, without_self=True, tick=tick)


def _solves(
    vectors: "Vectors", near: "Neighbours", settings: "Settings", device: "torch.device"
) -> "Solves":
    from hiertools.reranking.affinity import affinity, normalised
    from hiertools.reranking.offline import solves
    from hiertools.terminal import progress

    edges = normalised(affinity(near, power=settings.power))
    with progress("solving", len(vectors)) as tick:
        return solves(
            vectors, edges, settings.how, truncate=settings.truncate, options=settings.offline,
            device=device, tick=tick,
        )  # fmt: skip


def _say(output: Path, near: "Neighbours", solves: "Solves | None") -> None:
    import numpy as np

    from hiertools.reranking.affinity import affinity
    from hiertools.terminal import say

    links = np.diff(affinity(near, power=1).starts)
    n, k = near.rows.shape
    text = f"{output}: {n:,} items, {k:,} neighbours each; {links.mean():.1f} are mutual"
    if alone := int((links == 0).sum()):
        text += f", and {alone:,} items have none that is"
    if solves is not None:
        text += f"; {len(solves.rows) / n:,.1f} items have heat of each"
    say(text)
