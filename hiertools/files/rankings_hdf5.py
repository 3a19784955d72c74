"""Rankings as arrays in HDF5: ids and labels as codes into tables of texts."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, items
from hiertools.files.json import Document
from hiertools.files.rankings import Placed, Ranking

Column = tuple[NDArray[np.signedinteger[Any]], NDArray[np.object_]]

NO_LABEL = -1
CATEGORIES = "categories"
RERANKED = "reranked"
INITIAL = "initial"


class _Codes:
    """Texts as codes, numbered as they first come."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.codes = [np.zeros(0, np.int32)]

    def add(self, texts: Iterable[str | None]) -> None:
        known = self.known
        codes = [NO_LABEL if t is None else known.setdefault(t, len(known)) for t in texts]
        self.codes.append(np.array(codes, np.int32))

    def write(self, writer: hdf5.Writer, group: str) -> None:
        writer.column(f"{group}/codes", np.concatenate(self.codes))
        writer.column(f"{group}/names", items.encode(list(self.known)))


def write(
    path: Path,
    kind: str,
    version: int,
    rankings: Iterable[Ranking],
    *,
    meta: Document,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write rankings, collected as arrays first; what explains them is left out."""
    queries, offsets, scores, initial = list[str](), [0], [np.zeros(0)], [np.zeros(0)]
    ids, labels, categories, reranked = _Codes(), _Codes(), _Codes(), _Codes()
    with hdf5.create(path, kind, version, meta=meta, chain=chain, overwrite=overwrite) as writer:
        for ranking in rankings:
            queries.append(ranking.query)
            offsets.append(offsets[-1] + len(ranking.ids))
            scores.append(ranking.scores)
            ids.add(ranking.ids)
            labels.add(ranking.labels)
            categories.add([ranking.category])
            reranked.add([" ".join(ranking.reranked) or None])
            initial.append(_or_nan(ranking.initial, len(ranking.ids)))
        writer.column("queries", items.encode(queries))
        writer.column("offsets", np.array(offsets, np.int64))
        writer.column("scores", np.concatenate(scores))
        ids.write(writer, "ids")
        labels.write(writer, "labels")
        if categories.known:
            categories.write(writer, CATEGORIES)
        if reranked.known:
            reranked.write(writer, RERANKED)
            writer.column(INITIAL, np.concatenate(initial))


def _or_nan(scores: NDArray[np.float64] | None, hits: int) -> NDArray[np.float64]:
    return np.full(hits, np.nan) if scores is None else scores


def read(reader: hdf5.Reader) -> Iterator[Placed]:
    """Return the rankings. Raises `UserError` if the arrays do not fit each other."""
    queries = _texts(reader, "queries")
    offsets, scores = reader.column("offsets", "i", 1), reader.column("scores", "f", 1)
    columns = [_column(reader, "ids", 0), _column(reader, "labels", NO_LABEL)]
    _check(reader.path, len(queries), offsets, [scores, *(codes for codes, _ in columns)])
    of_query = [_of_queries(reader, name, len(queries)) for name in (CATEGORIES, RERANKED)]
    initial = None
    if reader.has(INITIAL):
        initial = reader.column(INITIAL, "f", 1).astype(np.float64, copy=False)
        _check(reader.path, len(queries), offsets, [initial])
    scores = scores.astype(np.float64, copy=False)
    return _rankings(queries, of_query, offsets, scores, initial, *columns)


def _of_queries(reader: hdf5.Reader, group: str, queries: int) -> list[str | None]:
    """Return a text of each query, None where it has none."""
    if not reader.has(f"{group}/codes"):
        return [None] * queries
    codes, names = _column(reader, group, NO_LABEL)
    if len(codes) != queries:
        raise UserError(f"{reader.path}: '{group}' is not one for each query")
    return list(names[codes])


def _column(reader: hdf5.Reader, group: str, least: int) -> Column:
    """Return codes, and texts with None behind the last, where the code -1 finds it."""
    codes, names = reader.column(f"{group}/codes", "i", 1), _texts(reader, f"{group}/names")
    if len(codes) and (codes.min() < least or codes.max() >= len(names)):
        raise UserError(f"{reader.path}: a code of '{group}' has no name")
    return codes, np.array([*names, None], object)


def _texts(reader: hdf5.Reader, name: str) -> list[str]:
    column = reader.column(name, "S", 1)
    try:
        return [text.decode() for text in column.tolist()]
    except UnicodeDecodeError:
        raise UserError(f"{reader.path}: a text of '{name}' is not UTF-8") from None


def _check(path: Path, queries: int, offsets: NDArray[Any], columns: list[NDArray[Any]]) -> None:
    whole = len(offsets) == queries + 1 and offsets[0] == 0
    if (
        not whole
        or (offsets[1:] < offsets[:-1]).any()
        or any(len(column) != offsets[-1] for column in columns)
    ):
        raise UserError(f"{path}: the offsets do not fit the queries and the hits")


def _rankings(
    queries: list[str],
    of_query: list[list[str | None]],
    offsets: NDArray[np.int64],
    scores: NDArray[np.float64],
    initial: NDArray[np.float64] | None,
    ids: Column,
    labels: Column,
) -> Iterator[Placed]:
    categories, reranked = of_query
    for row, query in enumerate(queries):
        hits = slice(offsets[row], offsets[row + 1])
        texts = [names[codes[hits]].tolist() for codes, names in (ids, labels)]
        methods = tuple((reranked[row] or "").split())
        before = initial[hits] if methods and initial is not None else None
        yield (
            f"query {row}",
            Ranking(query, texts[0], scores[hits], texts[1], categories[row], methods, before),
        )
