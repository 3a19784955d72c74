"""`hiertools query`."""

import math
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import (
    BatchSize,
    By,
    Device,
    Ef,
    Images,
    NoProvenance,
    Oversample,
    Overwrite,
    ParentScore,
    Probes,
)
from hiertools.commands.queries import Kind, batches
from hiertools.commands.query_entities import OF_ENTITIES, Locate, Score, Way, query_entities
from hiertools.errors import SkippedError, UsageError, UserError

if TYPE_CHECKING:
    from hiertools.commands.queries import Batch
    from hiertools.files.index import Index
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run
    from hiertools.files.rankings import Ranking
    from hiertools.search.ranking import Request, Searcher


class Find(StrEnum):
    """What is looked for."""

    children = "children"
    parents = "parents"


class Sort(StrEnum):
    """Orders of the hits."""

    score = "score"
    norm = "norm"


class Exclude(StrEnum):
    """What of a query is no hit."""

    self_ = "self"
    image = "image"
    none = "none"


class HitKind(StrEnum):
    """Kinds of hits."""

    image = "image"
    box = "box"
    any = "any"


class ResultsFormat(StrEnum):
    """Formats of the results."""

    jsonl = "jsonl"
    h5 = "h5"
    trec = "trec"


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
            help="What hits are ranked by. [default: angle, or cosine without a model]",
            show_default=False,
        ),
    ] = None,
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
    outward of. Among entities the best paths from the top are found.
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
    (query_entities if of_entities else _query_embeddings)(run, options, bad)
    if len(bad) > max_bad:
        raise SkippedError(f"{len(bad):,} images could not be used, such as {bad[0]}")


# Options that are for an index of embeddings, as they are when not given.
_OF_EMBEDDINGS: dict[str, Any] = {
    "find": Find.children, "by": None, "parent_score": ParentScore.ext, "max_angle": None,
    "sort": Sort.score, "exclude": Exclude.self_, "only": None, "exact": False, "oversample": 4,
    "probes": 16, "ef": 64, "format": ResultsFormat.jsonl,
}  # fmt: skip


def _check_apply(index: Path, options: dict[str, Any], of_entities: bool) -> None:
    """Raise `UsageError` for an option that is for the other sort of index."""
    what = "entities" if of_entities else "embeddings"
    for name, absent in (_OF_EMBEDDINGS if of_entities else OF_ENTITIES).items():
        if options[name] != absent:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{index} is an index of {what}: {option} does not apply")


def _query_embeddings(run: "Run", options: dict[str, Any], bad: list[str]) -> None:
    """Write rankings of the items of an index of embeddings."""
    from hiertools.files import atomic, inputs
    from hiertools.files.index import read_index
    from hiertools.search.ranking import Searcher

    index, form, overwrite = options["index"], options["format"], options["overwrite"]
    output = options["output"] or Path(f"results.{form}")
    if output == atomic.STDOUT and form is ResultsFormat.h5:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    atomic.check_writable(output, overwrite=overwrite)
    found, sha256 = read_index(index), inputs.digest_file(index)
    run.add_input(index, sha256, found.chain)
    request = _request(found, index, options)
    searcher = Searcher(found, str(index), request)
    asked = batches(run, found.meta, index, options, bad)
    _say_size(request.k, searcher, request)
    header = {"index": sha256, **_header(found, request, options["sort"])}
    _write(searcher, asked, output, header, run, format=form.value, overwrite=overwrite)


