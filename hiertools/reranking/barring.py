"""Which items are no hits of a query, as the search left them out that made the results."""

from collections.abc import Mapping

import numpy as np

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.reranking.shortlist import Rows

EXCLUDES = ("none", "self", "image")


class Barring:
    """Rows of an index that are no hits.

    header: of results, of which `exclude` and `only` count; images: of the queries that are known,
    by id. Raises `UserError` for a header that says neither.
    """

    def __init__(
        self, table: Items, header: Document, images: Mapping[str, bytes], name: str
    ) -> None:
        self._table, self._images, self._name = table, images, name
        self._exclude = header.get("exclude", "none")
        if self._exclude not in EXCLUDES:
            raise UserError(f"{name}: 'exclude' is {self._exclude!r}, not {', '.join(EXCLUDES)}")
        if self._exclude == "image" and table.image is None:
            raise UserError(f"{name}: its items have no image, and the results leave images out")
        self._always = np.zeros(0, np.int64)
        only = header.get("only", "any")
        if only != "any" and table.kind is not None:
            self._always = np.flatnonzero(items.KINDS[table.kind] != str(only).encode())

    def rows(self, query: str, row: int | None) -> Rows:
        """Return the barred rows of a query, in rising order. row: of the item of its id."""
        if self._exclude == "self" and row is not None:
            return np.union1d(self._always, [row]).astype(np.int64)
        if self._exclude == "image":
            return np.union1d(self._always, self._of_image(query, row)).astype(np.int64)
        return self._always

    def _of_image(self, query: str, row: int | None) -> Rows:
        assert self._table.image is not None
        if query in self._images:
            image = self._images[query]
        elif row is not None:
            image = bytes(self._table.image[row])
        else:
            raise UserError(
                f"{self._name}: the results leave out all of a query's image, and the image of"
                f" {query!r} is not known; give the queries with --queries"
            )
        return np.flatnonzero(self._table.image == image)
