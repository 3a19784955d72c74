"""`hiertools embed`."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools import plugins
from hiertools.commands import embed_local
from hiertools.commands.options import (
    BatchSize,
    Device,
    Format,
    Images,
    MaxArea,
    MinArea,
    NoProvenance,
    Overwrite,
    Resume,
    Seed,
    Shard,
    Workers,
    parse_shard,
)
from hiertools.errors import SkippedError, UsageError, UserError

if TYPE_CHECKING:
    from hiertools.embedding import Settings
    from hiertools.files.provenance import Run
    from hiertools.inventory import Inventory


class Precision(StrEnum):
    """Types of number for the network."""

    auto = "auto"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


class Engine(StrEnum):
    """What runs the network."""

    auto = "auto"
    torch = "torch"
    onnx = "onnx"


class Kind(StrEnum):
    """Kinds of rows to keep."""

    image = "image"
    box = "box"


class LabelFrom(StrEnum):
    """Where labels come from."""

    folder = "folder"


def embed(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[INPUT…]",
            help="Folders of images, images, lists of paths (- for standard input); with --text"
            " files of lines.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="H5",
            help="Where the vectors go. [default: embeddings.h5, or local.h5]",
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            metavar="SPEC", help=f"The encoder, one of {plugins.listing(plugins.ENCODERS)}."
        ),
    ] = "lite0",
    boxes: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="ANNOTATIONS",
            help="Embed annotated images and their boxes; may be given several times.",
        ),
    ] = None,
    format: Format = "auto",
    image_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder in which the annotated or listed images are."),
    ] = None,
    images: Images = None,
    only: Annotated[Kind | None, typer.Option(help="Keep only whole images, or boxes.")] = None,
    min_size: Annotated[
        int,
        typer.Option(
            min=1, metavar="PIXELS", help="Leave out boxes whose crop has a side shorter than this."
        ),
    ] = 1,
    min_area: MinArea = Decimal("0"),
    max_area: MaxArea = Decimal("1"),
    blur: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Blur each picture: standard deviation as a share of its shorter side.",
        ),
    ] = 0.0,
    text: Annotated[
        bool,
        typer.Option("--text", help="Embed lines of text: ID<TAB>TEXT, or the text alone."),
    ] = False,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Take vectors made elsewhere, as they are."),
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(metavar="LIST|-", help="With --from: the id of each vector, a line each."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --from: name of the tensor or column, if the file has several.",
        ),
    ] = None,
    made_by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --from: what made the vectors. Files of one name are of one encoder.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="More columns for the items, joined by id: label, latitude …"
        ),
    ] = None,
    label_from: Annotated[
        LabelFrom | None,
        typer.Option(help="Label images with the name of their folder."),
    ] = None,
    logits: Annotated[
        bool,
        typer.Option(
            "--logits", help="Write the logits of the encoder's classifier instead of embeddings."
        ),
    ] = False,
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            help="Write local features (SIFT) instead, for rerank and verify; with --from those of"
            " a file in the layout of hloc.",
        ),
    ] = False,
    keypoints: Annotated[
        int, typer.Option(min=1, metavar="N", help="Local features of an image, at the most.")
    ] = 2000,
    max_side: Annotated[
        int,
        typer.Option(
            min=16,
            metavar="PIXELS",
            help="Local features are found in images made smaller where a side is longer.",
        ),
    ] = 1024,
    device: Device = "auto",
    precision: Annotated[
        Precision,
        typer.Option(help="Numbers to compute with; auto is float16 on a GPU, float32 elsewhere."),
    ] = Precision.auto,
    engine: Annotated[
        Engine,
        typer.Option(
            help="What runs the network: PyTorch, or ONNX Runtime, on a CPU alone; auto is the"
            " latter where it is faster and gives the same vectors."
        ),
    ] = Engine.auto,
    batch_size: BatchSize = 32,
    workers: Workers = 2,
    shard: Shard = "",
    seed: Seed = 0,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="JSONL",
            help="Where images that cannot be used are listed. [default: OUT.rejects.jsonl]",
            show_default=False,
        ),
    ] = None,
    max_bad: Annotated[
        int,
        typer.Option(min=0, help="Exit with 4 if more items than this cannot be used."),
    ] = 0,
    resume: Resume = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be embedded, and stop.")
    ] = False,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Embed images, boxes of images, or lines of text; or find local features.

    Writes one vector a row, as the encoder gives it (not normalised), in the order of the input.
    The encoder's own preprocessing is used. A first signal stops the work in order; --resume
    continues it and gives the same bytes as a run that was never stopped.
    """
    options = dict(locals())
    from hiertools.files import atomic
    from hiertools.files.inputs import check_stdin_once
    from hiertools.files.provenance import Run

    check_stdin_once([*(inputs or []), *(boxes or []), images, ids, table])
    if local:
        _refuse("--local finds features of whole images", options, embed_local.NOT_OF_LOCAL)
        if from_ is not None:
            why = "--local --from takes features as they are"
            _refuse(why, options, embed_local.OF_PICTURES)
        elif made_by is not None:
            raise UsageError("--made-by is for --from")
        embed_local.embed_local(options, lambda run: _images(run, options))
        return
    _refuse("without --local there are no keypoints", options, embed_local.OF_LOCAL)
    output = output or Path("embeddings.h5")
    options["output"] = output
    _check_sources(bool(inputs), bool(boxes), text, from_ is not None, ids is not None)
    if from_ is not None:
        _refuse("--from takes vectors as they are", options, _OF_ROWS | _OF_NETWORK)
        if made_by == "":
            raise UsageError("--made-by needs a name")
    elif text:
        _refuse("--text embeds all lines", options, _OF_ROWS)
    else:
        _refuse("without --from there are no vectors to take", options, _OF_VECTORS)
    if label_from and boxes:
        raise UsageError("--label-from folder is for whole images; boxes have labels")
    rejects = rejects or Path(f"{output}.rejects.jsonl")
    if output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    if not dry_run:
        atomic.check_writable(output, overwrite=overwrite or resume)
        atomic.check_writable(rejects, overwrite=True)
    run = Run("embed", options, keep=not no_provenance)
    if from_ is not None and ids is not None:
        _take_vectors(run, from_, ids, (key, made_by), table, output, overwrite)
        return
    inventory = _inventory(run, inputs or [], boxes or [], format, image_root, text)
    inventory = _filtered(run, inventory, images, only, (min_area, max_area), label_from, table)
    inventory = inventory.shard(parse_shard(shard), batch_size=batch_size)
    job = _Job(encoder, output, rejects, resume, overwrite)
    settings = _settings(logits, device, precision, batch_size, workers, min_size, blur)
    if dry_run:
        _describe(inventory, output)
        return
    bad = _embed(run, inventory, job, settings, engine.value, seed)
    if bad > max_bad:
        raise SkippedError(f"{bad:,} items could not be used; see {job.rejects}")


