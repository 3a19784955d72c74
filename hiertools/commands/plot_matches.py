"""`hiertools plot matches`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools import plugins
from hiertools.commands.options import Overwrite, Seed
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.files.local_features import LocalFeatures
    from hiertools.plots.matches import Group
    from hiertools.reranking.assembling import Features

METHODS = ("spatial", "topological")


def plot_matches(
    left: Annotated[
        str | None,
        typer.Argument(metavar="[LEFT", help="The id of an image.", show_default=False),
    ] = None,
    right: Annotated[
        str | None,
        typer.Argument(metavar="RIGHT]", help="The id of another.", show_default=False),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="A folder of the images; may come again.", show_default=False
        ),
    ] = None,
    local: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="Local features of both images, which are verified now; may come again.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="SPEC", help="How they are verified: spatial or topological, with its options."
        ),
    ] = "spatial",
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="JSONL",
            help="In place of LEFT and RIGHT: results of rerank --explain.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(metavar="ID", help="With --results: the query.", show_default=False),
    ] = None,
    hit: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="With --results: the hit; the first that has matches if it is not given.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PNG|SVG|PDF", help="Where the picture goes.")
    ] = Path("matches.png"),
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Draw two images beside each other, with lines between what is the same in both.

    Outlines are the hulls of the inliers, or of the regions that hang together.
    """
    options = dict(locals())
    from hiertools.files import atomic
    from hiertools.images import Finder
    from hiertools.plots import figure, matches

    figure.check_format(output)
    atomic.check_writable(output, overwrite=overwrite)
    _check(options)
    pair, groups, about = _explained(options) if results else _verified(options)
    finder = Finder(images or [])
    shown = (picture_of(finder, pair[0]), picture_of(finder, pair[1]))
    title = f"{pair[0]}   |   {pair[1]}\n{about}"
    matches.draw(output, shown, groups, title, overwrite=overwrite)
    _say(output, about)


def _check(given: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    if not given["images"]:
        raise UsageError("name the folder of the images: --images DIR")
    if (given["results"] is None) == (given["left"] is None):
        raise UsageError("give LEFT and RIGHT with --local, or --results with --query")
    if given["results"] is None:
        if given["right"] is None or not given["local"]:
            raise UsageError("two images are needed, and their local features: --local H5")
        if given["query"] or given["hit"]:
            raise UsageError("--query and --hit are for --results")
    elif given["local"] or given["method"] != "spatial":
        raise UsageError("--results say what was verified: --local and --method do not apply")
    elif not given["query"]:
        raise UsageError("--results needs --query ID")


def _verified(given: dict[str, Any]) -> "tuple[tuple[str, str], list[Group], str]":
    """Return the ids, and the matches of two images as a method finds them now."""
    from hiertools.files.local_features import read_local
    from hiertools.reranking.assembling import Features

    features = Features([read_local(path) for path in given["local"]], {})
    left, right = (_of(features, given[side], given["local"][0]) for side in ("left", "right"))
    choice = plugins.parse(plugins.RERANKERS, given["method"])
    name = choice.member.name
    if name not in METHODS:
        raise UsageError(f"--method {name}: has no matches; take {' or '.join(METHODS)}")
    usual = {option.name: option.default for option in choice.member.options}
    options = {**usual, **choice.options, "seed": given["seed"]}
    groups, about = (_regions if name == "topological" else _inliers)(left, right, options)
    return (given["left"], given["right"]), groups, about


def _of(features: "Features", key: str, name: Path) -> "LocalFeatures":
    found = features.of(key)
    if found is None:
        raise UserError(f"{name}: has no local features of {key!r}")
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


def _explained(given: dict[str, Any]) -> "tuple[tuple[str, str], list[Group], str]":
    """Return the ids, and the matches that results tell of a query and a hit."""
    from hiertools.files.results import read_results

    path, query = given["results"], given["query"]
    for ranking in read_results(path)[1]:
        if ranking.query == query:
            break
    else:
        raise UserError(f"{path}: has no query {query!r}")
    told = zip(ranking.ids, ranking.explained or [None] * len(ranking.ids), strict=True)
    for key, explained in told:
        if given["hit"] not in (None, key):
            continue
        for name, about in (explained or {}).items():
            if isinstance(about, dict) and (about.get("matches") or given["hit"] == key):
                return (query, key), *_told(name, about)
        if given["hit"] == key:
            raise UserError(f"{path}: says nothing of {key!r}; re-rank with --explain")
    what = "no hit with matches" if given["hit"] is None else f"no hit {given['hit']!r}"
    raise UserError(f"{path}: {query!r} has {what}; re-rank with --explain")


def _told(name: str, about: dict[str, Any]) -> "tuple[list[Group], str]":
    import numpy as np

    from hiertools.local.hulls import hull
    from hiertools.plots.matches import Group

    points = np.array(about.get("matches", []), float).reshape(-1, 4)
    regions = about.get("regions", [])
    groups = [Group(points[:0], each["left"], each["right"]) for each in regions]
    whole = ([], []) if regions else (hull(points[:, :2]), hull(points[:, 2:]))
    counts = [
        f"{about[key]:,} {key}" for key in ("inliers", "features", "tentative") if key in about
    ]
    return [Group(points, *whole), *groups], f"{name}: {', '.join(counts) or 'no matches'}"


def picture_of(finder: Any, key: str) -> Any:
    """Return the picture of an image. Raises `UserError` if there is none that can be used."""
    from hiertools.images import BadImageError, open_rgb
    from hiertools.plots.pictures import picture

    path = finder.find(key)
    if path is None:
        raise UserError(f"no picture of {key!r} below the folders of --images")
    try:
        return picture(open_rgb(path))
    except BadImageError as error:
        raise UserError(f"{path}: cannot be used: {error}") from None


def _say(output: Path, about: str) -> None:
    from hiertools.terminal import say

    say(f"{output}: {about}")
