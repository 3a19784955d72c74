"""`hiertools index`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.index_entities import index_entities
from hiertools.commands.options import (
    Ef,
    Images,
    NoProvenance,
    Oversample,
    Overwrite,
    Probes,
    Seed,
)
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.files.embeddings import Vectors
    from hiertools.files.index import Index
    from hiertools.files.model import Model
    from hiertools.files.provenance import Run
    from hiertools.search.approximate import Effort
    from hiertools.search.indexing import Draft, Shard
    from hiertools.terminal import Tick


class Method(StrEnum):
    """Ways to search."""

    exact = "exact"
    flat = "flat"
    ivf = "ivf"
    hnsw = "hnsw"


class By(StrEnum):
    """What a structure is made for."""

    cosine = "cosine"
    distance = "distance"


class Kind(StrEnum):
    """Kinds of items to take."""

    image = "image"
    box = "box"


def index(
    embeddings: Annotated[
        list[Path],
        typer.Argument(
            metavar="EMBEDDINGS…",
            help="Embeddings of one encoder, from hiertools embed; several files are shards. Or"
            " entities, from hiertools build-entities.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="What places them, from hiertools train."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="H5", help="Where the index goes.")
    ] = Path("index.h5"),
    method: Annotated[
        Method, typer.Option(help="How it is searched: exactly, or by a structure of FAISS.")
    ] = Method.exact,
    by: Annotated[
        By, typer.Option(help="What the structure is made for; cosine serves angles too.")
    ] = By.cosine,
    lists: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Lists of ivf; 4 sqrt(n) if it is not given."),
    ] = None,
    links: Annotated[
        int, typer.Option(min=2, metavar="N", help="Links of each point in hnsw.")
    ] = 32,
    build_ef: Annotated[
        int, typer.Option(min=1, metavar="N", help="Candidates for the links of hnsw.")
    ] = 100,
    images: Images = None,
    only: Annotated[Kind | None, typer.Option(help="Take only whole images, or boxes.")] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="H5", help="Entities: embeddings of held-out images, to fit probabilities to."
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|H5", help="Entities: what the held-out images are of, for --calibrate."
        ),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add the items to the index that is there.")
    ] = False,
    report: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Compare with exact search, by N of the items as queries."
        ),
    ] = 0,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON on standard output.")
    ] = False,
    oversample: Oversample = 4,
    probes: Probes = 16,
    ef: Ef = 64,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Place embeddings by a model, ready for `hiertools query`.

    Without a model the embeddings themselves are searched, by cosine. The model's head travels in
    the index, so that queries are embeddings too. Of entities the points of a whole hierarchy are
    indexed; without a model these are mean embeddings.
    """
    options = dict(locals())
    from hiertools.files import atomic, inputs
    from hiertools.files.provenance import Run

    of_entities = _are_entities(embeddings)
    _check_apply(options, of_entities)
    _check(options)
    inputs.check_stdin_once([*embeddings, model, images, truth])
    atomic.check_writable(output, overwrite=overwrite or append)
    run = Run("index", options, keep=not no_provenance)
    if of_entities:
        index_entities(run, options)
        return
    before = _before(run, output) if append else None
    listed = None if images is None else run.used(images, inputs.lines(images))
    shards = [_shard(run, path, listed, only) for path in embeddings]
    found = None if model is None else _model(run, model)
    if before is not None and found is not None:
        _check_same_model(before, output, found, model)
    draft = _draft(shards, found, model, before, output)
    if method is not Method.exact:
        draft = _with_structure(draft, output, options)
    _write(draft, output, run, overwrite=overwrite or append)
    if report:
        from hiertools.search.approximate import Effort

        _report(output, Effort(oversample, probes, ef), report, seed, json)


def _are_entities(paths: list[Path]) -> bool:
    """Return whether the input is a file of entities. Raises `UsageError` for two of them."""
    from hiertools.files import entities, hdf5

    kinds = []
    for path in paths:
        with hdf5.reading(path) as reader:
            kinds.append(reader.kind)
    if entities.KIND in kinds and len(paths) > 1:
        raise UsageError(f"{paths[kinds.index(entities.KIND)]} are entities: give no other input")
    return entities.KIND in kinds


