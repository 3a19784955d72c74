"""Search again with the mean of the query and its first hits (average query expansion).

Chum et al., "Total recall", ICCV 2007, as it is used with one vector an image.
"""

from collections.abc import Iterable, Iterator

from hiertools.reranking import expansion
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Reranked, Shortlist

ALPHA = 0.0  # every hit counts the same


def rerank(shortlists: Iterable[Shortlist], gallery: Gallery, *, n: int = 10) -> Iterator[Reranked]:
    """Rank the index by cosines to the expanded queries. n: first hits that are added."""
    expansion.check_options(n=n, alpha=ALPHA)
    return expansion.rerank_expanded(shortlists, gallery, gallery.vectors, n=n, alpha=ALPHA)
