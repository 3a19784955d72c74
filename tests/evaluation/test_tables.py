"""Rows of metrics: means over the right queries, and chance as random rankings have it."""

from functools import partial

import numpy as np
import pytest

from hiertools.evaluation import outcome, parts, report, tables
from hiertools.evaluation.judging import Judge
from tests.evaluation.made import NAMES, TREE, hierarchy, items, plan, sides

IMAGES = 30


@pytest.fixture(scope="module")
def found():
    """Images of two to four boxes of classes that are not equally frequent."""
    rng = np.random.default_rng(0)
    rows = []
    for image in range(IMAGES):
        boxes = [NAMES[code] for code in rng.integers(0, 1 + image % 6, rng.integers(2, 5))]
        rows.append((f"{image:02d}", boxes))
        rows += [(f"{image:02d}#{i}", [label]) for i, label in enumerate(boxes)]
    rows += [("x", []), ("y", ["ant"]), ("y#0", ["ant"]), ("z#0", [])]
    return sides(items(rows), items(rows), hierarchy(TREE))


def search(judge, ground, *, seed, repeat=None):
    """Return what random rankings come to, or those that scores by relevance make."""
    direction = judge.direction
    rng = np.random.default_rng(seed)

    def scores(rows):
        if repeat is None:
            return rng.random((len(rows), len(direction.candidates)))
        bits = direction.asked(rows).bits
        labels = direction.candidates.labels
        shares = np.zeros((len(rows), len(direction.candidates)))
        for place, kind in enumerate(direction.candidates.kind):
            codes = labels.codes[labels.offsets[place] : labels.offsets[place + 1]]
            shares[:, place] = repeat * (bits[:, kind, codes] & 1).any(axis=1)
        return shares

    return outcome.of_scores(judge, ground, scores, batch_size=16, tick=lambda done: None)


def rows_of(found, given, seed=0, repeat=None):
    done = parts.outcomes(found, given, partial(search, seed=seed, repeat=repeat))
    return report.metrics(found, given, done, None, {})


GIVEN = plan(small=(1, 5), deep=(3, 20), resamples=200, orders=8, path_cost=5)


def key(row):
    return tuple(row.get(name) for name in ("metric", "find", "of", "exclude", "k"))


@pytest.fixture(scope="module")
def drawn(found):
    """The metrics of random rankings of 25 seeds."""
    return [row for seed in range(25) for row in rows_of(found, GIVEN, seed).metrics]


def test_random_rankings_come_to_chance(drawn):
    """Each seed is one estimate; their mean is within its own error of the mean of chance."""
    values, chances = {}, {}
    for row in drawn:
        values.setdefault(key(row), []).append(row["value"])
        chances[key(row)] = row["chance"]
    assert len(values) == 50
    for name, drawn in values.items():
        error = np.std(drawn, ddof=1) / len(drawn) ** 0.5
        if name[0].startswith("ot_"):  # r varies about its mean, so distances are larger
            assert np.mean(drawn) > chances[name] - 4 * error, name
        else:
            np.testing.assert_allclose(
                np.mean(drawn), chances[name], rtol=0, atol=4 * error, err_msg=str(name)
            )


def test_the_interval_holds_chance_about_as_often_as_it_says(drawn):
    held = [
        row["low"] <= row["chance"] <= row["high"]
        for row in drawn
        if row["metric"] in ("hierarchical_recall", "hierarchical_map")
    ]
    assert 0.85 < np.mean(held) <= 1


def test_perfect_is_one_and_reversed_is_worse(found):
    perfect, reversed_ = (rows_of(found, GIVEN, repeat=sign).metrics for sign in (1, -1))
    for best, worst in zip(perfect, reversed_, strict=True):
        if best["metric"] == "hierarchical_map":
            assert (best["value"], best["low"], best["high"]) == (1, 1, 1)
            assert worst["value"] < worst["chance"] < 1
        if best["metric"] == "hierarchical_recall":
            assert worst["value"] < worst["chance"] < best["value"]


