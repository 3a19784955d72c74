"""`hiertools build-entities`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools import plugins
from hiertools.commands.options import (
    BatchSize,
    Device,
    NoProvenance,
    Overwrite,
    Seed,
    Shard,
    parse_shard,
)
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.entities.building import Rules
    from hiertools.entities.gathering import Gathered
    from hiertools.entities.joining import Hashes
    from hiertools.entities.pictures import Pictures
    from hiertools.files.entities import Entities
    from hiertools.files.entity_part import Part
    from hiertools.files.provenance import Run

LEVELS = "country,region,sub-region,city"


class Centroid(StrEnum):
    """How places are averaged."""

    sphere = "sphere"
    latlon = "latlon"


class Metric(StrEnum):
    """What the nearest place is the nearest by."""

    sphere = "sphere"
    degrees = "degrees"


class On(StrEnum):
    """What joins a table to items, other than their ids."""

    label = "label"


def build_entities(
    metadata: Annotated[
        list[Path],
        typer.Argument(
            metavar="METADATA…",
            help="Metadata CSVs (plain or gzip, - for standard input), or the parts of all shards.",
            show_default=False,
        ),
    ],
    embeddings: Annotated[
        list[Path] | None,
        typer.Option(metavar="H5", help="Image embeddings; may be given several times."),
    ] = None,
    levels: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Columns from the top of the hierarchy down. Default: {LEVELS}; with --on"
            " label all columns.",
            show_default=False,
        ),
    ] = "",
    on: Annotated[
        On | None,
        typer.Option(help="METADATA has a row per class; items have labels (embed --label-from)."),
    ] = None,
    geocode: Annotated[
        Path | None,
        typer.Option(metavar="PLACES", help="Fill missing names from the nearest place of a CSV."),
    ] = None,
    metric: Annotated[
        Metric, typer.Option(help="Nearest on the sphere, or in raw degrees as OSV5M's labels.")
    ] = Metric.sphere,
    images: Annotated[
        Path | None,
        typer.Option(metavar="LIST|-", help="Take only the items whose ids are the lines of LIST."),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(min=1, max=255, help="Parts of the items that have sums of their own."),
    ] = 2,
    centroid: Annotated[
        Centroid, typer.Option(help="Mean of places on the sphere, or of latitude and longitude.")
    ] = Centroid.sphere,
    sort: Annotated[
        bool, typer.Option("--sort", help="Join embeddings by id, in whatever order they are.")
    ] = False,
    text_encoder: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Embed names by an encoder that has a side for texts, one of"
            f" {plugins.listing(plugins.ENCODERS)}.",
        ),
    ] = None,
    prompt: Annotated[
        str, typer.Option(metavar="TEXT", help="What the text encoder reads for a name.")
    ] = "{name}",
    hierarchy: Annotated[
        Path | None,
        typer.Option(metavar="JSON|-", help="Write the entities as a hierarchy too."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="H5", help="Where entities, or with --shard a part, go."
        ),
    ] = Path("entities.h5"),
    batch_size: BatchSize = 8192,
    device: Device = "auto",
    seed: Seed = 0,
    shard: Shard = "",
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Build geographic entities, or those of a taxonomy, from metadata.

    Each item goes to a node of every level by its names, country to city; names that are missing
    are passed through. Nodes get counts, a centroid and the sums of their image embeddings. With
    --shard it writes a part; a run over the parts of all shards writes the entities.
    """
    options = dict(locals())
    from hiertools.files import atomic, entity_part, inputs
    from hiertools.files.provenance import Run

    for path in filter(None, (output, hierarchy)):
        atomic.check_writable(path, overwrite=overwrite)
    inputs.check_stdin_once([*metadata, images, geocode])
    given = [entity_part.is_part(path) for path in metadata]
    if any(given) and not all(given):
        raise UsageError("METADATA are parts of shards, or CSVs, not both")
    if output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    run = Run("build-entities", options, keep=not no_provenance)
    if all(given):
        _check_merge(options)
        parts = _read_parts(run, metadata, output)
    else:
        _check(options)
        place, total = parse_shard(shard)
        part = _gather(run, options, (place, total))
        if total > 1:
            _write_part(run, part, output, overwrite)
            return
        parts = [part]
    _finish(run, parts, options)


