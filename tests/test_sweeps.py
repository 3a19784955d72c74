"""Sweeps: which runs make a line, which two tags a grid, and what their bars are."""

import itertools

import pytest

from hiertools import metric_records, sweeps
from hiertools.errors import UserError
from tests.metrics_made import row


def record(value, **tags):
    rows = [row("top-1", value, low=value - 0.25, high=value + 0.125)]
    name = "-".join(tags.values())
    return metric_records.Record(name, {"file": name, **tags}, rows)


def grid_of_runs(**more):
    """Runs over l x m, and over a at l = 1, m = 2."""
    found = [record(10 * int(n) + int(m), l=n, m=m, a="3", **more) for n in "12" for m in "12"]
    return found + [record(float(a), l="1", m="2", a=a, **more) for a in "45"]


def panel(found, tag, mean_over=()):
    return sweeps.panel(
        found, "top-1", tag, sweeps.varying(found, without=mean_over), list(mean_over)
    )


def points(line):
    return [(point.x, point.value) for point in line.points]


def test_tags_with_several_values_vary():
    found = [record(0.5, l="10", loss="z", same="1"), record(0.5, l="9", loss="a", same="1")]
    assert sweeps.varying(found, without=[]) == {"l": ["9", "10"], "loss": ["z", "a"]}
    assert sweeps.varying(found, without=["l"]) == {"loss": ["z", "a"]}


def test_a_line_is_of_runs_that_are_alike_in_all_else():
    lines = panel(grid_of_runs(), "l").lines
    assert [(line.setting, points(line)) for line in lines] == [
        ((("m", "1"),), [(1, 11), (2, 21)]),
        ((("m", "2"),), [(1, 12), (2, 22)]),
    ]
    (line,) = panel(grid_of_runs(), "a").lines
    assert (line.setting, points(line)) == ((), [(3, 12), (4, 4), (5, 5)])


def test_a_tag_that_is_no_number_has_ticks():
    found = panel([record(0.5, loss="z"), record(0.25, loss="a")], "loss")
    assert found.ticks == ["z", "a"]
    assert points(found.lines[0]) == [(0, 0.5), (1, 0.25)]


def test_bars_are_intervals_of_one_run_and_deviations_of_several():
    ((point, _),) = (line.points for line in panel(grid_of_runs()[:4:2], "l").lines)
    assert (point.value, point.low, point.high) == (11, 10.75, 11.125)
    seeds = [record(value, l=n, seed=seed)
             for n in "12" for seed, value in (("0", 1.0), ("1", 3.0))]  # fmt: skip
    (line,) = panel(seeds, "l", ["seed"]).lines
    assert [(p.value, p.low, p.high) for p in line.points] == [(2, 2 - 2**0.5, 2 + 2**0.5)] * 2


def test_a_grid_is_of_the_first_two_tags_that_make_a_rectangle():
    found = grid_of_runs()
    vary = sweeps.varying(found, without=[])
    assert sweeps.pair_for_grid(found, vary) == ("l", "m")
    grid = sweeps.grid(found, "top-1", "l", "m", vary, [])
    assert (grid.xs, grid.ys, grid.setting) == (["1", "2"], ["1", "2"], (("a", "3"),))
    assert grid.cells == [[11, 21], [12, 22]]
    cross = sweeps.grid(found, "top-1", "a", "l", vary, [])
    assert cross.cells == [[12, 4, 5], [22, None, None]]


def test_one_tag_at_a_time_makes_no_grid():
    found = [record(0.5, l=n, m="1") for n in "123"] + [record(0.5, l="1", m=m) for m in "23"]
    assert sweeps.pair_for_grid(found, sweeps.varying(found, without=[])) is None


def test_the_order_of_the_runs_does_not_matter():
    found = grid_of_runs()
    for order in itertools.islice(itertools.permutations(found), 0, 720, 97):
        vary = sweeps.varying(order, without=[])
        assert sweeps.panel(order, "top-1", "l", vary, []) == panel(found, "l")
        assert sweeps.grid(order, "top-1", "l", "m", vary, []).cells == [[11, 21], [12, 22]]


def test_two_runs_at_one_place_are_refused():
    with pytest.raises(UserError, match="for the same row"):
        panel([record(0.5, l="1"), record(0.25, l="1"), record(0.5, l="2")], "l")
