"""`hiertools plot matches`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import Overwrite, Seed
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.commands.matched import Matched
    from hiertools.plots.pictures import Picture


def plot_matches(
    left: Annotated[
        str | None,
        typer.Argument(metavar="[LEFT]", help="The id of an image.", show_default=False),
    ] = None,
    right: Annotated[
        str | None,
        typer.Argument(metavar="[RIGHT]", help="The id of another.", show_default=False),
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
    index: Annotated[
        Path | None,
        typer.Option(
            metavar="INDEX",
            help="With --local: the index of which LEFT or RIGHT is a box.",
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
    from hiertools.commands import matched
    from hiertools.files import atomic
    from hiertools.images import Finder
    from hiertools.plots import figure, matches
    from hiertools.terminal import say

    figure.check_format(output)
    atomic.check_writable(output, overwrite=overwrite)
    _check(options)
    if results is not None and query is not None:
        found = matched.explained(results, query, hit)
    else:
        found = matched.verified(options)
    finder = Finder(images or [])
    shown = picture_of(finder, found.left), picture_of(finder, found.right)
    _check_fit(found, shown)
    lines, left_out = matched.lined(found)
    about = found.about + left_out
    title = f"{found.left}   |   {found.right}\n{about}"
    matches.draw(output, shown, found.groups, lines, title, overwrite=overwrite)
    say(f"{output}: {about}")


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
    elif given["local"] or given["index"] or given["method"] != "spatial":
        raise UsageError(
            "--results say what was verified: --local, --index and --method do not apply"
        )
    elif not given["query"]:
        raise UsageError("--results needs --query ID")


def _check_fit(found: "Matched", shown: "tuple[Picture, Picture]") -> None:
    """Raise `UserError` for matches that are outside of a picture, which is then another one."""
    import numpy as np

    for side, (key, picture) in enumerate(zip((found.left, found.right), shown, strict=True)):
        for group in found.groups:
            outline = group.right if side else group.left
            places = [*group.matches[:, 2 * side : 2 * side + 2], *outline]
            if not picture.holds(np.array(places).reshape(-1, 2)):
                raise UserError(
                    f"{found.source}: has places outside of the picture of {key!r}, which has"
                    f" {picture.width:g} x {picture.height:g} pixels; name the folder of the images"
                    " that were matched"
                )


def picture_of(finder: Any, key: str) -> Any:
    """Return the picture of an image, or of the image that a box IMAGE#N is in.

    Raises `UserError` if there is none that can be used.
    """
    from hiertools.images import BadImageError, open_rgb
    from hiertools.plots.pictures import picture

    path = finder.find(key)
    image, _, number = key.rpartition("#")
    if path is None and image and number.isdecimal():
        path = finder.find(image)
    if path is None:
        raise UserError(f"no picture of {key!r} below the folders of --images")
    try:
        return picture(open_rgb(path))
    except BadImageError as error:
        raise UserError(f"{path}: cannot be used: {error}") from None