def _check(options: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    from hiertools.files.inputs import STDIN

    total = parse_shard(options["shard"])[1]
    if options["on"]:
        if options["geocode"]:
            raise UsageError("--geocode is for metadata of items; with --on label it has none")
        if not options["embeddings"] or len(options["metadata"]) > 1:
            raise UsageError("--on label joins one table to the items of --embeddings")
    if options["sort"] and not options["embeddings"]:
        raise UsageError("--sort is for --embeddings")
    if options["metric"] is not Metric.sphere and not options["geocode"]:
        raise UsageError("--metric is for --geocode")
    _check_text(options)
    if total > 1:
        for option in ("hierarchy", "text_encoder"):
            if options[option]:
                name = option.replace("_", "-")
                raise UsageError(f"--{name} is for whole entities: give it with the parts")
        if STDIN in options["metadata"]:
            raise UsageError("--shard reads the metadata twice: name a file")


def _check_text(options: dict[str, Any]) -> None:
    """Raise `UsageError` for a prompt without a place for the name, or without an encoder."""
    if "{name}" not in options["prompt"]:
        raise UsageError(f"--prompt {options['prompt']!r}: has no {{name}}")
    if options["prompt"] != "{name}" and not options["text_encoder"]:
        raise UsageError("--prompt is for --text-encoder")
    if options["text_encoder"]:
        plugins.parse(plugins.ENCODERS, options["text_encoder"])


def _check_merge(options: dict[str, Any]) -> None:
    """Raise `UsageError` for options that the parts have answered already."""
    of_shards = ("embeddings", "levels", "on", "geocode", "images", "sort", "shard")
    for option in of_shards:
        if options[option]:
            raise UsageError(f"--{option} is for the metadata; the parts were built with theirs")
    for option, absent in (("folds", 2), ("centroid", Centroid.sphere), ("metric", Metric.sphere)):
        if options[option] != absent:
            raise UsageError(f"--{option} is for the metadata; the parts were built with theirs")
    _check_text(options)


def _gather(run: "Run", options: dict[str, Any], shard: tuple[int, int]) -> "Part":
    """Return what the metadata has, joined to the embeddings."""
    from contextlib import ExitStack

    from hiertools.entities import building
    from hiertools.entities.gathering import count_rows, empty
    from hiertools.entities.pictures import opened
    from hiertools.files import inputs
    from hiertools.terminal import progress

    given = options["embeddings"] or []
    with ExitStack() as stack:
        pictures = stack.enter_context(opened(given)) if given else None
        total = None
        if shard[1] > 1:
            labelled = pictures if options["on"] else None
            total = labelled.rows if labelled else count_rows(options["metadata"])
        bounds: tuple[int, int | None] = (0, None)
        if total is not None:
            bounds = (shard[0] * total // shard[1], (shard[0] + 1) * total // shard[1])
        gathered = empty(options["output"], bounds)
        collect = _labelled if options["on"] else _listed
        rules, nodes, about = collect(run, gathered, pictures, options)
        building.check_ids(gathered)
        for path, reader in zip(given, pictures.readers if pictures else (), strict=True):
            run.add_input(path, inputs.digest_file(path), reader.chain)
        with progress("adding embeddings", pictures.rows if pictures else 0) as tick:
            return building.part_of(
                gathered, nodes, pictures, rules, about={**about, "shard": list(shard)},
                joined=bool(options["on"]), tick=tick,
            )  # fmt: skip


def _rules(options: dict[str, Any], levels: list[str]) -> "Rules":
    from hiertools.entities.building import Rules

    return Rules(
        levels, options["folds"], options["centroid"].value, options["batch_size"], options["sort"]
    )


def _listed(
    run: "Run", gathered: "Gathered", pictures: "Pictures | None", options: dict[str, Any]
) -> tuple["Rules", Any, Any]:
    """Gather the items of metadata, a row each."""
    from hiertools import countries, metadata
    from hiertools.entities import gathering
    from hiertools.entities.assembling import nodes_of
    from hiertools.entities.labelling import Paths
    from hiertools.files import inputs
    from hiertools.terminal import progress, say, warn

    levels = _split(options["levels"] or LEVELS)
    sources = [inputs.Source(path) for path in options["metadata"]]
    fill, about = _filler(run, options)
    for source in sources:
        _check_levels(source, levels, filled=fill is not None)
    listed = _hashes_of_images(run, options["images"])
    like = pictures.id_at(0) if pictures and pictures.rows else None
    paths = Paths(levels, {"country": countries.label})
    with progress("reading metadata", None) as tick:
        for source in sources:
            gathering.gather(
                gathered, metadata.read(source, levels, like=like), paths,
                folds=options["folds"], fill=fill, listed=listed, tick=tick,
            )  # fmt: skip
    for source in sources:
        run.add_input(source.path, source.digest())
    if gathered.filled:
        say(f"{gathered.filled:,} missing names are those of the nearest place")
    if gathered.abroad:
        warn(
            f"{gathered.abroad:,} rows keep their missing names: the nearest place is in another"
            " country than they say"
        )
    _warn_of_missing(gathered, listed, "metadata")
    files = [str(path) for path in options["metadata"]]
    return _rules(options, levels), nodes_of(paths), {"source": {"files": files, **about}}


def _hashes_of_images(run: "Run", path: Path | None) -> "Hashes | None":
    """Return the hashes of the ids to take, None for all."""
    from hiertools.entities import joining
    from hiertools.files import inputs, items

    if path is None:
        return None
    return joining.hashes(items.encode(run.used(path, inputs.lines(path))))


def _warn_of_missing(gathered: "Gathered", listed: "Hashes | None", where: str) -> None:
    from hiertools.entities import gathering
    from hiertools.terminal import warn

    missing = gathering.not_there(gathered, listed)
    if missing:
        warn(f"{missing:,} listed items are not in the {where}")


def _split(text: str) -> list[str]:
    """Read names with commas between them. Raises `UsageError` for none, or one twice."""
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) != len(names):
        raise UsageError(f"--levels {text}: write different names with commas between them")
    return names


def _check_levels(source: Any, levels: list[str], *, filled: bool) -> None:
    """Raise `UserError` where a file lacks the columns of levels that nothing fills."""
    from hiertools import metadata

    there = metadata.has_levels(source, levels)
    known = set(metadata.ALIASES) if filled else set()
    missing = [level for level in levels if level not in there and level not in known]
    if not missing:
        return
    if not there and set(levels) <= set(metadata.ALIASES):
        raise UserError(
            f"{source.name}: has no names of places; give a table of them: --geocode CSV"
        )
    raise UserError(
        f"{source.name}:1: no column of the level '{missing[0]}'; the columns are"
        f" {', '.join(metadata.header_of(source))}; name others with --levels"
    )


def _labelled(
    run: "Run", gathered: "Gathered", pictures: "Pictures | None", options: dict[str, Any]
) -> tuple["Rules", Any, Any]:
    """Gather the items of embeddings by their labels."""
    from hiertools import metadata
    from hiertools.entities import gathering, taxonomy
    from hiertools.entities.assembling import nodes_of
    from hiertools.files import inputs
    from hiertools.terminal import warn

    assert pictures is not None
    source = inputs.Source(options["metadata"][0])
    levels = _split(options["levels"] or ",".join(metadata.header_of(source)))
    paths, leaf_of = taxonomy.read(source, levels)
    run.add_input(source.path, source.digest())
    listed = _hashes_of_images(run, options["images"])
    unknown = gathering.gather_labelled(
        gathered, pictures, leaf_of, folds=options["folds"], listed=listed
    )
    _warn_of_missing(gathered, listed, "embeddings")
    if unknown is not None:
        warn(f"items have labels that {source.name} does not have, such as {unknown!r}")
    about = {"source": {"files": [str(source.path)], "on": "label"}}
    return _rules(options, levels), nodes_of(paths), about


def _read_parts(run: "Run", paths: list[Path], output: Path) -> list["Part"]:
    from hiertools.entities import merging
    from hiertools.files import entity_part, inputs

    parts = [(str(path), entity_part.read_part(path)) for path in paths]
    entity_part.check_together(parts)
    parts.sort(key=lambda pair: pair[1].meta["shard"][0])  # of several sets: in their order
    merging.check_merged(parts, output)
    for name, part in parts:
        run.add_input(name, inputs.digest_file(Path(name)), part.chain)
    return [part for _, part in parts]


def _write_part(run: "Run", part: "Part", output: Path, overwrite: bool) -> None:
    from hiertools.files import entity_part
    from hiertools.terminal import say

    entity_part.write_part(output, part, chain=run.chain(), overwrite=overwrite)
    place, total = part.meta["shard"]
    say(f"built shard {place} of {total}: merge the parts of all with build-entities")


def _finish(run: "Run", parts: list["Part"], options: dict[str, Any]) -> None:
    """Write the entities of parts, and their hierarchy if it is wanted."""
    from dataclasses import replace

    from hiertools.entities import merging
    from hiertools.entities.assembling import warn_of
    from hiertools.files.entities import hierarchy_of, write_entities
    from hiertools.files.hierarchy import write_hierarchy
    from hiertools.terminal import say, warn

    entities, sums, members = merging.finish(parts)
    if lost := entities.meta["left_out"].get("without_labels"):
        warn(f"{lost:,} items have no label at any level and are left out")
    warn_of(entities)
    if options["text_encoder"]:
        text, about = _text(entities, options)
        entities = replace(entities, text=text, meta={**entities.meta, "text": about})
    write_entities(
        options["output"], entities, members, image_sums=sums.blocks(), chain=run.chain(),
        overwrite=options["overwrite"],
    )  # fmt: skip
    if options["hierarchy"]:
        tree = hierarchy_of(entities)
        write_hierarchy(
            options["hierarchy"], tree, chain=run.chain(), overwrite=options["overwrite"]
        )
    for level, name in enumerate(entities.levels):
        named = ~entities.implicit[entities.rows_of(level)]
        having = entities.count[entities.rows_of(level)][named].sum()
        rows = entities.meta["rows"]
        say(f"{name}: {named.sum():,} entities, {having:,} of {rows:,} items")


def _text(entities: "Entities", options: dict[str, Any]) -> tuple[Any, Any]:
    """Return embeddings of the names, and what made them."""
    from hiertools import encoder
    from hiertools.embedding import Settings, choose_device
    from hiertools.entities import naming
    from hiertools.terminal import progress

    spec, prompt = options["text_encoder"], options["prompt"]
    loaded = encoder.load(spec, seed=options["seed"])
    size = min(options["batch_size"], 64)
    device = choose_device(options["device"])
    settings = Settings("embedding", device, "float32", size, 0, 1, 0.0, "torch")
    with progress("embedding names", None) as tick:
        text = naming.embed_names(entities, loaded, settings, prompt=prompt, tick=tick)
    return text, naming.describe(loaded, name=spec, prompt=prompt)


def _filler(run: "Run", options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return what fills missing names, None without a gazetteer, and what the output says of it."""
    from hiertools.entities.gathering import filler
    from hiertools.files.inputs import Source
    from hiertools.files.places import read_places

    path, metric = options["geocode"], options["metric"].value
    if not path:
        return None, {}
    source = Source(path)
    fill = filler(read_places(source), metric=metric)
    run.add_input(path, source.digest())
    return fill, {"places": str(path), "metric": metric}
