"""What judges places reads: predictions, the truth, entities, a gazetteer.

For `hiertools evaluate geo`; `hiertools index --calibrate` takes the truth in the same forms.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.evaluation.geo import Plan
    from hiertools.evaluation.geo_answers import Answers
    from hiertools.evaluation.geo_osv5m import Namer
    from hiertools.evaluation.geo_truth import Truth
    from hiertools.files.entities import Entities
    from hiertools.files.inputs import Source
    from hiertools.files.json import Document
    from hiertools.files.metrics import Metrics
    from hiertools.files.predictions import Prediction
    from hiertools.files.provenance import Run


@dataclass(frozen=True)
class Opened:
    """A file of predictions, of which the first is read.

    levels: (), if another program made it.
    """

    name: str
    header: "Document"
    levels: tuple[str, ...]
    first: "Prediction"
    found: "Iterator[Prediction]"
    source: "Source"


def open_predictions(source: "Source") -> Opened:
    """Open predictions, of which the first is read."""
    from itertools import chain

    from hiertools.files import json
    from hiertools.files.inputs import HDF5_MAGIC
    from hiertools.files.predictions import KIND, read_predictions

    kind = json.kind_of(source)
    if source.head.startswith(HDF5_MAGIC) or kind not in (None, KIND):
        what = "HDF5" if kind is None else json.file_of(kind)
        raise UserError(f"{source.name}: is {what}; predictions of hiertools query are needed")
    header, found = read_predictions(source)
    first = next(found, None)
    if first is None:
        raise UserError(f"{source.name}: has no predictions")
    levels = tuple(header.get("levels", ()))
    return Opened(source.name, header, levels, first, chain([first], found), source)


def align(opened: Opened, truth: "Truth") -> "Answers":
    """Read the predictions, and return them in the order of the truth."""
    from hiertools.evaluation import geo_answers

    places = {key: row for row, key in enumerate(truth.id)}
    return geo_answers.align(opened.found, places, opened.levels, truth.keys)


def training_entities(run: "Run", path: Path | None, opened: Opened) -> "Entities | None":
    """Return the entities of the training. Raises `UserError` if the predictions are of others."""
    from hiertools.files import inputs
    from hiertools.files.entities import digest_of, read_entities

    if path is None:
        return None
    found = read_entities(path)
    run.add_input(path, inputs.digest_file(path), found.chain)
    if opened.levels and opened.header.get("entities") != digest_of(found):
        raise UserError(f"{opened.name}: the predictions are of other entities than {path}")
    return found


def true_places(
    run: "Run", path: Path, levels: tuple[str, ...], like: str, protocol: str
) -> "Truth":
    """Return where items truly are, from a table of metadata or a file of entities.

    levels: those of what is judged, () for any; like: the id of one of them.
    """
    from hiertools.evaluation import geo_truth
    from hiertools.files import inputs
    from hiertools.files.entities import read_entities, read_members
    from hiertools.files.inputs import HDF5_MAGIC, Source

    source, osv5m = Source(path), protocol != "entity"
    if source.head.startswith(HDF5_MAGIC):
        if osv5m:
            raise UsageError(f"--protocol {protocol} needs a table of metadata as --truth")
        entities = read_entities(path)
        run.add_input(path, inputs.digest_file(path), entities.chain)
        if levels and tuple(entities.levels) != levels:
            raise UserError(
                f"{path}: has the levels {', '.join(entities.levels)}, not {', '.join(levels)}"
            )
        return geo_truth.of_entities(str(path), entities, read_members(path))
    if source.head.lstrip().startswith(b"{"):
        raise UserError(f"{source.name}: is JSON; the truth is a CSV file or a file of entities")
    found = geo_truth.of_table(source, levels, like=like, osv5m=osv5m)
    run.add_input(path, source.digest())
    return found


def check_parts(plan: "Plan", truth: "Truth") -> None:
    """Raise `UserError` for slices by a country that no item has, and say what was built."""
    from hiertools.terminal import say

    asked = [by for by in plan.slices if by != "count"]
    if asked and not any(truth.country):
        raise UserError(f"{truth.name}: has no countries for --slices {asked[0]}")
    if truth.built:
        say(f"{truth.name}: has no {', '.join(truth.built)}; built of the names that it has")


def other(run: "Run", path: Path, truth: "Truth") -> "Answers | Metrics":
    """Return what is compared: answers to the same items, or metrics."""
    from hiertools.files import json, metrics
    from hiertools.files.inputs import Source

    source = Source(path)
    if json.kind_of(source) == metrics.KIND:
        before = metrics.read_metrics(source)
        run.add_input(path, source.digest(), before.chain)
        return before
    opened = open_predictions(source)
    if opened.levels and truth.levels and opened.levels != truth.levels:
        raise UserError(f"{opened.name}: has other levels: {', '.join(opened.levels)}")
    found = align(opened, truth)
    run.add_input(path, source.digest(), opened.header.get("provenance"))
    if not found.there.all():
        missing = [key for key, there in zip(truth.id, found.there, strict=True) if not there]
        raise UserError(
            f"{opened.name}: lacks {len(missing):,} of the items, the first is {missing[0]!r};"
            " --against needs predictions for the same items"
        )
    return found


def namer(run: "Run", path: Path) -> "Namer":
    """Return what names coordinates by the nearest place, in degrees."""
    from hiertools.evaluation import geo_osv5m
    from hiertools.files.inputs import Source
    from hiertools.files.places import read_places

    source = Source(path)
    table = read_places(source)
    run.add_input(path, source.digest())
    return geo_osv5m.namer(table)
