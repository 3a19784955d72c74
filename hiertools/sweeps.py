"""What a sweep found, ready to be drawn: curves over each tag, and a grid of two.

A run is a metrics file whose tags say its parameters. A tag varies if it has several values; its
panel shows a metric over its values, with a line for each setting of the other tags that vary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from hiertools.errors import UserError
from hiertools.files.json import Document
from hiertools.metric_records import FILE, Record, number
from hiertools.tabulation import Cell, cell

Setting = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Point:
    """x: place on the axis; value; low and high: the ends of its bar, None without one."""

    x: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Line:
    """Points as x rises, of runs alike in all other tags; `setting`: what sets the line apart."""

    setting: Setting
    points: list[Point]


@dataclass(frozen=True)
class Panel:
    """A metric over a tag. ticks: names of the places of a tag that is no number, else empty."""

    metric: str
    tag: str
    ticks: list[str]
    lines: list[Line]


@dataclass(frozen=True)
class Grid:
    """A metric over two tags, all others set: cells by rows of `y`, None where there is no run."""

    metric: str
    x: str
    y: str
    xs: list[str]
    ys: list[str]
    setting: Setting
    cells: list[list[float | None]]


def varying(found: Sequence[Record], *, without: Sequence[str]) -> dict[str, list[str]]:
    """Return the tags that have several values, and those, numbers rising, others as they come."""
    names = dict.fromkeys(key for each in found for key in each.tags)
    values = {name: _values(found, name) for name in names if name not in {FILE, *without}}
    return {name: values[name] for name in values if len(values[name]) > 1}


def _values(found: Sequence[Record], name: str) -> list[str]:
    """Return the values of a tag; runs without it are of no value."""
    values = list(dict.fromkeys(each.tags[name] for each in found if name in each.tags))
    if all(number(value) is not None for value in values):
        return sorted(values, key=lambda value: number(value) or 0.0)
    return values


def panel(
    found: Sequence[Record], metric: str, tag: str, tags: dict[str, list[str]], mean_over: list[str]
) -> Panel:
    """Return a metric over a tag. tags: all that vary, with their values.

    A setting with one value of the tag makes no line, unless there is no other.
    """
    others = [name for name in tags if name != tag]
    ticks = [] if _is_numeric(tags[tag]) else tags[tag]
    lines = []
    for setting, runs in _by_setting(found, others).items():
        points = list(_points(runs, metric, tag, tags[tag], mean_over))
        if points:
            lines.append(Line(setting, points))
    several = [line for line in lines if len(line.points) > 1] or lines
    apart = [key for i, key in enumerate(others) if len({line.setting[i] for line in several}) > 1]
    kept = [
        Line(tuple(pair for pair in line.setting if pair[0] in apart), line.points)
        for line in several
    ]
    places = {name: i for i, name in enumerate(others)}
    order = sorted(kept, key=lambda line: [
        (places[key], tags[key].index(value) if value in tags[key] else -1)
        for key, value in line.setting
    ])  # fmt: skip
    return Panel(metric, tag, ticks, order)


def _is_numeric(values: Sequence[str]) -> bool:
    return all(number(value) is not None for value in values)


def _by_setting(found: Sequence[Record], names: Sequence[str]) -> dict[Setting, list[Record]]:
    runs: dict[Setting, list[Record]] = {}
    for each in found:
        setting = tuple((name, each.tags.get(name, "")) for name in names)
        runs.setdefault(setting, []).append(each)
    return runs


def _points(
    runs: Sequence[Record], metric: str, tag: str, values: Sequence[str], mean_over: list[str]
) -> Iterator[Point]:
    for i, value in enumerate(values):
        made = cell([run for run in runs if run.tags.get(tag) == value], metric, mean_over)
        if made is not None:
            place = number(value)
            yield Point(place if _is_numeric(values) and place is not None else i, *_bar(made))


def _bar(made: Cell) -> tuple[float, float | None, float | None]:
    """Return a value and its bar: a deviation to each side, or the interval of a single run."""
    if made.deviation is not None:
        return made.value, made.value - made.deviation, made.value + made.deviation
    ends: Document = made.row if made.row.get("value") == made.value else {}
    low, high = ends.get("low"), ends.get("high")
    return (
        (made.value, low, high)
        if low is not None and high is not None
        else (made.value, None, None)
    )


def grid(
    found: Sequence[Record], metric: str, x: str, y: str, tags: dict[str, list[str]],
    mean_over: list[str],
) -> Grid:  # fmt: skip
    """Return a metric over two tags, for the setting of the others that has the most runs."""
    others = [name for name in tags if name not in (x, y)]
    best: Grid | None = None
    for setting, runs in _by_setting(found, others).items():
        cells = [
            [_value(runs, metric, {x: a, y: b}, mean_over) for a in tags[x]] for b in tags[y]
        ]  # fmt: skip
        made = Grid(metric, x, y, tags[x], tags[y], setting, cells)
        if best is None or size(made) > size(best):
            best = made
    if best is None:
        raise UserError(f"no file has both {x} and {y}")
    return best


def _value(
    runs: Sequence[Record], metric: str, at: dict[str, str], mean_over: list[str]
) -> float | None:
    there = [run for run in runs if all(run.tags.get(key) == at[key] for key in at)]
    made = cell(there, metric, mean_over)
    return None if made is None else made.value


def size(found: Grid) -> int:
    """Return how many cells have a run."""
    return sum(each is not None for row in found.cells for each in row)


def pair_for_grid(found: Sequence[Record], tags: dict[str, list[str]]) -> tuple[str, str] | None:
    """Return the first two numeric tags that make a grid: two by two runs with all else alike."""
    numeric = [name for name in tags if _is_numeric(tags[name])]
    for x, y in combinations(numeric, 2):
        others = [name for name in tags if name not in (x, y)]
        for runs in _by_setting(found, others).values():
            there = {run.key((x, y)) for run in runs}
            if any(
                {(a, b), (a, d), (c, b), (c, d)} <= there
                for (a, b), (c, d) in combinations(sorted(there), 2)
                if a != c and b != d
            ):
                return x, y
    return None
