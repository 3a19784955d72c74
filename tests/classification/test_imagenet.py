"""The paper's rule on ImageNet's thousand classes, where WordNet is beside the project."""

from pathlib import Path

import numpy as np
import pytest

from hiertools import class_graph, taxonomy, wordnet
from hiertools.classification import mixing
from hiertools.files.inputs import Source

DATA = Path(__file__).resolve().parents[3] / "shared/data/wordnet"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")


@pytest.fixture(scope="module")
def weights():
    """Omega of the classes by their path distances, with the paper's decay."""
    name = "imagenet_synsets.txt"
    classes, names = wordnet.class_list((DATA / name).read_text().splitlines(), name)
    graph = wordnet.graph(wordnet.read_nouns(Source(DATA / "data.noun")), classes, names, name=name)
    tree = class_graph.assemble(graph, root=None, prune=False, distance="path", source={})
    found = taxonomy.of_hierarchy(tree, classes=None, distance=None)
    return mixing.weights(found.distances, 0.3)


def test_omega_is_nearly_flat(weights):
    assert np.diag(weights).mean() == pytest.approx(0.028, abs=5e-4)
    perplexity = np.exp(-(weights * np.log(weights)).sum(1))
    assert perplexity.mean() == pytest.approx(557, abs=1)


def test_the_first_class_can_change_only_where_two_are_nearer_than_048(weights):
    refined = mixing.refining(weights, influence=0.3, steps=1)
    assert refined.least_gap == pytest.approx(0.048, abs=5e-4)
    rng = np.random.default_rng(0)
    p = np.zeros((4_000, 1000))
    pair = np.argsort(rng.random((4_000, 1000)), 1)[:, :2]
    gap = rng.uniform(0, 0.1, 4_000)
    rows = np.arange(4_000)
    p[rows, pair[:, 0]], p[rows, pair[:, 1]] = (1 + gap) / 2, (1 - gap) / 2
    changed = (p @ refined.matrix.T).argmax(1) != pair[:, 0]
    assert 0 < changed.mean() < 0.5
    assert gap[changed].max() < refined.least_gap


def test_a_hundred_steps_leave_nothing_of_the_image(weights):
    assert mixing.refining(weights, influence=0.3, steps=1).kept == pytest.approx(0.78, abs=1e-3)
    assert mixing.refining(weights, influence=0.3, steps=100).kept < 2 / 1000
    assert mixing.walking(weights, restart=0.9).kept > 0.1