def _request(found: "Index", name: Path, options: dict[str, Any]) -> "Request":
    """Return what is asked. Raises `UsageError` for options that do not go together."""
    from hiertools.search.ranking import Request
    from hiertools.search.scores import Measure

    by = options["by"] or (By.cosine if found.meta["task"] == "plain" else By.angle)
    find, parent_score = options["find"], options["parent_score"]
    if parent_score is not ParentScore.ext and (find, by) != (Find.parents, By.angle):
        raise UsageError("--parent-score is for --find parents --by angle")
    if options["max_angle"] is not None:
        if not 0 <= options["max_angle"] <= math.pi + 1e-4:
            raise UsageError(f"--max-angle {options['max_angle']} is not from 0 to pi")
        if by is not By.angle:
            raise UsageError(f"--max-angle is for --by angle, not --by {by.value}")
        if parent_score is ParentScore.alpha2:
            raise UsageError("--max-angle is for --parent-score ext; alpha2 is better when large")
    elif options["sort"] is Sort.norm:
        raise UsageError("--sort norm needs --max-angle: without it hits are the same for all")
    measure = Measure(
        by.value, find.value, parent_score.value, found.meta["geometry"], found.meta["c"]
    )
    return Request(
        measure=measure,
        k=options["k"] or 10,
        max_angle=options["max_angle"],
        by_radius=options["sort"] is Sort.norm,
        only=_only(found, find, options["only"]),
        exclude=options["exclude"].value,
        effort=_effort(found, name, by, options),
        device=options["device"],
        batch_size=options["batch_size"],
    )


def _only(found: "Index", find: Find, only: HitKind | None) -> str | None:
    """Return the kind of the hits, None for any."""
    if only is not None:
        return None if only is HitKind.any else only.value
    kinds = found.items.kind
    return "box" if find is Find.children and kinds is not None and (kinds == 1).any() else None


# Options of approximate search: when not given, and the methods that have them.
_EFFORT: dict[str, tuple[int, tuple[str, ...]]] = {
    "oversample": (4, ("flat", "ivf", "hnsw")),
    "probes": (16, ("ivf",)),
    "ef": (64, ("hnsw",)),
}


def _effort(found: "Index", name: Path, by: By, options: dict[str, Any]) -> Any:
    """Return how to search through the structure, None for exact search."""
    from hiertools.search.approximate import Effort

    method = "exact" if options["exact"] else found.meta["method"]
    for option, (absent, methods) in _EFFORT.items():
        if options[option] != absent and method not in methods:
            raise UsageError(f"{name} is searched by {method}: --{option} does not apply")
    if method == "exact":
        return None
    if (by is By.distance) != (found.meta["by"] == "distance"):
        made = "distance" if found.meta["by"] == "distance" else "cosine and angle"
        raise UserError(f"{name}: its structure is for {made}, not {by.value}; give --exact")
    if options["sort"] is Sort.norm:
        raise UsageError("--sort norm looks at all points within the angle; give --exact too")
    return Effort(*(options[option] for option in _EFFORT))


def _header(found: "Index", request: "Request", sort: Sort) -> "Document":
    """Return what the results say of the request."""
    measure = request.measure
    said: Document = {"by": measure.by, "find": measure.find, "k": request.k, "sort": sort.value}
    if (measure.by, measure.find) == ("angle", "parents"):
        said["parent_score"] = measure.parent_score
    if request.max_angle is not None:
        said["max_angle"] = request.max_angle
    said |= {"exclude": request.exclude, "only": request.only or "any"}
    said["method"] = "exact" if request.effort is None else found.meta["method"]
    if request.effort is not None:
        said |= {
            option: getattr(request.effort, option)
            for option, (_, methods) in _EFFORT.items()
            if said["method"] in methods
        }
    return said


def _say_size(k: int, searcher: "Searcher", request: "Request") -> None:
    from hiertools.terminal import say

    if k > searcher.size:
        what = f" of kind {request.only}" if request.only else ""
        say(f"-k {k}: the index has {searcher.size:,} items{what}; all are returned")


def _write(
    searcher: "Searcher",
    asked: Iterator["Batch"],
    output: Path,
    header: "Document",
    run: "Run",
    *,
    format: str,
    overwrite: bool,
) -> None:
    from hiertools.files import atomic
    from hiertools.files.results import write_results
    from hiertools.terminal import progress, say

    done = empty = 0

    def rankings() -> Iterator["Ranking"]:
        nonlocal done, empty
        with progress("searching", None) as tick:
            for batch in asked:
                for part in searcher.rankings(batch.items, batch.vectors, batch.rows, batch.name):
                    done += len(part)
                    empty += sum(not ranking.ids for ranking in part)
                    tick(len(part))
                    yield from part

    write_results(output, header, rankings(), format=format, chain=run.chain(), overwrite=overwrite)
    name = "standard output" if output == atomic.STDOUT else output
    say(f"{name}: {done:,} rankings" + (f", {empty:,} without hits" if empty else ""))
