"""Tables of classes: edges and levels, and all that could mean two things."""

import re

import pytest

from hiertools import class_table
from hiertools.errors import UserError
from hiertools.files.inputs import Source


@pytest.fixture
def read(tmp_path):
    def read(*lines, levels=None, name=None):
        path = tmp_path / "t.csv"
        path.write_text("\n".join(lines) + "\n")
        return class_table.read_table(Source(path), levels=levels, name=name)

    return read


def test_edges_have_their_columns_anywhere(read):
    found = read("parent,note,child", "animal,a,dog", "animal,b,cat", "pet,,cat", ",,stone")
    assert found.classes == ["dog", "cat", "stone"]
    assert found.parents == {
        "dog": ["animal"], "animal": [], "cat": ["animal", "pet"], "pet": [], "stone": [],
    }  # fmt: skip
    assert found.names["dog"] == "dog"
    assert found.levels == {}


def test_an_edge_may_be_there_twice_and_come_before_what_is_above_it(read):
    found = read("child,parent", "dog,animal", "dog , animal", "animal,thing", "cat,animal")
    assert found.parents["dog"] == ["animal"]
    assert found.classes == ["dog", "cat"]


def test_children_have_names(read):
    found = read("child,parent,label", "d,a,Dog", "a,,Animal", "c,a,", name="label")
    assert found.names == {"d": "Dog", "a": "Animal", "c": "c"}


def test_levels_go_down_in_the_order_of_the_columns(read):
    found = read("kingdom,kind,class", "animal,fish,ray", "animal,fish,cod", "plant,,fern")
    assert found.classes == ["ray", "cod", "fern"]
    assert found.parents == {
        "animal": [], "fish": ["animal"], "ray": ["fish"], "cod": ["fish"], "plant": [],
        "fern": ["plant"],
    }  # fmt: skip
    assert (found.levels["fish"], found.levels["fern"]) == ("kind", "class")


def test_some_columns_are_levels_in_an_order_that_is_given(read):
    lines = ("file,class,kind,said", "1.png,ray,fish,Ray", "2.png,ray,fish,Ray", "3.png,cod,fish,")
    found = read(*lines, levels=["kind", "class"], name="said")
    assert found.parents == {"fish": [], "ray": ["fish"], "cod": ["fish"]}
    assert found.names == {"fish": "fish", "ray": "Ray", "cod": "cod"}


def test_columns_child_and_parent_may_be_levels(read):
    found = read("parent,child", "a,x", levels=["parent", "child"])
    assert found.levels == {"a": "parent", "x": "child"}


def test_ids_stay_as_they_are(read):
    found = read("parent,child", "1e10,007", "1e10,golden retriever", '1e10,"a, b"')
    assert found.classes == ["007", "golden retriever", "a, b"]


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["child,parent", ",a"], {}, "t.csv:2: there is no child"),
        (["child,parent", "b,a", "a,a"], {}, "t.csv:3: 'a' is its own parent: a cycle"),
        (["child,parent,n", "b,a,B", "b,c,Bee"], {"name": "n"},
         "t.csv:3: 'b' is called 'Bee' and 'B' above"),
        (["kind,class", "fish,"], {}, "t.csv:2: there is no class"),
        (["kind,class", "fish,ray", "light,ray"], {},
         "t.csv:3: 'ray' is under 'light' and in line 2 under 'fish'; if it is one node with two"),
        (["top,kind,class", "a,k,x", ",k,y"], {},
         "t.csv:3: 'k' is under '' and in line 2 under 'a'"),
        (["kind,class", "fish,ray", "ray,cod"], {},
         "t.csv:3: 'ray' is a kind and in line 2 a class; a name stands for one node"),
        (["kind,class", "fish,fish"], {}, "t.csv:2: 'fish' is a class and in line 2 a kind"),
        (["kind,class", "a,b"], {"levels": ["kind", "species"]},
         "t.csv:1: no column 'species'; the columns are kind, class"),
        (["kind,class", "a,b"], {"name": "said"}, "t.csv:1: no column 'said'"),
        (["kind,class", "a,b"], {"levels": ["kind", "kind"]},
         "t.csv: the column 'kind' has two parts to play"),
        (["kind,class", "a,b,c"], {}, "t.csv:2: has 3 fields, the header 2"),
        (['{"kind": 1}'], {}, "is JSON; a CSV file is needed"),
    ],
)  # fmt: skip
def test_what_is_no_table_or_could_mean_two_things_is_refused(read, lines, options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read(*lines, **options)
