"""`hiertools mine-hierarchy`."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiertools.commands.options import (
    Format,
    Images,
    MinArea,
    NoProvenance,
    Overwrite,
    Shard,
    parse_decimal,
    parse_shard,
)
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.box_table import BoxTable
    from hiertools.files.counts import Counts
    from hiertools.files.inputs import Source
    from hiertools.files.provenance import Run
    from hiertools.mining import Rules


def mine_hierarchy(
    annotations: Annotated[
        list[Path],
        typer.Argument(
            metavar="ANNOTATIONS…",
            help="Annotations (plain or gzip, - for standard input), or the counts of all shards.",
            show_default=False,
        ),
    ],
    format: Format = "auto",
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Names of label ids: a CSV such as class-descriptions-boxable.csv."
        ),
    ] = None,
    freq: Annotated[
        int, typer.Option(min=1, help="Keep pairs of classes that occur at least this often.")
    ] = 50,
    prop: Annotated[
        Decimal,
        typer.Option(
            parser=parse_decimal,
            metavar="SHARE",
            help="Keep pairs of classes where at least this share of the parent's boxes hold the"
            " child.",
        ),
    ] = Decimal("0.1"),
    overlap: Annotated[
        Decimal,
        typer.Option(
            parser=parse_decimal,
            metavar="SHARE",
            help="A box holds a smaller one if at least this share of the smaller lies in it.",
        ),
    ] = Decimal("0.8"),
    min_area: MinArea = Decimal("0"),
    no_group_of: Annotated[
        bool,
        typer.Option("--no-group-of", help="Leave out boxes that stand for a group."),
    ] = False,
    include_image: Annotated[
        bool,
        typer.Option("--include-image", help="Make the full image a parent (id: image)."),
    ] = False,
    images: Images = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="H5", help="Write training pairs to this file."),
    ] = None,
    pairs_min_area: Annotated[
        Decimal,
        typer.Option(
            parser=parse_decimal,
            metavar="SHARE",
            help="Leave boxes of less than this share of the image out of the training pairs.",
        ),
    ] = Decimal("0.01"),
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="JSON|-",
            help="Where the hierarchy goes, or with --shard the counts (- is standard output).",
        ),
    ] = Path("-"),
    shard: Shard = "",
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Mine a part-of hierarchy from bounding boxes.

    Counts how often boxes of one class lie in boxes of another, keeps the pairs that are frequent
    and consistent, and writes them as a DAG, with a reason for every pair that was dropped. With
    --shard it writes counts; a run over the counts of all shards writes the hierarchy.
    """
    options = dict(locals())
    from hiertools import mining
    from hiertools.files import atomic, counts, inputs
    from hiertools.files.hierarchy import write_hierarchy
    from hiertools.files.label_names import read_label_names
    from hiertools.files.provenance import Run
    from hiertools.terminal import say

    if pairs == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with --pairs")
    for path in filter(None, (output, pairs)):
        atomic.check_writable(path, overwrite=overwrite)
    inputs.check_stdin_once([*annotations, images, labels])
    run = Run("mine-hierarchy", options, keep=not no_provenance)
    names = run.used(labels, read_label_names(labels)) if labels else {}
    only = set(run.used(images, inputs.lines(images))) if images else None
    rules = mining.Rules(overlap, min_area, not no_group_of, include_image)
    sources = [inputs.Source(path) for path in annotations]
    boxed = [source for source in sources if not counts.is_counts(source)]
    part = _part(shard, boxed)
    parts = [_read_counts(run, source, rules) for source in sources if source not in boxed]
    if boxed:
        table = _read_boxes(run, boxed, format, only, part)
        parts.append(_count(table, rules, part))
        if pairs:
            least = max(min_area, pairs_min_area)
            _write_pairs(run, pairs, table, rules.overlap, least, overwrite)
    else:
        for option, given in (("pairs", pairs), ("images", images)):
            if given:
                raise UsageError(f"--{option} needs annotations; counts do not have the boxes")
    merged = counts.merge(parts, names, whole=part == (0, 1))
    if part != (0, 1):
        counts.write_counts(output, merged, chain=run.chain(), overwrite=overwrite)
        say(f"counted shard {part[0]} of {part[1]}: mine the hierarchy from the counts of all")
        return
    hierarchy = mining.mine(merged, freq=freq, prop=prop)
    write_hierarchy(output, hierarchy, chain=run.chain(), overwrite=overwrite)
    for line in mining.report(hierarchy):
        say(line)


def _part(shard: str, boxed: list["Source"]) -> tuple[int, int]:
    if not boxed:
        if shard:
            raise UsageError("--shard is for annotations; counts are shards already")
        return 0, 1
    return parse_shard(shard)


def _read_counts(run: "Run", source: "Source", rules: "Rules") -> tuple[str, "Counts"]:
    from hiertools.files.counts import read_counts

    counts = read_counts(source)
    rules.check(counts, source.name)
    run.add_input(source.path, source.digest(), counts.chain)
    return source.name, counts


def _read_boxes(
    run: "Run",
    sources: list["Source"],
    format: str,
    only: set[str] | None,
    part: tuple[int, int],
) -> "BoxTable":
    from hiertools import box_table
    from hiertools.terminal import progress, warn

    with progress("reading boxes", None) as tick:
        table = box_table.read_table(sources, format, only=only, shard=part, tick=tick)
    for source in sources:
        run.add_input(source.path, source.digest())
    if missing := box_table.missing_images(table, only, part):
        warn(f"{missing:,} of {len(only or ())} listed images are not in the annotations")
    return table


def _count(table: "BoxTable", rules: "Rules", part: tuple[int, int]) -> tuple[str, "Counts"]:
    from hiertools import mining
    from hiertools.terminal import progress

    with progress("counting pairs", len(table)) as tick:
        return "the annotations", mining.count(table, rules, part=part, tick=tick)


def _write_pairs(
    run: "Run",
    path: Path,
    table: "BoxTable",
    overlap: Decimal,
    least: Decimal,
    overwrite: bool,
) -> None:
    from hiertools import mining
    from hiertools.files.pairs import write_pairs
    from hiertools.terminal import progress, say

    with progress("collecting pairs", len(table)) as tick:
        pairs = mining.training_pairs(table, overlap=overlap, min_area=least, tick=tick)
    write_pairs(path, pairs, chain=run.chain(), overwrite=overwrite)
    say(f"{path}: {len(pairs.parent):,} pairs of {len(pairs.items):,} items")
