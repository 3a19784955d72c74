"""`hiertools evaluate retrieval`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.class_options import (
    MU,
    OF_CLASSES,
    GalleryClasses,
    GalleryOption,
    Kappa,
    Mu,
    OracleQueryLabel,
    TopCategories,
    Weighting,
    WeightingOption,
)
from hiertools.commands.options import (
    BatchSize,
    Device,
    NoProvenance,
    Overwrite,
    Seed,
    Tags,
    parse_tags,
)
from hiertools.commands.queries import Kind
from hiertools.commands.query_points import By, Exclude
from hiertools.commands.taxonomies import Distance
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.files.json import Document
    from hiertools.files.metrics import Metrics


class Gain(StrEnum):
    """What a hit gains in nDCG, by the distance of its class from the query's."""

    inverse = "inverse"
    exp = "exp"
    height = "height"
    same = "same"


class Similarity(StrEnum):
    """How near a hit is in hierarchical precision."""

    height = "height"
    inverse = "inverse"


class Protocol(StrEnum):
    """Protocols that others have laid down."""

    revisited = "revisited"


LEFT = ("without_truth", "without_ranking")  # of queries: not evaluated
DEPTH = ("depth", "classes", "queries", "map", "chance map", "ndcg", "chance ndcg")
KEYS = ("metric", "of", "k")  # of a row, beside its numbers


