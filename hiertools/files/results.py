"""results: a ranking for each query, as JSON Lines, HDF5 or a TREC run.

Files that were made elsewhere may be TREC runs, or JSON Lines without our header.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain as joined
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.files import atomic, hdf5, inputs, json, rankings_hdf5, trec
from hiertools.files.inputs import Source
from hiertools.files.json import Document, Fields
from hiertools.files.rankings import Placed, Ranking, checked

KIND = "results"
VERSION = 1
FORMATS = ("jsonl", "h5", "trec")


def write_results(
    path: Path,
    header: Document,
    rankings: Iterable[Ranking],
    *,
    format: str,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write rankings, one at a time; as `jsonl` and `trec` also to standard output for `-`.

    A TREC run has no header, no queries without hits, and of hits ids and scores alone; HDF5 has
    no explanations. Raises `UserError` at the first ranking that is none.
    """
    placed = ((f"query {row}", ranking) for row, ranking in enumerate(rankings))
    sound = checked(placed, str(path), ordered=True)
    meta = {key: value for key, value in header.items() if key not in json.HEADER}
    match format:
        case "h5":
            rankings_hdf5.write(
                path, KIND, VERSION, sound, meta=meta, chain=chain, overwrite=overwrite
            )
        case "trec":
            atomic.write_texts(path, trec.texts(sound, str(path)), overwrite=overwrite)
        case "jsonl":
            lines = joined([json.line(_header(meta, chain))], map(_line, sound))
            atomic.write_texts(path, lines, overwrite=overwrite)
        case _:
            raise ValueError(f"{format}: not one of {FORMATS}")


def _header(meta: Document, chain: list[Document]) -> Document:
    return {"kind": KIND, "version": VERSION, "provenance": chain, **meta}


def _line(ranking: Ranking) -> str:
    hits: list[Document] = [
        {"id": key, "score": score}
        for key, score in zip(ranking.ids, ranking.scores.tolist(), strict=True)
    ]
    _tell(hits, "label", ranking.labels)
    if ranking.initial is not None:
        scores = ranking.initial.tolist()
        _tell(hits, "initial", [None if isnan(score) else score for score in scores])
    if ranking.explained is not None:
        _tell(hits, "explained", ranking.explained)
    about: Document = {"query": ranking.query}
    if ranking.category is not None:
        about["category"] = ranking.category
    if ranking.reranked:
        about["reranked"] = list(ranking.reranked)
    return json.line({**about, "hits": hits})


def _tell(hits: list[Document], key: str, values: Sequence[object]) -> None:
    """Add a key to the hits that have a value of it."""
    for hit, value in zip(hits, values, strict=True):
        if value is not None:
            hit[key] = value


def read_results(source: Source | Path) -> tuple[Document, Iterator[Ranking]]:
    """Return the header, {} for a file made elsewhere, and the rankings, read one at a time.

    Raises `UserError` with its line at the first ranking that is none.
    """
    source = source if isinstance(source, Source) else Source(source)
    header: Document = {}
    if source.head.startswith(inputs.HDF5_MAGIC):
        with hdf5.reading_kind(source.path, KIND, VERSION) as reader:
            header, placed = _header(reader.meta, reader.chain), rankings_hdf5.read(reader)
    elif source.head.removeprefix(BOM_UTF8).lstrip()[:1] == b"{":
        header, placed = _read_lines(source)
    else:
        placed = trec.read(source)
    return header, checked(placed, source.name, ordered=bool(header))


def _read_lines(source: Source) -> tuple[Document, Iterator[Placed]]:
    lines = json.read_lines(source)
    first = next(lines)
    if "kind" not in first.document:
        return {}, map(_placed, joined([first], lines))
    header = json.expect(first.document, source.name, KIND, VERSION)
    first.objects("provenance")
    return header, map(_placed, lines)


def _placed(line: Fields) -> Placed:
    """Return the ranking of a line."""
    hits = line.objects("hits")
    labels = [hit.text("label") if "label" in hit.document else None for hit in hits]
    scores = np.array([hit.number("score") for hit in hits], np.float64)
    category = line.text("category") if "category" in line.document else None
    ids = [hit.text("id") for hit in hits]
    reranked = tuple(line.texts("reranked")) if "reranked" in line.document else ()
    ranking = Ranking(
        line.text("query"), ids, scores, labels, category, reranked,
        _initial(hits) if reranked else None, _explained(hits),
    )  # fmt: skip
    return line.place, ranking


def _initial(hits: list[Fields]) -> NDArray[np.float64]:
    """Return the scores before re-ranking, NaN for hits that were none."""
    known = [hit.number("initial") if "initial" in hit.document else np.nan for hit in hits]
    return np.array(known, np.float64)


def _explained(hits: list[Fields]) -> list[Document | None] | None:
    if not any("explained" in hit.document for hit in hits):
        return None
    return [hit.object("explained") if "explained" in hit.document else None for hit in hits]


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    for _ in read_results(path)[1]:
        pass


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    header, rankings = read_results(path)
    sizes = [len(ranking.ids) for ranking in rankings]
    about = {key: value for key, value in header.items() if key not in json.HEADER}
    return {"queries": len(sizes), "hits": sum(sizes), **about}
