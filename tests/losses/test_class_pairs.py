"""Prototypes, moving averages and distances of pairs of classes, by hand and by loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hiertools.kernels.pair_errors import distances
from hiertools.losses import class_pairs, prototypes
from tests.losses.class_outputs import averages, ordered_pairs, outputs, vectors


def test_a_prototype_is_the_mean_of_unit_vectors():
    z = torch.tensor([[2.0, 0], [0, 0.5], [3, 4], [0, 0]], dtype=torch.float64)
    classes, means = prototypes.means(z, torch.tensor([7, 7, 2, 0]))
    assert classes.tolist() == [0, 2, 7]
    np.testing.assert_allclose(means, [[0, 0], [0.6, 0.8], [0.5, 0.5]])


def test_prototypes_are_what_loops_give():
    for seed in range(3):
        given = outputs(seed)
        classes, means = prototypes.means(given.embeddings, given.labels)
        expected = vectors(given, "prototype")
        assert classes.tolist() == [c for c, _, _ in expected]
        np.testing.assert_allclose(means, np.stack([v for _, v, _ in expected]), rtol=1e-12)


def test_averages_move_to_the_prototypes_of_a_batch():
    kept = torch.tensor([[0.2, 0.4], [0.0, 0.0], [0.6, -0.6]], dtype=torch.float64)
    z = torch.tensor([[5.0, 0], [0, 2]], dtype=torch.float64)
    found = prototypes.moved(kept, z, torch.tensor([0, 1]), momentum=0.75)
    np.testing.assert_allclose(found, [[0.4, 0.3], [0, 1], [0.6, -0.6]])
    again = prototypes.moved(kept, z[:0], torch.tensor([], dtype=torch.int64), momentum=0.75)
    np.testing.assert_array_equal(again, kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("form", "average"), [("prototype", 0.0), ("prototype", 0.5),
                                               ("sample", 0.0), ("head", 0.0)])  # fmt: skip
def test_pairs_are_the_ordered_pairs_of_distinct_classes(form, average, dtype):
    for seed in range(3):
        given = outputs(seed, dtype=dtype)
        given = replace(given, averages=averages(given))
        found = class_pairs.pairs(given, form=form, average=average)
        expected: dict[tuple[int, int], list[float]] = {}
        for i, j, distance in ordered_pairs(given, form, bool(average)):
            expected.setdefault((i, j), []).append(distance)
        met: dict[tuple[int, int], list[float]] = {}
        rows, columns = (
            range(len(given.rows)) if each is None else each.tolist()
            for each in (found.rows, found.columns)
        )
        for row, i in enumerate(rows):
            for column, j in enumerate(columns):
                count, distance = (
                    float(t[row, column]) for t in (found.counts, distances(found.x, found.y))
                )
                for way in {1.0: [(i, j)], 2.0: [(i, j), (j, i)], 0.0: []}[count]:
                    met.setdefault(way, []).append(distance)
        assert met.keys() == expected.keys()
        for way, values in expected.items():
            np.testing.assert_allclose(sorted(met[way]), sorted(values), rtol=1e-5)


def test_without_a_momentum_averages_play_no_part():
    given = outputs(0)
    without = class_pairs.pairs(given, form="prototype", average=0.5)
    given = replace(given, averages=averages(given))
    ignored = class_pairs.pairs(given, form="prototype", average=0.0)
    torch.testing.assert_close(without.y, ignored.y)
    assert class_pairs.pairs(given, form="prototype", average=0.5).y.shape[0] == 8