def evaluate_retrieval(
    searched: Annotated[
        Path,
        typer.Argument(
            metavar="INDEX|RESULTS",
            help="An index, which is searched by QUERIES; or results of earlier queries.",
            show_default=False,
        ),
    ],
    queries: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[QUERIES…]",
            help="Embeddings of the index's encoder. Their rankings are judged and not kept.",
            show_default=False,
        ),
    ] = None,
    hierarchy: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON|H5|-",
            help="The hierarchy of the classes, for metrics of how near hits are. Default: that of"
            " an index of classes.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="JSON|-", help="Where the metrics go.")
    ] = Path("metrics.json"),
    items: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="With RESULTS: a file with the items that were searched, then files with the"
            " queries; may be given several times.",
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|QRELS|JSON|PKL|-",
            help="What is relevant, where items do not say it: id and label of items; TREC qrels;"
            " as JSON the relevant ids of each query; or, with --protocol, gnd_*.pkl.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        Protocol | None,
        typer.Option(
            help="How rankings are judged: revisited is that of Revisited Oxford and Paris, whose"
            " ground truth --truth must be.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        By,
        typer.Option(
            help="With an index: what candidates are ranked by; weighted and hierarchical: by"
            " classes too."
        ),
    ] = By.cosine,
    weighting: WeightingOption = Weighting.additive,
    mu: Mu = MU,
    kappa: Kappa = 1.0,
    top_categories: TopCategories = 10,
    gallery_classes: GalleryOption = GalleryClasses.predicted,
    oracle_query_label: OracleQueryLabel = False,
    exclude: Annotated[
        Exclude | None,
        typer.Option(
            help="What is no candidate: the query, all of its image, or none. Default: what RESULTS"
            " leave out; else self, but none for qrels.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        Kind | None,
        typer.Option(help="Take only candidates and queries that are whole images, or boxes."),
    ] = None,
    k: Annotated[
        str,
        typer.Option(
            "-k", metavar="N,…", help="Depths of precision, recall and hierarchical precision."
        ),
    ] = "1,5,10,100",
    ndcg_at: Annotated[
        str, typer.Option(metavar="N,…", help="Depths of nDCG, beside that of all candidates.")
    ] = "10,100",
    ahp_at: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Depth of average hierarchical precision."),
    ] = 250,
    gain: Annotated[
        Gain | None,
        typer.Option(
            help="What a hit gains in nDCG at the distance d of its class: 1/(1+d), exp(-A d),"
            " 1 - height of the lowest common ancestor, or 1 for the same class. Default: inverse,"
            " or same without a hierarchy.",
            show_default=False,
        ),
    ] = None,
    decay: Annotated[
        float, typer.Option(min=0, metavar="A", help="A of `exp`, in --gain exp.")
    ] = 0.3,
    similarity: Annotated[
        Similarity,
        typer.Option(
            help="How near a hit is in hierarchical precision: 1 - height of the lowest common"
            " ancestor, or 1/(1+d)."
        ),
    ] = Similarity.height,
    distance: Annotated[
        Distance | None,
        typer.Option(
            help="The distance d of classes. Default: what the hierarchy says.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS|CSV",
            help="Another run of the same queries, to tell how much this one is above it: its"
            " results, or the values that --values has written.",
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Write the metrics of each query too, for --against and other programs.",
            show_default=False,
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(
            metavar="QRELS",
            help="Write what is relevant too, as TREC qrels, for other programs.",
            show_default=False,
        ),
    ] = None,
    tag: Tags = None,
    resamples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Resamples of the queries for intervals.")
    ] = 1000,
    seed: Seed = 0,
    device: Device = "auto",
    batch_size: BatchSize = 128,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Judge rankings by the classes of hits, each metric beside chance.

    Says how soon items of the same class come, and of classes that are near to it in a hierarchy.
    With an index all of its items are ranked for each query, and no ranking is kept.
    """
    options = dict(locals())
    from hiertools.commands import judged_retrieval, judged_revisited
    from hiertools.files import atomic, inputs
    from hiertools.files.metrics import write_metrics
    from hiertools.files.provenance import Run
    from hiertools.profiling import stage

    tags = parse_tags(tag)
    if protocol is None:
        _check(options)
    inputs.check_stdin_once([searched, hierarchy, truth, against])
    for path in (output, values, qrels):
        if path is not None:
            atomic.check_writable(path, overwrite=overwrite)
    run = Run("evaluate retrieval", options, keep=not no_provenance)
    judge = judged_retrieval if protocol is None else judged_revisited
    found, more = judge.evaluate(run, {**options, "tags": tags})
    with stage("writing"):
        for path, lines in more:
            atomic.write_texts(path, lines, overwrite=overwrite)
        write_metrics(output, found, chain=run.chain(), overwrite=overwrite)
    _show(found)


# Options that are for an index, or for results: with their values when not given.
_OF_INDEX: dict[str, Any] = {"by": By.cosine, **OF_CLASSES, "device": "auto"}
_OF_RESULTS: dict[str, Any] = {"items": None}


def _check(given: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    if given["queries"]:
        wrong, why = _OF_RESULTS, "is for results; an index has the items itself"
    elif given["items"] or given["truth"]:
        wrong, why = _OF_INDEX, "is for an index; results are ranked already"
    else:
        raise UsageError("an index needs QUERIES…, and results need --items H5 or --truth FILE")
    for name, absent in wrong.items():
        if given[name] != absent:
            raise UsageError(f"--{name.replace('_', '-')} {why}")
    if given["decay"] != 0.3 and given["gain"] is not Gain.exp:
        raise UsageError("--decay is for --gain exp")
    written = [given[name] for name in ("output", "values", "qrels") if given[name] is not None]
    if len(set(written)) < len(written):
        raise UsageError("--output, --values and --qrels are different files")


def _show(found: "Metrics") -> None:
    """Show the metrics, and if more is wanted those of each depth."""
    from hiertools.terminal import cell, say, table

    number = found.counts
    left = (f", {number[key]:,} {key.replace('_', ' ')}" for key in LEFT if number.get(key))
    say(f"{number['queries']:,} queries{''.join(left)}; {number['candidates']:,} candidates")
    if "cut" in found.parameters:
        say(
            f"rankings are cut at {found.parameters['cut']:,} hits: average precision counts those,"
            " of all that there are to find, and there is no nDCG of all candidates"
        )
    compared = any("against" in row for row in found.metrics)
    beside = ("against", "difference", "p") if compared else ()
    columns = (*KEYS, "value", "95 %", *beside, "chance", "adjusted", "queries")
    say(table(columns, [_cells(row, beside) for row in found.metrics], texts=KEYS[:2]))
    depths = [_of_depth(row) for row in found.tables["depths"]]
    if depths:
        say(table(DEPTH, depths, texts=()), level=2)
    for row in found.tables["left_out"]:
        name = " ".join(cell(row[key]) for key in KEYS if key in row)
        say(f"{name}: nothing is relevant to {row['queries']:,} queries, left out", level=2)


def _of_depth(row: "Document") -> tuple[str, ...]:
    return tuple(_number(row.get(key, "")) for key in DEPTH)


def _cells(row: "Document", beside: tuple[str, ...]) -> tuple[str, ...]:
    from hiertools.terminal import cell

    interval = f"{row['low']:.4f} to {row['high']:.4f}" if "low" in row else ""
    numbers = (_number(row.get(key, "")) for key in (*beside, "chance", "adjusted"))
    keys = (cell(row.get(key, "")) for key in KEYS)
    return (*keys, f"{row['value']:.4f}", interval, *numbers, cell(row["queries"]))


def _number(value: object) -> str:
    from hiertools.terminal import cell

    return f"{value:.4f}" if isinstance(value, float) else cell(value)
