"""Queries and candidates as a case: by their classes, or as somebody has judged single hits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation import retrieval_case, retrieval_relevance
from hiertools.evaluation.retrieval_case import Case, Codes
from hiertools.evaluation.retrieval_relevance import Worths
from hiertools.evaluation.retrieval_truth import Grades
from hiertools.files import items
from hiertools.files.hierarchy import Hierarchy
from hiertools.files.items import Items
from hiertools.taxonomy import Taxonomy, listed


@dataclass(frozen=True)
class Sides:
    """The items of queries and those that were searched, and what their files are called."""

    queries: Items
    searched: Items
    names: tuple[str, str]
    exclude: str


@dataclass(frozen=True)
class Tree:
    """A hierarchy, and what its file is called."""

    hierarchy: Hierarchy
    name: str


def by_class(sides: Sides, tree: Tree | None, how: Worths) -> tuple[Case, Taxonomy | None]:
    """Return a case in which items of a query's class are relevant, and those of a class near it.

    Raises `UserError` for items without a class or with several, and for classes that the
    hierarchy lacks.
    """
    texts = [
        _classes(table, name)
        for table, name in zip((sides.queries, sides.searched), sides.names, strict=True)
    ]
    classes, codes = np.unique(np.concatenate(texts), return_inverse=True)
    names = [items.decode(name) for name in classes]
    asked, searched = np.split(codes.astype(np.int32), [len(texts[0])])
    found = retrieval_case.gallery(sides.searched.id)
    searched = searched[found.rows]
    taxonomy, labels = None, asked.astype(np.int64)
    relevance, rows = retrieval_relevance.of_sameness(), np.zeros(len(asked), np.int64)
    if tree is not None:
        taxonomy = retrieval_relevance.taxonomy_of(
            tree.hierarchy, names, how, name=tree.name, other=sides.names[1]
        )
        relevance, rows = retrieval_relevance.of_taxonomy(taxonomy, how), labels

    def codes_of(queries: range) -> Codes:
        if taxonomy is not None:
            return searched[None]
        own = asked[queries.start : queries.stop]
        return np.equal(own[:, None], searched[None]).astype(np.int32)

    barred = retrieval_case.barred(sides.queries, sides.searched, found, sides.exclude)
    case = Case(
        sides.queries.id, rows, found, codes_of, barred, relevance, tuple(names), labels, whole=True
    )  # fmt: skip
    return case, taxonomy


def _classes(table: Items, name: str) -> NDArray[np.bytes_]:
    """Return the class of each item: its one label."""
    labels = table.labels
    if labels is None:
        raise UserError(f"{name}: the items have no labels; give them: --truth CSV, or embed anew")
    counts = np.diff(labels.offsets)
    for wrong, what in ((counts == 0, "no label"), (counts > 1, "several labels")):
        if wrong.any():
            first = listed([items.decode(key) for key in table.id[wrong]])
            raise UserError(f"{name}: each item needs one class, and these have {what}: {first}")
    return np.asarray(labels.names[labels.codes])


def by_grade(sides: Sides, grades: Grades, name: str, *, whole: bool) -> Case:
    """Return a case in which candidates are as relevant as somebody judged them for each query.

    Only queries that were judged may be given; candidates without a grade are not relevant. whole:
    whether all candidates are known. Raises `UserError` for grades of candidates that are none.
    """
    found = retrieval_case.gallery(sides.searched.id)
    known = {items.decode(key): place for place, key in enumerate(found.ids)}
    names = [items.decode(key) for key in sides.queries.id]
    lost = sorted({key for query in names for key in grades[query] if key not in known})
    if lost:
        raise UserError(
            f"{name}: candidates that are not among the items of {sides.names[1]}: {listed(lost)}"
        )
    highest = max((grade for query in names for grade in grades[query].values()), default=0)

    def codes_of(queries: range) -> Codes:
        codes = np.zeros((len(queries), len(found.ids)), np.int32)
        for row, query in enumerate(queries):
            graded = grades[names[query]]
            codes[row, [known[key] for key in graded]] = list(graded.values())
        return codes

    barred = retrieval_case.barred(sides.queries, sides.searched, found, sides.exclude)
    relevance = retrieval_relevance.of_grades(max(1, highest))
    rows = np.zeros(len(names), np.int64)
    return Case(
        sides.queries.id, rows, found, codes_of, barred, relevance, (), np.zeros(0, np.int64), whole
    )
