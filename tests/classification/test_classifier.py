"""Answers of all rules: whole predictions by hand, and what must hold of them."""

import numpy as np
import pytest

from hiertools.classification import mixing
from hiertools.classification.classifier import Classifier, rounded
from hiertools.files.classified import ClassPrediction, checked
from tests.classification import made

LOGITS = np.log(np.array([[0.42, 0.3, 0.28], [0.1, 0.1, 0.8]], np.float32))


def classifier(rule, taxonomy, **options):
    given = {"temperature": None, "threshold": None, "k": 2, "mixing": None, **options}
    return Classifier(taxonomy, rule, given.pop("mixing"), **given)


def predicted(rule, edges=made.TREE, **options):
    found = classifier(rule, made.classes(edges), **options)
    return list(found.predictions(LOGITS, ["i", "j"], None))


def test_argmax():
    way = ["r", "a", "y"], ["R", "A", "Y"]
    assert predicted("argmax") == [
        ClassPrediction(
            "i", ["z", "x"], [0.42, 0.3], None, ["r", "b", "z"], ["R", "B", "Z"], [1, 0.42, 0.42]
        ),
        ClassPrediction("j", ["y", "z"], [0.8, 0.1], None, *way, [1, 0.9, 0.8]),
    ]


def test_crm_has_costs_and_the_way_to_its_first_class():
    found = predicted("crm")[0]
    assert (found.top, found.probabilities, found.costs) == (["x", "y"], [0.3, 0.28], [2.24, 2.28])
    assert (found.path, found.path_probabilities) == (["r", "a", "x"], [1, 0.58, 0.3])


def test_ancestor_answers_with_a_node_and_ranks_by_probability():
    found = predicted("ancestor", threshold=0.5)
    assert [(each.path[-1], each.depth) for each in found] == [("a", 1), ("y", 2)]
    assert (found[0].top, found[0].path_probabilities) == (["z", "x"], [1, 0.58])
    found = predicted("ancestor", made.DAG, threshold=0.6)[0]
    assert (found.path, found.path_probabilities) == (["r", "b"], [1, 0.7])


def test_a_temperature_is_before_the_rule():
    found = predicted("argmax", temperature=0.5)[1]
    p = np.array([0.1, 0.1, 0.8]) ** 2
    np.testing.assert_allclose(found.probabilities, [p[2] / p.sum(), p[0] / p.sum()], rtol=1e-5)


def test_a_class_above_others_is_a_node_with_its_own_probability():
    """x is under z: the way to z has the sum of both."""
    found = classifier("argmax", made.classes([("z", "x"), ("z", "y")], ["z", "x", "y"]), k=3)
    first = next(found.predictions(LOGITS, ["i"], [["x"]]))
    assert (first.top, first.probabilities) == (["z", "x", "y"], [0.42, 0.3, 0.28])
    assert (first.path, first.path_probabilities, first.labels) == (["z"], [1], ["x"])


@pytest.mark.parametrize("rule", ["argmax", "paper", "crm", "restart", "hie", "ancestor"])
@pytest.mark.parametrize("spread", [1.0, 40.0])
def test_all_rules_make_sound_predictions(rule, spread):
    taxonomy = made.drawn(5, nodes=30)
    weights = mixing.weights(taxonomy.distances, 0.3)
    mixed = {
        "paper": mixing.refining(weights, influence=0.3, steps=2),
        "restart": mixing.walking(weights, restart=0.5),
    }.get(rule)
    threshold = 0.5 if rule == "ancestor" else None
    found = classifier(rule, taxonomy, mixing=mixed, threshold=threshold, k=99)
    logits = np.random.default_rng(0).normal(0, spread, (200, len(taxonomy.classes)))
    ids = [str(i) for i in range(200)]
    read = found.predictions(logits.astype(np.float32), ids, None)
    placed = (("", each) for each in read)
    sound = list(checked(placed, rule, classes=taxonomy.classes, rule=rule))
    assert [each.id for each in sound] == ids
    for each in sound:
        assert sum(each.probabilities or []) == pytest.approx(1, abs=1e-4)
        assert each.path_probabilities[0] == 1
        assert taxonomy.path(each.path[-1]) == each.path


def test_numbers_have_six_digits_and_keep_their_order():
    values = np.array([1 / 3, 0.99999994, 1.0, 1e-30, 1.2345678e-9, 12.3456789, 0], np.float32)
    assert rounded(values).tolist() == [0.333333, 1.0, 1.0, 0.0, 1.23457e-9, 12.3457, 0.0]
    drawn = np.sort(np.random.default_rng(0).uniform(0, 1, 10_000).astype(np.float32) ** 9)
    assert (np.diff(rounded(drawn)) >= 0).all()
    np.testing.assert_allclose(rounded(drawn), drawn, rtol=5.1e-6, atol=1e-22)
