"""A sweep as a picture: a row of panels for each metric, with a panel for each tag, and a grid."""

import math
from collections.abc import Sequence
from pathlib import Path

from hiertools.plots import figure
from hiertools.plots.figure import Axes
from hiertools.sweeps import Grid, Line, Panel, Setting

SIZE_INCHES = (3.4, 2.7)
MOST_IN_LEGEND = 10
LOG_FROM = 50  # as many times the least value the greatest has to be
MOST_CELLS_WITH_TEXT = 100


def draw(path: Path, rows: Sequence[tuple[list[Panel], Grid | None]], *, overwrite: bool) -> None:
    """Draw curves, and the grid of each metric beside them where there is one."""
    columns = len(rows[0][0]) + any(grid is not None for _, grid in rows)
    with figure.drawing(
        path, rows=len(rows), columns=columns, size=SIZE_INCHES, overwrite=overwrite
    ) as axes:
        for (panels, grid), places in zip(rows, axes, strict=True):
            for panel, place in zip(panels, places, strict=False):
                _curves(place, panel)
            if grid is not None:
                _heatmap(places[-1], grid)


def _curves(axes: Axes, panel: Panel) -> None:
    if not panel.lines:
        _without_runs(axes, panel.metric)
        return
    shades = figure.colours(len(panel.lines), "viridis")
    for line, shade in zip(panel.lines, shades, strict=True):
        _line(axes, line, shade, joined=not panel.ticks)
    axes.set_xlabel(panel.tag)
    axes.set_ylabel(panel.metric)
    if panel.ticks:
        figure.fixed_ticks(axes.xaxis, list(map(float, range(len(panel.ticks)))), panel.ticks)
        axes.tick_params(axis="x", rotation=30 if sum(map(len, panel.ticks)) > 30 else 0)
        axes.margins(x=0.15)
    else:
        _numbers(axes, sorted({point.x for line in panel.lines for point in line.points}))
    if 1 < len(panel.lines) <= MOST_IN_LEGEND:
        axes.legend(
            title=_shared(panel.lines), title_fontsize=8, frameon=False, handlelength=1.2,
            handletextpad=0.4, columnspacing=0.8, ncols=min(len(panel.lines), 5),
            loc="lower center", bbox_to_anchor=(0.5, 1.0),
        )  # fmt: skip


def _without_runs(axes: Axes, metric: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, f"no run with {metric}", ha="center", va="center")


def _line(axes: Axes, line: Line, shade: object, *, joined: bool) -> None:
    x = [point.x for point in line.points]
    y = [point.value for point in line.points]
    bars = [
        (p.value if p.low is None else p.low, p.value if p.high is None else p.high)
        for p in line.points
    ]
    name = ", ".join(value for _, value in line.setting)
    axes.plot(
        x, y, color=shade, marker="o", markersize=4, linewidth=1.5,
        linestyle="-" if joined else "none", label=name,
    )  # fmt: skip
    if any(low != high for low, high in bars):
        axes.vlines(x, *zip(*bars, strict=True), color=shade, linewidth=1, alpha=0.6)


def _shared(lines: Sequence[Line]) -> str:
    """Return the tags that set lines apart, as the title of their legend."""
    return ", ".join(key for key, _ in lines[0].setting)


def _numbers(axes: Axes, values: list[float]) -> None:
    """Put ticks where there are values, on a scale that lets them be told apart."""
    if values[0] > 0 and values[-1] >= LOG_FROM * values[0]:
        axes.set_xscale("log")
    if len(values) <= 8:
        figure.fixed_ticks(axes.xaxis, values, [f"{value:g}" for value in values])


def _heatmap(axes: Axes, grid: Grid) -> None:
    if not any(cell is not None for row in grid.cells for cell in row):
        _without_runs(axes, grid.metric)
        return
    cells = [[float("nan") if cell is None else cell for cell in row] for row in grid.cells]
    picture = axes.imshow(cells, cmap="viridis", aspect="auto", origin="lower")
    known = [cell for row in grid.cells for cell in row if cell is not None]
    middle, digits = (min(known) + max(known)) / 2, _digits(max(known) - min(known))
    if len(grid.xs) * len(grid.ys) <= MOST_CELLS_WITH_TEXT:
        for j, row in enumerate(grid.cells):
            for i, cell in enumerate(row):
                said = "-" if cell is None else f"{cell:.{digits}f}"
                dark = cell is not None and cell < middle
                axes.text(
                    i, j, said, ha="center", va="center", fontsize=7,
                    color="white" if dark else "black",
                )  # fmt: skip
    axes.grid(False)
    figure.fixed_ticks(axes.xaxis, list(map(float, range(len(grid.xs)))), grid.xs)
    figure.fixed_ticks(axes.yaxis, list(map(float, range(len(grid.ys)))), grid.ys)
    axes.set_xlabel(grid.x)
    axes.set_ylabel(grid.y)
    axes.set_title(_title(grid.metric, grid.setting))
    axes.figure.colorbar(picture, ax=axes, shrink=0.9)


def _digits(spread: float) -> int:
    """Return the decimals that tell values apart which lie so far from each other."""
    return min(4, max(0, 1 - math.floor(math.log10(spread)))) if spread else 3


def _title(metric: str, setting: Setting) -> str:
    return ", ".join([metric, *(f"{key} {value}" for key, value in setting if value)])
