"""Embeddings to predictions: what a question asks of an index of entities, batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from hiertools import places
from hiertools.files import items
from hiertools.files.entity_index import EntityIndex
from hiertools.files.items import Items
from hiertools.files.placements import Prediction, Step
from hiertools.profiling import stage
from hiertools.search import locating
from hiertools.search.answers import Answers, LevelSearch, PathSearch, Search
from hiertools.search.entity_placing import EntityPlacer
from hiertools.search.path_scores import PathScore, Values
from hiertools.search.ranking import check_finite
from hiertools.search.tree import Points, Rows, Tree

SURE_OF = 20  # paths, at least, that probabilities are shared out to


@dataclass(frozen=True)
class Question:
    """What is asked of an index of entities.

    method: `beam`, of a width, `flat` or `exact`; by: how paths are rated, see `PathScore`; k:
    entities for each item; threshold: the probability from which on a level is sure; locate: see
    `locating`; batch_size: items that are searched for together.
    """

    method: str
    by: str
    beam: int
    k: int
    threshold: float
    locate: str
    device: torch.device
    batch_size: int


class Answerer:
    """An index of entities that answers one kind of question.

    temperature: of probabilities, None if none was found for this score.
    """

    def __init__(self, index: EntityIndex, question: Question) -> None:
        self._index, self._question = index, question
        self.temperature = temperature_of(index, question)
        self._placer = EntityPlacer(index, device=question.device)
        self._search = search_of(index, question)

    def predictions(
        self, table: Items, vectors: Points, rows: Rows, name: str
    ) -> Iterator[list[Prediction]]:
        """Yield the predictions of some rows of embeddings, batch by batch."""
        for start in range(0, len(rows), self._question.batch_size):
            batch = rows[start : start + self._question.batch_size]
            with stage("reading"):
                embeddings = np.asarray(vectors[batch])
            check_finite(embeddings, table, batch, name)
            with stage("placing"):
                points = self._placer.place(embeddings)
            with stage("searching"):
                found = self._search.answers(points, self.temperature or 1.0)
            ids = [items.decode(key) for key in table.id[batch]]
            with stage("locating"):
                described = self._described(ids, found)
            yield described

    def _described(self, ids: list[str], found: Answers) -> list[Prediction]:
        located = self._located(found)
        return [
            self._prediction(key, found, row, None if located is None else located[row])
            for row, key in enumerate(ids)
        ]

    def _located(self, found: Answers) -> Values | None:
        """Return latitude and longitude for each item, if the entities have any."""
        table = self._index.items
        if table.latitude is None or table.longitude is None:
            return None
        if self._question.locate == "centroid":
            best = found.top[:, 0]
            return np.stack([table.latitude[best], table.longitude[best]], 1)
        rows = np.where(found.top < 0, found.top[:, :1], found.top)
        vectors = places.unit_vectors(table.latitude[rows], table.longitude[rows])
        point = locating.locate(vectors, found.top_probability, method=self._question.locate)
        return np.stack(places.coordinates(point), 1)

    def _prediction(self, key: str, found: Answers, row: int, place: Values | None) -> Prediction:
        levels, question = self._index.levels, self._question
        path = [
            self._step(levels[level], entity, probability)
            for level, (entity, probability) in enumerate(
                zip(found.path[row], found.path_probability[row].tolist(), strict=True)
            )
            if entity >= 0
        ]
        ends = found.top[row, : question.k]
        where = np.searchsorted(self._index.nodes.offsets, ends, side="right") - 1
        top = [
            self._step(levels[level], entity, probability)
            for entity, level, probability in zip(
                ends, where, found.top_probability[row].tolist(), strict=False
            )
            if entity >= 0
        ]
        sure = [step for step in path if step.probability >= question.threshold]
        latitude, longitude = (None, None) if place is None else place.tolist()
        last = sure[-1] if sure else path[0]
        return Prediction(key, top, path, latitude, longitude, last.probability, last.level)

    def _step(self, level: str, entity: int, probability: float) -> Step:
        table = self._index.items
        place: tuple[float, ...] = ()
        if table.latitude is not None and table.longitude is not None:
            place = float(table.latitude[entity]), float(table.longitude[entity])
        name = items.decode(self._index.nodes.name[entity])
        return Step(level, items.decode(table.id[entity]), name, probability, *place)


def default_score(index: EntityIndex) -> str:
    """Return what paths are rated by if nobody says: the energy of the model's loss, or cosine."""
    return "energy" if index.head else "ip"


def temperature_of(index: EntityIndex, question: Question) -> float | None:
    """Return the temperature that was found for paths by a score, None if none was."""
    found = index.meta.get("temperature")
    if found is None or question.method == "flat":
        return None
    return found if index.meta["calibration"]["score"] == question.by else None


def search_of(index: EntityIndex, question: Question) -> Search:
    """Return the search that a question is for."""
    tree, score = tree_of(index), score_of(index, question.by)
    least = max(question.k, SURE_OF)
    if question.method == "flat":
        return LevelSearch(tree, score, least=least)
    width = question.beam if question.method == "beam" else None
    return PathSearch(tree, score, width=width, least=least, device=question.device)


def tree_of(index: EntityIndex) -> Tree:
    """Return the hierarchy of an index, with its points in memory."""
    nodes = index.nodes
    points = np.array(index.points)  # numba knows no memory maps
    return Tree(points, nodes.offsets, nodes.parent, nodes.children, nodes.implicit)


def score_of(index: EntityIndex, by: str) -> PathScore:
    """Return a score of paths with the numbers of an index."""
    meta = index.meta
    return PathScore(
        by, meta["geometry"], meta["c"], tuple(meta["beta"]), meta["tau"], meta["squared"]
    )
