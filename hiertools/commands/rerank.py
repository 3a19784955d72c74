"""`hiertools rerank`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hiertools import plugins
from hiertools.commands.options import BatchSize, Device, NoProvenance, Overwrite, Seed
from hiertools.commands.query_embeddings import ResultsFormat
from hiertools.errors import UsageError


def rerank(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS|-",
            help="From hiertools query, or of another program.",
            show_default=False,
        ),
    ],
    index: Annotated[
        Path,
        typer.Option(metavar="INDEX", help="The index that was searched.", show_default=False),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help=f"The method, one of {plugins.listing(plugins.RERANKERS)}.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|-",
            help="Where the new results go. [default: reranked.FORMAT]",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="Embeddings of the queries, where they are no items of the index; may come again.",
            show_default=False,
        ),
    ] = None,
    local: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="Local features of items and queries, from hiertools embed --local; may come"
            " again.",
            show_default=False,
        ),
    ] = None,
    verified: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="Pairs that hiertools verify has verified; may come again.",
            show_default=False,
        ),
    ] = None,
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="H5",
            help="Neighbours of the items, from hiertools graph; else they are found anew.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "-k",
            min=1,
            metavar="N",
            help="Hits for each query, at the most; as many as it has if it is not given.",
            show_default=False,
        ),
    ] = None,
    within: Annotated[
        bool, typer.Option("--within", help="Only change the order of the hits; find no others.")
    ] = False,
    time_budget: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Take no more queries when the run has lasted so long, reading its files included;"
            " the others stay as they are, and the exit status is 0.",
            show_default=False,
        ),
    ] = None,
    only_uncertain: Annotated[
        bool,
        typer.Option(
            "--only-uncertain",
            help="Leave queries as they are whose first hits hang together.",
        ),
    ] = False,
    uncertainty: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="NATS",
            help="With --only-uncertain: the entropy of the groups of the first 20 hits above"
            " which a query is uncertain.",
        ),
    ] = 1.0,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say of each hit why it stands where it does."),
    ] = False,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="JSONL",
            help="Write where in the hits' images the query's object is, as polygons.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[ResultsFormat, typer.Option(help="Format of the results.")] = (
        ResultsFormat.jsonl
    ),
    device: Device = "auto",
    batch_size: BatchSize = 64,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Rank the hits of each query anew, by what takes more time than a search may.

    Methods look at the neighbours of hits, or at the local features that a query and a hit share.
    Results keep their initial scores, and may be re-ranked again by another method.
    """
    options = dict(locals())
    from hiertools.commands.reranking import run_method
    from hiertools.files import atomic, inputs

    inputs.check_stdin_once([results])
    output = output or Path(f"reranked.{format.value}")
    if format is not ResultsFormat.jsonl and explain:
        raise UsageError(f"--explain: {format.value} has no place for it; take --format jsonl")
    if format is ResultsFormat.h5 and output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    if masks == output:
        raise UsageError("--masks and --output must be different files")
    if uncertainty != 1.0 and not only_uncertain:
        raise UsageError("--uncertainty is for --only-uncertain")
    choice = plugins.parse(plugins.RERANKERS, method)
    for path in (output, masks):
        if path is not None:
            atomic.check_writable(path, overwrite=overwrite)
    read = [results, index, *(queries or []), *(local or []), *(verified or []), graph]
    if masks and masks.exists() and any(p and p.exists() and p.samefile(masks) for p in read):
        raise UsageError(f"{masks}: is an input too; name another file with --masks")
    given: dict[str, Any] = {**options, "output": output, "choice": choice}
    run_method(given)
