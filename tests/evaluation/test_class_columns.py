"""Metrics of predicted classes: by hand, against scikit-learn, and chance against draws."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from hiertools.evaluation.class_case import Case
from hiertools.evaluation.class_chance import best_mistake, chance, dealt
from hiertools.evaluation.class_columns import columns
from tests.evaluation import classes_made as made


def metrics(case, *, tops=(1, 2), depths=(1, 2), nodes=False, counts=None):
    found = columns(case, chance(case.ground, counts), tops=tops, depths=depths, nodes=nodes)
    return {column.key: column for column in found}


def values(case, **how):
    return {key: column.value for key, column in metrics(case, **how).items()}


def test_every_metric_by_hand():
    found = values(made.case())
    assert found == pytest.approx(
        {
            ("top-1", None, None): 2 / 6,
            ("top-2", None, None): 5 / 6,
            ("class-accuracy", None, None): (1 / 2 + 0 + 0) / 3,  # of poodle, cat and car
            ("hierarchical-distance", 1, None): (0 + 2 + 2 + 0 + 2 + 2) / 6,
            ("mistake-severity", 1, None): 8 / 4,
            ("hierarchical-distance", 2, None): (1 + 2.5 + 1 + 2 + 1 + 1) / 6,
            ("mistake-severity", 2, None): (2.5 + 1 + 1 + 1) / 4,
            ("hierarchical-precision", None, None): (3 + 2 + 1 + 2 + 1 + 1) / 16,
            ("hierarchical-recall", None, None): 10 / 14,
            ("hierarchical-f1", None, None): 20 / 30,
            ("accuracy", None, "kind"): 1,  # a bear is a toy as a car is, and an animal
            ("accuracy", None, "species"): 3 / 6,
            ("accuracy", None, "breed"): 1 / 2,  # a dog has none
        }
    )


def test_chance_by_hand():
    found = metrics(made.case())
    # of five classes two are dogs
    assert found["top-1", None, None].chance == pytest.approx((4 * 1 / 5 + 2 * 2 / 5) / 6)
    distances = {"poodle": 0 + 2 + 3 + 3 + 5, "cat": 3 + 3 + 0 + 2 + 4, "dog": 2 + 2 + 4}
    distances["car"] = 5 + 5 + 4 + 2
    mean = (2 * distances["poodle"] + distances["cat"] + 2 * distances["dog"]) / 5
    mean = (mean + distances["car"] / 5) / 6
    assert found["hierarchical-distance", 1, None].chance == pytest.approx(mean)
    # the sums are over 4, 4, 4, 3, 3 and 4 wrong classes
    assert found["mistake-severity", 1, None].chance == pytest.approx(mean * 6 * 5 / 22)
    assert found["accuracy", None, "breed"].chance == pytest.approx(1 / 5)
    assert found["hierarchical-distance", 1, None].best == 0
    # the nearest of two: a poodle's is a beagle, a cat's a bear; a dog may be two dogs
    assert found["hierarchical-distance", 2, None].best == pytest.approx((1 * 4 + 0 * 2) / 6)
    # the nearest that is wrong: of each 2, and each counts as often as it is drawn
    assert found["mistake-severity", 1, None].best == pytest.approx(2)


def drawn(case, seed, prior=None):
    """Return the case in which classes are drawn at random, each item many times."""
    rng = np.random.default_rng(seed)
    truth, classes = np.repeat(case.truth, 5000), case.ground.classes
    if prior is None:
        top = np.argsort(rng.random((len(truth), classes)), axis=1)[:, :3]
    else:
        top = rng.choice(classes, (len(truth), 3), p=prior / prior.sum())
    sure = np.full(top.shape, 0.5)
    return Case(case.ground, truth, top, sure, top[:, 0], sure[:, 0])


@pytest.mark.parametrize("prior", [None, np.array([5, 1, 0, 3, 1])])
def test_chance_is_what_draws_come_to(prior):
    how = {"tops": (1, 3), "depths": (1, 3), "counts": prior}
    random = metrics(drawn(made.case(), 0, prior), **how)
    assert len(random) == 14
    for key, column in random.items():
        if key[0] == "brier":
            assert column.chance is None
        else:
            assert column.chance == pytest.approx(column.value, abs=0.025), key


def test_nothing_is_better_than_the_best():
    case = made.case()
    codes = np.arange(case.ground.classes)
    rng = np.random.default_rng(0)
    for _ in range(200):
        top = rng.permuted(np.tile(codes, (len(case), 1)), axis=1)[:, :3]
        found = metrics(
            Case(case.ground, case.truth, top, top * np.nan, top[:, 0], top[:, 0] * np.nan),
            depths=(1, 2, 3),
        )
        for k in (1, 2, 3):
            column = found["hierarchical-distance", k, None]
            assert column.value >= column.best - 1e-12
    nearest = np.argsort(case.ground.distance[:5, case.truth], axis=0, kind="stable").T[:, :3]
    perfect = metrics(
        Case(case.ground, case.truth, nearest, nearest * np.nan, nearest[:, 0], nearest[:, 0]),
        depths=(1, 2, 3),
    )
    for key, column in perfect.items():
        if column.best is not None:
            assert column.value == pytest.approx(column.best), key


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_best_list_with_a_wrong_first_class_is_the_best_of_all(k):
    ground = made.ground(["dog", "animal"])
    found = best_mistake(ground, k)
    for truth in (*range(5), ground.code["dog"], ground.code["animal"]):
        means = [
            ground.distance[list(top), truth].mean()
            for top in itertools.permutations(range(5), k)
            if not ground.right[top[0], truth]
        ]
        assert found[truth] == pytest.approx(min(means))


def test_without_inner_truths_it_agrees_with_scikit_learn():
    ground, rng = made.ground(), np.random.default_rng(3)
    scores = rng.random((200, 5))
    truth = rng.integers(5, size=200)
    top = np.argsort(-scores, axis=1)
    case = Case(ground, truth, top, np.sort(scores)[:, ::-1], top[:, 0], scores.max(axis=1))
    found = values(case, tops=(1, 2, 3))
    assert found["top-1", None, None] == pytest.approx(accuracy_score(truth, top[:, 0]))
    for k in (2, 3):
        wanted = top_k_accuracy_score(truth, scores, k=k, labels=range(5))
        assert found[f"top-{k}", None, None] == pytest.approx(wanted)
    wanted = balanced_accuracy_score(truth, top[:, 0])
    assert found["class-accuracy", None, None] == pytest.approx(wanted)
    sides = (made.indicators(ground, each) for each in (truth, top[:, 0]))
    wanted = precision_recall_fscore_support(*sides, average="micro")[:3]
    for name, value in zip(("precision", "recall", "f1"), wanted, strict=True):
        assert found[f"hierarchical-{name}", None, None] == pytest.approx(value)


def test_nodes_that_are_no_classes_by_hand():
    nodes = [("dog", 0.9), ("animal", 0.8), ("bear", 0.7), ("beagle", 0.6), ("cat", 1), ("toy", 0)]
    case = made.case(nodes=nodes, probabilities=[[0.5, 0.25]] * 6)
    assert case.has_nodes
    found = values(case, nodes=True)
    # above the truth are dog, animal and toy; beagle is a dog as the truth says
    assert found["coverage", None, "node"] == pytest.approx(4 / 6)
    says = {n: 1 - np.log(n) / np.log(5) for n in (1, 2, 4)}  # toys are a bear and a car
    information = says[2] + says[4] + says[1] + says[2]
    assert found["information", None, "node"] == pytest.approx(information / 6)
    assert found["distance", None, "node"] == pytest.approx((1 + 2 + 2 + 0 + 2 + 1) / 6)
    assert found["depth", None, "node"] == pytest.approx((2 + 1 + 2 + 3 + 2 + 1) / 6)
    assert found["classes", None, "node"] == pytest.approx(3 / 6)
    # the sets are those of the node
    both, answer = 2 + 1 + 1 + 2 + 1 + 1, 2 + 1 + 3 + 2 + 2 + 1
    assert found["hierarchical-precision", None, None] == pytest.approx(both / answer)
    assert found["hierarchical-recall", None, None] == pytest.approx(both / 14)
    # the first class stays what it is
    assert found["top-1", None, None] == pytest.approx(2 / 6)
    assert found["accuracy", None, "kind"] == pytest.approx(1)
    assert found["accuracy", None, "species"] == pytest.approx(2 / 6)
    squares = [0.25, 0.25, 0.25, 0.25, 0.25, 0.25]
    assert found["brier", None, None] == pytest.approx(np.mean(squares))
    squares = [0.01, 0.04, 0.49, 0.16, 1, 1]
    assert found["brier", None, "node"] == pytest.approx(np.mean(squares))


def test_the_chance_of_nodes_is_that_of_a_deal():
    nodes = [("dog", 1), ("animal", 1), ("bear", 1), ("beagle", 1), ("cat", 1), ("toy", 1)]
    case = made.case(nodes=nodes)
    rng, size = np.random.default_rng(0), len(case.ground)
    covers = case.ground.covers
    deals = [covers[rng.permutation(case.node), case.truth].mean() for _ in range(20_000)]
    found = dealt(covers, case.node, size)[case.truth].mean()
    assert found == pytest.approx(np.mean(deals), abs=0.005)
    column = metrics(case, nodes=True)["coverage", None, "node"]
    assert column.chance == pytest.approx(found)


def test_a_list_that_is_too_short_has_no_metric_of_that_depth():
    found = values(made.case([("poodle", "poodle beagle"), ("cat", "cat")]), tops=(1, 2))
    assert ("top-2", None, None) not in found
    assert ("hierarchical-distance", 2, None) not in found
    assert ("mistake-severity", 1, None) not in found  # nothing is wrong
    assert found["top-1", None, None] == 1


def test_all_right_and_all_known_is_one():
    found = values(made.case([("poodle", "poodle"), ("car", "car")]))
    assert found["hierarchical-f1", None, None] == found["class-accuracy", None, None] == 1
    assert found["hierarchical-distance", 1, None] == 0


def test_the_log_loss_is_that_of_scikit_learn_where_all_classes_are_listed():
    ground, rng = made.ground(), np.random.default_rng(4)
    scores = rng.dirichlet(np.ones(5), 50)
    truth, top = rng.integers(5, size=50), np.argsort(-scores, axis=1)
    sure = -np.sort(-scores, axis=1)
    found = metrics(Case(ground, truth, top, sure, top[:, 0], sure[:, 0]))["log-loss", None, None]
    assert found.value == pytest.approx(log_loss(truth, scores, labels=range(5)))
    assert found.chance == pytest.approx(np.log(5))
    fewer = metrics(Case(ground, truth, top[:, :4], sure[:, :4], top[:, 0], sure[:, 0]))
    assert ("log-loss", None, None) not in fewer
    sure[0, top[0] == truth[0]] = 0
    assert ("log-loss", None, None) not in metrics(
        Case(ground, truth, top, sure, top[:, 0], sure[:, 0])
    )


def test_a_class_that_is_above_others_is_right_as_itself_alone():
    """As in a list of classes of which some are inner nodes."""
    ground = made.ground(classes=[*made.CLASSES, "dog"])
    code = ground.code
    assert not ground.right[code["poodle"], code["dog"]]
    assert ground.distance[code["poodle"], code["dog"]] == 1
    assert ground.covers[code["dog"], code["poodle"]]
    inner = made.ground(["dog"])
    assert inner.right[inner.code["poodle"], inner.code["dog"]]
    assert inner.distance[inner.code["poodle"], inner.code["dog"]] == 0


def test_heights_are_those_of_the_lowest_common_ancestor():
    ground = made.ground(distance="height")
    code = ground.code
    heights = [ground.distance[code["poodle"], code[key]] for key in made.CLASSES]
    np.testing.assert_allclose(heights, [0, 1 / 3, 2 / 3, 2 / 3, 1])
