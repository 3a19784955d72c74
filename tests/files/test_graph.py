"""graph.h5: what is written is what is read; what is no graph is refused."""

import h5py
import numpy as np
import pytest

from hiertools import about
from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.graph import Solves, read_graph, read_graph_of, write_graph
from tests.files.test_round_trips import written

ROWS = np.array([[1, 2], [0, 2], [1, 3], [2, 1]], np.int32)
SIMILARITIES = np.array([[0.9, 0.1], [0.9, 0.8], [0.8, 0.8], [0.8, -0.5]])
OPTIONS = {
    "k": 2, "alpha": 0.99, "power": 3.0, "tolerance": 1e-6, "iterations": 20, "truncate": 3
}  # fmt: skip
SOLVES = Solves(
    np.array([0, 2, 3, 3, 5]),
    np.array([0, 2, 1, 0, 3], np.int32),
    np.array([2, 0.5, 1, 0.25, 3], np.float32),
    OPTIONS,
)


def save(path, solves=SOLVES, rows=ROWS, similarities=SIMILARITIES, k=2):
    write_graph(path, rows, similarities, solves, index="0" * 64, k=k, chain=[], overwrite=True)
    return path


@pytest.mark.parametrize("solves", [SOLVES, None])
def test_round_trip(tmp_path, solves):
    found = read_graph(written(tmp_path, "g.h5", lambda path: save(path, solves)))
    np.testing.assert_array_equal(found.rows, ROWS, strict=True)
    np.testing.assert_array_equal(found.similarities, SIMILARITIES, strict=True)
    assert (found.meta["index"], found.meta["k"]) == ("0" * 64, 2)
    assert (found.solves is None) == (solves is None)
    if solves is not None:
        for name in ("offsets", "rows", "values"):
            mine = getattr(solves, name)
            np.testing.assert_array_equal(getattr(found.solves, name), mine, strict=True)
        assert found.solves.options == OPTIONS
        rows, values = found.solves.of(3)
        assert (list(rows), list(values)) == ([0, 3], [0.25, 3])
        assert not len(found.solves.of(2)[0])


def test_there_may_be_fewer_neighbours_than_were_asked_for(tmp_path):
    found = read_graph(save(tmp_path / "g.h5", None, ROWS[:1, :0], SIMILARITIES[:1, :0], k=50))
    assert found.rows.shape == (1, 0)
    described = about.describe(tmp_path / "g.h5")
    assert [described[key] for key in ("items", "k", "neighbours")] == [1, 50, 0]
    with pytest.raises(UserError, match=r"\(4, 2\) neighbours"):
        read_graph(save(tmp_path / "g.h5", None, k=50))


def test_a_graph_of_another_index_is_refused(tmp_path):
    path = save(tmp_path / "g.h5")
    assert len(read_graph_of(path, index="0" * 64, name="index.h5").rows) == 4
    with pytest.raises(UserError, match=r"is the graph of another index than index\.h5, or of an"):
        read_graph_of(path, index="1" * 64, name="index.h5")


def test_info(tmp_path):
    described = about.describe(save(tmp_path / "g.h5"))
    assert [described[key] for key in ("items", "k", "solved")] == [4, 2, 5]
    assert described["offline"] == OPTIONS
    assert "solved" not in about.describe(save(tmp_path / "g.h5", None))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("rows", [[1, 2], [0, 2], [1, 3], [2, 4]], "a neighbour is no item"),
        ("rows", [[1, 2], [0, 2], [1, 3], [2, -1]], "a neighbour is no item"),
        ("rows", [[1, 2], [0, 2], [1, 3], [2, 3]], "is its own neighbour, or has one twice"),
        ("rows", [[1, 2], [0, 2], [1, 3], [2, 2]], "is its own neighbour, or has one twice"),
        ("rows", [[1, 2, 3], [0, 2, 3], [1, 3, 0], [2, 1, 0]], r"\(4, 3\) neighbours do not"),
        ("rows", [[1.0, 2], [0, 2], [1, 3], [2, 1]], "'rows' is float64"),
        ("similarities", [[0.1, 0.9], [0.9, 0.8], [0.8, 0.8], [0.8, 0]], "not finite, or rise"),
        ("similarities", [[0.9, np.nan], [0.9, 0.8], [0.8, 0.8], [0.8, 0]], "not finite"),
        ("offline/offsets", [0, 2, 3, 3, 6], "the offsets do not rise from 0"),
        ("offline/offsets", [0, 2, 3, 2, 5], "the offsets do not rise from 0"),
        ("offline/offsets", [0, 2, 3, 5], "the offsets do not rise from 0"),
        ("offline/rows", [0, 2, 1, 0, 4], "offline: a row is no item"),
        ("offline/rows", [2, 0, 1, 0, 3], "the rows of an item do not rise"),
        ("offline/rows", [0, 2, 1, 3, 3], "the rows of an item do not rise"),
        ("offline/values", [2, 0, 1, 0.25, 3], "not a finite number above 0"),
        ("offline/values", [2, np.inf, 1, 0.25, 3], "not a finite number above 0"),
    ],
)
def test_what_is_no_graph_is_refused(tmp_path, name, values, message):
    path = save(tmp_path / "g.h5")
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = np.array(values)
    with pytest.raises(UserError, match=message):
        kinds.check(path, full=False)


def test_solves_have_to_say_how_they_were_made(tmp_path):
    path = save(tmp_path / "g.h5", Solves(*vars(SOLVES).values())).rename(tmp_path / "whole.h5")
    few = Solves(SOLVES.offsets, SOLVES.rows, SOLVES.values, {**OPTIONS, "alpha": "much"})
    with pytest.raises(UserError, match=r"meta: offline: alpha is not|alpha is not a finite"):
        read_graph(save(tmp_path / "few.h5", few))
    with h5py.File(path, "a") as file:
        del file["offline"]
    with pytest.raises(UserError, match="no dataset 'offline/offsets'"):
        read_graph(path)
