"""The layout of JSON documents: a line for each key and for each object of a list."""

import json as plain

import pytest

from hiertools.files import json


@pytest.mark.parametrize(
    "rows",
    [
        [{"a": 1}, {}, {"b": "é"}],
        [{"a": "}, {"}, {"b": 2}],
        [{"a": [{"x": 1}, {"x": 2}]}, {"b": {}}],
        [{"a": 1}],
    ],
)
def test_objects_of_a_list_have_a_line_each(rows):
    text = json.dumps({"kind": "k", "rows": rows})
    assert plain.loads(text) == {"kind": "k", "rows": rows}
    lines = [plain.dumps(row, ensure_ascii=False) for row in rows]
    assert text == '{\n "kind": "k",\n "rows": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def test_a_list_of_more_than_objects_is_a_line():
    assert json.dumps({"rows": [{"a": 1}, 2]}) == '{\n "rows": [{"a": 1}, 2]\n}\n'
