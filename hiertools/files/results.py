"""results: a ranking for each query, as JSON Lines, HDF5 or a TREC run.

Files that were made elsewhere may be TREC runs, or JSON Lines without our header.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from itertools import chain as joined
from pathlib import Path

import numpy as np

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

    A TREC run has no header, no labels, no categories and no queries without hits. Raises
    `UserError` at the first ranking that is none.
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
    hits = [
        {"id": key, "score": score}
        if label is None
        else {"id": key, "score": score, "label": label}
        for key, score, label in zip(
            ranking.ids, ranking.scores.tolist(), ranking.labels, strict=True
        )
    ]
    about = {"query": ranking.query}
    if ranking.category is not None:
        about["category"] = ranking.category
    return json.line({**about, "hits": hits})


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
    return line.place, Ranking(line.text("query"), ids, scores, labels, category)


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
