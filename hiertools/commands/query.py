"""`hiertools query`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hiertools.commands.class_options import (
    MU,
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
    Ef,
    Images,
    NoProvenance,
    Oversample,
    Overwrite,
    ParentScore,
    Probes,
)
from hiertools.commands.queries import Kind
from hiertools.commands.query_embeddings import (
    OF_EMBEDDINGS,
    Exclude,
    HitKind,
    ResultsFormat,
    query_embeddings,
)
from hiertools.commands.query_entities import OF_ENTITIES, Locate, Score, Way, query_entities
from hiertools.commands.query_points import By, Find, Sort
from hiertools.errors import SkippedError, UsageError


def query(
    index: Annotated[
        Path,
        typer.Argument(metavar="INDEX", help="From hiertools index.", show_default=False),
    ],
    queries: Annotated[
        list[Path],
        typer.Argument(
            metavar="QUERIES…",
            help="Embeddings of the index's encoder; or images, folders and lists of images, which"
            " are embedded.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|-",
            help="Where the results go. [default: results.FORMAT, or predictions.jsonl]",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "-k",
            min=1,
            metavar="N",
            help="Hits for each query; 10, or 20 entities, if it is not given.",
            show_default=False,
        ),
    ] = None,
    find: Annotated[Find, typer.Option(help="Look for parts of a query, or for wholes.")] = (
        Find.children
    ),
    by: Annotated[
        By | None,
        typer.Option(
            help="What hits are ranked by; weighted and hierarchical: by classes too. [default:"
            " angle, or cosine for classes and without a model]",
            show_default=False,
        ),
    ] = None,
    weighting: WeightingOption = Weighting.additive,
    mu: Mu = MU,
    kappa: Kappa = 1.0,
    top_categories: TopCategories = 10,
    gallery_classes: GalleryOption = GalleryClasses.predicted,
    oracle_query_label: OracleQueryLabel = False,
    parent_score: Annotated[
        ParentScore, typer.Option(help="The angle by which parents are ranked.")
    ] = ParentScore.ext,
    max_angle: Annotated[
        float | None,
        typer.Option(metavar="RADIANS", help="Largest angle of a hit, from 0 to 3.1416."),
    ] = None,
    sort: Annotated[
        Sort, typer.Option(help="Order of the hits; norm puts general things first.")
    ] = Sort.score,
    exclude: Annotated[
        Exclude, typer.Option(help="What is no hit: the query, all of its image, or none.")
    ] = Exclude.self_,
    only: Annotated[
        HitKind | None,
        typer.Option(
            help="Kind of the hits. [default: box for children if there are boxes, else any]",
            show_default=False,
        ),
    ] = None,
    only_queries: Annotated[
        Kind | None, typer.Option(help="Take only queries that are whole images, or boxes.")
    ] = None,
    images: Images = None,
    method: Annotated[
        Way, typer.Option(help="Entities: search for paths, or in each level by itself (flat).")
    ] = Way.beam,
    beam: Annotated[
        int, typer.Option(min=1, metavar="N", help="Entities: paths that go on at each level.")
    ] = 10,
    score: Annotated[
        Score | None,
        typer.Option(
            help="Entities: what paths are ranked by. [default: energy, or ip without a model]",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="P", help="Entities: the probability that makes a level sure."
        ),
    ] = 0.5,
    locate: Annotated[
        Locate,
        typer.Option(help="Entities: the point that is given for the paths that were found."),
    ] = Locate.centroid,
    exact: Annotated[
        bool, typer.Option("--exact", help="Look at every point, whatever structure there is.")
    ] = False,
    oversample: Oversample = 4,
    probes: Probes = 16,
    ef: Ef = 64,
    format: Annotated[ResultsFormat, typer.Option(help="Format of the results.")] = (
        ResultsFormat.jsonl
    ),
    device: Device = "auto",
    batch_size: BatchSize = 256,
    max_bad: Annotated[
        int, typer.Option(min=0, help="Exit with 4 if more images than this cannot be used.")
    ] = 0,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Find the nearest items of an index, or the entities of a hierarchy, for each query.

    A query is placed among the points of the index by the head that travels in it. By angle,
    children are the points straight outward of a query, and parents those that it is straight
    outward of. In an index of classes items of near classes may come first. Among entities the best
    paths from the top are found.
    """
    options = dict(locals())
    from hiertools.embedding import choose_device
    from hiertools.files import inputs
    from hiertools.files.index import task_of
    from hiertools.files.provenance import Run

    inputs.check_stdin_once([index, *queries, images])
    of_entities = task_of(index) == "geo"
    _check_apply(index, options, of_entities)
    options["device"] = choose_device(device)
    run = Run("query", {**options, "device": device}, keep=not no_provenance)
    bad: list[str] = []
    (query_entities if of_entities else query_embeddings)(run, options, bad)
    if len(bad) > max_bad:
        raise SkippedError(f"{len(bad):,} images could not be used, such as {bad[0]}")


def _check_apply(index: Path, options: dict[str, Any], of_entities: bool) -> None:
    """Raise `UsageError` for an option that is for the other sort of index."""
    what = "entities" if of_entities else "embeddings"
    for name, absent in (OF_EMBEDDINGS if of_entities else OF_ENTITIES).items():
        if options[name] != absent:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{index} is an index of {what}: {option} does not apply")
