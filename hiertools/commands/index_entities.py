"""The side of `hiertools index` that is for entities."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.evaluation.geo_truth import Truth
    from hiertools.files.entity_index import EntityIndex
    from hiertools.files.provenance import Run
    from hiertools.search.tree import Points, Rows

BEAM = 10  # of the search that probabilities are fitted for


def index_entities(run: "Run", options: dict[str, Any]) -> None:
    """Write an index of entities, by a model or of mean embeddings."""
    from hiertools.files.entity_index import write_entity_index
    from hiertools.terminal import say

    if (options["calibrate"] is None) != (options["truth"] is None):
        raise UsageError("--calibrate and --truth go together: embeddings and what they are of")
    found = _index(run, options["embeddings"][0], options["model"])
    if options["calibrate"] is not None:
        found = _calibrated(run, found, options)
    output = options["output"]
    write_entity_index(output, found, chain=run.chain(), overwrite=options["overwrite"])
    meta = found.meta
    kind = f"{meta['geometry']}, c = {meta['c']:.4g}" if found.head else "mean embeddings, cosine"
    sizes = (len(found.items), meta["dimension"] + (not found.head))
    say(f"{output}: {sizes[0]:,} entities of {sizes[1]:,} dimensions ({kind})")


def _index(run: "Run", path: Path, name: Path | None) -> "EntityIndex":
    from hiertools.files import inputs
    from hiertools.files.entities import read_entities
    from hiertools.files.model import read_model
    from hiertools.search import entity_indexing

    entities = read_entities(path)
    run.add_input(path, inputs.digest_file(path), entities.chain)
    if name is None:
        return entity_indexing.zero_shot(entities, str(path))
    model = read_model(name)
    if model.task != "geo":
        raise UserError(f"{name}: is a model of {model.task}; entities need one from train geo")
    run.add_input(name, inputs.digest_file(name), model.chain)
    return entity_indexing.of_model(entities, str(path), model, str(name))


def _calibrated(run: "Run", found: "EntityIndex", options: dict[str, Any]) -> "EntityIndex":
    """Return the index with a temperature, and say what it did."""
    import torch

    from hiertools.search import entity_indexing
    from hiertools.search.placements import default_score
    from hiertools.terminal import say, warn

    vectors, truth = _held_out(run, found, options)
    by = default_score(found)
    device = torch.device("cpu")
    fit = entity_indexing.calibrate(found, vectors, truth, by=by, width=BEAM, device=device)
    say(
        f"temperature {fit.temperature:.4g} from {len(vectors):,} images: negative log-likelihood"
        f" {fit.nll[0]:.4f} before, {fit.nll[1]:.4f} after; calibration error {fit.ece[0]:.4f}"
        f" before, {fit.ece[1]:.4f} after"
    )
    if fit.at_bound:
        warn(
            "the temperature is at the end of its range: scores hardly tell right from wrong;"
            " train longer, or calibrate with more images"
        )
    return entity_indexing.calibrated(found, fit, by=by, width=BEAM)


def _held_out(run: "Run", found: "EntityIndex", options: dict[str, Any]) -> tuple["Points", "Rows"]:
    """Return embeddings whose entities are known, and the rows of these in the index."""
    import numpy as np

    from hiertools.files import inputs, items
    from hiertools.files.embeddings import read_embeddings
    from hiertools.search import entity_indexing
    from hiertools.search.placing import check_fit
    from hiertools.terminal import warn

    path, name = options["calibrate"], options["truth"]
    held = read_embeddings(path)
    run.add_input(path, inputs.digest_file(path), held.chain)
    features = held.vectors.shape[1]
    check_fit(held.meta, features, str(path), found.meta, str(options["embeddings"][0]))
    ids = [items.decode(key) for key in held.items.id.tolist()]
    truth = _truth(run, name, found.levels, ids[0])
    place = {key: row for row, key in enumerate(truth.id)}
    pairs = [(row, place[key]) for row, key in enumerate(ids) if key in place]
    if not pairs:
        raise UserError(f"{name}: has none of the ids of {path}; join them by id")
    if len(pairs) < len(ids):
        first = next(key for key in ids if key not in place)
        warn(f"{len(ids) - len(pairs):,} images of {path} have no truth in {name}: {first!r} …")
    rows, of_truth = np.array(pairs).T
    known = np.full(max(truth.keys.values(), default=0) + 2, entity_indexing.NONE)
    known[list(truth.keys.values())] = entity_indexing.known_rows(found, list(truth.keys))
    return np.asarray(held.vectors[rows]), known[truth.code[of_truth]]


def _truth(run: "Run", path: Path, levels: list[str], like: str) -> "Truth":
    """Return what items are of: a file of entities, or metadata. like: an id, see `metadata`."""
    from hiertools.commands import geo_inputs

    truth = geo_inputs.true_places(run, path, tuple(levels), like, "entity")
    if not truth.levels:
        raise UserError(f"{truth.name}: has none of the levels {', '.join(levels)} of the index")
    return truth
