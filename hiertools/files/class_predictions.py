"""predictions of classes: the classes and the node that each item was given, as JSON Lines.

Files that were made elsewhere may be JSON Lines without our header, `{id, top: [{label,
probability?}]}`, or CSV: id and label.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain as joined
from pathlib import Path

import polars as pl

from hiertools.errors import UserError
from hiertools.files import atomic, csv, json
from hiertools.files.classified import ClassPrediction as ClassPrediction  # for those who read them
from hiertools.files.classified import Placed, checked
from hiertools.files.inputs import Source
from hiertools.files.json import Document, Fields

KIND = "predictions"
VERSION = 1
TASK = "classes"
COLUMNS = {"id": pl.String, "label": pl.String}  # of a CSV file


def write_class_predictions(
    path: Path,
    header: Document,
    predictions: Iterable[ClassPrediction],
    *,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write predictions, one at a time; to standard output for `-`.

    header: `model` (digest or None), `taxonomy` (digest), `classes` in order, `rule` and what it
    was given, `temperature` (None without), `k`. Raises `UserError` at the first prediction that
    is none.
    """
    meta = {key: value for key, value in header.items() if key not in (*json.HEADER, "task")}
    about = {"kind": KIND, "version": VERSION, "provenance": chain, "task": TASK, **meta}
    fields = _checked_header(Fields(about, str(path)))
    placed = ((f"item {row}", prediction) for row, prediction in enumerate(predictions))
    sound = checked(placed, str(path), classes=fields.texts("classes"), rule=fields.text("rule"))
    atomic.write_texts(path, joined([json.line(about)], map(_writer(), sound)), overwrite=overwrite)


def _checked_header(fields: Fields) -> Fields:
    """Raise `UserError` unless a header has what all rules have."""
    fields.one_of("task", (TASK,))
    fields.text("taxonomy")
    fields.text("rule")
    fields.count("k")
    classes = fields.texts("classes")
    if len(set(classes)) != len(classes):
        raise UserError(f"{fields.name}: a class is there twice")
    for key, check in (("model", fields.text), ("temperature", fields.positive)):
        if key not in fields.document or fields.document[key] is not None:
            check(key)
    return fields


def _writer() -> Callable[[ClassPrediction], str]:
    """Return what writes a line; each text is put into JSON once.

    A million classes of items pass through here: the encoder of JSON would take as long again as
    all that is computed.
    """
    quoted = cache(json.ENCODER.encode)
    label = cache(lambda key: f'{{"label": {quoted(key)}, "probability": ')
    node = cache(
        lambda key, name: f'{{"id": {quoted(key)}, "name": {quoted(name)}, "probability": '
    )

    def line(found: ClassPrediction) -> str:
        assert found.probabilities is not None
        starts = map(label, found.top)
        if found.costs is None:
            top = [f"{s}{p!r}}}" for s, p in zip(starts, found.probabilities, strict=True)]
        else:
            values = zip(starts, found.probabilities, found.costs, strict=True)
            top = [f'{s}{p!r}, "cost": {cost!r}}}' for s, p, cost in values]
        starts = map(node, found.path, found.names)
        path = [f"{s}{p!r}}}" for s, p in zip(starts, found.path_probabilities, strict=True)]
        labels = ""
        if found.labels is not None:
            labels = f', "labels": [{", ".join(map(quoted, found.labels))}]'
        return (
            f'{{"id": {json.ENCODER.encode(found.id)}, "top": [{", ".join(top)}],'
            f' "path": [{", ".join(path)}], "depth": {found.depth}{labels}}}\n'
        )

    return line


def read_class_predictions(source: Source | Path) -> tuple[Document, Iterator[ClassPrediction]]:
    """Return the header, {} for a file made elsewhere, and the predictions, read one at a time.

    Raises `UserError` with its line at the first prediction that is none.
    """
    source = source if isinstance(source, Source) else Source(source)
    if source.head.removeprefix(BOM_UTF8).lstrip()[:1] != b"{":
        return {}, checked(_of_csv(source), source.name, classes=None, rule=None)
    lines = json.read_lines(source)
    first = next(lines)
    if "kind" not in first.document:
        others = map(_of_others, joined([first], lines))
        return {}, checked(others, source.name, classes=None, rule=None)
    header = json.expect(first.document, source.name, KIND, VERSION)
    if header.get("task") != TASK:
        raise UserError(f"{source.name}: has predictions of places; those of classes are needed")
    first.objects("provenance")
    fields = _checked_header(first)
    classes, rule = fields.texts("classes"), fields.text("rule")
    return header, checked(map(_of_line, lines), source.name, classes=classes, rule=rule)


def _of_csv(source: Source) -> Iterator[Placed]:
    for batch in csv.read(source, COLUMNS, {}):
        for row, (key, label) in enumerate(batch.frame.select(list(COLUMNS)).iter_rows()):
            yield f"line {batch.first_line + row}", ClassPrediction(key, [label], None)


def _of_others(line: Fields) -> Placed:
    top = line.objects("top")
    given = sum("probability" in each.document for each in top)
    if given not in (0, len(top)):
        raise UserError(f"{line.name}: {line.place}: some of its classes have no probability")
    probabilities = [each.number("probability") for each in top] if given else None
    labels = [each.text("label") for each in top]
    return line.place, ClassPrediction(line.text("id"), labels, probabilities)


def _of_line(line: Fields) -> Placed:
    top, path = line.objects("top"), line.objects("path")
    has_costs = bool(top) and "cost" in top[0].document
    found = ClassPrediction(
        line.text("id"),
        [each.text("label") for each in top],
        [each.number("probability") for each in top],
        [each.number("cost") for each in top] if has_costs else None,
        [each.text("id") for each in path],
        [each.text("name") for each in path],
        [each.number("probability") for each in path],
        line.texts("labels") if "labels" in line.document else None,
    )
    if line.count("depth") != found.depth:
        raise UserError(f"{line.name}: {line.place}: depth is not {found.depth}, as its path says")
    return line.place, found


def is_of_classes(path: Path) -> bool:
    """Return whether a file has predictions of classes and our header."""
    source = Source(path)
    if source.head[:1] != b"{":
        return False
    return bool(next(json.read_lines(source)).document.get("task") == TASK)


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    for _ in read_class_predictions(path)[1]:
        pass


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    header, predictions = read_class_predictions(path)
    depths: dict[int, int] = {}
    for prediction in predictions:
        depth = prediction.depth or 0
        depths[depth] = depths.get(depth, 0) + 1
    about = {key: value for key, value in header.items() if key not in json.HEADER}
    by_depth = {str(depth): depths[depth] for depth in sorted(depths)}
    counts = {"items": sum(depths.values()), "by_depth": by_depth}
    return {**counts, **about, "classes": len(header["classes"])}
