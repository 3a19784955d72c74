"""Search again with the query and its first hits in one, the more similar counting more.

Radenovic et al. 2018 (arXiv:1711.02512), section 3.4: a hit counts max(0, cosine)^alpha.
"""

from collections.abc import Iterable, Iterator

from hiertools.reranking import expansion
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Reranked, Shortlist


def rerank(
    shortlists: Iterable[Shortlist], gallery: Gallery, *, n: int = 10, alpha: float = 3.0
) -> Iterator[Reranked]:
    """Rank the index by cosines to the expanded queries.

    n: first hits that are added. alpha: the power of their cosines.
    """
    expansion.check_options(n=n, alpha=alpha)
    return expansion.rerank_expanded(shortlists, gallery, gallery.vectors, n=n, alpha=alpha)