def test_children_first_in_each_table(found):
    made = rows_of(found, GIVEN)
    assert list(made.tables) == [
        "precision_at_recall", "curve", "orders", "left_out", "classes", "order",
    ]  # fmt: skip
    assert made.counts == {
        "query_images": 32, "query_boxes": len(found.queries) - 32,
        "candidate_images": 32, "candidate_boxes": len(found.queries) - 32,
    }  # fmt: skip
    assert [row["class"] for row in made.tables["order"]] == [
        "lamp", "street", "bus", "car", "wheel", "hub",
    ]  # fmt: skip
    curve = made.tables["curve"]
    assert {row["k"] for row in curve} >= {1, 2, 3, 5, 10, 20, 50}
    last = [row for row in curve if row["k"] == max(row["k"] for row in curve)]
    assert all(row["recall"] == row["chance_recall"] == 1 for row in last)
    np.testing.assert_allclose(
        [row["precision"] for row in last], [row["chance_precision"] for row in last]
    )
    recalls = [row["recall"] for row in made.tables["precision_at_recall"]]
    assert recalls[:21] == np.linspace(0, 1, 21).tolist()


def test_left_out_are_counted_with_their_reason(found):
    rows = rows_of(found, GIVEN).tables["left_out"]
    counted = {(r["find"], r["of"], r["exclude"], r["reason"]): r["queries"] for r in rows}
    assert counted["children", "image", "self", "no label"] == 1
    assert counted["children", "image", "self", "no class of the hierarchy"] == 1
    assert counted["children", "box", "image", "no label"] == 1
    assert counted["parents", "box", "self", "no class of the hierarchy"] == 1
    labels = found.queries.labels
    leaves = sum(labels.of(i) in (["lamp"], ["hub"]) for i in np.flatnonzero(found.queries.kind))
    assert counted["children", "box", "self", "nothing relevant"] >= leaves
    metrics = rows_of(found, GIVEN).metrics
    boxes = len(found.queries) - 32
    for row in metrics:
        if key(row)[:4] == ("hierarchical_recall", "children", "box", "self"):
            out = sum(n for (f, o, e, _), n in counted.items() if (f, o, e) == key(row)[1:4])
            assert row["queries"] == boxes - out
        if row["metric"] == "same_class_precision" and row["find"] == "parents":
            assert row["queries"] == boxes - 1  # all that have a label
        if row["metric"] == "ot_path":
            assert row["queries"] <= 5


def test_bands_hold_the_distances_of_orders(found):
    made = rows_of(found, GIVEN)
    bands = {(r["of"], r["exclude"], r["k"]): r for r in made.tables["orders"]}
    assert len(bands) == 8
    rows = [row for row in made.metrics if row["metric"] == "ot_index"]
    for row in rows:
        band = bands[row["of"], row["exclude"], row["k"]]
        assert band["orders"] == 8
        assert 0 < band["min"] <= band["median"] <= band["max"] < 6


def test_class_table(found):
    rows = tables.class_table(found.queries, found.candidates, found.classes)
    counts = [row["candidate_boxes"] for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert rows[0]["class"] == "lamp"
    assert {row["class"] for row in rows} == {*NAMES, "ant"}
    by_class = {row["class"]: row for row in rows}
    assert by_class["ant"] == {
        "class": "ant", "candidate_boxes": 1, "candidate_images": 1, "query_boxes": 1,
        "query_images": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("order", "first"), [("name", "bus"), ("frequency", "lamp")])
def test_orders_of_classes(found, order, first):
    assert parts.class_order(found, plan(order=order))[0] == first
    listed = tuple(reversed(NAMES)) + ("unused",)
    assert parts.class_order(found, plan(listed=listed)) == NAMES[::-1]


def test_rankings_that_nothing_is_said_of_are_not_made(found, monkeypatch):
    """Boxes of classes that have none below them: without their scores all rows are the same."""
    made = []

    def search(judge, ground):
        whole = np.random.default_rng(1).random(
            (len(judge.direction.queries), len(judge.direction.candidates))
        )

        def scores(rows):
            made.append(len(rows))
            return whole[rows]

        return outcome.of_scores(judge, ground, scores, batch_size=16, tick=lambda done: None)

    def metrics():
        done = parts.outcomes(found, GIVEN, search)
        return report.metrics(found, GIVEN, done, None, {})

    few = metrics()
    asked, made[:] = sum(made), []
    monkeypatch.setattr(Judge, "ranked", lambda self, rows: np.array(rows))
    assert few == metrics()
    assert asked < sum(made) - 20
