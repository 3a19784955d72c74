"""What `hiertools plot matches` draws: matches found now, or those that results tell of."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools import plugins
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiertools.files.json import Fields
    from hiertools.files.local_features import LocalFeatures
    from hiertools.plots.matches import Group
    from hiertools.reranking.assembling import Features

METHODS = ("spatial", "topological")
COUNTS = ("inliers", "features", "tentative")
MOST_LINES = 120
MOST_PIXELS = 1 << 24  # that a place is away from its corner: no image is so large


@dataclass(frozen=True)
class Matched:
    """Two images by id and what is the same in them. `about`: in words; `total`: matches, also
    those that were not kept; `source`: where it is from, for messages."""

    left: str
    right: str
    groups: "list[Group]"
    about: str
    total: int
    source: str


def lined(found: Matched) -> "tuple[list[NDArray[np.int64]], str]":
    """Return the rows of each group that get a line, and say what is not drawn, if anything."""
    from hiertools.local.thinning import thinned

    sizes = [len(group.matches) for group in found.groups]
    rows = thinned(sizes, MOST_LINES)
    dots, lines = sum(sizes), sum(map(len, rows))
    if lines == found.total:
        return rows, ""
    more = f" and {dots:,} as dots" if dots < found.total else ""
    return rows, f"; of {found.total:,} matches {lines:,} are drawn as lines{more}"


def verified(given: dict[str, Any]) -> Matched:
    """Return the matches of two images as a method finds them now."""
    from hiertools.files.local_features import read_local
    from hiertools.reranking.assembling import Features

    choice = plugins.parse(plugins.RERANKERS, given["method"])
    name = choice.member.name
    if name not in METHODS:
        raise UsageError(f"--method {name}: has no matches; take {' or '.join(METHODS)}")
    features = Features([read_local(path) for path in given["local"]], _boxes(given["index"]))
    left, right = (_of(features, given[side], given) for side in ("left", "right"))
    usual = {option.name: option.default for option in choice.member.options}
    options = {**usual, **choice.options, "seed": given["seed"]}
    groups, about = (_regions if name == "topological" else _inliers)(left, right, options)
    total = sum(len(group.matches) for group in groups)
    return Matched(given["left"], given["right"], groups, about, total, str(given["local"][0]))


def _boxes(path: Path | None) -> Any:
    from hiertools.files.index import read_index
    from hiertools.reranking.assembling import boxes_of

    return {} if path is None else boxes_of(read_index(path).items)


def _of(features: "Features", key: str, given: dict[str, Any]) -> "LocalFeatures":
    found = features.of(key)
    if found is None:
        more = "" if given["index"] else "; for a box of an image give --index too"
        files = ", ".join(map(str, given["local"]))
        raise UserError(f"{files}: no local features of {key!r}{more}")
    return found


def _inliers(
    left: "LocalFeatures", right: "LocalFeatures", options: dict[str, Any]
) -> "tuple[list[Group], str]":
    from hiertools.local.hulls import hull
    from hiertools.local.verification import Matching, verify
    from hiertools.plots.matches import Group

    names = ("ratio", "pixels", "model", "least", "seed")
    pair = verify(left, right, Matching(**{name: options[name] for name in names}))
    points = pair.points.astype(float)
    group = Group(points, hull(points[:, :2]), hull(points[:, 2:]))
    return [group], f"{len(pair):,} inliers of {pair.tentative:,} matches"


def _regions(
    left: "LocalFeatures", right: "LocalFeatures", options: dict[str, Any]
) -> "tuple[list[Group], str]":
    from hiertools.local.topology import Topology, verify
    from hiertools.plots.matches import Group

    names = ("ratio", "radius", "agree", "least", "shift", "checks")
    found = verify(left, right, Topology(**{name: options[name] for name in names}))
    groups = [Group(each.points.astype(float), each.left, each.right) for each in found.regions]
    return groups, f"{len(found):,} regions, {found.largest:,} features in the largest"


def explained(path: Path, query: str, hit: str | None) -> Matched:
    """Return the matches that results tell of a query and a hit, the first that has some if None.

    Raises `UserError` if there are none, or if they are damaged.
    """
    from hiertools.files.json import Fields
    from hiertools.files.results import read_results

    for ranking in read_results(path)[1]:
        if ranking.query == query:
            break
    else:
        raise UserError(f"{path}: has no query {query!r}")
    advice = f"re-rank with --explain by {' or '.join(METHODS)}"
    told = zip(ranking.ids, ranking.explained or [None] * len(ranking.ids), strict=True)
    for key, methods in told:
        if hit not in (None, key):
            continue
        for name, about in (methods or {}).items():
            found = Fields(about, str(path), f"what {name} explains of {key!r} and {query!r}")
            if _has_matches(found) or (hit == key and "matches" in found.document):
                return _told(query, key, name, found)
        if hit == key:
            raise UserError(f"{path}: says nothing of {key!r}; {advice}")
    if hit is not None:
        raise UserError(f"{path}: {query!r} has no hit {hit!r}")
    raise UserError(f"{path}: {query!r} has no hit with matches; {advice}")


def _has_matches(about: "Fields") -> bool:
    return bool(about.document.get("matches") or about.document.get("regions"))


def _told(query: str, key: str, name: str, about: "Fields") -> Matched:
    import numpy as np

    from hiertools.local.hulls import hull
    from hiertools.plots.matches import Group

    groups = []
    if "matches" in about.document:  # of one model
        points = _places(about, "matches", 4)
        groups.append(Group(points, hull(points[:, :2]), hull(points[:, 2:])))
    for region in about.objects("regions") if "regions" in about.document else []:
        sides = (_places(region, side, 2).tolist() for side in ("left", "right"))
        known = "matches" in region.document
        groups.append(Group(_places(region, "matches", 4) if known else np.empty((0, 4)), *sides))
    counts = {key: about.count(key) for key in COUNTS if key in about.document}
    said = ", ".join(f"{count:,} {key}" for key, count in counts.items())
    kept = sum(len(group.matches) for group in groups)
    whole = "matches_total" if "matches_total" in about.document else "inliers"
    total = max(kept, about.count(whole) if whole in about.document else 0)
    where = f"{about.name}: {about.place}"
    return Matched(query, key, groups, f"{name}: {said or 'no matches'}", total, where)


def _places(about: "Fields", key: str, columns: int) -> Any:
    """Return rows of so many numbers. Raises `UserError` for anything else."""
    import numpy as np

    rows = about.list(key)
    if not all(isinstance(row, list) and len(row) == columns for row in rows) or not all(
        isinstance(number, int | float)
        and not isinstance(number, bool)
        and abs(number) <= MOST_PIXELS
        for row in rows
        for number in row
    ):
        raise UserError(
            f"{about.name}: {about.place}: {key} is not a list of rows of {columns} numbers"
        )
    return np.array(rows, float).reshape(-1, columns)
