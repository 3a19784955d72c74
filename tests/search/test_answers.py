"""What is found among entities: probabilities, levels by themselves, and how it is reported."""

import numpy as np
import pytest
import torch

from hiertools.search.answers import LevelSearch, PathSearch
from hiertools.search.entity_indexing import of_model, zero_shot
from hiertools.search.entity_placing import EntityPlacer
from hiertools.search.level_sums import shifts
from hiertools.search.path_values import rated
from hiertools.search.placements import score_of, tree_of
from tests.search.entity_material import model_of
from tests.search.entity_trees import brute, points, score, space, tree
from tests.training.geography import Geography

CPU = torch.device("cpu")


@pytest.mark.parametrize("geometry", ["lorentz", "euclidean", "sphere"])
def test_flat_search_has_the_nearest_of_each_level(geometry):
    found, rate = tree(3, geometry=geometry), score("distance", geometry=geometry)
    queries = points(np.random.default_rng(5), 40, geometry)
    answers = LevelSearch(found, rate, least=5).answers(queries, 1.0)
    for level in range(found.depth):
        rows = np.arange(found.offsets[level], found.offsets[level + 1])
        rows = rows[~found.implicit[rows]]
        at = np.full(len(rows), level)
        values = np.stack(
            [rate.values(np.repeat(q[None], len(rows), 0), found.points[rows], at) for q in queries]
        )
        np.testing.assert_array_equal(answers.path[:, level], rows[values.argmax(1)])
        near = np.sort(np.exp(values), 1)[:, -5:]
        np.testing.assert_allclose(answers.path_probability[:, level], near[:, -1] / near.sum(1))
    assert (np.diff(answers.top_probability, axis=1) <= 0).all()


def test_log_probability_adds_the_sum_of_the_level():
    given = space(9, "log-probability")
    queries = points(np.random.default_rng(2), 3, "lorentz")
    found = shifts(given, queries)
    for level in range(4):
        rows = np.arange(given.tree.offsets[level], given.tree.offsets[level + 1])
        rows = rows[~given.tree.implicit[rows]]
        at = np.full(len(rows), level)
        for query, shift in zip(queries, found[:, level], strict=True):
            values = given.score.values(
                np.repeat(query[None], len(rows), 0), given.tree.points[rows], at
            )
            assert shift == pytest.approx(-np.log(np.exp(values).sum()), rel=1e-9)


def test_paths_are_reported_with_scores_of_brute_force():
    given = space(12)
    queries = points(np.random.default_rng(4), 5, "lorentz")
    search = PathSearch(given.tree, given.score, width=10_000, least=3, device=CPU)
    found = search.paths(queries)
    truth = brute(given, queries, np.zeros((5, 4)))
    for rows, scores, (leaves, wanted) in zip(found.rows, found.scores, truth, strict=True):
        np.testing.assert_array_equal(rows[: len(leaves), -1], leaves)
        np.testing.assert_allclose(scores[: len(leaves)], wanted, rtol=1e-12)
        assert (scores[len(leaves) :] == -np.inf).all()
    answers = search.answers(queries, 2.0)
    total = [np.exp(wanted / 2) / np.exp(wanted / 2).sum() for _, wanted in truth]
    for row, wanted in enumerate(total):
        np.testing.assert_allclose(answers.top_probability[row, : len(wanted)], wanted, atol=1e-12)
        path, implicit = found.rows[row, 0], given.tree.implicit[found.rows[row, 0]]
        np.testing.assert_array_equal(answers.path[row], np.where(implicit, -1, path))
        assert not given.tree.implicit[answers.top[row][answers.top[row] >= 0]].any()


def test_an_entity_is_as_near_as_its_model_says():
    """The index of a model, and images placed in it, are the points of the model itself."""
    world = Geography(missing=0.3)
    model = model_of(world.entities)
    index = of_model(world.entities, "e", model, "m")
    from hiertools.models.geo import of_weights
    from hiertools.models.geo_inputs import entity_inputs

    network = of_weights(model.weights, model.meta).eval()
    tangents = network.entity_tangents(entity_inputs(world.entities, model.meta))
    np.testing.assert_allclose(
        index.points, torch.cat([network.points(t) for t in tangents]), rtol=1e-5
    )
    named = [
        torch.from_numpy(m)
        for m in np.split(~world.entities.implicit, world.entities.offsets[1:-1])
    ]
    shared = network.shared(tangents, named)
    assert index.named() == [int(mask.sum()) for mask in named]
    for (keys, values), *made in zip(
        index.keys_and_values(), shared.keys, shared.values, strict=True
    ):
        for found, wanted in zip((keys, values), made, strict=True):
            np.testing.assert_array_equal(found, wanted, strict=True)
    wanted = network.images(torch.from_numpy(world.vectors[:9]), shared)
    placer = EntityPlacer(index, device=CPU)
    found = placer.place(world.vectors[:9])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    alone = [placer.place(world.vectors[[row]])[0] for row in range(9)]
    np.testing.assert_array_equal(found, alone)


def test_zero_shot_is_the_cosine_to_mean_images():
    world = Geography(nuisance=0.5)
    index = zero_shot(world.entities, "e")
    assert not index.keys.size
    assert not index.values.size
    rate = score_of(index, "ip")
    search = PathSearch(tree_of(index), rate, width=10_000, least=1, device=CPU)
    found = search.paths(EntityPlacer(index, device=CPU).place(world.vectors))
    unit = world.vectors / np.linalg.norm(world.vectors, axis=1, keepdims=True)
    cosines = np.concatenate(
        [unit @ world.entities.prototypes(level, without=None).T for level in range(3)], 1
    )
    leaves = np.arange(*world.entities.offsets[-2:])
    mean = cosines[:, rated(tree_of(index), rate).tree.paths(leaves)].mean(-1)
    np.testing.assert_allclose(found.scores[:, 0], mean.max(1), atol=1e-6)
    np.testing.assert_array_equal(found.rows[:, 0, -1], leaves[mean.argmax(1)])
