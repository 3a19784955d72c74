"""The side of `hiertools query` that ranks by points: by angle, distance or cosine."""

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands import query_effort
from hiertools.commands.class_options import BY_CLASSES, class_request
from hiertools.commands.options import ParentScore
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.files.index import Index
    from hiertools.files.json import Document
    from hiertools.search.approximate import Effort
    from hiertools.search.ranking import View


class By(StrEnum):
    """What hits are ranked by."""

    angle = "angle"
    distance = "distance"
    cosine = "cosine"
    weighted = "weighted"
    hierarchical = "hierarchical"


class Find(StrEnum):
    """What is looked for."""

    children = "children"
    parents = "parents"


class Sort(StrEnum):
    """Orders of the hits."""

    score = "score"
    norm = "norm"


class Exclude(StrEnum):
    """What of a query is no hit."""

    self_ = "self"
    image = "image"
    none = "none"


class HitKind(StrEnum):
    """Kinds of hits."""

    image = "image"
    box = "box"
    any = "any"


@dataclass(frozen=True)
class Look:
    """How an index is looked at.

    max_angle, by_radius, effort: see `Request`; only: the kind of the hits if nobody says; about:
    what the results say of it.
    """

    view: "View"
    effort: "Effort | None"
    only: str | None
    about: "Document"
    max_angle: float | None = None
    by_radius: bool = False


# Options that are for ranking by points, as they are when not given.
OF_POINTS: dict[str, Any] = {
    "find": Find.children, "parent_score": ParentScore.ext, "max_angle": None, "sort": Sort.score,
}  # fmt: skip


def look_at_points(found: "Index", name: Path, options: dict[str, Any]) -> Look:
    """Return how points are ranked. Raises `UsageError` for options that do not go together."""
    from hiertools.search.class_scores import taxonomy_of
    from hiertools.search.ranking import PointView
    from hiertools.search.scores import Measure

    by = options["by"] or (By.cosine if found.meta["task"] == "plain" else By.angle)
    if by in BY_CLASSES:
        taxonomy_of(found, str(name))  # there is none
    class_request(by.value, options)
    _check(by, options)
    find, score, sort = options["find"], options["parent_score"], options["sort"]
    effort = query_effort.effort(found, name, by.value, options)
    if effort is not None and sort is Sort.norm:
        raise UsageError("--sort norm looks at all points within the angle; give --exact too")
    measure = Measure(by.value, find.value, score.value, found.meta["geometry"], found.meta["c"])
    view = PointView(found, str(name), measure, approximate=effort is not None)
    about: Document = {"find": find.value, "sort": sort.value}
    if (by, find) == (By.angle, Find.parents):
        about["parent_score"] = score.value
    if options["max_angle"] is not None:
        about["max_angle"] = options["max_angle"]
    about = {"by": by.value, **about}
    only = _only(found, find)
    return Look(view, effort, only, about, options["max_angle"], sort is Sort.norm)


def _check(by: By, options: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    find, parent_score = options["find"], options["parent_score"]
    if parent_score is not ParentScore.ext and (find, by) != (Find.parents, By.angle):
        raise UsageError("--parent-score is for --find parents --by angle")
    if options["max_angle"] is not None:
        if not 0 <= options["max_angle"] <= math.pi + 1e-4:
            raise UsageError(f"--max-angle {options['max_angle']} is not from 0 to pi")
        if by is not By.angle:
            raise UsageError(f"--max-angle is for --by angle, not --by {by.value}")
        if parent_score is ParentScore.alpha2:
            raise UsageError("--max-angle is for --parent-score ext; alpha2 is better when large")
    elif options["sort"] is Sort.norm:
        raise UsageError("--sort norm needs --max-angle: without it hits are the same for all")


def _only(found: "Index", find: Find) -> str | None:
    """Return the kind of the hits where nobody says, None for any."""
    kinds = found.items.kind
    return "box" if find is Find.children and kinds is not None and (kinds == 1).any() else None
