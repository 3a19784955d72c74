"""TREC files: runs, `QUERY Q0 ID RANK SCORE TAG`, a hit a line; qrels, `QUERY 0 ID GRADE`."""

import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

import numpy as np

from hiertools.errors import UserError
from hiertools.files.inputs import Source
from hiertools.files.rankings import Placed, Ranking

TAG = "hiertools"
MOST = 1000  # of a grade
UNFIT = re.compile(r"[\s\ufeff\0]")  # what some reader takes for white space


def texts(rankings: Iterable[Ranking], name: str) -> Iterator[str]:
    """Yield the lines of each ranking. Raises `UserError` for an id that is no single word."""
    for ranking in rankings:
        for text in (ranking.query, *ranking.ids):
            if not is_word(text):
                raise UserError(f"{name}: {text!r} is no word, as TREC needs; use --format jsonl")
        hits = zip(ranking.ids, ranking.scores.tolist(), strict=True)
        yield "".join(
            f"{ranking.query} Q0 {key} {rank} {score!r} {TAG}\n"
            for rank, (key, score) in enumerate(hits, 1)
        )


def is_word(text: str) -> bool:
    """Return whether TREC can have an id."""
    return bool(text) and not UNFIT.search(text)


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


def are_qrels(source: Source) -> bool:
    """Return whether a file's first line is one of qrels: four words and no comma."""
    first = source.head.removeprefix(BOM_UTF8).partition(b"\n")[0]
    return len(first.split()) == 4 and b"," not in first


def read_qrels(source: Source) -> dict[str, dict[str, int]]:
    """Return the grades of candidates for each query. A grade below 0 is 0, as for trec_eval."""
    found: dict[str, dict[str, int]] = {}
    for number, line in source.lines():
        query, key, grade = _judged(line, source.name, number)
        grades = found.setdefault(query, {})
        if key in grades:
            raise UserError(f"{source.name}:{number}: {key!r} is judged for {query!r} above")
        grades[key] = grade
    return found


def _judged(line: bytes, name: str, number: int) -> tuple[str, str, int]:
    fields = line.removeprefix(BOM_UTF8).split()
    if len(fields) != 4:
        raise UserError(f"{name}:{number}: is not QUERY 0 ID GRADE")
    query, _, key, grade = fields
    try:
        found = query.decode(), key.decode(), max(0, int(grade))
    except UnicodeDecodeError:
        raise UserError(f"{name}:{number}: is not UTF-8 text") from None
    except ValueError:
        raise UserError(f"{name}:{number}: the grade is no whole number") from None
    if found[2] > MOST:
        raise UserError(f"{name}:{number}: the grade {found[2]} is above {MOST}")
    return found
