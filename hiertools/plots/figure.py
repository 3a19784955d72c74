"""Figures: the one module that knows matplotlib. What is drawn gets axes and draws on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba as to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, NullLocator

from hiertools.errors import UsageError
from hiertools.files import atomic

FORMATS = (".png", ".svg", ".pdf")
DOTS_PER_INCH = 150
PADDING_INCHES = 0.08
STYLE = {
    "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "legend.fontsize": 8,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e3e3", "axes.axisbelow": True,
    "svg.fonttype": "none", "svg.hashsalt": "hiertools", "axes.formatter.useoffset": False,
}  # fmt: skip
DATES = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}

Axes = Any


@contextmanager
def drawing(
    path: Path, *, rows: int, columns: int, size: tuple[float, float], overwrite: bool
) -> Iterator[list[list[Axes]]]:
    """Yield axes in rows and columns, and write the figure. size: of one of them, in inches.

    The same drawing gives the same bytes.
    """
    with matplotlib.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=PADDING_INCHES, h_pad=PADDING_INCHES)
        sides = size[0] * columns, size[1] * rows
        figure = Figure(figsize=sides, dpi=DOTS_PER_INCH, layout=layout)
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
        yield [list(row) for row in axes]
        kind = path.suffix.lower()
        with atomic.replacing(path, overwrite=overwrite) as temporary:
            figure.savefig(temporary, format=kind[1:], metadata=DATES[kind])


def check_format(path: Path) -> None:
    """Raise `UsageError` for a name that does not say what to draw."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: name a file with -o that ends with {', '.join(FORMATS)}")


def colours(count: int, name: str) -> list[Any]:
    """Return so many colours from a map that goes from dark to light, without its ends."""
    found = matplotlib.colormaps[name]
    return [found(0.05 + 0.8 * i / max(1, count - 1)) for i in range(count)]


def fixed_ticks(axis: Any, places: list[float], labels: list[str]) -> None:
    """Put ticks at some places alone, with labels."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_ticklabels(labels)
