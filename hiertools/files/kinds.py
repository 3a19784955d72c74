"""Every kind of file that we write, and what it takes to tell it from others."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiertools.errors import UserError
from hiertools.files import (
    checkpoint,
    counts,
    distances,
    embeddings,
    entities,
    entity_part,
    graph,
    hdf5,
    hierarchy,
    index,
    inputs,
    json,
    local_features,
    log,
    masks,
    metrics,
    model,
    pairs,
    predictions,
    rejects,
    results,
    verified,
)
from hiertools.files.json import Document


@dataclass(frozen=True)
class Kind:
    """What can be done with any file of a kind."""

    check: Callable[..., None]
    describe: Callable[[Path], Document]


MODULES = (
    hierarchy, counts, pairs, embeddings, rejects, model, checkpoint, log, index, results,
    predictions, metrics, entities, entity_part, distances, local_features,
    graph, verified, masks,
)  # fmt: skip
KINDS = {module.KIND: Kind(module.check, module.describe) for module in MODULES}


def header(path: Path) -> tuple[str, int, list[Document]]:
    """Return a file's kind, version and provenance chain. Raises `UserError` if not ours."""
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file")
    if hdf5.is_hdf5(path):
        with hdf5.reading(path) as reader:
            found = {
                "kind": reader.kind,
                "version": reader.version,
                "provenance": reader.chain,
            }
    else:
        found = _json_header(path)
    fields = json.Fields(found, str(path))
    kind = found.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"{path}: is not one of our files; there are {', '.join(KINDS)}")
    chain = [record.document for record in fields.objects("provenance")]
    return kind, fields.count("version"), chain


def _json_header(path: Path) -> Document:
    """Return the header of JSON Lines, or else the whole document."""
    source = inputs.Source(path)
    if source.head.lstrip()[:1] != b"{":
        raise UserError(f"{path}: is not one of our files; there are {', '.join(KINDS)}")
    first = inputs.decode(next(source.lines())[1], str(path))
    try:
        document = json.loads(first, str(path))
    except UserError:
        document = json.loads(first + source.text(), str(path))
    return document if isinstance(document, dict) else {}


def check(path: Path, *, full: bool) -> str:
    """Return a file's kind. Raises `UserError` if it is not sound; `full` reads all of it."""
    kind, _, _ = header(path)
    KINDS[kind].check(path, full=full)
    return kind
