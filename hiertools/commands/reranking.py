"""What `hiertools rerank` does: a gallery, a method, rankings through it."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain as joined
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UserError
from hiertools.plugins import Choice

if TYPE_CHECKING:
    from hiertools.files.embeddings import Embeddings
    from hiertools.files.index import Index
    from hiertools.files.items import Items
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run
    from hiertools.files.rankings import Ranking
    from hiertools.reranking.driving import Drive, Tally
    from hiertools.reranking.gallery import Gallery, Vectors
    from hiertools.reranking.shortlist import Polygon, Shortlist

HURRIED = 8  # queries that are taken together where time is short


def run_method(given: dict[str, Any]) -> None:
    """Re-rank results, and say what became of them."""
    from hiertools.files import inputs
    from hiertools.files.provenance import Run

    options = {name: value for name, value in given.items() if name != "choice"}
    run = Run("rerank", options, keep=not given["no_provenance"])
    with inputs.spooled(given["results"]) as copy:
        _rerank(run, given, copy, time.monotonic())  # when all that came through a pipe is there


def _rerank(run: "Run", given: dict[str, Any], copy: Path, start: float) -> None:
    from hiertools.files import inputs
    from hiertools.files.index import read_index
    from hiertools.files.results import read_results, write_results

    path = given["index"]
    header, rankings = read_results(copy)
    run.add_input(given["results"], inputs.digest_file(copy), header.get("provenance"))
    index, sha256 = read_index(path), inputs.digest_file(path)
    run.add_input(path, sha256, index.chain)
    if header.get("index", sha256) != sha256:
        raise UserError(
            f"{given['results']}: are results of another index than {path}, or of an earlier one;"
            " name the index that was searched, or search again"
        )
    drive = _drive(run, given, index, sha256, header, start)
    masks: list[Document] = []
    lines = drive.rankings(_falling(rankings, given), _keep(masks, drive.gallery, index.items))
    first = list(islice(lines, 1))  # what is wrong is said before anything is written
    reranked = [*header.get("reranked", []), described(given["choice"])]
    about = {"index": sha256, **header, "reranked": reranked}
    write_results(
        given["output"], about, joined(first, lines), format=given["format"].value,
        chain=run.chain(), overwrite=given["overwrite"],
    )  # fmt: skip
    _write_masks(run, given, masks)
    _say(given, drive.tally, len(masks))


def _falling(rankings: "Iterable[Ranking]", given: dict[str, Any]) -> "Iterator[Ranking]":
    """Yield rankings, also of files made elsewhere, whose scores never rise."""
    from hiertools.files.rankings import checked

    placed = ((f"query {ranking.query!r}", ranking) for ranking in rankings)
    return checked(placed, str(given["results"]), ordered=True)


def described(choice: Choice) -> "Document":
    """Return a method and all of its options, with those that were not given."""
    usual = {option.name: option.default for option in choice.member.options}
    return {"method": choice.member.name, **usual, **choice.options}


def _drive(
    run: "Run",
    given: dict[str, Any],
    index: "Index",
    sha256: str,
    header: "Document",
    start: float,
) -> "Drive":
    from hiertools.files import items
    from hiertools.reranking import communities
    from hiertools.reranking.barring import Barring
    from hiertools.reranking.driving import Drive, Limits

    path, budget, choice = given["index"], given["time_budget"], given["choice"]
    queries = _queries(run, given["queries"] or [], index, path)
    gallery = _gallery(run, given, index, sha256, queries)
    images = {
        items.decode(key): bytes(image)
        for _, found in queries
        if found.items.image is not None
        for key, image in zip(found.items.id, found.items.image, strict=True)
    }

    def doubtful(shortlist: "Shortlist") -> bool:
        return not given["only_uncertain"] or communities.uncertain(
            shortlist, gallery, nats=given["uncertainty"]
        )

    until = None if budget is None else start + budget
    return Drive(
        choice.member.name, choice.call, gallery, index.items,
        Barring(index.items, header, images, str(path)),
        Limits(given["k"], given["within"], until, doubtful), str(given["results"]),
    )  # fmt: skip


def _queries(
    run: "Run", paths: list[Path], index: "Index", name: Path
) -> "list[tuple[Path, Embeddings]]":
    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.search.placing import check_fit

    found = []
    for path in paths:
        read = read_embeddings(path)
        run.add_input(path, inputs.digest_file(path), read.chain)
        check_fit(read.meta, read.vectors.shape[1], str(path), index.meta, str(name))
        found.append((path, read))
    return found


def _gallery(
    run: "Run",
    given: dict[str, Any],
    index: "Index",
    sha256: str,
    queries: "list[tuple[Path, Embeddings]]",
) -> "Gallery":
    from hiertools.embedding import choose_device
    from hiertools.files import inputs, items
    from hiertools.files.local_features import read_local
    from hiertools.files.verified import Verified, read_part
    from hiertools.reranking.assembling import Features, boxes_of
    from hiertools.reranking.directions import directions
    from hiertools.reranking.gallery import Gallery

    files = [read_local(path) for path in given["local"] or []]
    digests = [inputs.digest_file(file.path) for file in files]
    for file, digest in zip(files, digests, strict=True):
        run.add_input(file.path, digest, file.chain)
    boxes = boxes_of(index.items)
    for _, found in queries:
        boxes |= boxes_of(found.items)
    pairs = [read_part(path) for path in given["verified"] or []]
    for part in pairs:
        run.add_input(part.path, inputs.digest_file(part.path), part.chain)
        part.check_local(digests)
    graph = _graph(run, given["graph"], sha256, given["index"])
    hurried = given["time_budget"] is not None
    return Gallery(
        ids=[items.decode(key) for key in index.items.id],
        vectors=directions(index.points),
        queries=_points(queries, index),
        features_of=Features(files, boxes).of,
        verified=Verified(pairs) if pairs else None,
        name=str(given["index"]),
        seed=given["seed"],
        block=min(given["batch_size"], HURRIED) if hurried else given["batch_size"],
        device=choose_device(given["device"]),
        explain=given["explain"],
        masks=given["masks"] is not None,
        **graph,
    )


def _graph(run: "Run", path: Path | None, sha256: str, name: Path) -> dict[str, Any]:
    from hiertools.files import inputs
    from hiertools.files.graph import read_graph_of
    from hiertools.reranking.neighbours import Neighbours

    if path is None:
        return {}
    found = read_graph_of(path, index=sha256, name=str(name))
    run.add_input(path, inputs.digest_file(path), found.chain)
    return {"graph": Neighbours(found.rows, found.similarities), "solves": found.solves}


def _points(queries: "list[tuple[Path, Embeddings]]", index: "Index") -> "dict[str, Vectors]":
    """Return the directions of queries by id, placed by the head of the index."""
    from hiertools.files import items
    from hiertools.files.embeddings import check_all_finite
    from hiertools.reranking.directions import directions
    from hiertools.search.placing import Placer

    placer = Placer(index.head, index.meta)
    points: dict[str, Vectors] = {}
    for path, found in queries:
        check_all_finite(found.vectors, found.items, str(path))
        rows = directions(placer.place(found.vectors))
        for key, row in zip(found.items.id, rows, strict=True):
            name = items.decode(key)
            if name in points:
                raise UserError(f"{path}: the query {name!r} is in another file of --queries too")
            points[name] = row
    return points


def _keep(
    masks: "list[Document]", gallery: "Gallery", table: "Items"
) -> "Callable[[str, str, int, list[Polygon]], None]":
    """Return what notes a mask of a hit: of its image once, whichever boxes of it are hits."""
    from hiertools.reranking.assembling import boxes_of

    boxes = boxes_of(table)
    known: dict[tuple[str, str], Document] = {}

    def keep(query: str, hit: str, rank: int, polygons: "list[Polygon]") -> None:
        image = boxes[hit][0] if hit in boxes else hit
        if (query, image) in known:
            there = known[query, image]["polygons"]
            there += [polygon for polygon in polygons if polygon not in there]
            return
        size = gallery.size(hit)
        about: Document = {} if size is None else {"size": [size[1], size[0]]}
        found: Document = {"query": query, "image": image, "rank": rank, "polygons": [*polygons]}
        masks.append(known.setdefault((query, image), {**found, **about}))

    return keep


def _write_masks(run: "Run", given: dict[str, Any], masks: "list[Document]") -> None:
    from hiertools.files.masks import write_masks

    if given["masks"] is not None:
        write_masks(given["masks"], masks, chain=run.chain(), overwrite=given["overwrite"])


def _say(given: dict[str, Any], tally: "Tally", masks: int) -> None:
    from hiertools.files import atomic
    from hiertools.terminal import say, warn

    name = "standard output" if given["output"] == atomic.STDOUT else given["output"]
    every = tally.done + tally.late + tally.certain
    text = f"{name}: {tally.done:,} of {every:,} queries re-ranked by {given['choice'].member.name}"
    if tally.done:
        text += f" in {tally.seconds:.3g} s ({tally.seconds / tally.done:.3g} s a query)"
    for count, why in ((tally.certain, "certain"), (tally.late, "beyond the time budget")):
        text += f"; {count:,} {why}" if count else ""
    text += f"; {masks:,} masks" if given["masks"] is not None else ""
    say(text)
    if given["masks"] is not None and tally.done and not masks:
        warn(f"{given['masks']}: {given['choice'].member.name} has made no masks")
