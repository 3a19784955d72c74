"""What is relevant in a case as TREC qrels, for other programs that judge runs."""

from collections.abc import Iterator

import numpy as np

from hiertools.errors import UserError
from hiertools.evaluation.retrieval_case import Case
from hiertools.files import items, trec


def texts(case: Case) -> Iterator[str]:
    """Yield the lines of each query: candidates that are relevant, by id, with their grades.

    By classes the grade is 1. Raises `UserError` for an id that is no single word.
    """
    keys = [items.decode(key) for key in case.gallery.ids]
    for key in (*case.names, *keys):
        if not trec.is_word(key):
            raise UserError(f"--qrels: {key!r} is no word, as TREC needs")
    for query, name in enumerate(case.names):
        codes = case.codes(range(query, query + 1))[0]
        relevant = case.relevance.relevant[case.rows[query], 0][codes]
        first = case.barred.first
        relevant[case.barred.places[first[query] : first[query + 1]]] = False
        yield "".join(
            f"{name} 0 {keys[place]} {1 if case.classes else codes[place]}\n"
            for place in np.flatnonzero(relevant)
        )
