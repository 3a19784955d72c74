"""The geo model: shapes, what a level's attention sees, chunks, folds, the way through a file."""

import math

import numpy as np
import pytest
import torch

from hiertools.geometry import lorentz
from hiertools.geometry.names import GEOMETRIES
from hiertools.models import geo, geo_inputs, location
from hiertools.models.dropout import Dropout
from hiertools.models.geo import GeoModel, Shape, of_weights
from hiertools.models.geo_inputs import EntityInputs

OFFSETS = np.array([0, 3, 8, 20])
META = {"levels": ["a", "b", "c"], "features": 6, "dimension": 8, "hidden": 10, "heads": 2}


def inputs(seed=0, folds=2, **more):
    rng = np.random.default_rng(seed)
    given = {
        "offsets": OFFSETS,
        "folds": folds,
        "sums": rng.normal(size=(20 * folds, 6)).astype(np.float32),
        "without_mean": np.zeros(20, bool),
        "text": rng.normal(size=(20, 4)).astype(np.float32),
        "location": rng.normal(size=(20, 5)).astype(np.float32),
    }
    return EntityInputs(**{**given, **more})


def model(geometry="lorentz", *, anchor="manifold", attention=True, c=1.25, nodes=20, width=15):
    shape = Shape(geometry, c, 6, 8, 10, 3, 2, attention, anchor, nodes, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GeoModel(shape, anchor_scale=0.01, alpha=8**-0.5).requires_grad_(False)


def all_used(rows):
    return [torch.ones(len(level), dtype=torch.bool) for level in rows]


@pytest.mark.parametrize("anchor", ["manifold", "tangent"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("attention", [True, False])
def test_a_model_comes_back_from_its_weights(geometry, anchor, attention):
    made = model(geometry, anchor=anchor, attention=attention)
    meta = {**META, "geometry": geometry, "c": 1.25, "attention": attention, "anchor": anchor}
    found = of_weights(made.weights(), meta)
    features = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    outputs = []
    for each in (made, found):
        tangents = each.entity_tangents(inputs())
        assert [len(level) for level in tangents] == [3, 5, 12]
        shared = each.shared(tangents, all_used(tangents))
        outputs.append([*map(each.points, tangents), each.images(features, shared)])
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    queries = of_weights(made.weights(images_only=True), meta)
    assert queries.entity is None
    shared = queries.shared(tangents, all_used(tangents))
    torch.testing.assert_close(queries.images(features, shared), outputs[0][-1], rtol=0, atol=0)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_anchors_are_small_normal_vectors_and_points_of_the_manifold(geometry):
    made = model(geometry, nodes=4000, c=2.0)
    tangents = made.anchor_tangents()
    assert tangents.shape == (4000, 8)
    np.testing.assert_allclose(tangents.std(), 0.01, rtol=0.02)
    np.testing.assert_allclose(tangents.mean(), 0, atol=2e-4)
    anchors = made.entity.anchors.double()
    if geometry == "lorentz":
        inner = -(anchors[:, 0] ** 2) + (anchors[:, 1:] ** 2).sum(1)
        np.testing.assert_allclose(inner, -0.5, rtol=1e-6)
    if geometry == "sphere":
        np.testing.assert_allclose(anchors.norm(dim=1), 1, rtol=1e-6)


def test_an_entity_is_its_anchor_and_alpha_times_the_update():
    made = model()
    rows = inputs().rows(0, 20, without=None)
    entity = made.entity
    u = torch.nn.functional.gelu(entity.first(rows))
    u = torch.nn.functional.gelu(entity.second(u))
    delta = entity.delta(entity.third(u))
    v = lorentz.log(entity.anchors[:, 1:], 1.25) + 8**-0.5 * delta
    length = v.norm(dim=1, keepdim=True)
    m = 4 / 1.25**0.5
    expected = v * m * torch.tanh(length / m) / length
    torch.testing.assert_close(torch.cat(made.entity_tangents(inputs())), expected)


def test_the_cap_leaves_short_vectors_and_stops_long_ones():
    made = model()
    assert made.cap == pytest.approx(4 / math.sqrt(1.25))
    v = torch.tensor([[0.0] * 8, [1e-3] * 8, [1e3] * 8])
    capped = made.capped(v)
    torch.testing.assert_close(capped[:2], v[:2])
    torch.testing.assert_close(capped[2].norm(), torch.tensor(made.cap))
    assert model("sphere").cap == pytest.approx(math.pi / math.sqrt(1.25))
    torch.testing.assert_close(model("euclidean").capped(v), v)


def test_attention_is_softmax_over_the_entities_that_have_a_name():
    made = model()
    tangents = made.entity_tangents(inputs())
    used = all_used(tangents)
    used[2][4:7] = False
    features = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    found = made.image_tangents(features, made.shared(tangents, used))
    unit = 6**0.5 * features / features.norm(dim=1, keepdim=True)
    image = made.image
    z = image.alpha * image.delta(image.second(torch.nn.functional.gelu(image.first(unit))))
    contexts = []
    for block, rows, mask in zip(image.attention, tangents, used, strict=True):
        query, key, value = block.query(z), block.key(rows[mask]), block.value(rows[mask])
        heads = []
        for h in (slice(0, 4), slice(4, 8)):
            p = torch.softmax(query[:, h] @ key[:, h].T / 2, 1)
            heads.append(p @ value[:, h])
        contexts.append(block.out(torch.cat(heads, 1)))
    fused = torch.nn.functional.gelu(image.fuse_first(torch.cat(contexts, 1)))
    torch.testing.assert_close(found, z + image.fuse_second(fused))


@pytest.mark.parametrize("factor", [2.0**-110, 2.0**-80, 2.0**80, 2.0**110])
def test_lengths_of_embeddings_do_not_matter(factor):
    made = model(attention=False)
    features = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(made.images(factor * features, None), made.images(features, None))


def test_images_do_not_see_each_other():
    made = model()
    tangents = made.entity_tangents(inputs())
    shared = made.shared(tangents, all_used(tangents))
    features = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    whole = made.images(features, shared)
    torch.testing.assert_close(made.images(features[3:5], shared), whole[3:5])
    torch.testing.assert_close(made.images(7 * features, shared), whole)


def test_a_chunk_of_entities_is_a_part_of_all(monkeypatch):
    made = model()
    whole = torch.cat(made.entity_tangents(inputs()))
    monkeypatch.setattr(geo, "ROWS_AT_ONCE", 7)
    torch.testing.assert_close(torch.cat(made.entity_tangents(inputs())), whole)


def test_entities_do_not_know_the_fold_that_is_left_out():
    one, other = inputs(), inputs()
    other.sums[:20] += 1  # the first fold
    for fold, same in ((0, True), (1, False), (None, False)):
        equal = torch.equal(one.rows(0, 20, without=fold), other.rows(0, 20, without=fold))
        assert equal == same


def test_prototypes_are_unit_means_of_root_mean_square_one():
    made = inputs(text=None, location=None)
    made.sums[5] = made.sums[25] = 0
    made.without_mean[7] = True
    rows = made.rows(0, 20, without=None).double()
    total = made.sums[:20] + made.sums[20:]
    expected = 6**0.5 * total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    expected[[5, 7]] = 0
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    assert made.width == 6


def test_sphere_m_plus_by_hand():
    lat, lon = np.array([10.0, -80.0]), np.array([-170.0, 30.0])
    found = location.features(lat, lon, scales=3, r_min=1e-3, r_max=1.0)
    assert found.shape == (2, location.width(3))
    for row in range(2):
        phi, lam = math.radians(lat[row]), math.radians(lon[row])
        expected = []
        for t in (1e-3, 10**-1.5, 1.0):
            p, q = phi / t, lam / t
            expected += [math.sin(p), math.cos(p), math.sin(q), math.cos(q)]
            expected += [math.cos(p) * math.cos(lam), math.cos(phi) * math.cos(q)]
            expected += [math.cos(p) * math.sin(lam), math.cos(phi) * math.sin(q)]
        np.testing.assert_allclose(found[row], expected, atol=1e-6)
    one = location.features(lat, lon, scales=1, r_min=0.5, r_max=1.0)
    np.testing.assert_allclose(one[:, 0], np.sin(np.radians(lat) / 0.5), atol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_is_a_function_of_seed_layer_and_row(rate):
    x = torch.ones(3000, 12)
    whole = Dropout(rate, (5, 7))(x, 0)
    np.testing.assert_allclose((whole == 0).float().mean(), rate, atol=0.01)
    np.testing.assert_allclose(whole.mean(), 1, atol=0.01)
    assert whole.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-4)
    part = Dropout(rate, (5, 7), first=900)(x[900:1200], 0)
    torch.testing.assert_close(part, whole[900:1200], rtol=0, atol=0)
    for other in (Dropout(rate, (5, 8))(x, 0), Dropout(rate, (5, 7))(x, 1)):
        assert 0 < (other != whole).float().mean() < 1
    assert Dropout(0.0, (1,))(x, 0) is x


def test_text_and_images_are_scaled_alike():
    rows = np.array([[3.0, 4.0], [0, 0], [1e-3, 0]], np.float32)
    found = geo_inputs.scaled(rows)
    root = 2**0.5
    np.testing.assert_allclose(found, [[0.6 * root, 0.8 * root], [0, 0], [root, 0]], rtol=1e-6)
