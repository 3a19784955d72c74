"""WordNet's nouns: the format, small and real, and distances as NLTK computes them."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from hiertools import class_graph, taxonomy, wordnet
from hiertools.errors import UserError
from hiertools.files.inputs import Source
from tests import wordnet_made

DATA = Path(__file__).resolve().parents[2] / "shared/data/wordnet"
SYNSETS = [
    ("entity", []),
    ("animal,beast", [("@", "entity"), ("~", "dog"), ("~", "pet")]),
    ("pet", [("@", "animal")]),
    ("dog,domestic_dog", [("@", "animal"), ("@", "pet"), ("#m", "pack")]),
    ("pack", [("@", "entity"), ("%m", "dog")]),
    ("Laika", [("@i", "dog")]),
    ("cat", [("@", "pet"), ("+", "dog")]),
    ("stone", [("@", "entity")]),
]


def read(tmp_path, text):
    path = tmp_path / "read.noun"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return wordnet.read_nouns(Source(path))


@pytest.fixture
def made(tmp_path):
    text, ids = wordnet_made.nouns(SYNSETS)
    return read(tmp_path, text), ids


def hierarchy_of(nouns, classes, names=(), **options):
    graph = wordnet.graph(nouns, classes, dict(names), name="classes.txt")
    options = {"root": None, "prune": False, "distance": "path", "source": {}} | options
    return class_graph.assemble(graph, **options)


def test_words_and_kinds_are_read(made):
    nouns, ids = made
    assert nouns.version == "3.0"
    assert nouns.words[ids["dog"]] == ["dog", "domestic dog"]
    assert nouns.kinds[ids["dog"]] == [ids["animal"], ids["pet"]]
    assert nouns.kinds[ids["Laika"]] == [ids["dog"]]
    assert nouns.kinds[ids["pack"]] == [ids["entity"]]
    assert len(nouns.words) == len(SYNSETS)


def test_a_line_may_have_many_words(tmp_path):
    """The number of words is hexadecimal, that of pointers is not."""
    words = ",".join(f"word{i}" for i in range(17))
    text, ids = wordnet_made.nouns([("top", []), (words, [("@", "top")] * 1 + [("~", "top")] * 11)])
    nouns = read(tmp_path, text)
    assert " 11 word0 " in text
    assert len(nouns.words[ids["word0"]]) == 17
    assert nouns.kinds[ids["word0"]] == [ids["top"]]


def test_a_dag_stays_one(made):
    nouns, ids = made
    found = hierarchy_of(nouns, [ids["Laika"], ids["cat"]])
    assert found.leaves == [ids["Laika"], ids["cat"]]
    names = {node.id: node.name for node in found.nodes}
    assert {(names[e.parent], names[e.child]) for e in found.edges} == {
        ("entity", "animal"), ("animal", "pet"), ("animal", "dog"), ("pet", "dog"),
        ("dog", "Laika"), ("pet", "cat"),
    }  # fmt: skip
    assert found.statistics == {"classes": 2, "left_out": 2, "pruned": 0, "several_parents": 1}


def test_a_class_may_be_above_another_and_have_a_name_of_its_own(made):
    nouns, ids = made
    found = hierarchy_of(nouns, [ids["dog"], ids["Laika"]], {ids["dog"]: "hound"})
    made_of = taxonomy.of_hierarchy(found, classes=None, distance=None)
    np.testing.assert_array_equal(made_of.distances, [[0, 1], [1, 0]])
    assert made_of.names[ids["dog"]] == "hound"


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["n1", "n2"], (["n1", "n2"], {})),
        (["n1 a, b", "n2,c d "], (["n1", "n2"], {"n1": "a, b", "n2": "c d"})),
        (["n3\te", "n4 "], (["n3", "n4"], {"n3": "e"})),
    ],
)  # fmt: skip
def test_a_list_has_ids_and_names(lines, wanted):
    assert wordnet.class_list(lines, "l.txt") == wanted


@pytest.mark.parametrize(
    ("lines", "message"),
    [(["n1", "n2", "n1 a"], "l.txt: the class 'n1' is there twice"), ([], "lists no class")],
)
def test_a_list_of_no_or_repeated_classes_is_refused(lines, message):
    with pytest.raises(UserError, match=message):
        wordnet.class_list(lines, "l.txt")


def test_what_is_no_synset_is_said_with_what_may_be_meant(made):
    nouns, ids = made
    with pytest.raises(UserError) as caught:
        hierarchy_of(nouns, ["domestic_dog.n.01", ids["cat"], "n99999999"])
    assert str(caught.value).startswith(f"classes.txt: {nouns.name} lacks 2 (domestic_dog.n.01, n9")
    assert "of WordNet 3.0, such as n01440764; 'domestic dog' is in" in str(caught.value)
    assert f"{ids['dog']} (dog, domestic dog)" in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "child,parent",
        "00000001 03 v 01 go 0 000 | a verb",
        "00000001 03 n 01 a 0 002 @ 00000002 n 0000 | too few pointers",
        "00000001 03 n 00 000 | no word",
        "00000001 03 n 0g a 0 000 | no number",
        "1 03 n 01 a 0 000 | short offset",
        "",
    ],
)
def test_another_file_is_refused_with_the_line(tmp_path, line):
    with pytest.raises(UserError, match=r"read.noun:1: is no line of WordNet's data.noun"):
        read(tmp_path, line + "\n")


def test_a_cut_off_file_lacks_a_synset(tmp_path):
    text, ids = wordnet_made.nouns([("dog", [("@", "animal")]), ("animal", [])])
    nouns = read(tmp_path, text[: text.rindex("\n", 0, -1) + 1])
    wanted = f"{ids['animal']}, above {ids['dog']}, is not there; is it cut off?"
    with pytest.raises(UserError, match=re.escape(wanted)):
        hierarchy_of(nouns, [ids["dog"]])


def test_a_synset_that_is_there_twice_is_refused(tmp_path):
    line = "00000001 03 n 01 a 0 000 | a gloss\n"
    with pytest.raises(UserError, match=r"read.noun:2: the synset n00000001 is there twice"):
        read(tmp_path, line + line)


def nltk_distances(folder, data, classes):
    pytest.importorskip("nltk", reason="nltk is not installed")
    with warnings.catch_warnings():  # about the languages that such a corpus lacks
        warnings.simplefilter("ignore")
        reader = wordnet_made.nltk_reader(folder, data)
        synsets = [reader.synset_from_pos_and_offset("n", int(key[1:])) for key in classes]
        above = [synset._shortest_hypernym_paths(False) for synset in synsets]
    found = np.zeros((len(classes), len(classes)))
    for i, one in enumerate(above):  # as Synset.shortest_path_distance does, once a synset
        for j, other in enumerate(above[:i]):
            found[i, j] = found[j, i] = min(d + other[s] for s, d in one.items() if s in other)
    few = [(0, 1), (len(classes) // 2, len(classes) - 1)]
    assert [found[pair] for pair in few] == [
        synsets[i].shortest_path_distance(synsets[j]) for i, j in few
    ]
    return found


def test_distances_of_any_dag_are_those_of_nltk(tmp_path):
    rng = np.random.default_rng(0)
    synsets = [("w0", [])]
    for i in range(1, 60):
        over = sorted({int(k) for k in rng.integers(0, i, rng.integers(1, 4))})
        synsets.append((f"w{i}", [(("@", "@i")[k % 2], f"w{k}") for k in over]))
    text, ids = wordnet_made.nouns(synsets)
    classes = [ids[f"w{i}"] for i in rng.permutation(60)[:40]]
    found = hierarchy_of(read(tmp_path, text), classes)
    matrix = taxonomy.of_hierarchy(found, classes=None, distance=None).distances
    np.testing.assert_array_equal(matrix, nltk_distances(tmp_path, text, classes))


@pytest.fixture(scope="module")
def ilsvrc():
    """The hierarchy of ImageNet's thousand classes."""
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there")
    nouns = wordnet.read_nouns(Source(DATA / "data.noun"))
    classes = (DATA / "imagenet_synsets.txt").read_text().split()
    return hierarchy_of(nouns, classes), hierarchy_of(nouns, classes, prune=True), classes


def test_facts_of_imagenet(ilsvrc):
    found, pruned, classes = ilsvrc
    assert found.leaves == pruned.leaves == classes
    assert found.statistics["several_parents"] == 304
    matrix = taxonomy.of_hierarchy(found, classes=None, distance=None).distances
    apart = matrix[np.triu_indices(1000, 1)]
    assert (apart.min(), np.median(apart), apart.max()) == (2, 13, 26)
    shorter = taxonomy.of_hierarchy(pruned, classes=None, distance=None).distances
    assert (shorter <= matrix).all()
    assert (len(found.nodes), len(pruned.nodes)) == (1860, 1397)


def test_distances_of_imagenet_are_those_of_nltk(ilsvrc, tmp_path):
    found, _, classes = ilsvrc
    matrix = taxonomy.of_hierarchy(found, classes=None, distance=None).distances
    text = (DATA / "data.noun").read_text()
    np.testing.assert_array_equal(matrix, nltk_distances(tmp_path, text, classes))
