"""predictions: where each item is placed in a hierarchy of entities, as JSON Lines.

Predictions of classes are of the same kind: see `class_predictions`. Files that were made elsewhere
may be JSON Lines without our header, or CSV: ids and coordinates.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from itertools import chain as joined
from pathlib import Path

import polars as pl

from hiertools.errors import UserError
from hiertools.files import atomic, class_predictions, csv, json
from hiertools.files.inputs import Source
from hiertools.files.json import Document, Fields
from hiertools.files.placements import (
    LIMITS,
    Placed,
    checked,
)
from hiertools.files.placements import Prediction as Prediction  # for those who read them
from hiertools.files.placements import Step as Step

KIND, VERSION = class_predictions.KIND, class_predictions.VERSION
COLUMNS = {"id": pl.String, "latitude": pl.Float64, "longitude": pl.Float64}  # of a CSV file


def write_predictions(
    path: Path,
    header: Document,
    predictions: Iterable[Prediction],
    *,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write predictions, one at a time; to standard output for `-`.

    header: `index` and `entities` (digests), `levels`, and what was asked. Raises `UserError` at
    the first prediction that is none.
    """
    meta = {key: value for key, value in header.items() if key not in json.HEADER}
    about = {"kind": KIND, "version": VERSION, "provenance": chain, **meta}
    placed = ((f"item {row}", prediction) for row, prediction in enumerate(predictions))
    sound = checked(placed, str(path), Fields(meta, str(path)).texts("levels"))
    atomic.write_texts(path, joined([json.line(about)], map(_line, sound)), overwrite=overwrite)


def _line(prediction: Prediction) -> str:
    document: Document = {
        "id": prediction.id,
        "top": [_entity(step, "label") for step in prediction.top],
        "path": [_entity(step, "id") for step in prediction.path],
        "depth": prediction.depth,
        **_place(prediction),
        "confidence": prediction.confidence,
        "level": prediction.level,
    }
    return json.line(document)


def _entity(step: Step, key: str) -> Document:
    about = {"level": step.level, key: step.key, "name": step.name}
    return {**about, "probability": step.probability, **_place(step)}


def _place(found: Step | Prediction) -> Document:
    if found.latitude is None:
        return {}
    return {"latitude": found.latitude, "longitude": found.longitude}


def read_predictions(source: Source | Path) -> tuple[Document, Iterator[Prediction]]:
    """Return the header, {} for a file made elsewhere, and the predictions, read one at a time.

    Raises `UserError` with its line at the first prediction that is none.
    """
    source = source if isinstance(source, Source) else Source(source)
    if source.head.removeprefix(BOM_UTF8).lstrip()[:1] != b"{":
        return {}, checked(_of_csv(source), source.name, None)
    lines = json.read_lines(source)
    first = next(lines)
    if "kind" not in first.document:
        return {}, checked(map(_of_others, joined([first], lines)), source.name, None)
    header = json.expect(first.document, source.name, KIND, VERSION)
    if header.get("task") == class_predictions.TASK:
        raise UserError(f"{source.name}: has predictions of classes; those of places are needed")
    first.objects("provenance")
    return header, checked(map(_of_line, lines), source.name, first.texts("levels"))


def _of_csv(source: Source) -> Iterator[Placed]:
    for batch in csv.read(source, COLUMNS, {}):
        for row, (key, *place) in enumerate(batch.frame.select(list(COLUMNS)).iter_rows()):
            if None in place:
                raise batch.complaint(row, "the latitude or the longitude is not a number")
            yield f"line {batch.first_line + row}", _bare(key, *place)


def _of_others(line: Fields) -> Placed:
    place = line.number("latitude"), line.number("longitude")
    return line.place, _bare(line.text("id"), *place)


def _bare(key: str, latitude: float, longitude: float) -> Prediction:
    return Prediction(key, [], [], latitude, longitude, confidence=None, level=None)


def _of_line(line: Fields) -> Placed:
    top = [_step(step, "label") for step in line.objects("top")]
    path = [_step(step, "id") for step in line.objects("path")]
    if line.count("depth") != len(path):
        raise UserError(f"{line.name}: {line.place}: depth is not the {len(path)} of the path")
    latitude, longitude = _coordinates(line)
    confidence, level = line.number("confidence"), line.text("level")
    found = Prediction(line.text("id"), top, path, latitude, longitude, confidence, level)
    return line.place, found


def _step(line: Fields, key: str) -> Step:
    about = line.text("level"), line.text(key), line.text("name"), line.number("probability")
    return Step(*about, *_coordinates(line))


def _coordinates(fields: Fields) -> tuple[float | None, float | None]:
    latitude, longitude = (fields.number(key) if key in fields.document else None for key in LIMITS)
    return latitude, longitude


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    if class_predictions.is_of_classes(path):
        return class_predictions.check(path, full=full)
    for _ in read_predictions(path)[1]:
        pass


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    if class_predictions.is_of_classes(path):
        return class_predictions.describe(path)
    header, predictions = read_predictions(path)
    depths: dict[str | None, int] = {}
    for prediction in predictions:
        depths[prediction.level] = depths.get(prediction.level, 0) + 1
    about = {key: value for key, value in header.items() if key not in json.HEADER}
    levels = {level: depths[level] for level in header["levels"] if level in depths}
    return {"items": sum(depths.values()), "sure_of": levels, **about}
