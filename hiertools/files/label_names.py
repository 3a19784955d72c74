"""class-descriptions.csv: names of label ids, with or without a header line (OpenImages)."""

import csv
import io
from pathlib import Path

from hiertools.errors import UserError
from hiertools.files.inputs import Source

HEADERS = {
    "label",
    "labelname",
    "label_name",
    "id",
    "mid",
    "class",
    "classid",
    "labelid",
}


def read_label_names(path: Path) -> tuple[dict[str, str], str]:
    """Return names by label id, and the file's sha256. Raises `UserError` with the line."""
    source = Source(path)
    if source.is_folder:
        raise UserError(f"{path}: is a folder; a CSV of label ids and names is needed")
    names: dict[str, str] = {}
    rows = csv.reader(io.StringIO(source.text(), newline=None))
    try:
        for row in rows:
            if not row or (rows.line_num == 1 and row[0].strip().lower() in HEADERS):
                continue
            if len(row) != 2 or not row[0]:
                raise UserError(f"{path}:{rows.line_num}: is not a label id and a name")
            if names.setdefault(row[0], row[1]) != row[1]:
                raise UserError(f"{path}:{rows.line_num}: {row[0]} has another name above")
    except csv.Error as error:
        raise UserError(f"{path}:{rows.line_num}: is not CSV: {error}") from None
    return names, source.digest()
