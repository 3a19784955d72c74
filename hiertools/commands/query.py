"""`hiertools query`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
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
from hiertools.errors import SkippedError, UsageError, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiertools.files.embeddings import Vectors
    from hiertools.files.index import Index
    from hiertools.files.items import Items
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run
    from hiertools.files.rankings import Ranking
    from hiertools.search.choosing import Rows
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


class Kind(StrEnum):
    """Kinds of items."""

    image = "image"
    box = "box"


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
            help="Where the results go. [default: results.FORMAT]",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Hits for each query.")] = 10,
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
    """Find the nearest items of an index, for each query.

    A query is placed among the points of the index by the head that travels in it. By angle,
    children are the points straight outward of a query, and parents those that it is straight
    outward of.
    """
    options = dict(locals())
    from hiertools.embedding import choose_device
    from hiertools.files import atomic, inputs
    from hiertools.files.index import read_index
    from hiertools.files.provenance import Run
    from hiertools.search.ranking import Searcher

    inputs.check_stdin_once([index, *queries, images])
    output = output or Path(f"results.{format}")
    if output == atomic.STDOUT and format is ResultsFormat.h5:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    atomic.check_writable(output, overwrite=overwrite)
    options["device"] = choose_device(device)
    run = Run("query", {**options, "device": device}, keep=not no_provenance)
    found, sha256 = read_index(index), inputs.digest_file(index)
    run.add_input(index, sha256, found.chain)
    request = _request(found, index, options)
    searcher = Searcher(found, str(index), request)
    bad: list[str] = []
    batches = _batches(run, found, index, options, bad)
    _say_size(k, searcher, request)
    header = {"index": sha256, **_header(found, request, sort)}
    _write(searcher, batches, output, header, run, format=format.value, overwrite=overwrite)
    if len(bad) > max_bad:
        raise SkippedError(f"{len(bad):,} images could not be used, such as {bad[0]}")


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
        k=options["k"],
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


@dataclass
class _Batch:
    """Some rows of a table of queries."""

    items: "Items"
    vectors: "Vectors"
    rows: "Rows"
    name: str


def _batches(
    run: "Run", found: "Index", index: Path, options: dict[str, Any], bad: list[str]
) -> Iterator[_Batch]:
    """Return the queries. Images that cannot be used are added to `bad`, with the reason."""
    from hiertools.files import hdf5, inputs

    paths, listed = options["queries"], options["images"]
    images = None if listed is None else run.used(listed, inputs.lines(listed))
    files = [path != inputs.STDIN and not path.is_dir() and hdf5.is_hdf5(path) for path in paths]
    if any(files) and not all(files):
        other = paths[files.index(False)]
        raise UsageError(f"{other} is not HDF5: queries are embeddings or images, not both")
    if not any(files):
        return _of_images(run, found, index, options, images, bad)
    if options["max_bad"]:
        raise UsageError("queries are embeddings: --max-bad does not apply")
    batches = [_of_embeddings(run, found, index, path, options, images) for path in paths]
    return iter(batches)


def _of_embeddings(
    run: "Run",
    found: "Index",
    index: Path,
    path: Path,
    options: dict[str, Any],
    images: list[str] | None,
) -> _Batch:
    import numpy as np

    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.search.placing import check_fit

    queries = read_embeddings(path)
    run.add_input(path, inputs.digest_file(path), queries.chain)
    features = queries.vectors.shape[1]
    check_fit(queries.meta, features, str(path), found.meta, str(index))
    kept = _chosen(queries.items, images, options["only_queries"], str(path))
    return _Batch(queries.items, queries.vectors, np.flatnonzero(kept), str(path))


def _chosen(
    table: "Items", images: list[str] | None, only: Kind | None, name: str
) -> "NDArray[np.bool_]":
    import numpy as np

    from hiertools.search import choosing

    kept = np.ones(len(table), np.bool_)
    if images is not None:
        kept &= choosing.of_images(table, images, name)
    if only is not None:
        kept &= choosing.of_kind(table, only.value, name)
    return kept


def _of_images(
    run: "Run",
    found: "Index",
    index: Path,
    options: dict[str, Any],
    images: list[str] | None,
    bad: list[str],
) -> Iterator[_Batch]:
    """Embed images by the index's encoder, batch by batch."""
    import numpy as np

    from hiertools import embedding, inventory
    from hiertools.encoder import load

    taken, name = found.meta, ", ".join(map(str, options["queries"]))
    queries = inventory.of_images(options["queries"], root=None)
    chosen = _chosen(queries.items, images, options["only_queries"], name)
    queries = queries.take(chosen)
    run.add_input(name, queries.digest())
    encoder = load(taken["encoder"], seed=0)
    settings = embedding.Settings(
        taken["output"], options["device"], "float32", _PICTURES, 0, min_size=1, blur=0.0
    )
    about = embedding.describe(queries, encoder, settings, name=taken["encoder"])
    if about["digest"] != taken["digest"]:
        raise UserError(
            f"{index}: is of the encoder {taken['encoder']} ({taken['digest'][:12]}), which is now"
            f" {about['digest'][:12]}; index anew"
        )

    def batches() -> Iterator[_Batch]:
        for embedded in embedding.embed(queries, encoder, settings, start=0):
            bad.extend(f"{reject['path']}: {reject['reason']}" for reject in embedded.rejects)
            rows = np.arange(len(embedded.used))
            yield _Batch(queries.items.take(embedded.used), embedded.vectors, rows, name)

    return batches()


_PICTURES = 32  # that the encoder embeds together


def _write(
    searcher: "Searcher",
    batches: Iterator[_Batch],
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
            for batch in batches:
                for part in searcher.rankings(batch.items, batch.vectors, batch.rows, batch.name):
                    done += len(part)
                    empty += sum(not ranking.ids for ranking in part)
                    tick(len(part))
                    yield from part

    write_results(output, header, rankings(), format=format, chain=run.chain(), overwrite=overwrite)
    name = "standard output" if output == atomic.STDOUT else output
    say(f"{name}: {done:,} rankings" + (f", {empty:,} without hits" if empty else ""))
