"""Evaluation of part hierarchies: both directions of search, from two sets to all the numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hiertools.errors import UserError
from hiertools.evaluation import classes, depths, distributions, sets, tables
from hiertools.evaluation.classes import Classes
from hiertools.evaluation.distributions import Ground
from hiertools.evaluation.judging import Depths, Judge
from hiertools.evaluation.outcome import Outcome
from hiertools.evaluation.relevance import Direction
from hiertools.evaluation.sets import BOX, KINDS, Filters, Set
from hiertools.files.hierarchy import Hierarchy
from hiertools.files.items import Items
from hiertools.hierarchy import depth_first_order
from hiertools.terminal import say, warn

Search = Callable[[Judge, Ground], Outcome]


@dataclass(frozen=True)
class Plan:
    """What is evaluated, and how.

    finds: of children and parents; exclude: of self and image; small, deep: depths, the latter None
    for those of `depths.deep`; most: hits of the longest ranking, None where rankings are whole;
    only: kind that candidates are of, None for any; sample: queries of each kind, None for all;
    listed: the classes in an order of their own; path_cost: queries of each kind that are measured
    along paths.
    """

    finds: tuple[str, ...]
    exclude: tuple[str, ...]
    small: tuple[int, ...]
    deep: tuple[int, ...] | None
    most: int | None
    only: str | None
    filters: Filters
    sample: int | None
    seed: int
    resamples: int
    order: str
    listed: tuple[str, ...] | None
    orders: int
    path_cost: int


@dataclass(frozen=True)
class Sides:
    """Queries and candidates, the latter by id, and the classes of both."""

    queries: Set
    candidates: Set
    classes: Classes
    hierarchy: Hierarchy


def sides(
    hierarchy: Hierarchy, queries: Items, candidates: Items, names: tuple[str, str], plan: Plan
) -> Sides:
    """Return the sets of an evaluation. names: of the files, for what cannot be used.

    Raises `UserError` if no query has a class of the hierarchy.
    """
    tables = [sets.labels_of(*each) for each in zip((queries, candidates), names, strict=True)]
    known = classes.of_hierarchy(hierarchy, tables)
    left, right = (
        sets.select(table, known, plan.filters, name)
        for table, name in zip((queries, candidates), names, strict=True)
    )
    for name, table, found in zip(names, (queries, candidates), (left, right), strict=True):
        if len(table) > len(found):
            say(f"{name}: {len(table) - len(found):,} of {len(table):,} items are left out")
        if not len(found):
            raise UserError(f"{name}: no image and no box is left")
    if plan.sample is not None:
        left = sets.sample(left, plan.sample, seed=plan.seed)
    used = np.unique(left.labels.codes)
    if not (used < known.nodes).any():
        first = f", such as {known.names[used[0]]!r}" if len(used) else ""
        raise UserError(
            f"{names[0]}: no query has a class of the hierarchy{first}; is it mined from the same"
            " annotations?"
        )
    return Sides(left, right.by_id(), known, hierarchy)


def outcomes(found: Sides, plan: Plan, search: Search) -> list[Outcome]:
    """Return what each direction of search comes to.

    Raises `UserError` if none of them has queries and candidates.
    """
    done = []
    for find in plan.finds:
        direction = _direction(found, find, plan.only)
        if not len(direction.queries) or not len(direction.candidates):
            what = "queries" if not len(direction.queries) else "candidates"
            warn(f"the search for {find} has no {what}")
            continue
        judge = Judge(direction, _depths(direction, plan), plan.exclude)
        done.append(search(judge, _ground(found, direction, plan)))
        _say_left_out(done[-1])
    if not done:
        raise UserError("there is nothing to evaluate: children are boxes, and boxes have parents")
    return done


def _direction(found: Sides, find: str, only: str | None) -> Direction:
    """Return a direction: children are boxes, parents are boxes and images, of boxes alone."""
    queries, candidates = found.queries, found.candidates
    if only is not None:
        candidates = candidates.take(candidates.kind == KINDS.index(only))
    if find == "children":
        candidates = candidates.take(candidates.kind == BOX)
    else:
        queries = queries.take(queries.kind == BOX)
    return Direction(find, queries, candidates, found.classes)


def _depths(direction: Direction, plan: Plan) -> Depths:
    size = len(direction.candidates)
    most = size if plan.most is None else min(size, plan.most)
    wanted = depths.deep(size) if plan.deep is None else plan.deep
    found = depths.depths(plan.small, wanted, most=most)
    too_deep = sorted({k for k in (*plan.small, *wanted) if k > most})
    if too_deep:
        listed = ", ".join(f"{k:,}" for k in too_deep)
        say(f"{direction.find}: rankings have up to {most:,} hits; not judged at {listed}")
    return found


def _ground(found: Sides, direction: Direction, plan: Plan) -> Ground:
    rng = np.random.default_rng(plan.seed)
    chosen: list[int] = []
    for kind in direction.kinds if direction.find == "children" else ():
        rows = np.flatnonzero((direction.queries.kind == kind) & direction.known())
        chosen += rng.choice(rows, min(plan.path_cost, len(rows)), replace=False).tolist()
    return distributions.ground(
        found.hierarchy,
        class_order(found, plan),
        orders=plan.orders,
        seed=plan.seed,
        on_paths=frozenset(chosen),
    )


def class_order(found: Sides, plan: Plan) -> list[str]:
    """Return the classes of the hierarchy in the order of the plan.

    Raises `UserError` if a list of classes lacks one, or has one twice.
    """
    names = found.classes.names[: found.classes.nodes]
    if plan.listed is not None:
        missing = set(names) - set(plan.listed)
        if missing or len(set(plan.listed)) != len(plan.listed):
            what = f"lacks the class {min(missing)!r}" if missing else "has a class twice"
            raise UserError(f"{plan.order}: {what}; list each class of the hierarchy once")
        return sorted(names, key=plan.listed.index)
    if plan.order == "dfs":
        return depth_first_order(found.hierarchy, names)
    if plan.order == "name":
        return sorted(names)
    boxes = found.candidates.take(found.candidates.kind == BOX).labels.codes
    count = np.bincount(boxes, minlength=len(names)).tolist()
    return [name for _, name in sorted(zip([-n for n in count], names, strict=False))]


def _say_left_out(outcome: Outcome) -> None:
    for row in tables.left_out(outcome):
        if row["exclude"] == outcome.judge.exclude[0]:
            say(
                f"{row['find']} of {row['of']} queries: {row['queries']:,} have"
                f" {row['reason']} and are not in the hierarchical metrics"
            )
