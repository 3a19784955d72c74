"""`hiertools geocode`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hiertools.commands.options import Overwrite
from hiertools.errors import SkippedError


class Metric(StrEnum):
    """What the nearest place is nearest by."""

    sphere = "sphere"
    degrees = "degrees"


def geocode(
    coordinates: Annotated[
        Path,
        typer.Argument(
            metavar="COORDS",
            help="A CSV with columns of latitude and longitude, plain or gzip; - for standard"
            " input.",
            show_default=False,
        ),
    ],
    places: Annotated[
        Path,
        typer.Option(
            metavar="CSV|-",
            help="Places: a CSV with the columns lat, lon, name, admin1, admin2 and cc.",
            show_default=False,
        ),
    ],
    metric: Annotated[
        Metric,
        typer.Option(
            help="Find the nearest place on the sphere, or on a flat map of degrees, as"
            " reverse_geocoder does."
        ),
    ] = Metric.sphere,
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Put this before the names of the new columns.")
    ] = "",
    max_bad: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Leave the new columns empty for rows without good coordinates; exit with 4 if"
            " there are more than N. Default: stop at the first.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="CSV|-", help="Where the rows go.")
    ] = Path("-"),
    overwrite: Overwrite = False,
) -> None:
    """Append the names of the nearest place to the coordinates of a CSV.

    All rows and columns stay as they are and in their order. Behind them come country, region,
    sub-region and city, as the table of places has them, and distance_km, along the great circle.
    Nothing is looked up on the network.
    """
    from hiertools import geocoding
    from hiertools.files import atomic, inputs
    from hiertools.files.places import read_places
    from hiertools.terminal import progress, say

    inputs.check_stdin_once([coordinates, places])
    atomic.check_writable(output, overwrite=overwrite)
    source = inputs.Source(coordinates)
    table = read_places(inputs.Source(places))
    tally = geocoding.Tally()
    with progress("naming places", None) as tick:
        rows = geocoding.append(
            source,
            table,
            metric=metric.value,
            prefix=prefix,
            skip_bad=max_bad is not None,
            tally=tally,
            tick=tick,
        )
        atomic.write_texts(output, rows, overwrite=overwrite)
    say(f"{tally.rows - tally.bad:,} of {tally.rows:,} rows have the names of a place")
    if tally.bad > (max_bad or 0):
        raise SkippedError(f"{tally.bad:,} rows have no good coordinates; the first: {tally.first}")
