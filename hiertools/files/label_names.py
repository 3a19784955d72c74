"""class-descriptions.csv: names of label ids, with or without a header line (OpenImages)."""

import csv
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
    for number, row in enumerate(csv.reader(source.text().splitlines()), 1):
        if not row or (number == 1 and row[0].strip().lower() in HEADERS):
            continue
        if len(row) != 2 or not row[0]:
            raise UserError(f"{path}:{number}: is not a label id and a name")
        if names.setdefault(row[0], row[1]) != row[1]:
            raise UserError(f"{path}:{number}: {row[0]} has another name above")
    return names, source.digest()
