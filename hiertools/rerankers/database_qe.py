"""Search among items that were expanded by their own neighbours (database-side augmentation).

Arandjelovic and Zisserman, CVPR 2012, section 5, with weights as of alpha-qe: an item and its n
nearest become one vector.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from hiertools.errors import UsageError
from hiertools.reranking import expansion
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Reranked, Shortlist


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    n: int = 10,
    alpha: float = 3.0,
    hits: int = 0,
) -> Iterator[Reranked]:
    """Rank the index by cosines of queries to expanded items.

    n: nearest items that each item is expanded by, from --graph if it has as many. alpha: the power
    of cosines. hits: first hits, as expanded, that the query is expanded by too, as of alpha-qe.
    """
    expansion.check_options(n=n, alpha=alpha)
    if hits < 0:
        raise UsageError(f"option hits={hits} must be at least 0")
    return _reranked(shortlists, gallery, n, alpha, hits)


def _reranked(
    shortlists: Iterable[Shortlist], gallery: Gallery, n: int, alpha: float, hits: int
) -> Iterator[Reranked]:
    waiting = iter(shortlists)
    first = next(waiting, None)
    if first is not None:  # without queries items need not be expanded
        vectors = expansion.expanded_items(gallery, n=n, alpha=alpha)
        every = chain([first], waiting)
        yield from expansion.rerank_expanded(every, gallery, vectors, n=hits, alpha=alpha)
