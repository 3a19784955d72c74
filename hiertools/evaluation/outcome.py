"""What a direction of search came to: of every query, what the metrics are means of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.distributions import Distances, Ground, distances
from hiertools.evaluation.judging import Judge, Judged
from hiertools.evaluation.relevance import Direction
from hiertools.evaluation.sets import Rows
from hiertools.profiling import stage, work

Tick = Callable[[int], None]
Block = tuple[range, Judged, Any]


@dataclass(frozen=True)
class Outcome:
    """What the judge found, for all queries; and distances, where children were looked for."""

    judge: Judge
    judged: Judged
    distances: Distances | None

    @property
    def direction(self) -> Direction:
        """Return what was searched, and for what."""
        return self.judge.direction

    def measured(self, name: str) -> NDArray[np.float64] | None:
        """Return distances along index, tree or path, None where they are not measured."""
        return self.distances.measured.get(name) if self.distances else None


def of_scores(
    judge: Judge,
    ground: Ground,
    scores: Callable[[Rows], NDArray[np.float64]],
    *,
    batch_size: int,
    tick: Tick,
) -> Outcome:
    """Return what scores come to, of which those of a block of queries are there at a time.

    scores: of all candidates, for those queries whose rankings are looked at.
    """

    def judged() -> Iterator[Block]:
        for rows in _blocks(len(judge.direction.queries), batch_size, tick):
            ranked = judge.ranked(rows)
            with stage("searching"):
                scored = scores(ranked)
            with stage("judging"):
                found = judge.scores(scored, rows, ranked=ranked)
            yield rows, *found

    return _outcome(judge, ground, judged())


def of_places(
    judge: Judge, ground: Ground, rankings: list[NDArray[np.int32]], *, batch_size: int, tick: Tick
) -> Outcome:
    """Return what rankings come to: of each query the places of its hits, best first."""

    def judged() -> Iterator[Block]:
        for rows in _blocks(len(rankings), batch_size, tick):
            with stage("judging"):
                found = judge.places(rankings[rows.start : rows.stop], rows)
            yield rows, *found

    return _outcome(judge, ground, judged())


def _blocks(total: int, size: int, tick: Tick) -> Iterator[range]:
    with work("queries") as done:
        for start in range(0, total, size):
            rows = range(start, min(start + size, total))
            yield rows
            tick(len(rows))
            done(len(rows))


def _outcome(judge: Judge, ground: Ground, blocks: Iterator[Block]) -> Outcome:
    direction = judge.direction
    found, measured = [], []
    for rows, judged, weights in blocks:
        found.append(judged)
        if direction.find == "children":
            with stage("distances"):
                measured.append(distances(direction, ground, rows, weights, judged.relevant))
    together = Judged(*map(np.concatenate, zip(*found, strict=True)))
    return Outcome(judge, together, _joined(measured) if measured else None)


def _joined(parts: list[Distances]) -> Distances:
    shuffled = {
        kind: np.sum([part.shuffled[kind] for part in parts], axis=0) for kind in parts[0].shuffled
    }
    measured = {
        name: np.concatenate([part.measured[name] for part in parts]) for name in parts[0].measured
    }
    return Distances(measured, shuffled)
