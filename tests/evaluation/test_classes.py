"""Classes: codes, what is above and below, depth."""

from hiertools.evaluation.classes import of_hierarchy
from hiertools.files.items import label_sets
from tests.evaluation.made import NAMES, hierarchy


def test_nodes_come_first_then_foreign_labels_by_name():
    labels = label_sets([["zebra", "car"], ["ant"], []])
    found = of_hierarchy(hierarchy(), [labels, label_sets([["bee"]])])
    assert found.names == [*NAMES, "ant", "bee", "zebra"]
    assert found.nodes == len(NAMES)
    assert [found.names[code] for code in found.codes_of(labels)] == ["zebra", "car", "ant"]


def test_labels_that_no_item_has_are_no_classes():
    labels = label_sets([["ant"], ["bee"]])
    found = of_hierarchy(hierarchy(), [labels.take(labels.codes[1:])])
    assert found.names == [*NAMES, "bee"]


def test_above_below_and_depth():
    found = of_hierarchy(hierarchy(), [])
    named = {name: i for i, name in enumerate(found.names)}
    below = [found.names[code] for code in found.below[named["car"]]]
    assert below == ["wheel", "hub"]
    assert [found.names[code] for code in found.above[named["wheel"]]] == ["street", "car", "bus"]
    depth = dict(zip(NAMES, found.depth.tolist(), strict=True))
    assert depth == {"lamp": 1, "street": 1, "car": 2, "bus": 2, "wheel": 3, "hub": 4}
    support = found.at_or_below(found.codes_of(label_sets([["wheel", "lamp"]])))
    assert [found.names[code] for code in support] == ["lamp", "wheel", "hub"]
    assert found.at_or_below(found.codes_of(label_sets([[]]))).tolist() == []
