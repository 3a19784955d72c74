"""Pairs of a query and an item: verified before, or now."""

from hiertools.errors import UserError
from hiertools.files.verified import Pair
from hiertools.local.verification import Matching, verify
from hiertools.reranking.gallery import Gallery


class Pairs:
    """Verified pairs of queries and items of a gallery.

    Raises `UserError` if the pairs that the gallery has were verified in another way.
    """

    def __init__(self, gallery: Gallery, matching: Matching) -> None:
        self._gallery, self._matching = gallery, matching
        if gallery.verified is not None:
            _check_same(gallery.verified.options, matching)

    def pair(self, query: str, row: int) -> Pair:
        """Return a pair from the query to the item of a row."""
        gallery, key = self._gallery, self._gallery.ids[row]
        if gallery.verified is not None:
            found = gallery.verified.pair(query, key)
            if found is not None:
                return found
        return verify(gallery.features(query), gallery.features(key), self._matching)


def _check_same(made: dict[str, object], matching: Matching) -> None:
    for name, value in matching.document().items():
        if made.get(name) != value:
            raise UserError(
                f"the verified pairs were made with {name}={made.get(name)}, and here it is"
                f" {value}; verify them again, or give the same"
            )
