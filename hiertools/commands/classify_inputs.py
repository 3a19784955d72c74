"""What `hiertools classify` reads: the classes, the logits of items, the truth of held-out ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.classification.logits import Logits, Outputs
    from hiertools.files.items import Items
    from hiertools.files.json import Document
    from hiertools.files.model import Model
    from hiertools.files.provenance import Run
    from hiertools.search.choosing import Rows
    from hiertools.taxonomy import Taxonomy

LOOKED_AT = 1024  # rows, to see whether they are probabilities
LEAST_HELD_OUT = 2  # items: a temperature of one, a threshold of another


@dataclass
class Known:
    """The classes, the file that says what they are, and the model, if there is one."""

    taxonomy: "Taxonomy"
    name: Path
    model: "Model | None"


def known(run: "Run", options: dict[str, Any]) -> Known:
    """Read the model, the hierarchy and the list of classes.

    A hierarchy beside a model takes the place of the model's; its leaves must be the classes of the
    model in their order.
    """
    from hiertools import taxonomy
    from hiertools.files import inputs
    from hiertools.files.model import read_model
    from hiertools.models.classes import taxonomy_of

    model, tree = options["model"], options["hierarchy"]
    distance = options["distance"] and options["distance"].value
    if model is None and tree is None:
        raise UsageError("name a model (--model), or the hierarchy of the classes (--hierarchy)")
    if options["allow_absent"] and options["classes"] is None:
        raise UsageError("--allow-absent is for --classes LIST")
    if model is None:
        return Known(_of_hierarchy(run, options, distance), tree, None)
    if options["classes"] is not None:
        raise UsageError("--classes is for logits without a model; a model has its classes")
    found = read_model(model)
    run.add_input(model, inputs.digest_file(model), found.chain)
    own = taxonomy_of(found, str(model))
    if tree is not None:
        other = _of_hierarchy(run, options, distance)
        taxonomy.check_same(other, own, name=str(tree), other=str(model))
        return Known(other, tree, found)
    if distance is not None:
        own = taxonomy.of_hierarchy(own.hierarchy, classes=own.classes, distance=distance)
    return Known(own, model, found)


def _of_hierarchy(run: "Run", options: dict[str, Any], distance: str | None) -> "Taxonomy":
    from hiertools import taxonomy
    from hiertools.files import inputs
    from hiertools.files.trees import read_tree

    path, listed = options["hierarchy"], options["classes"]
    source = inputs.Source(path)
    tree = read_tree(source)
    run.add_input(path, source.digest(), tree.chain)
    chosen = None
    if listed is not None:
        chosen = run.used(listed, inputs.lines(listed))
        nodes = {node.id for node in tree.nodes}
        strange = [key for key in chosen if key not in nodes]
        there = set(chosen) & set(tree.leaves)
        problem = taxonomy.difference(
            sorted(there.union(strange)), tree.leaves, name=str(listed), other=str(path)
        )
        if problem and (strange or not options["allow_absent"]):
            hint = "" if strange else "; --allow-absent lets leaves be no classes"
            raise UserError(f"{problem}{hint}")
    try:
        return taxonomy.of_hierarchy(tree, classes=chosen, distance=distance)
    except UserError as error:
        raise UserError(f"{path if listed is None else listed}: {error}") from None


def outputs(
    run: "Run", found: Known, path: Path, ids: Path | None, options: dict[str, Any]
) -> "Outputs":
    """Open embeddings or logits. ids: the option or its like that names those of the file."""
    from hiertools.files import hdf5, inputs

    if path == inputs.STDIN:
        raise UsageError("embeddings and logits do not come through a pipe; name a file")
    if hdf5.is_hdf5(path):
        return _of_embeddings(run, found, path, ids, options)
    return _of_foreign(run, found, path, ids, options)


def _of_embeddings(
    run: "Run", found: Known, path: Path, ids: Path | None, options: dict[str, Any]
) -> "Outputs":
    from hiertools.classification import logits
    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.search.placing import check_fit

    read = read_embeddings(path)
    if ids is not None or options["key"] is not None:
        raise UsageError(f"{path} has ids of its own: --ids and --key are for other files")
    run.add_input(path, inputs.digest_file(path), read.chain)
    if _are_outputs(read.meta, found.model):
        return _taken(str(path), read.items, read.vectors, found, options)
    if found.model is None:
        raise UserError(
            f"{path}: has embeddings of {read.meta['encoder']}; give the model that takes them"
            " (--model), or embed with --logits"
        )
    if options["probabilities"]:
        raise UsageError(f"{path} has embeddings: --probabilities does not apply")
    features = read.vectors.shape[1]
    check_fit(read.meta, features, str(path), found.model.meta, options["model"])
    return logits.of_model(str(path), read.items, read.vectors, found.model)


def _are_outputs(meta: "Document", model: "Model | None") -> bool:
    """Return whether vectors are logits, and not those that a model takes."""
    if model is not None and meta["digest"] == model.meta["digest"]:
        return False
    made_elsewhere = model is None and str(meta["encoder"]).startswith("from:")
    return bool(meta["output"] == "logits" or made_elsewhere)


def _of_foreign(
    run: "Run", found: Known, path: Path, ids: Path | None, options: dict[str, Any]
) -> "Outputs":
    from hiertools.files import inputs, items
    from hiertools.files.foreign import read_vectors

    if ids is None:
        raise UsageError(f"{path} has no ids: name a list of them (--ids, --calibrate-ids)")
    rows = read_vectors(path, name=options["key"])
    run.add_input(path, inputs.digest_file(path))
    keys = run.used(ids, inputs.lines(ids))
    if len(keys) != len(rows):
        raise UserError(f"{ids}: has {len(keys):,} ids for the {len(rows):,} rows of {path}")
    try:
        table = items.Items(items.encode(keys))
    except UserError as error:
        raise UserError(f"{ids}: {error}") from None
    return _taken(str(path), table, rows, found, options)


def _taken(
    name: str, table: "Items", rows: Any, found: Known, options: dict[str, Any]
) -> "Outputs":
    from hiertools.classification import logits
    from hiertools.terminal import warn

    if not options["probabilities"] and logits.are_like_probabilities(rows[:LOOKED_AT]):
        warn(f"{name}: the rows sum to 1, as probabilities do; give --probabilities if they are")
    take = logits.of_probabilities if options["probabilities"] else logits.of_logits
    return take(name, table, rows, len(found.taxonomy.classes))


def held_out(
    run: "Run", found: Known, asked: "Outputs", options: dict[str, Any]
) -> tuple["Logits", "Rows"]:
    """Return the logits of held-out items and the places of their classes.

    Raises `UserError` if one of them is among those that are asked for: what was learned of them
    would seem better than it is.
    """
    import numpy as np

    from hiertools.files import item_table
    from hiertools.files.items import decode
    from hiertools.training.class_labels import codes

    path, labels = options["calibrate"], options["calibrate_labels"]
    held = outputs(run, found, path, options["calibrate_ids"], options)
    both = np.flatnonzero(np.isin(held.items.id, asked.items.id))
    if len(both):
        raise UserError(
            f"{path}: {len(both):,} of its {len(held.items):,} items are to be classified too, such"
            f" as {decode(held.items.id[both[0]])!r}; hold other items out"
        )
    _warn_if_learned(found, path)
    table = held.items
    if labels is not None:
        table = run.used(labels, item_table.join(table, labels))
    if table.labels is None:
        raise UserError(f"{path}: has no labels; give them with --calibrate-labels CSV")
    name = str(path if labels is None else labels)
    truth = codes(table, found.taxonomy, name, found.name, allow_absent=True)
    if len(truth) < LEAST_HELD_OUT:
        raise UserError(f"{path}: has {len(truth)} items; hold out {LEAST_HELD_OUT} or more")
    return held.all(), truth


def _warn_if_learned(found: Known, path: Path) -> None:
    """Warn where the model was trained on the held-out items: of these it is too sure."""
    from hiertools.files import inputs
    from hiertools.terminal import warn

    if found.model is None or not found.model.chain:
        return
    record = found.model.chain[-1]
    learned = record.get("options", {}).get("embeddings") or []  # what was held out is an input too
    read = {each["sha256"] for each in record["inputs"] if each["path"] in learned}
    if read and inputs.digest_file(path) in read:
        warn(f"{path}: the model was trained with these items, and is surer of them than of others")
