"""Rankings that were made before: their queries, and their hits as rows of what was searched."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation.sets import Rows, Set
from hiertools.files import items
from hiertools.files.items import Items
from hiertools.files.rankings import Ranking

Places = NDArray[np.int32]


def read(rankings: Iterable[Ranking], searched: Items, name: str) -> dict[str, Rows]:
    """Return the rows of each query's hits, best first.

    Raises `UserError` for a hit that is not among the items that were searched.
    """
    row = {items.decode(key): i for i, key in enumerate(searched.id)}
    found: dict[str, Rows] = {}
    for ranking in rankings:
        try:
            found[ranking.query] = np.array([row[key] for key in ranking.ids], np.int64)
        except KeyError as error:
            raise UserError(
                f"{name}: the hit {error} of {ranking.query!r} is not among the items that were"
                " searched; name these first"
            ) from None
    return found


def queries_of(names: Sequence[str], tables: Sequence[Items], name: str) -> Items:
    """Return the items of queries in their order, each from the first table that has it.

    Raises `UserError` for a query that is in no table.
    """
    wanted = items.encode(names)
    parts: list[Items] = []
    for table in tables:
        rows = np.flatnonzero(np.isin(table.id, wanted))
        wanted = wanted[~np.isin(wanted, table.id[rows])]
        if len(rows):
            parts.append(table.take(rows))
    if len(wanted):
        raise UserError(
            f"{name}: no file has the item of {len(wanted):,} queries, such as"
            f" {items.decode(wanted[0])!r}; name the file of the queries too"
        )
    shared = set.intersection(*(_columns(part) for part in parts))
    unshared: list[dict[str, Any]] = [dict.fromkeys(_columns(part) - shared) for part in parts]
    parts = [replace(part, **each) for part, each in zip(parts, unshared, strict=True)]
    found = items.concatenate(parts)
    by_id = np.argsort(found.id, kind="stable")
    return found.take(by_id[np.searchsorted(found.id[by_id], items.encode(names))])


def _columns(table: Items) -> set[str]:
    return {*table.columns(), *(() if table.labels is None else ("labels",))} - {"id"}


def places(hits: dict[str, Rows], queries: Set, candidates: Set, rows: int) -> list[Places]:
    """Return the places among candidates of each query's hits, without those that are none.

    rows: how many there were to be searched.
    """
    place = np.full(rows, -1, np.int32)
    place[candidates.rows] = np.arange(len(candidates))
    found = (place[hits[items.decode(query)]] for query in queries.items.id)
    return [each[each >= 0] for each in found]
