"""counts.json: how often classes hold each other, in one shard of the annotations.

Shards of the same annotations, put together, give what one run over all of them gives.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hiertools.errors import UserError
from hiertools.files import json
from hiertools.files.inputs import Source
from hiertools.files.json import Document, Fields

KIND = "counts"
VERSION = 1


@dataclass(frozen=True)
class Counts:
    """Counts of classes and of pairs of classes.

    boxes: boxes of positive area of each label; frequency: pairs of boxes by (parent, child);
    holders: boxes of the parent that hold at least one of the child; names: of labels, where
    known; statistics: what was read and left out; shards: which of how many these are.
    """

    boxes: Counter[str]
    frequency: Counter[tuple[str, str]]
    holders: Counter[tuple[str, str]]
    names: dict[str, str]
    statistics: Counter[str]
    source: Document
    parameters: Document
    shards: list[tuple[int, int]]
    chain: list[Document] = field(default_factory=list)


def is_counts(source: Source) -> bool:
    """Return whether an input is a counts file, from its first bytes."""
    return json.kind_of(source) == KIND


def merge(parts: list[tuple[str, Counts]], names: dict[str, str], *, whole: bool) -> Counts:
    """Put the counts of named files together; `names` of labels come before those counted.

    whole: every shard of a set must be there. Raises `UserError` where one is missing or repeated.
    """
    merged = Counts(Counter(), Counter(), Counter(), {}, Counter(), {}, parts[0][1].parameters, [])
    formats: list[str] = []
    files: list[str] = []
    more: dict[str, list[str]] = {"images": [], "options": []}
    for _, part in parts:
        for name in ("boxes", "frequency", "holders", "statistics", "names"):
            getattr(merged, name).update(getattr(part, name))
        formats += part.source["format"].split("+")
        files += part.source["files"]
        for key, found in more.items():
            found += [part.source[key]] if key in part.source else []
        merged.shards.extend(part.shards)
    merged.names.update((label, name) for label, name in names.items() if label in merged.boxes)
    unique = dict.fromkeys
    merged.source.update(format="+".join(unique(formats)), files=list(unique(files)))
    merged.source.update((key, "+".join(unique(found))) for key, found in more.items() if found)
    if whole:
        _check_shards(parts)
    return merged


def _check_shards(parts: list[tuple[str, Counts]]) -> None:
    sets: dict[str, dict[tuple[int, int], str]] = {}
    for name, part in parts:
        key = json.line(part.source)
        known = sets.setdefault(key, {})
        for shard in part.shards:
            if shard in known:
                raise UserError(f"{name}: has the same shard as {known[shard]}; name it once")
            known[shard] = name
    for known in sets.values():
        totals = {total for _, total in known}
        if len(totals) > 1:
            raise UserError(f"{next(iter(known.values()))}: shards of different --shard I/N")
        for total in totals:
            missing = [str(i) for i in range(total) if (i, total) not in known]
            if missing:
                name = next(iter(known.values()))
                raise UserError(f"{name}: of {total} shards, {', '.join(missing)} are not here")


def write_counts(path: Path, counts: Counts, *, chain: list[Document], overwrite: bool) -> None:
    """Write counts to a file, or to standard output for `-`."""
    document = {
        "kind": KIND,
        "version": VERSION,
        "provenance": chain,
        "source": counts.source,
        "parameters": counts.parameters,
        "shards": [list(shard) for shard in counts.shards],
        "statistics": dict(sorted(counts.statistics.items())),
        "labels": [
            {
                "id": label,
                "name": counts.names.get(label, label),
                "count": counts.boxes[label],
            }
            for label in sorted(counts.boxes)
        ],
        "pairs": [
            {
                "parent": parent,
                "child": child,
                "frequency": counts.frequency[parent, child],
                "holders": counts.holders[parent, child],
            }
            for parent, child in sorted(counts.frequency)
        ],
    }
    json.write(path, document, overwrite=overwrite)


def read_counts(source: Source | Path) -> Counts:
    """Read counts."""
    source = source if isinstance(source, Source) else Source(source)
    fields = Fields(json.read(source, KIND, VERSION), source.name)
    about = fields.object("source")
    Fields(about, source.name, "source").texts("files")
    Fields(about, source.name, "source").text("format")
    labels, pairs = fields.objects("labels"), fields.objects("pairs")
    keys = [(pair.text("parent"), pair.text("child")) for pair in pairs]
    counts = Counts(
        boxes=Counter({label.text("id"): label.count("count") for label in labels}),
        frequency=Counter(
            {key: pair.count("frequency") for key, pair in zip(keys, pairs, strict=True)}
        ),
        holders=Counter(
            {key: pair.count("holders") for key, pair in zip(keys, pairs, strict=True)}
        ),
        names={label.text("id"): label.text("name") for label in labels},
        statistics=Counter(_counted(fields, "statistics")),
        source=about,
        parameters=fields.object("parameters"),
        shards=[_shard(shard, source.name) for shard in fields.list("shards")],
        chain=fields.list("provenance"),
    )
    _check_sound(counts, source.name, len(labels), len(pairs))
    return counts


def _counted(fields: Fields, key: str) -> dict[str, int]:
    inner = Fields(fields.object(key), fields.name, key)
    return {name: inner.count(name) for name in inner.document}


def _shard(value: object, name: str) -> tuple[int, int]:
    match value:
        case [int(i), int(n)] if 0 <= i < n:
            return i, n
    raise UserError(f"{name}: shards: {value!r} is not [I, N] with 0 <= I < N")


def _check_sound(counts: Counts, name: str, labels: int, pairs: int) -> None:
    if len(counts.boxes) != labels or len(counts.frequency) != pairs:
        raise UserError(f"{name}: a label or a pair is there twice")
    for (parent, child), holders in counts.holders.items():
        if parent not in counts.boxes or child not in counts.boxes:
            raise UserError(f"{name}: the pair {parent!r}, {child!r} has no label")
        if not 1 <= holders <= min(counts.boxes[parent], counts.frequency[parent, child]):
            raise UserError(f"{name}: holders are not of the boxes of {parent!r}, {child!r}")


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_counts(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_counts(path)
    return {
        "labels": len(found.boxes),
        "pairs": len(found.frequency),
        "shards": [f"{i}/{n}" for i, n in found.shards],
        "source": found.source,
        "parameters": found.parameters,
        "statistics": dict(found.statistics),
    }
