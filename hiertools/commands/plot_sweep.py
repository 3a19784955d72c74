"""`hiertools plot sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from hiertools.commands.metrics_files import MeanOver, MetricsFiles, names_of, read_all
from hiertools.commands.options import Overwrite
from hiertools.errors import UsageError, UserError


def plot_sweep(
    files: MetricsFiles,
    metrics: Annotated[
        str,
        typer.Option(metavar="METRICS", help="Metrics, with commas between: a row of panels each."),
    ] = "top-1,map",
    tags: Annotated[
        str,
        typer.Option(
            metavar="TAGS",
            help="Tags to draw a panel for, with commas between. Default: all that have several"
            " values.",
            show_default=False,
        ),
    ] = "",
    grid: Annotated[
        str,
        typer.Option(
            metavar="TAG,TAG|none",
            help="Two tags for a grid, across and upwards. Default: the first two whose values are"
            " numbers and have runs in all four corners of a rectangle.",
            show_default=False,
        ),
    ] = "",
    mean_over: MeanOver = "",
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PNG|SVG|PDF", help="Where the picture goes."),
    ] = Path("sweep.png"),
    overwrite: Overwrite = False,
) -> None:
    """Draw metrics over the parameters that runs were tagged with: curves, and a grid of two.

    Bars are standard deviations over the runs of --mean-over, or else the 95 % intervals.
    """
    from hiertools import metric_records, sweeps
    from hiertools.files import atomic
    from hiertools.plots import figure, sweep
    from hiertools.terminal import say

    figure.check_format(output)
    atomic.check_writable(output, overwrite=overwrite)
    found = metric_records.records(read_all(files), None)
    means, wanted = names_of(mean_over, "--mean-over"), names_of(metrics, "--metrics")
    metric_records.check_tags(found, means, "--mean-over")
    metric_records.check_columns(found, wanted)
    vary = sweeps.varying(found, without=means)
    if not vary:
        raise UserError("no tag has several values; tag the runs (hiertools evaluate --tag)")
    chosen = names_of(tags, "--tags") or list(vary)
    pair = _pair(grid) if grid else sweeps.pair_for_grid(found, vary)
    for option, names in (("--tags", chosen), ("--grid", pair or ())):
        if missing := [name for name in names if name not in vary]:
            known = ", ".join(vary)
            raise UsageError(f"{option} {missing[0]}: has not got several values; {known} have")
    rows = [
        (
            [sweeps.panel(found, metric, tag, vary, means) for tag in chosen],
            sweeps.grid(found, metric, *pair, vary, means) if pair else None,
        )
        for metric in wanted
    ]
    sweep.draw(output, rows, overwrite=overwrite)
    say(f"{output}: {', '.join(wanted)} of {len(found):,} files over {', '.join(chosen)}")


def _pair(text: str) -> tuple[str, str] | None:
    if text == "none":
        return None
    names = names_of(text, "--grid")
    if len(names) != 2:
        raise UsageError(f"--grid {text}: write two tags, as in --grid balance,margin, or none")
    return names[0], names[1]
