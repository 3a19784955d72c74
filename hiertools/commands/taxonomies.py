"""What `build-taxonomy wordnet` and `build-taxonomy table` share: options, and what they write."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.class_graph import ClassGraph
    from hiertools.files.hierarchy import Hierarchy
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run


class Distance(StrEnum):
    """How far apart two classes are."""

    path = "path"
    height = "height"


DistanceName = Annotated[
    Distance,
    typer.Option(
        help="The distance of classes that the file names: fewest edges up from both to one node,"
        " or the height of their lowest common ancestor."
    ),
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="Leave out nodes that have one child and are no class; path distances get shorter.",
    ),
]
Matrix = Annotated[
    Path | None,
    typer.Option(metavar="H5", help="Write the distances of all classes as a matrix too."),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="JSON|-", help="Where the hierarchy goes.")
]


def check_outputs(options: dict[str, Any]) -> None:
    """Raise unless both outputs can be written."""
    from hiertools.files import atomic

    if options["distances"] == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with --distances")
    for path in filter(None, (options["output"], options["distances"])):
        atomic.check_writable(path, overwrite=options["overwrite"])


def write(run: "Run", graph: "ClassGraph", options: dict[str, Any], source: "Document") -> None:
    """Make a hierarchy of a graph, write it, and say what it is."""
    from hiertools import class_graph
    from hiertools.files.hierarchy import write_hierarchy

    try:
        hierarchy = class_graph.assemble(
            graph, root=options.get("root"), prune=options["prune"],
            distance=options["distance"].value, source=source,
        )  # fmt: skip
    except UserError as error:
        raise UserError(f"{source['files'][0]}: {error}") from None
    chain = run.chain()
    write_hierarchy(options["output"], hierarchy, chain=chain, overwrite=options["overwrite"])
    _report(hierarchy)
    if options["distances"]:
        _write_distances(run, hierarchy, options["distances"], options["overwrite"])


def _report(hierarchy: "Hierarchy") -> None:
    from hiertools.terminal import say, warn

    found = hierarchy.statistics
    pruned = f"; {found['pruned']:,} with one child pruned" if found["pruned"] else ""
    say(
        f"{found['classes']:,} classes, {len(hierarchy.nodes):,} nodes, {len(hierarchy.edges):,}"
        f" edges{pruned}"
    )
    if several := found["several_parents"]:
        say(f"{several:,} classes are under a node with several parents, or have several")
    if not hierarchy.edges:
        warn("no class is under another node: all are equally far apart")


def _write_distances(run: "Run", hierarchy: "Hierarchy", path: Path, overwrite: bool) -> None:
    from hiertools import taxonomy
    from hiertools.files.distances import spread, write_distances
    from hiertools.terminal import say

    found = taxonomy.of_hierarchy(hierarchy, classes=None, distance=None)
    write_distances(
        path, found.classes, found.distances, distance=found.distance, taxonomy=found.digest,
        chain=run.chain(), overwrite=overwrite,
    )  # fmt: skip
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in spread(found.distances).items())
    say(f"{path}: {found.distance} distances of {len(found.classes):,} classes: {numbers}")