# Options that are for embeddings or for entities alone, as they are when not given.
_OF_EMBEDDINGS: dict[str, Any] = {
    "method": Method.exact, "by": By.cosine, "lists": None, "links": 32, "build_ef": 100,
    "images": None, "only": None, "append": False, "report": 0, "json": False, "oversample": 4,
    "probes": 16, "ef": 64, "seed": 0,
}  # fmt: skip
_OF_ENTITIES: dict[str, Any] = {"calibrate": None, "truth": None}


def _check_apply(options: dict[str, Any], of_entities: bool) -> None:
    """Raise `UsageError` for an option that is for the other sort of input."""
    what = "entities" if of_entities else "embeddings"
    for name, absent in (_OF_EMBEDDINGS if of_entities else _OF_ENTITIES).items():
        if options[name] != absent:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{options['embeddings'][0]}: is of {what}: {option} does not apply")


# Options of a structure and of its report, with the methods that have them.
_METHODS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "by": (By.cosine, ("flat", "ivf", "hnsw")),
    "report": (0, ("flat", "ivf", "hnsw")),
    "lists": (None, ("ivf",)),
    "links": (32, ("hnsw",)),
    "build_ef": (100, ("hnsw",)),
    "seed": (0, ("ivf", "hnsw")),
}
_REPORT: dict[str, tuple[Any, tuple[str, ...]]] = {
    "json": (False, ("flat", "ivf", "hnsw")),
    "oversample": (4, ("flat", "ivf", "hnsw")),
    "probes": (16, ("ivf",)),
    "ef": (64, ("hnsw",)),
}


def _check(options: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together or would do nothing."""
    method = options["method"].value
    if options["append"] and options["overwrite"]:
        raise UsageError("give one of --append and --overwrite")
    if options["append"] and method != "exact":
        raise UsageError("--append is for exact search; index everything anew for a structure")
    for name, (absent, methods) in {**_METHODS, **_REPORT}.items():
        if options[name] == absent or (name == "seed" and options["report"]):
            continue
        if method not in methods:
            raise UsageError(f"--method {method}: --{name.replace('_', '-')} does not apply")
        if name in _REPORT and not options["report"]:
            raise UsageError(f"without --report: --{name} does not apply")


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
    if found.task != "parts":
        raise UserError(f"{path}: is a model of {found.task}; index takes one of parts")
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


def _with_structure(draft: "Draft", output: Path, options: dict[str, Any]) -> "Draft":
    from hiertools.search import indexing
    from hiertools.search.approximate import default_lists
    from hiertools.terminal import progress

    method, rows = options["method"], len(draft.items)
    parameters: dict[str, int] = {}
    if method is Method.ivf:
        parameters = {"lists": options["lists"] or default_lists(rows)}
        if parameters["lists"] > rows:
            raise UserError(f"--lists {options['lists']}: there are only {rows:,} items")
    elif method is Method.hnsw:
        parameters = {"links": options["links"], "ef": options["build_ef"]}
    with progress("building", rows) as tick:
        return indexing.with_structure(
            draft, str(output), method=method.value, by=options["by"].value,
            parameters=parameters, seed=options["seed"], tick=tick,
        )  # fmt: skip


def _write(draft: "Draft", output: Path, run: "Run", *, overwrite: bool) -> None:
    from hiertools.files.index import write_index
    from hiertools.terminal import progress, say

    meta, rows = draft.meta, len(draft.items)
    with progress("placing", rows) as tick:
        blocks = (_ticked(block, tick) for block in draft.blocks)
        write_index(
            output, blocks, draft.items, head=draft.head, structure=draft.structure, meta=meta,
            chain=run.chain(), overwrite=overwrite,
        )  # fmt: skip
    kind = "plain" if meta["task"] == "plain" else f"{meta['geometry']}, c = {meta['c']:.4g}"
    say(f"{output}: {rows:,} points of {meta['dimension']:,} dimensions ({kind})")


def _ticked(block: "Vectors", tick: "Tick") -> "Vectors":
    tick(len(block))
    return block


def _report(output: Path, effort: "Effort", queries: int, seed: int, as_json: bool) -> None:
    from hiertools.files import atomic, json
    from hiertools.files.index import read_index
    from hiertools.search import recall
    from hiertools.terminal import say

    found = read_index(output)
    lines = recall.report(found, str(output), effort, queries=queries, seed=seed)
    method = found.meta["method"]
    say(recall.table(lines, effort, method))
    if as_json:
        tried = {key: value for key, value in vars(effort).items() if method in _REPORT[key][1]}
        said = {"index": str(output), "method": method, **tried, "recall": lines}
        atomic.write_stdout(json.line(said))
