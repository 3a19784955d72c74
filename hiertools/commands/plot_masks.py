"""`hiertools plot masks`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import Overwrite
from hiertools.commands.plot_matches import picture_of
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.files.masks import Mask
    from hiertools.plots.masks import Tile
    from hiertools.plots.pictures import Picture


def plot_masks(
    masks: Annotated[
        Path,
        typer.Argument(
            metavar="MASKS|-",
            help="From hiertools rerank --masks, or of another program.",
            show_default=False,
        ),
    ],
    images: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR", help="A folder of the images; may come again.", show_default=False
        ),
    ],
    query: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="A query to draw a row of; may come again. Default: the first ones.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, metavar="N", help="Queries, at the most.")] = 5,
    hits: Annotated[int, typer.Option(min=1, metavar="N", help="Hits of each, at the most.")] = 5,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="MASKS", help="True masks, to be outlined too.", show_default=False),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PNG|SVG|PDF", help="Where the picture goes.")
    ] = Path("masks.png"),
    overwrite: Overwrite = False,
) -> None:
    """Draw where in the images of its hits the object of a query was found.

    A row for each query: its own picture, then those of its hits with their masks, in rank order.
    """
    from hiertools.files import atomic, inputs
    from hiertools.files.masks import read_masks
    from hiertools.images import Finder
    from hiertools.plots import figure
    from hiertools.plots import masks as drawing
    from hiertools.terminal import say

    inputs.check_stdin_once([masks, truth])
    figure.check_format(output)
    atomic.check_writable(output, overwrite=overwrite)
    found = _by_query(read_masks(masks)[1])
    if not found:
        raise UserError(f"{masks}: has no masks")
    for name in query or []:
        if name not in found:
            raise UsageError(f"--query {name}: {masks} has no masks of it")
    true = _by_query(read_masks(truth)[1]) if truth is not None else {}
    finder = Finder(images)
    chosen = list(dict.fromkeys(query or found))[:rows]
    names = str(masks), str(truth)
    shown = {name: found[name][:hits] for name in chosen}
    grid = [_row(finder, name, shown[name], true.get(name, []), names) for name in chosen]
    drawing.draw(output, grid, overwrite=overwrite)
    undrawn = sum(
        mask.image not in {hit.image for hit in shown[name]}
        for name in chosen
        for mask in true.get(name, [])
    )
    more = f"; {undrawn:,} true masks are not of the hits drawn" if undrawn else ""
    say(f"{output}: masks of {len(chosen):,} of {len(found):,} queries{more}")


def _by_query(found: "list[Mask]") -> "dict[str, list[Mask]]":
    queries: dict[str, list[Mask]] = {}
    for mask in found:
        queries.setdefault(mask.query, []).append(mask)
    return queries


def _row(
    finder: Any, query: str, found: "list[Mask]", true: "list[Mask]", names: tuple[str, str]
) -> "list[Tile]":
    """Return the tiles of a query. names: of the files of masks and of true ones, for messages."""
    from hiertools.plots.masks import Tile

    truths = {mask.image: mask for mask in true}
    tiles = [Tile(picture_of(finder, query), f"query {query}")]
    for mask in found:
        shown = picture_of(finder, mask.image)
        polygons, pixels = _drawn(mask, shown, names[0])
        right, right_pixels = _drawn(truths.get(mask.image), shown, names[1])
        name = mask.image if mask.rank is None else f"{mask.rank}  {mask.image}"
        tiles.append(Tile(shown, name, polygons, right, pixels, right_pixels))
    return tiles


def _drawn(mask: "Mask | None", shown: "Picture", name: str) -> Any:
    """Return the polygons of a mask, and its pixels if it is a run-length encoding.

    Raises `UserError` for one that does not fit its picture.
    """
    from hiertools.files.masks import check_inside
    from hiertools.metrics import masks

    if mask is None:
        return [], None
    where, size = f"{name}: {mask.place}", (shown.height, shown.width)
    if mask.size not in (None, size):
        raise UserError(
            f"{where}: {mask.image!r} is of {mask.size} pixels (height, width), and its picture of"
            f" {size}; name the folder of the images that the masks are of"
        )
    for polygon in mask.polygons:
        check_inside(polygon, size, f"{where}: the picture of {mask.image!r}")
    if mask.rle is None:
        return mask.polygons, None
    try:
        return [], masks.decode(masks.of_rle(mask.rle["counts"], size))
    except masks.BadMaskError as error:
        raise UserError(f"{where}: the mask of {mask.image!r} cannot be read: {error}") from None
