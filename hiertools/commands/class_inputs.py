"""What `train classes` reads: the classes, and items of them as embeddings or as pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UserError

if TYPE_CHECKING:
    from hiertools.files.embeddings import Embeddings
    from hiertools.files.items import Items
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run
    from hiertools.taxonomy import Taxonomy
    from hiertools.training.class_examples import Rows
    from hiertools.training.class_material import ClassMaterial
    from hiertools.training.classes import HeldOut
    from hiertools.training.embedded import Shelf


@dataclass(frozen=True)
class Inputs:
    """What there is to train on, what is held out if anything, and digests of all inputs."""

    material: "ClassMaterial"
    held_out: "HeldOut | None"
    digests: "Document"


def taxonomy(run: "Run", options: dict[str, Any]) -> "Taxonomy":
    """Return the classes, which are the leaves of a hierarchy."""
    from hiertools.files.inputs import Source
    from hiertools.files.trees import read_tree
    from hiertools.taxonomy import of_hierarchy

    source = Source(options["hierarchy"])
    found = read_tree(source)
    run.add_input(source.path, source.digest(), found.chain)
    distance = options["distance"]
    try:
        return of_hierarchy(
            found, classes=None, distance=None if distance is None else distance.value
        )
    except UserError as error:
        raise UserError(f"{source.name}: {error}") from None


def of_embeddings(run: "Run", tree: "Taxonomy", options: dict[str, Any]) -> Inputs:
    """Read embeddings of labelled items."""
    from hiertools.training import class_material
    from hiertools.training.classes import HeldOut
    from hiertools.training.embedded import check_alike, listed

    paths, others = options["embeddings"], options["validation"] or []
    found, shelf, digests = _shelf(run, paths)
    table, labels, more = _labelled(run, _table(found, paths), listed(paths), tree, options)
    made = class_material.of_embeddings(tree, table, labels, shelf, listed(paths))
    held_out = None
    if others:
        read, held, _ = _shelf(run, others)
        check_alike([*paths, *others], [*found, *read])
        given = {**options, "table": None, "subset": None, "allow_absent": True}
        rows, codes, _ = _labelled(run, _table(read, others), listed(others), tree, given)
        _check_apart(table, rows, listed(others))
        held_out = HeldOut(held.take(held.find(rows.id)[0]), codes)
    return Inputs(made, held_out, {"taxonomy": tree.digest, "embeddings": digests, **more})


def of_images(
    run: "Run", tree: "Taxonomy", options: dict[str, Any], augment: str, statistics: bool
) -> Inputs:
    """Find pictures of known classes, and load the encoder that learns.

    augment, statistics: see `class_pictures.Manner`.
    """
    from dataclasses import replace

    import numpy as np

    from hiertools import inventory
    from hiertools.encoder import digest, load
    from hiertools.training import class_pictures

    folder, spec, seed = options["images"], options["encoder"], options["seed"]
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    found = inventory.of_images([folder], root=None)
    if options["table"] is None:
        found = class_pictures.with_classes(found, folder)
    run.add_input(folder, found.digest())
    table, labels, more = _labelled(run, found.items, str(folder), tree, options)
    kept = np.flatnonzero(np.isin(found.items.id, table.id))
    found = replace(found, items=table, file_of=found.file_of[kept])
    encoder = load(spec, seed=seed)
    digests = {"images": found.digest(), "encoder": digest(encoder), **more}
    manner = class_pictures.Manner(augment, statistics, seed, options["workers"])
    made = class_pictures.of_pictures(tree, labels, found, encoder, spec, manner)
    return Inputs(made, None, {"taxonomy": tree.digest, **digests})


def _shelf(run: "Run", paths: list[Path]) -> "tuple[list[Embeddings], Shelf, list[str]]":
    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.training.embedded import Shelf

    found = [read_embeddings(each) for each in paths]
    digests = [inputs.digest_file(each) for each in paths]
    for each, digest, read in zip(paths, digests, found, strict=True):
        run.add_input(each, digest, read.chain)
    return found, Shelf(paths, found), digests


def _table(found: "list[Embeddings]", paths: list[Path]) -> "Items":
    from hiertools.files import items

    try:
        return items.concatenate([each.items for each in found])
    except UserError as error:
        raise UserError(f"{', '.join(map(str, paths))}: {error}") from None


def _labelled(
    run: "Run", table: "Items", name: str, tree: "Taxonomy", options: dict[str, Any]
) -> "tuple[Items, Rows, Document]":
    """Return the chosen items, the place of the class of each, and digests of more inputs."""
    from hiertools.files import inputs, item_table
    from hiertools.training import class_labels, class_material

    more: Document = {}
    if options["subset"] is not None:
        subset = run.used(options["subset"], inputs.lines(options["subset"]))
        table = table.take(class_material.chosen(table, subset, name))
        more["subset"] = subset
    if options["table"] is not None:
        name = str(options["table"])
        table, more["table"] = item_table.join(table, options["table"])
        run.add_input(name, more["table"])
    labels = class_labels.codes(
        table, tree, name, options["hierarchy"], allow_absent=options["allow_absent"]
    )
    return table, labels, more


def _check_apart(learned: "Items", held_out: "Items", name: str) -> None:
    """Raise `UserError` if items are held out and learned from."""
    import numpy as np

    from hiertools.files.items import decode

    both = held_out.id[np.isin(held_out.id, learned.id)]
    if len(both):
        raise UserError(
            f"{name}: {len(both):,} of its {len(held_out):,} items are learned from too, such as"
            f" {decode(both[0])!r}; hold other items out"
        )
