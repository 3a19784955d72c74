"""`hiertools tabulate`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hiertools.commands.metrics_files import MeanOver, MetricsFiles, names_of, read_all
from hiertools.commands.options import Overwrite
from hiertools.errors import UsageError


class Form(StrEnum):
    """How a table is written."""

    text = "text"
    markdown = "markdown"
    csv = "csv"
    json = "json"


def tabulate(
    metrics: MetricsFiles,
    rows: Annotated[
        str,
        typer.Option(
            metavar="TAGS",
            help="Tags whose values make the rows, with commas between; `file` is the name of the"
            " file. Default: all tags of the files.",
            show_default=False,
        ),
    ] = "",
    columns: Annotated[
        str,
        typer.Option(
            metavar="METRICS",
            help="Metrics, with commas between, such as top-1,ndcg@10,ndcg@10:chance. Default: all"
            " that there are.",
            show_default=False,
        ),
    ] = "",
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Take the rows of this table of each file instead."),
    ] = None,
    across: Annotated[
        str | None,
        typer.Option(metavar="TAG", help="Give each metric a column for every value of this tag."),
    ] = None,
    mean_over: MeanOver = "",
    format: Annotated[Form, typer.Option(help="How the table is written.")] = Form.text,
    digits: Annotated[
        int, typer.Option(min=0, max=17, metavar="N", help="Decimals in text and Markdown.")
    ] = 3,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE|-", help="Where the table goes.")
    ] = Path("-"),
    overwrite: Overwrite = False,
) -> None:
    """Put the metrics of several evaluations into one table.

    A row is what the tags of an evaluation say (--tag), a column a metric. Files of one row are
    put together, such as the metrics of classes and of retrieval.
    """
    from hiertools import metric_records, table_formats, tabulation
    from hiertools.files import atomic

    atomic.check_writable(output, overwrite=overwrite)
    files = read_all(metrics)
    found = metric_records.records(files, table)
    means = names_of(mean_over, "--mean-over")
    tags = names_of(rows, "--rows")
    for option, names in (("--rows", tags), ("--mean-over", means)):
        metric_records.check_tags(found, names, option)
    if across:
        metric_records.check_tags(found, [across], "--across")
    if twice := {*tags} & {*means, across} or {*means} & {across}:
        raise UsageError(f"{twice.pop()}: has two parts to play in --rows, --across, --mean-over")
    apart = {*means, across}
    tags = tags or [name for name in metric_records.tag_names(files) if name not in apart]
    wanted = names_of(columns, "--columns") or metric_records.all_columns(found)
    made = tabulation.tabulate(found, rows=tags, columns=wanted, across=across, mean_over=means)
    text = table_formats.rendered(made, format.value, digits)
    atomic.write_text(output, text, overwrite=overwrite)
