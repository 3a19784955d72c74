"""TREC run files: `QUERY Q0 ID RANK SCORE TAG`, a hit a line."""

import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

import numpy as np

from hiertools.errors import UserError
from hiertools.files.inputs import Source
from hiertools.files.rankings import Placed, Ranking

TAG = "hiertools"
UNFIT = re.compile(r"[\s\ufeff\0]")  # what some reader takes for white space


def texts(rankings: Iterable[Ranking], name: str) -> Iterator[str]:
    """Yield the lines of each ranking. Raises `UserError` for an id that is no single word."""
    for ranking in rankings:
        for text in (ranking.query, *ranking.ids):
            if not text or UNFIT.search(text):
                raise UserError(f"{name}: {text!r} is no word, as TREC needs; use --format jsonl")
        hits = zip(ranking.ids, ranking.scores.tolist(), strict=True)
        yield "".join(
            f"{ranking.query} Q0 {key} {rank} {score!r} {TAG}\n"
            for rank, (key, score) in enumerate(hits, 1)
        )


def read(source: Source) -> Iterator[Placed]:
    """Yield the rankings of a run: queries as they first come, hits by rank, then as they stand."""
    hits: dict[str, list[tuple[int, float, str]]] = {}
    places: dict[str, int] = {}
    for number, line in source.lines():
        query, key, rank, score = _hit(line, source.name, number)
        places.setdefault(query, number)
        hits.setdefault(query, []).append((rank, score, key))
    for query, found in hits.items():
        found.sort(key=lambda hit: hit[0])
        scores = np.array([score for _, score, _ in found], np.float64)
        ranking = Ranking(query, [key for _, _, key in found], scores, [None] * len(found))
        yield f"line {places[query]}", ranking


def _hit(line: bytes, name: str, number: int) -> tuple[str, str, int, float]:
    fields = line.removeprefix(BOM_UTF8).split()  # bytes know the white space of ASCII only
    if len(fields) != 6:
        raise UserError(f"{name}:{number}: is not QUERY Q0 ID RANK SCORE TAG, nor JSON Lines")
    query, _, key, rank, score, _ = fields
    try:
        hit = query.decode(), key.decode(), int(rank), float(score)
    except UnicodeDecodeError:
        raise UserError(f"{name}:{number}: is not UTF-8 text") from None
    except ValueError:
        raise UserError(f"{name}:{number}: the rank or the score is not a number") from None
    if not math.isfinite(hit[3]):
        raise UserError(f"{name}:{number}: the score {hit[3]} is not finite")
    return hit
