"""The side of `hiertools query` that is for an index of embeddings."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands import query_effort
from hiertools.commands.class_options import OF_CLASSES
from hiertools.commands.queries import batches
from hiertools.commands.query_classes import look_at_classes
from hiertools.commands.query_points import OF_POINTS, Look, look_at_points
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.commands.queries import Batch
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run
    from hiertools.files.rankings import Ranking
    from hiertools.search.ranking import Request, Searcher


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


# Options that are for an index of embeddings, as they are when not given.
OF_EMBEDDINGS: dict[str, Any] = {
    **OF_POINTS, **OF_CLASSES, "by": None, "exclude": Exclude.self_, "only": None, "exact": False,
    "oversample": 4, "probes": 16, "ef": 64, "format": ResultsFormat.jsonl,
}  # fmt: skip


def query_embeddings(run: "Run", options: dict[str, Any], bad: list[str]) -> None:
    """Write rankings of the items of an index of embeddings."""
    from hiertools.files import atomic, inputs
    from hiertools.files.index import read_index
    from hiertools.search.ranking import Searcher
    from hiertools.terminal import warn

    index, form, overwrite = options["index"], options["format"], options["overwrite"]
    output = options["output"] or Path(f"results.{form}")
    if output == atomic.STDOUT and form is ResultsFormat.h5:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    atomic.check_writable(output, overwrite=overwrite)
    found, sha256 = read_index(index), inputs.digest_file(index)
    run.add_input(index, sha256, found.chain)
    look = (look_at_classes if found.meta["task"] == "classes" else look_at_points)(
        found, index, options
    )
    request = _request(look, options)
    searcher = Searcher(found, str(index), look.view, request)
    asked = batches(run, found.meta, index, options, bad)
    _say_size(request.k, searcher, request)
    said = {"k": request.k, "exclude": request.exclude, "only": request.only or "any"}
    header = {"index": sha256, **look.about, **said, **query_effort.header(found, look.effort)}
    _write(searcher, asked, output, header, run, format=form.value, overwrite=overwrite)
    if searcher.namesakes:
        warn(
            f"{searcher.namesakes:,} queries have the id of an item that is another one, which is"
            " no hit of theirs: embed the folder above both, so that ids differ, or give"
            " --exclude none"
        )


def _request(look: Look, options: dict[str, Any]) -> "Request":
    from hiertools.search.ranking import Request

    only = options["only"]
    kind = None if only is HitKind.any else only.value if only is not None else look.only
    return Request(
        k=options["k"] or 10,
        max_angle=look.max_angle,
        by_radius=look.by_radius,
        only=kind,
        exclude=options["exclude"].value,
        effort=look.effort,
        device=options["device"],
        batch_size=options["batch_size"],
    )


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
    from hiertools import profiling
    from hiertools.files import atomic
    from hiertools.files.results import write_results
    from hiertools.terminal import progress, say

    done = empty = 0

    def rankings() -> Iterator["Ranking"]:
        nonlocal done, empty
        with progress("searching", None) as tick, profiling.work("query") as step:
            for batch in asked:
                for part in searcher.rankings(batch.items, batch.vectors, batch.rows, batch.name):
                    done += len(part)
                    empty += sum(not ranking.ids for ranking in part)
                    tick(len(part))
                    with profiling.stage("writing"):
                        yield from part
                    step(len(part))

    write_results(output, header, rankings(), format=format, chain=run.chain(), overwrite=overwrite)
    name = "standard output" if output == atomic.STDOUT else output
    say(f"{name}: {done:,} rankings" + (f", {empty:,} without hits" if empty else ""))
