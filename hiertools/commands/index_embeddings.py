"""The side of `hiertools index` that is for embeddings."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands import index_structure
from hiertools.commands.index_structure import By, Method
from hiertools.errors import UserError

if TYPE_CHECKING:
    from hiertools.files.embeddings import Vectors
    from hiertools.files.index import Index
    from hiertools.files.json import Document
    from hiertools.files.model import Model
    from hiertools.files.provenance import Run
    from hiertools.search.indexing import Draft, Shard
    from hiertools.terminal import Tick


class Kind(StrEnum):
    """Kinds of items to take."""

    image = "image"
    box = "box"


TASKS = ("parts", "classes")

# Options that are for embeddings or for entities alone, as they are when not given.
OF_EMBEDDINGS: dict[str, Any] = {
    "method": Method.exact, "by": By.cosine, "lists": None, "links": 32, "build_ef": 100,
    "images": None, "only": None, "append": False, "report": 0, "json": False, "oversample": 4,
    "probes": 16, "ef": 64, "seed": 0,
}  # fmt: skip


def index_embeddings(run: "Run", options: dict[str, Any]) -> None:
    """Write an index of embeddings, which a model may place."""
    from hiertools.files import inputs

    paths, name, output = options["embeddings"], options["model"], options["output"]
    before = _before(run, output) if options["append"] else None
    images = options["images"]
    listed = None if images is None else run.used(images, inputs.lines(images))
    shards = [_shard(run, path, listed, options["only"]) for path in paths]
    model = None if name is None else _model(run, name)
    if before is not None and model is not None:
        _check_same_model(before, output, model, name)
    draft = _draft(shards, model, name, before, output)
    if options["method"] is not Method.exact:
        index_structure.check_serves(options["by"], draft.meta["task"], name or paths[0])
        draft = index_structure.with_structure(draft, output, options)
    _write(draft, output, run, overwrite=options["overwrite"] or options["append"])
    if options["report"]:
        index_structure.report(output, options)


def _before(run: "Run", path: Path) -> "Index":
    """Return the index that is there."""
    from hiertools.files import inputs
    from hiertools.files.index import read_index

    if not path.exists():
        raise UserError(f"{path}: no such index; leave out --append to make it")
    found = read_index(path)
    if found.structure:
        raise UserError(f"{path}: is approximate ({found.meta['method']}); index everything anew")
    run.add_input(path, inputs.digest_file(path), found.chain)
    return found


def _shard(run: "Run", path: Path, images: list[str] | None, only: Kind | None) -> "Shard":
    import numpy as np

    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.search import choosing
    from hiertools.search.indexing import Shard

    found = read_embeddings(path)
    run.add_input(path, inputs.digest_file(path), found.chain)
    kept = np.ones(len(found.items), np.bool_)
    if only:
        kept &= choosing.of_kind(found.items, only.value, str(path))
    if images is not None:
        kept &= choosing.of_images(found.items, images, str(path))
    return Shard(path, found, np.flatnonzero(kept))


def _model(run: "Run", path: Path) -> "Model":
    from hiertools.files import inputs
    from hiertools.files.model import read_model

    found = read_model(path)
    if found.task not in TASKS:
        raise UserError(f"{path}: is a model of {found.task}; index takes one of parts or classes")
    run.add_input(path, inputs.digest_file(path), found.chain)
    return found


def _check_same_model(before: "Index", path: Path, model: "Model", name: Path | None) -> None:
    from hiertools.files.model import digest_of

    if before.meta["model"] != digest_of(model):
        raise UserError(f"{path}: is not of the model {name}; leave out --model to append to it")


def _draft(
    shards: list["Shard"],
    model: "Model | None",
    name: Path | None,
    before: "Index | None",
    output: Path,
) -> "Draft":
    from hiertools.search import indexing
    from hiertools.search.placing import Placer

    taken, taker = (None, str(shards[0].path)) if model is None else (model.meta, str(name))
    if before is not None:
        taken, taker = before.meta, str(output)
    indexing.check_shards(shards, taken, taker)
    table = indexing.table(shards, None if before is None else before.items)
    if not len(table):
        raise UserError(f"{shards[0].path}: has no items to index")
    if before is not None:
        meta, head, points = before.meta, before.head, before.points
    else:
        meta, head, points = indexing.describe(shards, model), model.weights if model else {}, None
    placer = Placer(head, meta)
    return indexing.Draft(table, indexing.blocks(shards, placer, points), head, meta)


def _write(draft: "Draft", output: Path, run: "Run", *, overwrite: bool) -> None:
    from hiertools.files.index import write_index
    from hiertools.search import class_kernel, indexing
    from hiertools.terminal import progress, say

    meta, rows = draft.meta, len(draft.items)
    with progress("placing", rows) as tick:
        blocks = (_ticked(block, tick) for block in draft.blocks)
        write_index(
            output, blocks, draft.items, head=draft.head, structure=draft.structure, meta=meta,
            chain=run.chain(), overwrite=overwrite, classes_of=indexing.classes_of(draft),
        )  # fmt: skip
    if "kernel" in meta and (problem := class_kernel.warning(meta["kernel"])):
        say(problem)
    say(f"{output}: {rows:,} points of {meta['dimension']:,} dimensions ({_kind(meta)})")


def _kind(meta: "Document") -> str:
    if meta["task"] == "classes":
        return f"{len(meta['taxonomy']['classes']):,} classes"
    return "plain" if meta["task"] == "plain" else f"{meta['geometry']}, c = {meta['c']:.4g}"


def _ticked(block: "Vectors", tick: "Tick") -> "Vectors":
    tick(len(block))
    return block