@dataclass(frozen=True)
class _Job:
    encoder: str
    output: Path
    rejects: Path
    resume: bool
    overwrite: bool


# Options that choose among rows, that are of vectors made elsewhere, and that are of the network:
# with their values when not given.
_OF_ROWS = {
    "images": None,
    "only": None,
    "min_size": 1,
    "min_area": Decimal("0"),
    "max_area": Decimal("1"),
    "blur": 0.0,
    "image_root": None,
    "label_from": None,
}
_OF_VECTORS = {"key": None, "made_by": None}
_OF_NETWORK = {
    "logits": False,
    "shard": "",
    "resume": False,
    "dry_run": False,
    "precision": "auto",
    "engine": "auto",
    "device": "auto",
}


def _refuse(reason: str, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Raise `UsageError` for an option that would do nothing here."""
    for name, absent in options.items():
        if given[name] != absent:
            raise UsageError(f"{reason}: --{name.replace('_', '-')} does not apply")


def _check_sources(inputs: bool, boxes: bool, text: bool, from_: bool, ids: bool) -> None:
    if boxes + text + from_ > 1:
        raise UsageError("give one of --boxes, --text and --from")
    if from_ != ids:
        raise UsageError("--from and --ids go together")
    if from_ and inputs:
        raise UsageError("--from takes vectors as they are; there is no INPUT to embed")
    if not (inputs or boxes or from_):
        raise UsageError("name folders or lists of images, or give --boxes or --from")


def _inventory(
    run: "Run",
    inputs: list[Path],
    boxes: list[Path],
    format: str,
    root: Path | None,
    text: bool,
) -> "Inventory":
    from hiertools import box_table, inventory
    from hiertools.files.inputs import Source
    from hiertools.terminal import progress

    if not boxes:
        found = inventory.of_texts(inputs) if text else inventory.of_images(inputs, root=root)
        run.add_input(", ".join(map(str, inputs)), found.digest())
        return found
    roots = [*inputs, *([root] if root else [])]
    if not roots:
        raise UsageError("--boxes needs the folder of the images: --image-root DIR")
    sources = [Source(path) for path in boxes]
    with progress("reading boxes", None) as tick:
        table = box_table.read_table(sources, format, only=None, shard=(0, 1), tick=tick)
    for source in sources:
        run.add_input(source.path, source.digest())
    found = inventory.of_boxes(table, roots=roots)
    run.add_input(", ".join(map(str, roots)), found.digest())
    return found


def _images(run: "Run", given: dict[str, Any]) -> "Inventory":
    """Return the images whose local features are wanted."""
    inventory = _inventory(run, given["inputs"], [], "auto", given["image_root"], False)
    area = (Decimal("0"), Decimal("1"))
    inventory = _filtered(
        run, inventory, given["images"], None, area, given["label_from"], given["table"]
    )
    return inventory.shard(parse_shard(given["shard"]), batch_size=1)


def _filtered(
    run: "Run",
    inventory: "Inventory",
    images: Path | None,
    only: Kind | None,
    area: tuple[Decimal, Decimal],
    label_from: LabelFrom | None,
    table: Path | None,
) -> "Inventory":
    from dataclasses import replace

    from hiertools.files import inputs, item_table
    from hiertools.inventory import with_folder_labels

    if images:
        inventory = inventory.of_listed_images(run.used(images, inputs.lines(images)))
    if only:
        inventory = inventory.of_kind(only.value)
    inventory = inventory.of_area(*area)
    if label_from:
        inventory = with_folder_labels(inventory)
    if table:
        joined = run.used(table, item_table.join(inventory.items, table))
        inventory = replace(inventory, items=joined)
    return inventory


def _settings(
    logits: bool,
    device: str,
    precision: Precision,
    batch_size: int,
    workers: int,
    min_size: int,
    blur: float,
) -> "Settings":
    from hiertools.embedding import Settings, choose_device

    chosen = choose_device(device)
    if precision is Precision.float16 and chosen.type == "cpu":
        raise UsageError("--precision float16 needs a GPU; it is far slower on a CPU")
    number = precision.value
    if precision is Precision.auto:
        number = "float16" if chosen.type == "cuda" else "float32"
    output = "logits" if logits else "embedding"
    return Settings(output, chosen, number, batch_size, workers, min_size, blur, "torch")


def _describe(inventory: "Inventory", output: Path) -> None:
    from hiertools.files.embeddings import describe_items
    from hiertools.terminal import say

    kinds = describe_items(inventory.items)["kinds"]
    rows = ", ".join(f"{count:,} of kind {kind}" for kind, count in kinds.items())
    say(f"would embed {len(inventory):,} rows ({rows}) into {output}")


def _embed(
    run: "Run",
    inventory: "Inventory",
    job: _Job,
    settings: "Settings",
    engine: str,
    seed: int,
) -> int:
    """Embed, write the output and the rejects, and return the number of rejects."""
    from dataclasses import replace

    from hiertools import embedding_parts
    from hiertools.embedding import describe
    from hiertools.encoder import load
    from hiertools.engine import with_engine
    from hiertools.files.rejects import write_rejects
    from hiertools.signals import stop_flag
    from hiertools.terminal import progress, say

    encoder = load(job.encoder, seed=seed)
    encoder, name = with_engine(
        encoder,
        engine,
        output=settings.output,
        device=settings.device,
        precision=settings.precision,
        texts=inventory.texts is not None,
    )
    settings = replace(settings, engine=name)
    meta = describe(inventory, encoder, settings, name=job.encoder)
    store = embedding_parts.Parts(job.output, meta["config"])
    say(f"{job.encoder} ({meta['digest'][:12]}) on {settings.device} by {name}", level=2)
    if job.resume and (done := store.finished(job.output)) is not None:
        say(f"{job.output}: is complete already")
        return int(done["rejected"])
    parts = store.begin(resume=job.resume, overwrite=job.overwrite)
    with stop_flag() as flag, progress("embedding", len(inventory)) as tick:
        parts = embedding_parts.embed_in_parts(
            inventory, encoder, settings, store=store, parts=parts, flag=flag, tick=tick
        )
    rejects = [reject for part in parts for reject in part.rejects]
    chain = run.chain()
    if rejects or (job.overwrite and job.rejects.exists()):  # an older list is not of this run
        write_rejects(job.rejects, rejects, chain=chain, overwrite=True)
    rows, shape = store.finish(
        job.output,
        parts,
        inventory.items,
        meta=meta,
        chain=chain,
        overwrite=job.overwrite,
    )
    say(f"{job.output}: {rows:,} vectors of {shape:,} dimensions")
    return len(rejects)


def _take_vectors(
    run: "Run",
    path: Path,
    ids: Path,
    names: tuple[str | None, str | None],
    table: Path | None,
    output: Path,
    overwrite: bool,
) -> None:
    """Take vectors; names: which tensor or column of the file, and what made it."""
    from hiertools.files import foreign, inputs, item_table
    from hiertools.files.embeddings import write_embeddings
    from hiertools.files.items import Items, encode
    from hiertools.terminal import say

    key, made_by = names
    vectors = foreign.read_vectors(path, name=key)
    digest = inputs.digest_file(path)
    run.add_input(path, digest)
    lines = run.used(ids, inputs.lines(ids))
    if len(lines) != len(vectors):
        raise UserError(f"{ids}: has {len(lines):,} ids for the {len(vectors):,} vectors of {path}")
    items = Items(encode(lines))
    if table:
        items = run.used(table, item_table.join(items, table))
    shape = vectors.shape[1]
    meta = foreign.describe(path, digest, shape, made_by=made_by)
    write_embeddings(
        output, foreign.blocks(vectors), shape, items, meta=meta, chain=run.chain(),
        overwrite=overwrite,
    )  # fmt: skip
    say(f"{output}: {len(vectors):,} vectors of {shape:,} dimensions")
