"""What a candidate of a class is worth to a query of a class, by the hierarchy of the classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation.retrieval_case import SAME, Relevance, worth
from hiertools.files.hierarchy import Hierarchy
from hiertools.taxonomy import HEIGHT, Taxonomy, height_costs, listed, of_hierarchy

INVERSE, EXPONENTIAL, SAME_CLASS = "inverse", "exp", "same"
GAINS = (INVERSE, EXPONENTIAL, HEIGHT, SAME_CLASS)
SIMILARITIES = (HEIGHT, INVERSE)

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Worths:
    """How a distance becomes a gain for nDCG, and a similarity for hierarchical precision.

    gain: of `GAINS`; decay: a of exp(-a d); similarity: of `SIMILARITIES`; distance: of classes,
    None for what the hierarchy itself says.
    """

    gain: str
    decay: float
    similarity: str
    distance: str | None


def taxonomy_of(
    hierarchy: Hierarchy, classes: list[str], how: Worths, *, name: str, other: str
) -> Taxonomy:
    """Return the taxonomy of the classes that items have. name: of the hierarchy; other: of items.

    Raises `UserError` with what either lacks, if items have a class that the hierarchy lacks.
    """
    known = {node.id for node in hierarchy.nodes}
    unknown = [key for key in classes if key not in known]
    if unknown:
        unused = sorted(_unused(hierarchy, set(classes)))
        more = f"; of its own classes {listed(unused)} have no items" if unused else ""
        raise UserError(f"{other}: {name} lacks the classes of items {listed(unknown)}{more}")
    return of_hierarchy(hierarchy, classes=classes, distance=how.distance)


def _unused(hierarchy: Hierarchy, classes: set[str]) -> list[str]:
    """Return the leaves without items."""
    return [leaf for leaf in hierarchy.leaves if leaf not in classes]


def of_taxonomy(found: Taxonomy, how: Worths) -> Relevance:
    """Return what classes are worth to each other."""
    named = {SAME: np.eye(len(found.classes), dtype=np.bool_), **dict(_levels(found))}
    near = 1 - _heights(found) if how.similarity == HEIGHT else _inverse(found)
    return Relevance(
        tuple(named), np.stack(list(named.values()), axis=1), worth(gains(found, how)), worth(near)
    )


def gains(found: Taxonomy, how: Worths) -> Floats:
    """Return the gain of a candidate's class for a query's (classes x classes), 1 for the same.

    1/(1 + d) is WordNet's path similarity where d is of paths; 1 - height is the similarity of Barz
    & Denzler 2019 (arXiv:1809.09924), eq. 2.
    """
    if how.gain == INVERSE:
        return _inverse(found)
    if how.gain == EXPONENTIAL:
        decayed: Floats = np.exp(-how.decay * found.distances)
        return decayed
    if how.gain == HEIGHT:
        return 1 - _heights(found)
    return np.eye(len(found.classes))


def _inverse(found: Taxonomy) -> Floats:
    inverse: Floats = 1 / (1 + found.distances)
    return inverse


def _heights(found: Taxonomy) -> Floats:
    return height_costs(found.hierarchy, found.classes)


def of_sameness() -> Relevance:
    """Return what is relevant without a hierarchy: code 1, the class itself, and not code 0."""
    return of_grades(1)


def of_grades(highest: int) -> Relevance:
    """Return what codes are worth that are grades: themselves, and relevant above 0."""
    grades = np.arange(highest + 1, dtype=np.float64)[None]
    return Relevance((SAME,), (grades > 0)[None], worth(grades), worth(np.zeros((1, 0))))


def _levels(found: Taxonomy) -> Iterator[tuple[str, Mask]]:
    """Yield which classes are relevant to which, for each level that tells some classes apart.

    By named levels, classes below the same node of that level; without any, by depth: those that
    share a node so deep or deeper, and the class itself.
    """
    same = np.eye(len(found.classes), dtype=np.bool_)
    before = np.ones_like(same)
    for name, related in _named(found) or _by_depth(found):
        if not (related == before).all() and not (related == same).all():
            yield name, related
        before = related


def _named(found: Taxonomy) -> list[tuple[str, Mask]]:
    levels: dict[str, list[int]] = {}
    for node in found.hierarchy.nodes:
        if node.level is not None and node.id in found.rows:
            levels.setdefault(node.level, []).append(found.rows[node.id])
    return [(name, _shared(found.above[:, rows])) for name, rows in levels.items()]


def _by_depth(found: Taxonomy) -> list[tuple[str, Mask]]:
    same = np.eye(len(found.classes), dtype=np.bool_)
    depths = range(int(found.depths.max(initial=0)) + 1)
    return [
        (f"depth-{depth}", _shared(found.above[:, found.depths >= depth]) | same)
        for depth in depths
    ]


def _shared(above: Mask) -> Mask:
    """Return which classes have a node in common: classes x classes."""
    x = above.astype(np.float32)
    found: Mask = x @ x.T > 0
    return found


def depths_of(found: Taxonomy) -> NDArray[np.int64]:
    """Return the least root depth of each class."""
    return found.depths[[found.rows[key] for key in found.classes]]
