"""Ground truth: pickles of plain lists are read, and nothing in one is ever run."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files.ground_truth import read_ground_truth
from hiertools.files.inputs import Source

DOCUMENT = {
    "imlist": ["a", "b", "c"],
    "qimlist": ["q"],
    "gnd": [{"bbx": [1.5, 2, 3, 4], "easy": [0], "hard": [2], "junk": []}],
}


def read(path, data):
    path.write_bytes(data)
    return read_ground_truth(Source(path))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_lists_is_read(tmp_path, protocol):
    found = read(tmp_path / "gnd.pkl", pickle.dumps(DOCUMENT, protocol))
    assert (found.images, found.queries) == (["a", "b", "c"], ["q"])
    assert found.judged[0].easy.tolist() == [0]
    assert found.judged[0].junk.tolist() == []


def test_json_is_the_same(tmp_path):
    found = read(tmp_path / "gnd.json", json.dumps(DOCUMENT).encode())
    assert found.judged[0].hard.tolist() == [2]


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_what_would_run_is_refused_and_not_run(tmp_path, protocol):
    trap = tmp_path / "trap"
    data = pickle.dumps({**DOCUMENT, "more": Hostile(str(trap))}, protocol)
    with pytest.raises(UserError, match="was not run"):
        read(tmp_path / "gnd.pkl", data)
    assert not trap.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        pickle.dumps(np.zeros(3)),
        pickle.dumps({1, 2}),
        b"\x80\x04garbage",
        b"\x80\x04",
        pickle.dumps(DOCUMENT)[:-5],
    ],
)
def test_other_pickles_are_refused(tmp_path, data):
    with pytest.raises(UserError, match=r"gnd\.pkl"):
        read(tmp_path / "gnd.pkl", data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"imlist": ["a", "a", "c"]}, "imlist has a name twice"),
        ({"imlist": "abc"}, "imlist is not a list"),
        ({"qimlist": []}, "gnd is not a list with an entry for each"),
        ({"gnd": [{"easy": [0], "hard": []}]}, r"gnd\[0\] does not have"),
        ({"gnd": [{"easy": [3], "hard": [], "junk": []}]}, r"gnd\[0\]\.easy is not a list of"),
        ({"gnd": [{"easy": [True], "hard": [], "junk": []}]}, r"gnd\[0\]\.easy is not a list of"),
        ({"gnd": [{"easy": [0], "hard": [0], "junk": []}]}, r"gnd\[0\] has an image twice"),
        ({"gnd": None}, "gnd is not a list"),
    ],
)
def test_structures_that_are_not_expected_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path / "gnd.pkl", pickle.dumps({**DOCUMENT, **change}))


def test_a_document_without_lists_is_refused(tmp_path):
    with pytest.raises(UserError, match="imlist, qimlist and gnd are needed"):
        read(tmp_path / "gnd.json", b"{}")
