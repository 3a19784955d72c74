"""Tables of places, as GeoNames has them: lat, lon, name, admin1, admin2, cc, found by name."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source

LEVELS = {"country": "cc", "region": "admin1", "sub-region": "admin2", "city": "name"}
MOST = {"lat": 90, "lon": 180}
TYPES: csv.Types = {
    **dict.fromkeys(MOST, pl.Float64),
    **dict.fromkeys(LEVELS.values(), pl.String),
}


@dataclass(frozen=True)
class Places:
    """Places in the order of the table: degrees, n, and names by level from the top.

    A name is empty where a place has none at that level. `NA` is a name like all others.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    names: dict[str, pl.Series]

    def __len__(self) -> int:
        return len(self.latitude)


def read_places(source: Source) -> Places:
    """Read a table of places. Raises `UserError` without one, or with file and line."""
    frames = []
    for batch in csv.read(source, TYPES, {}):
        for column, most in MOST.items():
            _check(batch, column, most)
        frames.append(batch.frame)
    if not frames:
        raise UserError(f"{source.name}: has no places below its header")
    frame = pl.concat(frames)
    names = {level: frame[column] for level, column in LEVELS.items()}
    return Places(frame["lat"].to_numpy(), frame["lon"].to_numpy(), names)


def _check(batch: csv.Batch, column: str, most: int) -> None:
    good = (batch.frame[column].abs() <= most).fill_null(value=False)  # NaN is greater in polars
    if not good.all():
        row = int((~good).arg_max() or 0)
        raise batch.complaint(
            row, f"{column} is {batch.field(row, column)}, not a number in [-{most}, {most}]"
        )
