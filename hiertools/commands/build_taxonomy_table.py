"""`hiertools build-taxonomy table`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiertools.commands import taxonomies
from hiertools.commands.options import NoProvenance, Overwrite
from hiertools.commands.taxonomies import Distance, DistanceName, Matrix, Output, Prune
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.class_graph import ClassGraph


def build_taxonomy_table(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="CSV",
            help="Columns child and parent, or a row a class with a column a level; the first line"
            " names the columns; plain or gzip, - for standard input.",
            show_default=False,
        ),
    ],
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST|-",
            help="The classes in order, an id a line, which may be inner nodes. Default: all nodes"
            " without children, as the table first has them.",
            show_default=False,
        ),
    ] = None,
    levels: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Columns from the top level down to the class, with commas between. Default: all"
            " columns, unless there are child and parent.",
            show_default=False,
        ),
    ] = "",
    name: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column with the names of children or classes."),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Put a node of this id above all that have no parent."),
    ] = None,
    distance: DistanceName = Distance.path,
    prune: Prune = False,
    distances: Matrix = None,
    output: Output = Path("-"),
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Make a hierarchy of classes from a table of edges or of levels.

    What the table calls a node is its id, and one node: rows of levels that put a name under two
    parents, or into two levels, are refused. Rows of edges may give a node several parents.
    """
    options = dict(locals())
    from hiertools import class_table
    from hiertools.files import inputs
    from hiertools.files.provenance import Run

    taxonomies.check_outputs(options)
    inputs.check_stdin_once([table, classes])
    columns = [column.strip() for column in levels.split(",")] if levels else None
    if columns and not all(columns):
        raise UsageError(f"--levels {levels}: write the names of columns, with commas between")
    run = Run("build-taxonomy table", options, keep=not no_provenance)
    source = inputs.Source(table)
    graph = class_table.read_table(source, levels=columns, name=name)
    run.add_input(table, source.digest())
    if classes is not None:
        listed = run.used(classes, inputs.lines(classes))
        graph = _of_classes(graph, [line.strip() for line in listed], classes, source.name)
    about = {"format": "table", "files": [source.name]}
    taxonomies.write(run, graph, options, about)


def _of_classes(graph: "ClassGraph", keys: list[str], path: Path, name: str) -> "ClassGraph":
    """Return the graph with the classes that a file lists."""
    from hiertools.class_graph import repeated
    from hiertools.taxonomy import listed

    if twice := repeated(keys):
        raise UserError(f"{path}: the class {twice[0]!r} is there twice")
    if missing := [key for key in keys if key not in graph.parents]:
        raise UserError(f"{path}: {name} lacks {listed(missing)}")
    if not keys:
        raise UserError(f"{path}: lists no class")
    return replace(graph, classes=keys)
